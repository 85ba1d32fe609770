/* Several gateways with one limit, against a real redis-server. */
#include "limiter/shared_slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "redis_rig.h"
#include "redis_server.h"
#include "scratch.h"

enum { NODES = 3, SLOTS = 2, ASKERS = 100, LEASE_MS = 400, TIMEOUT_MS = 200 };

#define ASK(...) redis_server_ask(&server, (const char *const[]){__VA_ARGS__, NULL})

struct asker {
    struct slot_wait wait;
    unsigned got; /* the how-manieth grant of all; 0: none */
    bool gone;    /* it was cancelled */
};

static struct redis_server server;
static struct redis_rig rig;
static unsigned grants, notices;
static struct node {
    struct redis *redis;
    struct limiter *limiter;
    struct shared_slots *shared;
    bool stopped;
    struct asker asker[ASKERS];
} node[NODES];

static void notice(void *ctx, bool together, const char *why)
{
    notices++;
    assert_true(together == (strlen(why) == 0));
}

static void start_node(struct node *n)
{
    const struct redis_config config = {.uv = rig.uv,
                                        .option = "REDIS_URL",
                                        .url = server.url,
                                        .timeout_ms = TIMEOUT_MS,
                                        .pipeline_max = 100};
    struct error e;
    *n = (struct node){0};
    assert_int_equal(redis_new(&config, &n->redis, &e), 0);
    n->limiter = limiter_new("light", SLOTS, ASKERS, loop_uv_loop(rig.uv));
    n->shared = shared_slots_new(&(struct shared_slots_config){
        .redis = n->redis, .prefix = "test", .lease_ms = LEASE_MS, .notice = notice});
    shared_slots_add(n->shared, n->limiter);
    redis_start(n->redis);
}

static size_t used(void)
{
    size_t sum = 0;
    for (unsigned i = 0; i < NODES; i++)
        sum += node[i].limiter->running;
    return sum;
}

static bool all_together(void *ctx)
{
    for (unsigned i = 0; i < NODES; i++)
        if (!node[i].stopped && !shared_slots_together(node[i].shared))
            return false;
    return true;
}

static bool all_alone(void *ctx)
{
    for (unsigned i = 0; i < NODES; i++)
        if (!node[i].stopped && shared_slots_together(node[i].shared))
            return false;
    return true;
}

static int set_up(void **state)
{
    grants = notices = 0;
    redis_rig_init_empty(&rig, &server);
    for (unsigned i = 0; i < NODES; i++)
        start_node(&node[i]);
    redis_rig_run(&rig, all_together, NULL);
    redis_rig_ms(&rig, 30); /* they listen */
    return 0;
}

static void stop_node(struct node *n)
{
    redis_stop(n->redis);
    n->stopped = true;
}

/* After a test that failed in the middle. */
static void empty_node(struct node *n)
{
    for (unsigned k = 0; k < ASKERS; k++) {
        op_cancel(&n->asker[k].wait.op);
        loop_turn(loop_uv_loop(rig.uv));
    }
    while (n->limiter->running > 0)
        limiter_release(n->limiter);
}

static int tear_down(void **state)
{
    for (unsigned i = 0; i < NODES; i++) {
        stop_node(&node[i]);
        empty_node(&node[i]);
        shared_slots_free(node[i].shared);
        limiter_free(node[i].limiter);
        redis_free(node[i].redis);
    }
    redis_rig_release(&rig);
    return 0;
}

/* ---- askers ---- */

static void told(struct op *op)
{
    struct asker *a = CONTAINER_OF(op, struct asker, wait.op);
    if (op->result == 0)
        a->got = ++grants;
    else
        a->gone = true;
}

static struct asker *want(struct node *n, unsigned i)
{
    struct asker *a = &n->asker[i];
    *a = (struct asker){0};
    assert_int_equal(limiter_acquire(n->limiter, &a->wait, told), 0);
    return a;
}

static bool has_got(void *ctx)
{
    return ((struct asker *)ctx)->got > 0;
}

static struct asker *get(struct node *n, unsigned i)
{
    struct asker *a = want(n, i);
    redis_rig_run(&rig, has_got, a);
    return a;
}

static void give_back(struct node *n, struct asker *a)
{
    assert_true(a->got > 0);
    a->got = 0;
    limiter_release(n->limiter);
}

/* Whoever has a slot gives it back; until nobody wants any. */
static bool all_served(void *ctx)
{
    unsigned *most = ctx;
    *most = MAX(*most, (unsigned)used());
    size_t waiting = 0;
    for (unsigned i = 0; i < NODES; i++) {
        waiting += node[i].limiter->waiting;
        for (unsigned k = 0; k < ASKERS; k++)
            if (node[i].asker[k].got)
                give_back(&node[i], &node[i].asker[k]);
    }
    return waiting + used() == 0;
}

static bool are_quiet(void *ctx)
{
    for (unsigned i = 0; i < NODES; i++)
        if (!node[i].stopped && shared_slots_busy(node[i].shared))
            return false;
    return true;
}

static void assert_nothing_left(void)
{
    redis_rig_run(&rig, are_quiet, NULL);
    FREE_ON_EXIT char *size = ASK("DBSIZE");
    assert_string_equal(size, "0");
}

static unsigned scripts_run(void)
{
    FREE_ON_EXIT char *info = ASK("INFO", "commandstats");
    const char *at = strstr(info, "cmdstat_eval:calls=");
    return at ? (unsigned)strtoul(at + strlen("cmdstat_eval:calls="), NULL, 10) : 0;
}

/* ---- tests ---- */

static void test_the_sum_is_the_limit(void **state)
{
    struct asker *a = get(&node[0], 0), *b = get(&node[1], 0), *c = want(&node[2], 0);
    redis_rig_ms(&rig, 100);
    assert_int_equal(c->got, 0);
    assert_true(limiter_is_busy(node[2].limiter));
    assert_int_equal(node[2].limiter->waiting, 1);
    uint64_t t = clock_mono_ns();
    give_back(&node[0], a);
    redis_rig_run(&rig, has_got, c);
    assert_true(clock_mono_ns() - t < 500 * NS_PER_MS); /* it was told */
    give_back(&node[1], b);
    give_back(&node[2], c);
    assert_nothing_left();
}

static void test_many_at_once(void **state)
{
    unsigned most = 0;
    for (unsigned i = 0; i < NODES; i++)
        for (unsigned k = 0; k < ASKERS; k++)
            want(&node[i], k);
    redis_rig_run(&rig, all_served, &most);
    assert_int_equal(grants, NODES * ASKERS);
    assert_int_equal(most, SLOTS);
    assert_nothing_left();
}

/* A slot more at once than there are is refused in the answer to one script: one way there and back for all.
 */
static void test_several_are_asked_for_at_once(void **state)
{
    unsigned before = scripts_run();
    struct asker *a = want(&node[0], 0), *b = want(&node[0], 1);
    redis_rig_run(&rig, has_got, a);
    redis_rig_run(&rig, has_got, b);
    assert_in_range(scripts_run() - before, 1, 2); /* the first of them was asked for at once */
    give_back(&node[0], a);
    give_back(&node[0], b);
    assert_nothing_left();
}

/* One waits at a gateway beside another where a hundred do. */
static void test_nobody_starves(void **state)
{
    unsigned most = 0;
    for (unsigned k = 0; k < ASKERS; k++)
        want(&node[0], k);
    redis_rig_run(&rig, has_got, &node[0].asker[SLOTS - 1]);
    struct asker *one = want(&node[1], 0);
    redis_rig_ms(&rig, 50); /* it has its place */
    unsigned before = grants;
    while (one->got == 0 && node[0].limiter->running > 0) {
        for (unsigned k = 0; k < ASKERS; k++)
            if (node[0].asker[k].got) {
                give_back(&node[0], &node[0].asker[k]);
                break;
            }
        redis_rig_ms(&rig, 20);
    }
    assert_true(one->got > 0);
    assert_in_range(one->got - before, 1, 2); /* one for those whose turn it was */
    assert_true(node[0].limiter->sharers >= 1);
    redis_rig_run(&rig, all_served, &most);
    assert_nothing_left();
}

/* Of several gateways that wait, one is told when a slot is free. */
static void test_no_crowd_comes(void **state)
{
    struct asker *a = get(&node[0], 0), *b = get(&node[0], 1);
    struct asker *c = want(&node[1], 0);
    redis_rig_ms(&rig, 20);
    struct asker *d = want(&node[2], 0);
    redis_rig_ms(&rig, 20);
    unsigned before = scripts_run();
    give_back(&node[0], a);
    redis_rig_run(&rig, has_got, c);
    redis_rig_ms(&rig, 20);
    assert_int_equal(d->got, 0);
    assert_in_range(scripts_run() - before, 2, 4); /* its own, the next one's; and what is prolonged */
    redis_rig_ms(&rig, LEASE_MS);                  /* it looks */
    assert_int_equal(node[2].limiter->sharers, 1);
    give_back(&node[0], b);
    redis_rig_run(&rig, has_got, d);
    give_back(&node[1], c);
    give_back(&node[2], d);
    assert_nothing_left();
}

static void test_a_slot_outlives_its_lease_while_it_is_used(void **state)
{
    struct asker *a = get(&node[0], 0), *b = get(&node[1], 0), *c = want(&node[2], 0);
    redis_rig_ms(&rig, 3 * LEASE_MS);
    assert_int_equal(c->got, 0);
    FREE_ON_EXIT char *ttl = ASK("TTL", "test:limits:light:slots");
    assert_string_equal(ttl, "-1"); /* so nothing evicts it but allkeys-* */
    give_back(&node[1], b);
    redis_rig_run(&rig, has_got, c);
    give_back(&node[0], a);
    give_back(&node[2], c);
    assert_nothing_left();
}

/* It takes its slots and its place in the queue along, but only after its lease. */
static void test_a_dead_gateway(void **state)
{
    get(&node[0], 0);
    get(&node[0], 1);
    want(&node[0], 2);
    redis_rig_ms(&rig, 20);
    struct asker *a = want(&node[1], 0), *b = want(&node[2], 0);
    redis_rig_ms(&rig, 20);
    uint64_t t = clock_mono_ns();
    stop_node(&node[0]);
    redis_rig_ms(&rig, LEASE_MS / 2);
    assert_int_equal(a->got + b->got, 0);
    redis_rig_run(&rig, has_got, a);
    redis_rig_run(&rig, has_got, b);
    assert_true(clock_mono_ns() - t < (LEASE_MS + 1500) * NS_PER_MS);
    give_back(&node[1], a);
    give_back(&node[2], b);
    assert_nothing_left();
}

/* Cancelled while Redis is asked, and while it waits. */
static void test_cancel_leaves_nothing(void **state)
{
    struct asker *a = want(&node[0], 0);
    op_cancel(&a->wait.op);
    redis_rig_ms(&rig, 50);
    assert_true(a->gone);
    assert_int_equal(node[0].limiter->running, 0);
    assert_nothing_left();
    a = get(&node[1], 0);
    struct asker *b = get(&node[1], 1), *c = want(&node[0], 0);
    redis_rig_ms(&rig, 50);
    op_cancel(&c->wait.op);
    redis_rig_ms(&rig, 50);
    give_back(&node[1], a);
    give_back(&node[1], b);
    assert_nothing_left();
}

static void test_redis_freezes(void **state)
{
    struct asker *a = get(&node[0], 0), *b = get(&node[0], 1), *c = want(&node[1], 0);
    redis_rig_ms(&rig, 20);
    redis_server_freeze(&server);
    struct asker *d = want(&node[1], 1), *e = want(&node[1], 2);
    uint64_t t = clock_mono_ns();
    redis_rig_run(&rig, has_got, c);
    redis_rig_run(&rig, has_got, d);
    assert_true(clock_mono_ns() - t < (TIMEOUT_MS + 1000) * NS_PER_MS);
    assert_false(shared_slots_together(node[1].shared));
    redis_rig_ms(&rig, 50);
    assert_int_equal(e->got, 0); /* its own limit is kept */
    give_back(&node[1], c);
    redis_rig_run(&rig, has_got, e);
    redis_server_thaw(&server);
    redis_rig_run(&rig, all_together, NULL);
    struct asker *f = want(&node[2], 0);
    redis_rig_ms(&rig, 100);
    assert_int_equal(used(), 4);
    assert_int_equal(f->got, 0);
    give_back(&node[0], a);
    give_back(&node[0], b);
    redis_rig_ms(&rig, 100);
    assert_int_equal(f->got, 0); /* two are used still */
    give_back(&node[1], d);
    redis_rig_run(&rig, has_got, f);
    give_back(&node[1], e);
    give_back(&node[2], f);
    assert_nothing_left();
}

/* Killed, and back with nothing: what is used is made known before anybody gets more. */
static void test_redis_restarts_empty(void **state)
{
    struct asker *a = get(&node[0], 0), *b = get(&node[1], 0);
    redis_server_kill(&server);
    redis_rig_run(&rig, all_alone, NULL);
    redis_server_restart(&server);
    redis_rig_run(&rig, all_together, NULL);
    struct asker *c = want(&node[2], 0);
    redis_rig_ms(&rig, 100);
    assert_int_equal(c->got, 0);
    give_back(&node[0], a);
    redis_rig_run(&rig, has_got, c);
    give_back(&node[1], b);
    give_back(&node[2], c);
    assert_nothing_left();
}

static void test_what_redis_forgot_is_told_again(void **state)
{
    struct asker *a = get(&node[0], 0), *b = get(&node[1], 0);
    free(ASK("FLUSHALL"));
    redis_rig_ms(&rig, LEASE_MS);
    struct asker *c = want(&node[2], 0);
    redis_rig_ms(&rig, 100);
    assert_int_equal(c->got, 0);
    give_back(&node[0], a);
    redis_rig_run(&rig, has_got, c);
    give_back(&node[1], b);
    give_back(&node[2], c);
    assert_nothing_left();
}

static void test_a_lost_message(void **state)
{
    struct asker *a = get(&node[0], 0), *b = get(&node[0], 1), *c = want(&node[1], 0);
    redis_rig_ms(&rig, 20);
    free(ASK("CLIENT", "KILL", "TYPE", "pubsub"));
    give_back(&node[0], a);
    redis_rig_run(&rig, has_got, c);
    give_back(&node[0], b);
    give_back(&node[1], c);
    assert_nothing_left();
}

/* It answers, but takes nothing. */
static void test_redis_refuses(void **state)
{
    free(ASK("CONFIG", "SET", "min-replicas-to-write", "1"));
    struct asker *a[NODES * SLOTS];
    for (unsigned i = 0; i < NODES * SLOTS; i++)
        a[i] = get(&node[i % NODES], i / NODES);
    assert_true(all_alone(NULL));
    free(ASK("CONFIG", "SET", "min-replicas-to-write", "0"));
    redis_rig_run(&rig, all_together, NULL);
    for (unsigned i = 0; i < NODES * SLOTS; i++)
        give_back(&node[i % NODES], a[i]);
    assert_nothing_left();
    assert_int_equal(notices, 3 * NODES);
}

/* Askers come, go and are done at random, while Redis freezes, forgets and breaks connections. */
static void test_random_walk(void **state)
{
    struct rng rng;
    unsigned most = 0;
    rng_seed(&rng, 7);
    for (unsigned step = 0; step < 2000; step++) {
        struct node *n = &node[rng_below(&rng, NODES)];
        struct asker *a = &n->asker[rng_below(&rng, 10)];
        if (a->wait.op.state == OP_RUNNING)
            op_cancel(&a->wait.op);
        else if (a->got)
            give_back(n, a);
        else if (a->wait.op.state == OP_IDLE)
            want(n, (unsigned)(a - n->asker));
        if (step % 500 == 250)
            free(ASK("CLIENT", "KILL", "TYPE", step % 1000 == 250 ? "normal" : "pubsub"));
        if (rng_below(&rng, 4) == 0)
            redis_rig_ms(&rig, 1);
    }
    redis_rig_run(&rig, all_served, &most);
    redis_rig_run(&rig, all_together, NULL);
    assert_nothing_left();
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_sum_is_the_limit),
        TEST(test_many_at_once),
        TEST(test_several_are_asked_for_at_once),
        TEST(test_nobody_starves),
        TEST(test_no_crowd_comes),
        TEST(test_a_slot_outlives_its_lease_while_it_is_used),
        TEST(test_a_dead_gateway),
        TEST(test_cancel_leaves_nothing),
        TEST(test_redis_freezes),
        TEST(test_redis_restarts_empty),
        TEST(test_what_redis_forgot_is_told_again),
        TEST(test_a_lost_message),
        TEST(test_redis_refuses),
        TEST(test_random_walk),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redis_server_stop(&server);
    return failed;
}
