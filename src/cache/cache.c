/* The memory tier: a hash table with chains, and every entry in two lists.
 *
 * `used` is in order of use, `aged` in order of put; as all entries of such a list live equally long, the
 * front of `aged` is the next to expire. Making room takes what has expired first, then what was used longest
 * ago. What was used since uses were taken last is in `touched` as well: a hit counts in its entry, and only
 * the first one links it. Invariants: under the mutex an entry is in its chain and in both lists, or in none;
 * count ≤ max_entries. Entries and results are freed after the mutex has been let go. */
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
    struct list touched; /* while uses of it are not taken */
    uint64_t hits;       /* that are not taken */
    struct entry *next;  /* in the chain; in a list of dropped ones */
    uint8_t key[DIGEST_BYTES];
    uint64_t expires_ns;
    uint64_t bytes; /* with the result */
    struct result *result;
};

struct cache {
    pthread_mutex_t mutex;
    uint64_t max_entries, ttl_ms;
    uint64_t count, bytes, evictions;
    uint64_t mask; /* chains - 1; chains are a power of two ≥ max_entries */
    struct entry **chain;
    struct list used;    /* front: used last */
    struct list aged[2]; /* front: put longest ago; [1]: those put with a shorter time to live */
    struct list touched;
    struct cache_waste wasted;
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
    list_init(&c->aged[0]);
    list_init(&c->aged[1]);
    list_init(&c->touched);
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
    list_remove(&e->touched);
    if (atomic_exchange_explicit(&e->result->ahead, false, memory_order_relaxed)) {
        c->wasted.results++;
        c->wasted.cost_nano += (uint64_t)MAX(e->result->cost_nano, INT64_C(0));
    }
    c->count--;
    c->bytes -= e->bytes;
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

/* Drops at most `most` expired entries of each list. */
static void expire(struct cache *c, uint64_t now_ns, uint64_t most, struct entry **dropped)
{
    for (size_t i = 0; i < ARRAY_LEN(c->aged); i++) {
        struct list *aged = &c->aged[i];
        for (uint64_t n = 0; n < most && !list_empty(aged); n++) {
            struct entry *oldest = CONTAINER_OF(aged->next, struct entry, aged);
            if (oldest->expires_ns > now_ns)
                break;
            drop(c, find(c, oldest->key), dropped);
        }
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

static void touch(struct cache *c, struct entry *e)
{
    if (!list_linked(&e->touched))
        list_push_back(&c->touched, &e->touched);
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
        (*at)->hits++;
        touch(c, *at);
        found = result_ref((*at)->result);
    }
    pthread_mutex_unlock(&c->mutex);
    free_dropped(dropped);
    return found;
}

static uint64_t expiry(uint64_t now_ns, uint64_t ttl_ms)
{
    uint64_t at;
    bool beyond = ttl_ms > UINT64_MAX / NS_PER_MS || __builtin_add_overflow(now_ns, ttl_ms * NS_PER_MS, &at);
    return beyond ? UINT64_MAX : at;
}

static struct entry *make_entry(const uint8_t *key, struct result *r, uint64_t now_ns, uint64_t ttl_ms)
{
    struct entry *e = NEW(struct entry);
    memcpy(e->key, key, DIGEST_BYTES);
    e->result = result_ref(r);
    e->expires_ns = expiry(now_ns, ttl_ms);
    e->bytes = sizeof(*e) + result_bytes(r);
    return e;
}

/* Into its chain and the list of age. */
static void link_entry(struct cache *c, struct entry *e, uint64_t ttl_ms)
{
    struct entry **at = find(c, e->key);
    e->next = *at; /* NULL: the end of the chain */
    *at = e;
    list_push_back(&c->aged[ttl_ms < c->ttl_ms], &e->aged);
    c->count++;
    c->bytes += e->bytes;
}

void cache_put(struct cache *c, const uint8_t key[static DIGEST_BYTES], struct result *r, uint64_t now_ns,
               uint64_t ttl_ms)
{
    ttl_ms = MIN(ttl_ms, c->ttl_ms);
    if (c->max_entries == 0 || ttl_ms == 0)
        return;
    struct entry *dropped = NULL;
    struct entry *e = make_entry(key, r, now_ns, ttl_ms);
    pthread_mutex_lock(&c->mutex);
    struct entry **at = find(c, key);
    if (*at)
        drop(c, at, &dropped);
    expire(c, now_ns, 2, &dropped); /* two for each one put: they never pile up */
    if (c->count == c->max_entries) {
        drop(c, find(c, CONTAINER_OF(c->used.prev, struct entry, used)->key), &dropped);
        c->evictions++;
    }
    link_entry(c, e, ttl_ms);
    list_push_front(&c->used, &e->used);
    touch(c, e);
    pthread_mutex_unlock(&c->mutex);
    free_dropped(dropped);
}

bool cache_fill(struct cache *c, const uint8_t key[static DIGEST_BYTES], struct result *r, uint64_t now_ns,
                uint64_t ttl_ms)
{
    ttl_ms = MIN(ttl_ms, c->ttl_ms);
    if (c->max_entries == 0 || ttl_ms == 0)
        return false;
    struct entry *e = make_entry(key, r, now_ns, ttl_ms);
    pthread_mutex_lock(&c->mutex);
    bool fits = !*find(c, key) && c->count < c->max_entries;
    if (fits) {
        link_entry(c, e, ttl_ms);
        list_push_back(&c->used, &e->used);
    }
    pthread_mutex_unlock(&c->mutex);
    if (!fits)
        free_dropped(e);
    return fits;
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

uint64_t cache_flush(struct cache *c)
{
    struct entry *dropped = NULL;
    pthread_mutex_lock(&c->mutex);
    uint64_t count = c->count;
    expire(c, UINT64_MAX, UINT64_MAX, &dropped);
    pthread_mutex_unlock(&c->mutex);
    free_dropped(dropped);
    return count;
}

unsigned cache_take_uses(struct cache *c, struct cache_use *ret, unsigned most)
{
    unsigned n = 0;
    pthread_mutex_lock(&c->mutex);
    for (struct list *node; n < most && (node = list_pop_front(&c->touched)); n++) {
        struct entry *e = CONTAINER_OF(node, struct entry, touched);
        memcpy(ret[n].key, e->key, DIGEST_BYTES);
        ret[n].result = result_ref(e->result);
        ret[n].hits = e->hits;
        e->hits = 0;
    }
    pthread_mutex_unlock(&c->mutex);
    return n;
}

struct cache_waste cache_take_wasted(struct cache *c)
{
    pthread_mutex_lock(&c->mutex);
    struct cache_waste waste = c->wasted;
    c->wasted = (struct cache_waste){0};
    pthread_mutex_unlock(&c->mutex);
    return waste;
}

void cache_stats(struct cache *c, uint64_t now_ns, struct cache_stats *ret)
{
    struct entry *dropped = NULL;
    pthread_mutex_lock(&c->mutex);
    expire(c, now_ns, UINT64_MAX, &dropped);
    *ret = (struct cache_stats){c->count, c->bytes, c->evictions};
    pthread_mutex_unlock(&c->mutex);
    free_dropped(dropped);
}

uint64_t cache_size(struct cache *c, uint64_t now_ns)
{
    struct cache_stats stats;
    cache_stats(c, now_ns, &stats);
    return stats.entries;
}

bool cache_remembers(const struct cache *c)
{
    return c->max_entries > 0 && c->ttl_ms > 0;
}

uint64_t cache_max_size(const struct cache *c)
{
    return c->max_entries;
}

uint64_t cache_ttl_ms(const struct cache *c)
{
    return c->ttl_ms;
}
