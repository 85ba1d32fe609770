/* The memory tier: a hash table with chains, and every entry in two lists.
 *
 * `used` is in order of use, `aged` in order of put; as all entries live equally long, the front of `aged` is
 * the next to expire. Making room takes what has expired first, then what was used longest ago.
 * Invariants: under the mutex an entry is in its chain and in both lists, or in none; count ≤ max_entries.
 * Entries and results are freed after the mutex has been let go. */
#include "cache/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

struct entry {
    struct list used;
    struct list aged;
    struct entry *next; /* in the chain; in a list of dropped ones */
    uint8_t key[DIGEST_BYTES];
    uint64_t expires_ns;
    struct result *result;
};

struct cache {
    pthread_mutex_t mutex;
    uint64_t max_entries, ttl_ms;
    uint64_t count;
    uint64_t mask; /* chains - 1; chains are a power of two ≥ max_entries */
    struct entry **chain;
    struct list used; /* front: used last */
    struct list aged; /* front: put longest ago */
};

struct cache *cache_new(uint64_t max_entries, uint64_t ttl_ms)
{
    struct cache *c = NEW(struct cache);
    uint64_t chains = 1;
    while (chains < max_entries)
        chains *= 2;
    c->max_entries = max_entries;
    c->ttl_ms = ttl_ms;
    c->mask = chains - 1;
    c->chain = mem_zalloc(chains * sizeof(*c->chain));
    list_init(&c->used);
    list_init(&c->aged);
    pthread_mutex_init(&c->mutex, NULL);
    return c;
}

/* Where the pointer to the key's entry is, or would be. The key is a digest: any eight bytes spread well. */
static struct entry **find(struct cache *c, const uint8_t *key)
{
    uint64_t hash;
    memcpy(&hash, key, sizeof(hash));
    struct entry **at = &c->chain[hash & c->mask];
    while (*at && memcmp((*at)->key, key, DIGEST_BYTES) != 0)
        at = &(*at)->next;
    return at;
}

/* Takes the entry at *at out of everything and puts it on the list of dropped ones. */
static void drop(struct cache *c, struct entry **at, struct entry **dropped)
{
    struct entry *e = *at;
    CHECK(e);
    *at = e->next;
    list_remove(&e->used);
    list_remove(&e->aged);
    c->count--;
    e->next = *dropped;
    *dropped = e;
}

static void free_dropped(struct entry *e)
{
    while (e) {
        struct entry *next = e->next;
        result_unref(e->result);
        free(e);
        e = next;
    }
}

/* Drops at most `most` expired entries. */
static void expire(struct cache *c, uint64_t now_ns, uint64_t most, struct entry **dropped)
{
    while (most-- > 0 && !list_empty(&c->aged)) {
        struct entry *oldest = CONTAINER_OF(c->aged.next, struct entry, aged);
        if (oldest->expires_ns > now_ns)
            break;
        drop(c, find(c, oldest->key), dropped);
    }
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    struct entry *dropped = NULL;
    expire(c, UINT64_MAX, UINT64_MAX, &dropped);
    CHECK(c->count == 0);
    free_dropped(dropped);
    pthread_mutex_destroy(&c->mutex);
    free(c->chain);
    free(c);
}

struct result *cache_get(struct cache *c, const uint8_t key[static DIGEST_BYTES], uint64_t now_ns)
{
    struct entry *dropped = NULL;
    struct result *found = NULL;
    pthread_mutex_lock(&c->mutex);
    struct entry **at = find(c, key);
    if (*at && (*at)->expires_ns <= now_ns) {
        drop(c, at, &dropped);
    } else if (*at) {
        list_remove(&(*at)->used);
        list_push_front(&c->used, &(*at)->used);
        found = result_ref((*at)->result);
    }
    pthread_mutex_unlock(&c->mutex);
    free_dropped(dropped);
    return found;
}

static uint64_t expiry(const struct cache *c, uint64_t now_ns)
{
    uint64_t at;
    bool beyond =
        c->ttl_ms > UINT64_MAX / NS_PER_MS || __builtin_add_overflow(now_ns, c->ttl_ms * NS_PER_MS, &at);
    return beyond ? UINT64_MAX : at;
}

void cache_put(struct cache *c, const uint8_t key[static DIGEST_BYTES], struct result *r, uint64_t now_ns)
{
    if (c->max_entries == 0 || c->ttl_ms == 0)
        return;
    struct entry *dropped = NULL;
    struct entry *e = NEW(struct entry);
    memcpy(e->key, key, DIGEST_BYTES);
    e->result = result_ref(r);
    e->expires_ns = expiry(c, now_ns);
    pthread_mutex_lock(&c->mutex);
    struct entry **at = find(c, key);
    if (*at)
        drop(c, at, &dropped);
    expire(c, now_ns, 2, &dropped); /* two for each one put: they never pile up */
    if (c->count == c->max_entries)
        drop(c, find(c, CONTAINER_OF(c->used.prev, struct entry, used)->key), &dropped);
    at = find(c, key);
    e->next = *at; /* NULL: the end of the chain */
    *at = e;
    list_push_front(&c->used, &e->used);
    list_push_back(&c->aged, &e->aged);
    c->count++;
    pthread_mutex_unlock(&c->mutex);
    free_dropped(dropped);
}

bool cache_remove(struct cache *c, const uint8_t key[static DIGEST_BYTES])
{
    struct entry *dropped = NULL;
    pthread_mutex_lock(&c->mutex);
    struct entry **at = find(c, key);
    if (*at)
        drop(c, at, &dropped);
    pthread_mutex_unlock(&c->mutex);
    bool found = dropped != NULL;
    free_dropped(dropped);
    return found;
}

uint64_t cache_size(struct cache *c, uint64_t now_ns)
{
    struct entry *dropped = NULL;
    pthread_mutex_lock(&c->mutex);
    expire(c, now_ns, UINT64_MAX, &dropped);
    uint64_t count = c->count;
    pthread_mutex_unlock(&c->mutex);
    free_dropped(dropped);
    return count;
}

uint64_t cache_max_size(const struct cache *c)
{
    return c->max_entries;
}

uint64_t cache_ttl_ms(const struct cache *c)
{
    return c->ttl_ms;
}
