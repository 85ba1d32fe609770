/* The order of turns: shares, places, who has most, and a walk beside a simple model. */
#include "limiter/fair_queue.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "scratch.h"

enum { KEYS = 12 };

struct waiter {
    struct fair_wait turn;
    unsigned key;
    unsigned number; /* in its key's order */
};

static struct waiter *waiter_of(struct fair_wait *turn)
{
    return CONTAINER_OF(turn, struct waiter, turn);
}

static void test_round_robin(void **state)
{
    struct fair_queue q;
    struct waiter w[3][4] = {0};
    fair_init(&q);
    assert_null(fair_take(&q));
    for (unsigned k = 0; k < 3; k++)
        for (unsigned i = 0; i < 4; i++) {
            w[k][i] = (struct waiter){.key = k, .number = i};
            fair_add(&q, &w[k][i].turn, k, 1, true);
        }
    for (unsigned turn = 0; turn < 12; turn++)
        assert_ptr_equal(fair_take(&q), &w[turn % 3][turn / 3].turn);
    assert_null(fair_take(&q));
}

/* Who comes to a queue in which a thousand of another wait is next, or the one after. */
static void test_a_thousand_do_not_hold_up_one(void **state)
{
    enum { MANY = 1000 };
    struct fair_queue q;
    struct waiter *many = mem_zalloc(MANY * sizeof(*many)), one = {.key = 2};
    fair_init(&q);
    for (unsigned i = 0; i < MANY; i++)
        fair_add(&q, &many[i].turn, 1, 1, true);
    unsigned had = 0;
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < round % 5; i++)
            assert_ptr_equal(fair_take(&q), &many[had++].turn);
        fair_add(&q, &one.turn, 2, 1, true);
        size_t position = fair_position(&q, &one.turn);
        assert_true(position <= 2);
        if (position == 2)
            assert_ptr_equal(fair_take(&q), &many[had++].turn);
        assert_ptr_equal(fair_take(&q), &one.turn);
    }
    while (fair_take(&q))
        ;
    free(many);
}

/* However short a piece of the order one looks at: no line is a turn from its exact share. */
static void test_shares_are_exact_within_a_turn(void **state)
{
    enum { ROUNDS = 200, TURNS = 2000 };
    struct rng rng;
    rng_seed(&rng, 7);
    struct waiter *w = mem_zalloc(KEYS * TURNS * sizeof(*w));
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned keys = 2 + (unsigned)rng_below(&rng, KEYS - 1), weight[KEYS], had[KEYS] = {0}, all = 0;
        struct fair_queue q;
        fair_init(&q);
        for (unsigned k = 0; k < keys; k++) {
            weight[k] = 1 + (unsigned)rng_below(&rng, round % 2 ? 5 : FAIR_WEIGHT_MAX);
            all += weight[k];
            for (unsigned i = 0; i < TURNS; i++) {
                w[k * TURNS + i] = (struct waiter){.key = k};
                fair_add(&q, &w[k * TURNS + i].turn, k, weight[k], true);
            }
        }
        for (unsigned turn = 1; turn <= TURNS; turn++) {
            had[waiter_of(fair_take(&q))->key]++;
            for (unsigned k = 0; k < keys; k++) {
                double share = (double)turn * weight[k] / all;
                if (had[k] > share + 1.000001 || had[k] < share - 1.000001)
                    fail_msg("round %u, turn %u: key %u of weight %u/%u had %u turns, its share is %.3f",
                             round, turn, k, weight[k], all, had[k], share);
            }
        }
        while (fair_take(&q))
            ;
    }
    free(w);
}

static void test_who_has_most(void **state)
{
    static const uint64_t one = 1, two = 2, three = 3;
    struct fair_queue q;
    struct waiter a[3] = {0}, b[2] = {0}, kept = {0};
    fair_init(&q);
    assert_null(fair_longest(&q, NULL, 1));
    fair_add(&q, &kept.turn, 3, 1, false);
    assert_null(fair_longest(&q, NULL, 1)); /* it was promised */
    for (unsigned i = 0; i < 3; i++)
        fair_add(&q, &a[i].turn, 1, 1, true);
    for (unsigned i = 0; i < 2; i++)
        fair_add(&q, &b[i].turn, 2, 1, true);
    assert_ptr_equal(fair_longest(&q, NULL, 1), &a[2].turn);
    assert_ptr_equal(fair_longest(&q, &three, 1), &a[2].turn);
    assert_null(fair_longest(&q, &one, 1)); /* it has most itself */
    assert_null(fair_longest(&q, &two, 1)); /* three each would be no better */
    assert_ptr_equal(fair_longest(&q, &two, 2), &a[2].turn);
    fair_remove(&q, &a[1].turn);
    fair_remove(&q, &a[2].turn);
    assert_ptr_equal(fair_longest(&q, &three, 1), &b[1].turn);
    assert_int_equal(q.count, 4);
    while (fair_take(&q))
        ;
}

/* ---- a walk beside a model ---- */

enum { WAITERS = 300, STEPS = 60000 };

struct model_line {
    unsigned order[WAITERS]; /* its waiters, oldest first */
    unsigned count, weight;
    double begin;
    uint64_t last; /* when it had its last turn, or came */
};

struct model {
    struct model_line line[KEYS];
    double now;
    uint64_t clock;
};

static void model_add(struct model *m, unsigned key, unsigned weight, unsigned who)
{
    struct model_line *l = &m->line[key];
    if (l->count == 0) {
        l->begin = m->now;
        l->last = ++m->clock;
    }
    l->weight = weight;
    l->order[l->count++] = who;
}

static void model_drop(struct model_line *l, unsigned who)
{
    unsigned i = 0;
    while (l->order[i] != who)
        i++;
    for (l->count--; i < l->count; i++)
        l->order[i] = l->order[i + 1];
}

static bool is_sooner(const struct model_line *a, const struct model_line *b)
{
    double x = a->begin + 1.0 / a->weight, y = b->begin + 1.0 / b->weight;
    return x < y - 1e-7 || (x < y + 1e-7 && a->last < b->last);
}

/* The key whose turn it is; KEYS: nobody waits. */
static unsigned model_next(struct model *m)
{
    unsigned due = KEYS, first = KEYS;
    for (unsigned k = 0; k < KEYS; k++) {
        struct model_line *l = &m->line[k];
        if (l->count > 0 && (first == KEYS || l->begin < m->line[first].begin))
            first = k;
        if (l->count > 0 && l->begin <= m->now + 1e-7 && (due == KEYS || is_sooner(l, &m->line[due])))
            due = k;
    }
    if (due < KEYS || first == KEYS)
        return due;
    m->now = m->line[first].begin;
    return model_next(m);
}

static unsigned model_take(struct model *m)
{
    unsigned key = model_next(m), all = 0;
    for (unsigned k = 0; k < KEYS; k++)
        all += m->line[k].count > 0 ? m->line[k].weight : 0;
    struct model_line *l = &m->line[key];
    unsigned who = l->order[0];
    m->now += 1.0 / all;
    l->begin += 1.0 / l->weight;
    l->last = ++m->clock;
    model_drop(l, who);
    return who;
}

/* How many turns until it has had its own. */
static size_t model_position(const struct model *m, unsigned who)
{
    struct model *copy = mem_alloc(sizeof(*copy));
    *copy = *m;
    size_t turns = 1;
    while (model_take(copy) != who)
        turns++;
    free(copy);
    return turns;
}

/* Weights of 1, 2 and 4 are exact in both arithmetics. */
static void walk(uint64_t seed, bool equal)
{
    struct rng rng;
    rng_seed(&rng, seed);
    struct fair_queue q;
    struct waiter *w = mem_zalloc(WAITERS * sizeof(*w));
    struct model *m = mem_zalloc(sizeof(*m));
    fair_init(&q);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned who = (unsigned)rng_below(&rng, WAITERS);
        unsigned most = 1 + step / 1000 % 4 * 90; /* nearly empty and nearly full in turns */
        if (w[who].turn.line && rng_below(&rng, 3) == 0) {
            fair_remove(&q, &w[who].turn);
            model_drop(&m->line[w[who].key], who);
        } else if (w[who].turn.line || q.count >= most) {
            struct fair_wait *next = fair_take(&q);
            assert_int_equal(waiter_of(next) - w, model_take(m));
        } else {
            w[who].key = (unsigned)rng_below(&rng, KEYS) & (unsigned)rng_below(&rng, KEYS);
            unsigned weight = equal ? 1 : 1u << w[who].key % 3;
            fair_add(&q, &w[who].turn, (uint64_t)w[who].key * FAIR_CHAINS, weight,
                     true); /* all in one chain */
            model_add(m, w[who].key, weight, who);
        }
        if (step % 61 != 0 || !w[who].turn.line)
            continue;
        size_t said = fair_position(&q, &w[who].turn), real = model_position(m, who);
        assert_true(equal ? said == real : said >= real && said <= q.count);
        assert_true(real > 1 || said == 1);
    }
    while (q.count > 0)
        assert_int_equal(waiter_of(fair_take(&q)) - w, model_take(m));
    assert_int_equal(q.weight, 0);
    free(m);
    free(w);
}

static void test_walk_beside_a_model(void **state)
{
    walk(1, true);
    walk(2, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_robin),
        cmocka_unit_test(test_a_thousand_do_not_hold_up_one),
        cmocka_unit_test(test_shares_are_exact_within_a_turn),
        cmocka_unit_test(test_who_has_most),
        cmocka_unit_test(test_walk_beside_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
