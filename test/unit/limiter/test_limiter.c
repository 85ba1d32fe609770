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
    assert_int_equal(limiter_retry_after_s(rig.l, 0), 1); /* nothing is known yet */
    assert_int_equal(limiter_retry_after_s(rig.l, NS_PER_S), 1);
    struct asker a[12] = {0};
    for (int i = 0; i < 12; i++)
        assert_int_equal(limiter_acquire(rig.l, &a[i].wait, slot_done), 0);
    assert_int_equal(limiter_retry_after_s(rig.l, 10 * NS_PER_S), 55); /* 10 wait and one more, two at once */
    assert_int_equal(limiter_retry_after_s(rig.l, 1000 * NS_PER_S), 3600);
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
    assert_int_equal(limiter_retry_after_s(rig.l, 10 * NS_PER_S), 45); /* three, two at once, for three */
    op_cancel(&a[1].wait.op);
    assert_int_equal(other.changes, 5);
    limiter_open(rig.l);
    loop_turn(&rig.w.loop);
    assert_int_equal(a[2].done, 3);
    assert_int_equal(rig.l->running, 1);
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
            bool full = rig.l->running == 3 && rig.l->waiting == 10;
            assert_int_equal(limiter_acquire(rig.l, &one->wait, slot_done), full ? -ERR_QUEUE_FULL : 0);
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
        cmocka_unit_test(test_random_walk_keeps_the_invariants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
