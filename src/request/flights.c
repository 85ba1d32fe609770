/* Running work by key.
 *
 * Happy path: join makes a flight and the caller leads; others join and wait; settle gives them the result,
 * in one batch through the ready queue, and takes the flight out of the map. Failure modes: the leader fails:
 * see the header; a follower leaves: it goes from the list at once. Invariants: a flight in the map has
 * exactly one leader; a follower's op runs while it is in the list; the upload lives as long as the flight,
 * so that a follower can take over. */
#include "request/flights.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { BUCKETS = 4096, LEADS_NOW = 1 };

struct flight {
    struct list node; /* in its bucket */
    uint8_t key[DIGEST_BYTES];
    struct request *leader;
    struct list followers; /* of struct request.join.node, oldest first */
    struct body *body[IMAGES_MAX];
    int64_t handovers;
};

struct flights {
    struct list bucket[BUCKETS];
    uint64_t count, followers;
};

struct flights *flights_new(void)
{
    struct flights *f = NEW(struct flights);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&f->bucket[i]);
    return f;
}

void flights_free(struct flights *f)
{
    if (!f)
        return;
    CHECK(f->count == 0 && f->followers == 0);
    free(f);
}

uint64_t flights_count(const struct flights *f)
{
    return f->count;
}

uint64_t flights_followers(const struct flights *f)
{
    return f->followers;
}

static size_t bucket_of(const uint8_t *key)
{
    uint32_t hash;
    memcpy(&hash, key, sizeof(hash)); /* a SHA-256 needs no further mixing */
    return hash % BUCKETS;
}

static struct flight *find(const struct flights *f, const uint8_t *key)
{
    const struct list *bucket = &f->bucket[bucket_of(key)];
    LIST_FOREACH (node, bucket) {
        struct flight *flight = CONTAINER_OF(node, struct flight, node);
        if (memcmp(flight->key, key, DIGEST_BYTES) == 0)
            return flight;
    }
    return NULL;
}

static void leave(struct flights *f, struct request *follower)
{
    list_remove(&follower->join.node);
    follower->join.flight = NULL;
    f->followers--;
}

static void cancel_wait(struct op *op)
{
    struct request *req = CONTAINER_OF(op, struct request, join.op);
    struct request *leader = req->join.flight->leader;
    leave(req->svc->flights, req);
    op_complete(op, -ERR_CLIENT_GONE);
    request_stop_unwanted(leader);
}

static void follow(struct flights *f, struct flight *flight, struct request *req, op_done_fn *on_done)
{
    op_begin(&req->join.op, req->svc->loop, on_done, cancel_wait);
    req->join.flight = flight;
    list_push_back(&flight->followers, &req->join.node);
    f->followers++;
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        body_unref(TAKE(req->receive.body[i])); /* the leader's are the same */
}

bool flights_join(struct flights *f, struct request *req, op_done_fn *on_done)
{
    struct flight *flight = find(f, req->validate.key);
    if (flight) {
        follow(f, flight, req, on_done);
        return false;
    }
    flight = NEW(struct flight);
    memcpy(flight->key, req->validate.key, DIGEST_BYTES);
    flight->leader = req;
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        flight->body[i] = req->receive.body[i] ? body_ref(req->receive.body[i]) : NULL;
    list_init(&flight->followers);
    list_push_back(&f->bucket[bucket_of(flight->key)], &flight->node);
    f->count++;
    req->join.flight = flight;
    req->join.leads = true;
    return true;
}

bool flights_running(const struct flights *f, const uint8_t key[static DIGEST_BYTES])
{
    return find(f, key) != NULL;
}

bool flight_has_followers(const struct flight *flight)
{
    return !list_empty(&flight->followers);
}

struct request *flight_leader(const struct flight *flight)
{
    return flight->leader;
}

void flight_bodies(struct flight *flight, struct body *ret[static IMAGES_MAX])
{
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        ret[i] = flight->body[i] ? body_ref(flight->body[i]) : NULL;
}

static void finish(struct flights *f, struct flight *flight, struct result *result, const struct error *e)
{
    bool spent = flight->leader->spent;
    while (!list_empty(&flight->followers)) {
        struct request *req = CONTAINER_OF(flight->followers.next, struct request, join.node);
        leave(f, req);
        if (result)
            req->settle.result = result_ref(result);
        else
            req->err = *e;
        req->spent = spent;
        op_complete(&req->join.op, result ? 0 : -(int)e->code);
    }
    list_remove(&flight->node);
    f->count--;
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        body_unref(flight->body[i]);
    free(flight);
}

/* Nothing failed: the leader stopped because its client went, and somebody has joined since. */
static bool only_left(const struct request *leader, const struct error *e)
{
    return leader->cancelled && e->code == ERR_CLIENT_GONE;
}

static bool worth_another(const struct request *leader, const struct flight *flight, const struct error *e)
{
    if (only_left(leader, e))
        return true;
    if (err_row(e->code)->cause == CAUSE_CLIENT)
        return false; /* it lies in the upload: the same for all */
    if (leader->spent)
        return false; /* nobody pays twice because several asked */
    return flight->handovers < leader->svc->opt->twin_handovers;
}

static void hand_over(struct flights *f, struct flight *flight)
{
    struct request *next = CONTAINER_OF(flight->followers.next, struct request, join.node);
    leave(f, next);
    flight->leader = next;
    next->join.flight = flight;
    next->join.leads = true;
    op_complete(&next->join.op, LEADS_NOW);
}

void flights_settle(struct flights *f, struct request *leader, struct result *result, const struct error *e)
{
    struct flight *flight = leader->join.flight;
    CHECK(flight && flight->leader == leader);
    leader->join.flight = NULL;
    leader->join.leads = false;
    if (result || !flight_has_followers(flight) || !worth_another(leader, flight, e)) {
        finish(f, flight, result, e);
        return;
    }
    flight->handovers += !only_left(leader, e);
    hand_over(f, flight);
}
