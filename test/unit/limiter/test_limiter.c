#include "limiter/limiter.h"

#include "base/clock.h"
#include "base/rng.h"
#include "scratch.h"
#include "tables/error.h"
#include "waiting_loop.h"

struct asker {
    struct slot_wait wait;
    int result;
    unsigned done; /* 0: not told yet; else the how-manieth */
};

static unsigned told;
static const struct slot_asker nobody;

static void slot_done(struct op *op)
{
    struct asker *a = CONTAINER_OF(op, struct asker, wait.op);
    a->result = op->result;
    a->done = ++told;
}

struct rig {
    struct waiting_loop w;
    struct limiter *l;
};

static void rig_init(struct rig *rig, size_t slots, size_t queue_max)
{
    told = 0;
    waiting_loop_init(&rig->w);
    rig->l = limiter_new("test", slots, queue_max, &rig->w.loop);
}

static void rig_release(struct rig *rig)
{
    limiter_free(rig->l);
    waiting_loop_release(&rig->w);
}

static void test_free_slot_is_granted_but_not_inside_acquire(void **state)
{
    struct rig rig;
    rig_init(&rig, 2, 5);
    struct asker a = {0};
    assert_int_equal(limiter_acquire(rig.l, &a.wait, slot_done), 0);
    assert_int_equal(a.done, 0);
    assert_int_equal(rig.l->running, 1);
    assert_int_equal(limiter_position(&a.wait), 0);
    loop_turn(&rig.w.loop);
    assert_int_equal(a.done, 1);
    assert_int_equal(a.result, 0);
    limiter_release(rig.l);
    assert_int_equal(rig.l->running, 0);
    assert_int_equal(rig.l->peak_running, 1);
    rig_release(&rig);
    limiter_free(NULL);
}

static void test_first_come_first_served(void **state)
{
    enum { ASKERS = 6 };
    struct rig rig;
    rig_init(&rig, 1, ASKERS);
    struct asker a[ASKERS] = {0};
    for (unsigned i = 0; i < ASKERS; i++) {
        assert_int_equal(limiter_acquire(rig.l, &a[i].wait, slot_done), 0);
        assert_int_equal(limiter_position(&a[i].wait), i);
    }
    for (unsigned i = 0; i < ASKERS; i++) {
        loop_turn(&rig.w.loop);
        assert_int_equal(told, i + 1);
        assert_int_equal(a[i].done, i + 1);
        limiter_release(rig.l);
        assert_int_equal(rig.l->running, i + 1 < ASKERS); /* handed over, never dropped */
    }
    rig_release(&rig);
}

static void test_full_queue_refuses(void **state)
{
    struct rig rig;
    rig_init(&rig, 1, 1);
    struct asker a = {0}, b = {0}, c = {0};
    assert_int_equal(limiter_acquire(rig.l, &a.wait, slot_done), 0);
    assert_int_equal(limiter_acquire(rig.l, &b.wait, slot_done), 0);
    assert_int_equal(limiter_acquire(rig.l, &c.wait, slot_done), -ERR_QUEUE_FULL);
    assert_int_equal(c.wait.op.state, OP_IDLE);
    assert_int_equal(rig.l->waiting, 1);
    limiter_release(rig.l);
    assert_int_equal(limiter_acquire(rig.l, &c.wait, slot_done), 0); /* b has the slot: there is a place */
    limiter_release(rig.l);
    limiter_release(rig.l);
    loop_turn(&rig.w.loop);
    assert_int_equal(told, 3);
    rig_release(&rig);
}

static void test_no_queue_at_all(void **state)
{
    struct rig rig;
    rig_init(&rig, 1, 0);
    struct asker a = {0}, b = {0};
    assert_int_equal(limiter_acquire(rig.l, &a.wait, slot_done), 0);
    assert_int_equal(limiter_acquire(rig.l, &b.wait, slot_done), -ERR_QUEUE_FULL);
    loop_turn(&rig.w.loop);
    limiter_release(rig.l);
    rig_release(&rig);
}

static void test_cancelled_wait_frees_its_place(void **state)
{
    struct rig rig;
    rig_init(&rig, 1, 2);
    struct asker a = {0}, b = {0}, c = {0};
    assert_int_equal(limiter_acquire(rig.l, &a.wait, slot_done), 0);
    assert_int_equal(limiter_acquire(rig.l, &b.wait, slot_done), 0);
    assert_int_equal(limiter_acquire(rig.l, &c.wait, slot_done), 0);
    op_cancel(&b.wait.op);
    assert_int_equal(rig.l->waiting, 1);
    assert_int_equal(limiter_position(&c.wait), 1);
    limiter_release(rig.l);
    loop_turn(&rig.w.loop);
    assert_int_equal(b.result, -ERR_CLIENT_GONE);
    assert_int_equal(c.result, 0);
    assert_int_equal(rig.l->running, 1);
    limiter_release(rig.l);
    rig_release(&rig);
}

/* Granted, then cancelled before the owner saw it: the slot is the owner's and must be given back by it. */
static void test_cancel_after_the_grant(void **state)
{
    struct rig rig;
    rig_init(&rig, 1, 2);
    struct asker a = {0}, b = {0};
    assert_int_equal(limiter_acquire(rig.l, &a.wait, slot_done), 0);
    assert_int_equal(limiter_acquire(rig.l, &b.wait, slot_done), 0);
    loop_turn(&rig.w.loop);
    limiter_release(rig.l);
    op_cancel(&b.wait.op);
    loop_turn(&rig.w.loop);
    assert_int_equal(b.result, 0);
    assert_int_equal(b.done, 2);
    assert_int_equal(rig.l->running, 1);
    limiter_release(rig.l);
    rig_release(&rig);
}

static void test_retry_after(void **state)
{
    struct rig rig;
    rig_init(&rig, 2, 100);
    assert_int_equal(limiter_retry_after_s(rig.l, &nobody, 0), 1); /* nothing is known yet */
    assert_int_equal(limiter_retry_after_s(rig.l, &nobody, NS_PER_S), 1);
    struct asker a[12] = {0};
    for (int i = 0; i < 12; i++)
        assert_int_equal(limiter_acquire(rig.l, &a[i].wait, slot_done), 0);
    assert_int_equal(limiter_retry_after_s(rig.l, &nobody, 10 * NS_PER_S),
                     55); /* 10 wait and one more, two at once */
    assert_int_equal(limiter_retry_after_s(rig.l, &nobody, 1000 * NS_PER_S), 3600);
    for (int i = 0; i < 12; i++)
        limiter_release(rig.l);
    loop_turn(&rig.w.loop);
    rig_release(&rig);
}

struct other {
    struct limiter_behind behind;
    unsigned changes;
};

static void count_change(struct limiter_behind *b)
{
    CONTAINER_OF(b, struct other, behind)->changes++;
}

/* Somebody else says who gets a slot. */
static void test_closed(void **state)
{
    struct rig rig;
    rig_init(&rig, 2, 1);
    struct other other = {.behind.changed = count_change};
    struct asker a[4] = {0};
    rig.l->behind = &other.behind;
    limiter_close(rig.l);
    assert_false(limiter_is_busy(rig.l));
    for (unsigned i = 0; i < 3; i++) /* two may find a slot, and one may wait */
        assert_int_equal(limiter_acquire(rig.l, &a[i].wait, slot_done), 0);
    assert_int_equal(limiter_acquire(rig.l, &a[3].wait, slot_done), -ERR_QUEUE_FULL);
    assert_true(limiter_is_busy(rig.l));
    loop_turn(&rig.w.loop);
    assert_int_equal(told, 0);
    assert_int_equal(other.changes, 3);
    assert_int_equal(limiter_let_in(rig.l, 1), 1);
    loop_turn(&rig.w.loop);
    assert_int_equal(a[0].done, 1);
    limiter_release(rig.l);
    loop_turn(&rig.w.loop);
    assert_int_equal(told, 1); /* nothing is handed over */
    rig.l->sharers = 3;
    assert_int_equal(limiter_retry_after_s(rig.l, &nobody, 10 * NS_PER_S),
                     45); /* three, two at once, for three */
    op_cancel(&a[1].wait.op);
    assert_int_equal(other.changes, 5);
    limiter_open(rig.l);
    loop_turn(&rig.w.loop);
    assert_int_equal(a[2].done, 3);
    assert_int_equal(rig.l->running, 1);
    limiter_release(rig.l);
    rig_release(&rig);
}

/* ---- who is next ---- */

static void ask(struct rig *rig, struct asker *a, uint64_t key, enum slot_priority priority)
{
    a->wait.asker = (struct slot_asker){.key = key, .priority = priority};
    assert_int_equal(limiter_acquire(rig->l, &a->wait, slot_done), 0);
}

/* Gives the one slot on to whose turn it is. */
static void next_turn(struct rig *rig)
{
    limiter_release(rig->l);
    loop_turn(&rig->w.loop);
}

static void test_keys_take_turns(void **state)
{
    enum { MANY = 100 };
    struct rig rig;
    rig_init(&rig, 1, 1000);
    struct asker many[MANY] = {0}, one = {0};
    for (unsigned i = 0; i < MANY; i++)
        ask(&rig, &many[i], 1, SLOT_NORMAL);
    ask(&rig, &one, 2, SLOT_NORMAL);
    loop_turn(&rig.w.loop);
    assert_int_equal(limiter_position(&one.wait), 2);
    assert_int_equal(limiter_position(&many[2].wait), 3);
    const struct slot_asker third = {.key = 3}, again = {.key = 1};
    assert_int_equal(limiter_retry_after_s(rig.l, &third, NS_PER_S), 3);
    assert_int_equal(limiter_retry_after_s(rig.l, &again, NS_PER_S), MANY + 1);
    next_turn(&rig);
    assert_int_equal(many[1].done, 2);
    next_turn(&rig);
    assert_int_equal(one.done, 3);
    for (unsigned i = 2; i < MANY; i++)
        next_turn(&rig);
    assert_int_equal(many[MANY - 1].done, MANY + 1);
    limiter_release(rig.l);
    rig_release(&rig);
}

static void test_low_waits_until_nobody_else_does_but_not_for_ever(void **state)
{
    enum { MANY = 12, LOWS = 3 };
    struct rig rig;
    rig_init(&rig, 1, 1000);
    rig.l->low_every = 4;
    struct asker first = {0}, many[MANY] = {0}, low[LOWS] = {0};
    ask(&rig, &first, 0, SLOT_NORMAL);
    for (unsigned i = 0; i < LOWS; i++)
        ask(&rig, &low[i], 7, SLOT_LOW);
    for (unsigned i = 0; i < MANY; i++)
        ask(&rig, &many[i], 8, SLOT_NORMAL);
    loop_turn(&rig.w.loop);
    assert_int_equal(limiter_position(&many[3].wait), 4);
    assert_int_equal(limiter_position(&low[0].wait), 5);
    assert_int_equal(limiter_position(&many[4].wait), 6);
    assert_int_equal(limiter_position(&low[1].wait), 10);
    assert_int_equal(limiter_position(&low[2].wait), 15);
    for (unsigned i = 0; i < MANY + LOWS; i++)
        next_turn(&rig);
    assert_int_equal(low[0].done, 1 + 5);
    assert_int_equal(low[1].done, 1 + 10);
    assert_int_equal(low[2].done, 1 + 15);
    assert_int_equal(many[MANY - 1].done, 1 + 14);
    limiter_release(rig.l);
    rig_release(&rig);
}

static void test_a_full_queue_is_shared(void **state)
{
    enum { PLACES = 4 };
    struct rig rig;
    rig_init(&rig, 1, PLACES);
    struct asker first = {0}, many[PLACES] = {0}, others[3] = {0}, refused = {0}, kept = {0};
    ask(&rig, &first, 1, SLOT_NORMAL);
    for (unsigned i = 0; i < PLACES; i++)
        ask(&rig, &many[i], 1, i == 1 ? SLOT_LOW : SLOT_NORMAL);
    refused.wait.asker.key = 1;
    refused.wait.asker.priority = SLOT_LOW;
    assert_int_equal(limiter_acquire(rig.l, &refused.wait, slot_done), -ERR_QUEUE_FULL);
    ask(&rig, &others[0], 2, SLOT_NORMAL); /* takes the place of the low one, */
    loop_turn(&rig.w.loop);
    assert_int_equal(many[1].result, -ERR_QUEUE_FULL);
    ask(&rig, &others[1], 3, SLOT_NORMAL); /* then of the newest of who has most */
    loop_turn(&rig.w.loop);
    assert_int_equal(many[3].result, -ERR_QUEUE_FULL);
    refused.wait.asker = (struct slot_asker){.key = 2};
    assert_int_equal(limiter_acquire(rig.l, &refused.wait, slot_done),
                     -ERR_QUEUE_FULL); /* two, like the first */
    kept.wait.asker = (struct slot_asker){.key = 2, .promised = true};
    assert_int_equal(limiter_acquire(rig.l, &kept.wait, slot_done), 0);
    assert_int_equal(rig.l->waiting, PLACES + 1);
    ask(&rig, &others[2], 4, SLOT_NORMAL);
    loop_turn(&rig.w.loop);
    assert_int_equal(many[2].result, -ERR_QUEUE_FULL);
    assert_int_equal(many[0].done, 0);
    assert_int_equal(rig.l->waiting, PLACES + 1);
    for (unsigned i = 0; i < PLACES + 1; i++)
        next_turn(&rig);
    assert_true(kept.done && kept.result == 0);
    limiter_release(rig.l);
    rig_release(&rig);
}

/* What waits for another, too, has the better turn of both. */
static void test_a_turn_is_lent(void **state)
{
    struct rig rig;
    rig_init(&rig, 1, 100);
    struct asker first = {0}, many[10] = {0}, low = {0};
    ask(&rig, &first, 1, SLOT_NORMAL);
    for (unsigned i = 0; i < 10; i++)
        ask(&rig, &many[i], 1, SLOT_NORMAL);
    ask(&rig, &low, 2, SLOT_LOW);
    loop_turn(&rig.w.loop);
    const struct slot_asker light = {.key = 3}, worse = {.key = 1, .priority = SLOT_LOW};
    limiter_lend_turn(&many[9].wait, &worse);
    assert_int_equal(limiter_position(&many[9].wait), 10);
    limiter_lend_turn(&many[9].wait, &light);
    assert_int_equal(limiter_position(&many[9].wait), 2);
    assert_int_equal(limiter_position(&many[0].wait), 1);
    assert_int_equal(limiter_position(&many[1].wait), 3);
    assert_int_equal(limiter_position(&low.wait), 11);
    limiter_lend_turn(&low.wait, &light);
    assert_int_equal(limiter_position(&low.wait), 4);
    limiter_lend_turn(&first.wait, &light); /* it has its slot */
    assert_int_equal(rig.l->waiting, 11);
    for (unsigned i = 0; i < 11; i++)
        next_turn(&rig);
    limiter_release(rig.l);
    rig_release(&rig);
}

static void test_random_walk_keeps_the_invariants(void **state)
{
    enum { ASKERS = 40, STEPS = 20000 };
    struct rig rig;
    rig_init(&rig, 3, 10);
    struct rng rng;
    rng_seed(&rng, 3);
    struct asker a[ASKERS] = {0};
    for (int step = 0; step < STEPS; step++) {
        struct asker *one = &a[rng_below(&rng, ASKERS)];
        bool holds = one->done && one->result == 0;
        if (one->wait.op.state != OP_IDLE) {
            op_cancel(&one->wait.op);
        } else if (holds) {
            one->done = 0;
            limiter_release(rig.l);
        } else {
            one->done = 0;
            one->wait.asker =
                (struct slot_asker){.priority = rng_below(&rng, 3) == 0 ? SLOT_LOW : SLOT_NORMAL};
            bool full = rig.l->running == 3 && rig.l->waiting == 10;
            bool drives_out = one->wait.asker.priority == SLOT_NORMAL && rig.l->queue[SLOT_LOW].count > 0;
            assert_int_equal(limiter_acquire(rig.l, &one->wait, slot_done),
                             full && !drives_out ? -ERR_QUEUE_FULL : 0);
        }
        if (rng_below(&rng, 2) == 0)
            loop_turn(&rig.w.loop);
        assert_true(rig.l->running <= 3 && rig.l->waiting <= 10);
        assert_true(rig.l->waiting == 0 || rig.l->running == 3);
    }
    for (int i = 0; i < ASKERS; i++)
        op_cancel(&a[i].wait.op);
    loop_turn(&rig.w.loop);
    for (int i = 0; i < ASKERS; i++)
        if (a[i].done && a[i].result == 0)
            limiter_release(rig.l);
    assert_int_equal(rig.l->running, 0);
    rig_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_slot_is_granted_but_not_inside_acquire),
        cmocka_unit_test(test_first_come_first_served),
        cmocka_unit_test(test_full_queue_refuses),
        cmocka_unit_test(test_no_queue_at_all),
        cmocka_unit_test(test_cancelled_wait_frees_its_place),
        cmocka_unit_test(test_cancel_after_the_grant),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_keys_take_turns),
        cmocka_unit_test(test_low_waits_until_nobody_else_does_but_not_for_ever),
        cmocka_unit_test(test_a_full_queue_is_shared),
        cmocka_unit_test(test_a_turn_is_lent),
        cmocka_unit_test(test_random_walk_keeps_the_invariants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
