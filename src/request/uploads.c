/* A hash table with chains, and every picture in a list by its last use.
 *
 * Happy path: keep finds the picture there already and only moves it to the front; a new one makes room from
 * the end of the list. Invariants: under the mutex a picture is in its chain and in the list, or in neither;
 * bytes and count are those of the list, and within their bounds. Bodies are let go of after the mutex. */
#include "request/uploads.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"

struct upload {
    struct list used;
    struct upload *next; /* in the chain; in a list of dropped ones */
    uint8_t name[DIGEST_BYTES];
    uint64_t used_ns;
    struct body *body;
};

struct uploads {
    pthread_mutex_t mutex;
    struct uploads_config config;
    uint64_t count, bytes;
    uint64_t mask; /* chains - 1 */
    struct upload **chain;
    struct list used; /* front: used last */
};

struct uploads *uploads_new(const struct uploads_config *config)
{
    if (config->bytes_max == 0 || config->count_max == 0 || config->keep_ns == 0)
        return NULL;
    struct uploads *u = NEW(struct uploads);
    uint64_t chains = 1;
    while (chains < config->count_max)
        chains *= 2;
    u->config = *config;
    u->mask = chains - 1;
    u->chain = mem_zalloc(chains * sizeof(struct upload *));
    list_init(&u->used);
    pthread_mutex_init(&u->mutex, NULL);
    return u;
}

/* Everybody's pictures go by their digest, a tenant's by one over both. */
static void name_of(const char *tenant, const uint8_t *digest, uint8_t ret[static DIGEST_BYTES])
{
    if (!tenant) {
        memcpy(ret, digest, DIGEST_BYTES);
        return;
    }
    struct digest d;
    digest_init(&d);
    digest_update(&d, tenant, strlen(tenant) + 1);
    digest_update(&d, digest, DIGEST_BYTES);
    digest_final(&d, ret);
}

/* Where the pointer to it is, or would be. */
static struct upload **find(struct uploads *u, const uint8_t *name)
{
    uint64_t hash;
    memcpy(&hash, name, sizeof(hash));
    struct upload **at = &u->chain[hash & u->mask];
    while (*at && memcmp((*at)->name, name, DIGEST_BYTES) != 0)
        at = &(*at)->next;
    return at;
}

static void drop(struct uploads *u, struct upload **at, struct upload **dropped)
{
    struct upload *p = *at;
    CHECK(p);
    *at = p->next;
    list_remove(&p->used);
    u->count--;
    u->bytes -= body_size(p->body);
    p->next = *dropped;
    *dropped = p;
}

static struct upload *oldest(struct uploads *u)
{
    return list_empty(&u->used) ? NULL : CONTAINER_OF(u->used.prev, struct upload, used);
}

static void expire(struct uploads *u, uint64_t now_ns, struct upload **dropped)
{
    struct upload *p;
    while ((p = oldest(u)) && now_ns >= p->used_ns && now_ns - p->used_ns >= u->config.keep_ns)
        drop(u, find(u, p->name), dropped);
}

static void free_dropped(struct upload *p)
{
    while (p) {
        struct upload *next = p->next;
        body_unref(p->body);
        free(p);
        p = next;
    }
}

void uploads_free(struct uploads *u)
{
    if (!u)
        return;
    struct upload *dropped = NULL;
    while (u->count > 0)
        drop(u, find(u, oldest(u)->name), &dropped);
    free_dropped(dropped);
    pthread_mutex_destroy(&u->mutex);
    free(u->chain);
    free(u);
}

static void touch(struct uploads *u, struct upload *p, uint64_t now_ns)
{
    p->used_ns = now_ns;
    list_remove(&p->used);
    list_push_front(&u->used, &p->used);
}

static void add(struct uploads *u, const uint8_t *name, struct body *b, uint64_t now_ns,
                struct upload **dropped)
{
    while (u->count == u->config.count_max || u->bytes + body_size(b) > u->config.bytes_max)
        drop(u, find(u, oldest(u)->name), dropped);
    struct upload *p = NEW(struct upload);
    memcpy(p->name, name, DIGEST_BYTES);
    p->body = body_ref(b);
    struct upload **at = find(u, name);
    p->next = *at; /* NULL: the end of the chain */
    *at = p;
    u->count++;
    u->bytes += body_size(b);
    touch(u, p, now_ns);
}

void uploads_keep(struct uploads *u, const char *tenant, struct body *b, uint64_t now_ns)
{
    if (!u || body_size(b) == 0 || body_size(b) > u->config.bytes_max)
        return;
    uint8_t name[DIGEST_BYTES];
    name_of(tenant, body_digest(b), name);
    struct upload *dropped = NULL;
    pthread_mutex_lock(&u->mutex);
    expire(u, now_ns, &dropped);
    struct upload **at = find(u, name);
    if (*at)
        touch(u, *at, now_ns);
    else
        add(u, name, b, now_ns, &dropped);
    pthread_mutex_unlock(&u->mutex);
    free_dropped(dropped);
}

struct body *uploads_get(struct uploads *u, const char *tenant, const uint8_t digest[static DIGEST_BYTES],
                         uint64_t now_ns)
{
    if (!u)
        return NULL;
    uint8_t name[DIGEST_BYTES];
    name_of(tenant, digest, name);
    struct upload *dropped = NULL;
    struct body *found = NULL;
    pthread_mutex_lock(&u->mutex);
    expire(u, now_ns, &dropped);
    struct upload *p = *find(u, name);
    if (p) {
        touch(u, p, now_ns);
        found = body_ref(p->body);
    }
    pthread_mutex_unlock(&u->mutex);
    free_dropped(dropped);
    return found;
}

void uploads_expire(struct uploads *u, uint64_t now_ns)
{
    if (!u)
        return;
    struct upload *dropped = NULL;
    pthread_mutex_lock(&u->mutex);
    expire(u, now_ns, &dropped);
    pthread_mutex_unlock(&u->mutex);
    free_dropped(dropped);
}

uint64_t uploads_count(struct uploads *u)
{
    pthread_mutex_lock(&u->mutex);
    uint64_t n = u->count;
    pthread_mutex_unlock(&u->mutex);
    return n;
}

uint64_t uploads_bytes(struct uploads *u)
{
    pthread_mutex_lock(&u->mutex);
    uint64_t n = u->bytes;
    pthread_mutex_unlock(&u->mutex);
    return n;
}
