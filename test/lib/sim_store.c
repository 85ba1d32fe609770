/* A store whose puts do what the plan says, and which remembers names and sizes. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "sim.h"

struct sim_object {
    struct sim_object *next;
    char *key;
    uint64_t bytes;
};

struct sim_put {
    struct timer timer;
    struct sim *sim;
    struct store_put *put;
    struct sim_act act;
};

/* Where the object's pointer is, or would be. */
static struct sim_object **find(struct sim *sim, const char *key)
{
    uint32_t hash = 2166136261u;
    for (const char *p = key; *p; p++)
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    struct sim_object **at = &sim->objects[hash % SIM_OBJECT_CHAINS];
    while (*at && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

bool sim_store_has(struct sim *sim, const char *key, uint64_t bytes)
{
    const struct sim_object *o = *find(sim, key);
    return o && o->bytes == bytes;
}

static void keep(struct sim *sim, const struct store_put *put)
{
    struct sim_object **at = find(sim, put->key);
    SIM_CHECK(sim, !*at); /* names are never used twice */
    *at = NEW(struct sim_object);
    (*at)->key = mem_strdup(put->key);
    (*at)->bytes = put->body->size;
    sim->object_count++;
}

static void end_put(struct sim_put *s, bool stopped)
{
    struct sim *sim = s->sim;
    struct store_put *put = s->put;
    timer_disarm(&sim->world, &s->timer);
    sim->puts_running--;
    int result = 0;
    if (stopped)
        result = error_set(&put->err, ERR_CLIENT_GONE, "%s", "");
    else if (s->act.end == SIM_FAILS)
        result = error_set(&put->err, ERR_STORAGE_FULL, "as planned");
    else
        keep(sim, put);
    put->driver_state = NULL;
    free(s);
    op_complete(&put->op, result);
}

static void put_ends(struct timer *t)
{
    end_put(CONTAINER_OF(t, struct sim_put, timer), false);
}

static void put_stops(struct timer *t)
{
    end_put(CONTAINER_OF(t, struct sim_put, timer), true);
}

static void cancel_put(struct op *op)
{
    struct store_put *put = CONTAINER_OF(op, struct store_put, op);
    struct sim_put *s = put->driver_state;
    switch (s->act.cancel) {
    case SIM_STOPS_AT_ONCE:
        end_put(s, true);
        break;
    case SIM_STOPS_LATE:
        sim_arm(s->sim, &s->timer, s->act.cancel_ns, put_stops);
        break;
    case SIM_ENDS_ANYWAY:
        sim_arm(s->sim, &s->timer, s->act.cancel_ns, put_ends);
        break;
    case SIM_DEAF:
        SIM_CHECK(s->sim, s->timer.slot != 0);
        break;
    }
}

static void sim_store_put(struct store *store, struct store_put *put)
{
    struct sim *sim = CONTAINER_OF(store, struct sim, store);
    struct sim_act act = {0};
    sim->plan.put(sim, &act);
    sim->puts++;
    if (act.end == SIM_REFUSED) {
        store_refuse(&put->refusal, &put->op, &put->err, ERR_QUEUE_FULL, "as planned");
        return;
    }
    struct sim_put *s = NEW(struct sim_put);
    s->sim = sim;
    s->put = put;
    s->act = act;
    sim->puts_running++;
    put->driver_state = s;
    put->op.cancel = cancel_put;
    if (act.ns != SIM_NEVER)
        sim_arm(sim, &s->timer, act.ns, put_ends);
}

static void drop(struct sim *sim, struct sim_object **at)
{
    struct sim_object *o = *at;
    *at = o->next;
    free(o->key);
    free(o);
    sim->object_count--;
}

static int sim_store_remove(struct store *store, const char *key)
{
    struct sim *sim = CONTAINER_OF(store, struct sim, store);
    struct sim_object **at = find(sim, key);
    if (!*at)
        return -ERR_NOT_FOUND;
    drop(sim, at);
    return 0;
}

unsigned sim_cached_objects(struct sim *sim)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SIM_KEY_CHAINS; i++) {
        for (const struct sim_key *k = sim->keys[i]; k; k = k->next) {
            struct result *r = cache_get(sim->svc.cache, k->key, sim->now_ns);
            n += r ? r->output_count : 0;
            result_unref(r);
        }
    }
    return n;
}

static const struct store_ops ops = {.name = "sim", .put = sim_store_put, .remove = sim_store_remove};

void sim_store_init(struct sim *sim)
{
    sim->store.ops = &ops;
    sim->store.loop = &sim->core;
}

void sim_store_release(struct sim *sim)
{
    SIM_CHECK(sim, sim->puts_running == 0);
    for (unsigned i = 0; i < SIM_OBJECT_CHAINS; i++)
        while (sim->objects[i])
            drop(sim, &sim->objects[i]);
}
