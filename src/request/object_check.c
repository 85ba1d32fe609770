/* Happy path: a hit is old enough; whoever moves its `checked_ms` first sends a message to the core, where
 * the objects are asked for one after the other. Failure modes: an object is gone: the result is marked, so
 * that it is no hit under its other keys either, and leaves the cache, unless another one has taken its place
 * meanwhile; the store does not answer: looked at again after the interval. Invariants: `running` counts a
 * check from before its message is sent until it is freed, so whoever waits for zero waits for all of them.
 */
#include "request/object_check.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct object_checks {
    struct object_checks_config config;
    atomic_uint running;
};

struct check {
    struct message mail;
    struct object_checks *all;
    struct result *result;
    uint8_t key[DIGEST_BYTES];
    unsigned next; /* of its outputs */
    struct store_get head;
};

struct object_checks *object_checks_new(const struct object_checks_config *config)
{
    if (config->after_ms == 0 || config->most == 0)
        return NULL;
    struct object_checks *c = NEW(struct object_checks);
    c->config = *config;
    atomic_init(&c->running, 0);
    return c;
}

void object_checks_free(struct object_checks *c)
{
    if (!c)
        return;
    CHECK(object_checks_running(c) == 0);
    free(c);
}

unsigned object_checks_running(const struct object_checks *c)
{
    return c ? atomic_load(&c->running) : 0;
}

static void end_check(struct check *k)
{
    struct object_checks *all = k->all;
    result_unref(k->result);
    free(k);
    atomic_fetch_sub(&all->running, 1);
}

/* Puts happen on this thread: between the look and the removal nothing takes its place. */
static void forget(struct check *k)
{
    struct cache *cache = k->all->config.cache;
    atomic_store(&k->result->gone, true);
    struct result *now = cache_get(cache, k->key, loop_now_ns(k->all->config.loop));
    bool removed = now == k->result && cache_remove(cache, k->key);
    result_unref(now);
    shared_remove(k->all->config.shared, k->key);
    LOG(LOG_WARN, "a remembered result is not in the store any more",
        F_STR("key", k->result->output[k->next].key), F_INT("removed", removed));
}

static void ask_next(struct check *k);

static void asked(struct op *op)
{
    struct check *k = op->owner;
    if (op->result == -ERR_NOT_FOUND) {
        forget(k);
        end_check(k);
        return;
    }
    k->next++;
    if (op->result == 0 && k->next < k->result->output_count)
        ask_next(k);
    else
        end_check(k);
}

static void ask_next(struct check *k)
{
    k->head = (struct store_get){.name = k->result->output[k->next].key};
    k->head.op.owner = k;
    store_head_start(k->all->config.store, &k->head, asked);
}

static void on_core(struct message *m)
{
    ask_next(CONTAINER_OF(m, struct check, mail));
}

/* Of all that see it at once, one checks it. */
static bool is_due(const struct object_checks *c, struct result *r, uint64_t now_ms)
{
    uint64_t last = atomic_load_explicit(&r->checked_ms, memory_order_relaxed);
    uint64_t since = MAX(last, r->made_ms);
    return now_ms > since && now_ms - since >= c->config.after_ms &&
           atomic_compare_exchange_strong(&r->checked_ms, &last, now_ms);
}

void object_check_hit(struct object_checks *c, const uint8_t key[static DIGEST_BYTES], struct result *r)
{
    if (!c || r->output_count == 0 || !is_due(c, r, clock_wall_ms()))
        return;
    if (atomic_fetch_add(&c->running, 1) >= c->config.most) {
        atomic_fetch_sub(&c->running, 1);
        return;
    }
    struct check *k = NEW(struct check);
    k->all = c;
    k->result = result_ref(r);
    memcpy(k->key, key, DIGEST_BYTES);
    loop_post(c->config.loop, &k->mail, on_core);
}
