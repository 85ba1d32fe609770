#include "loop/loop.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "loop/op.h"
#include "scratch.h"

struct rig {
    struct loop loop;
    uint64_t now_ns;
    atomic_uint wakes;
};

static uint64_t now_ns(struct loop *loop)
{
    const struct rig *rig = loop->driver_state;
    return rig->now_ns;
}

static void wake(struct loop *loop)
{
    struct rig *rig = loop->driver_state;
    rig->wakes++;
}

static const struct loop_driver driver = {.now_ns = now_ns, .wake = wake};

static void rig_init(struct rig *rig)
{
    *rig = (struct rig){.now_ns = 1000};
    loop_init(&rig->loop, &driver, rig);
    loop_own(&rig->loop);
}

/* What happened, in order. */
static char trace[64];
static size_t traced;

static void note(char c)
{
    assert_true(traced < sizeof(trace) - 1);
    trace[traced++] = c;
    trace[traced] = '\0';
}

static void forget(void)
{
    traced = 0;
    trace[0] = '\0';
}

/* ---- mail ---- */

struct letter {
    struct message message;
    char name;
    struct loop *again; /* posts itself once more */
};

static void read_letter(struct message *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, message);
    note(l->name);
    if (l->again)
        loop_post(TAKE(l->again), m, read_letter);
}

static void test_mail_comes_in_order_and_once(void **state)
{
    struct rig rig;
    rig_init(&rig);
    forget();
    struct letter a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
    loop_post(&rig.loop, &a.message, read_letter);
    loop_post(&rig.loop, &b.message, read_letter);
    loop_post(&rig.loop, &c.message, read_letter);
    assert_int_equal(rig.wakes, 1); /* one is enough */
    assert_false(loop_idle(&rig.loop));
    assert_string_equal(trace, "");
    loop_turn(&rig.loop);
    loop_turn(&rig.loop);
    assert_string_equal(trace, "abc");
    assert_true(loop_idle(&rig.loop));
    loop_release(&rig.loop);
}

static void test_a_message_may_be_posted_again_when_delivered(void **state)
{
    struct rig rig;
    rig_init(&rig);
    forget();
    struct letter a = {.name = 'a', .again = &rig.loop}, b = {.name = 'b'};
    loop_post(&rig.loop, &a.message, read_letter);
    loop_post(&rig.loop, &b.message, read_letter);
    loop_turn(&rig.loop);
    assert_string_equal(trace, "aba"); /* in the same turn, after what was there */
    loop_release(&rig.loop);
}

enum { POSTERS = 4, LETTERS = 20000 };

struct poster {
    struct rig *rig;
    struct parcel {
        struct message message;
        struct poster *from;
        unsigned number;
    } parcels[LETTERS];
    unsigned next; /* to be delivered */
};

static unsigned delivered;

static void take_parcel(struct message *m)
{
    struct parcel *p = CONTAINER_OF(m, struct parcel, message);
    assert_int_equal(p->number, p->from->next++);
    delivered++;
}

static void *post_all(void *arg)
{
    struct poster *p = arg;
    for (unsigned i = 0; i < LETTERS; i++) {
        p->parcels[i].from = p;
        p->parcels[i].number = i;
        loop_post(&p->rig->loop, &p->parcels[i].message, take_parcel);
    }
    return NULL;
}

static void test_threads_post_at_once(void **state)
{
    struct rig rig;
    rig_init(&rig);
    delivered = 0;
    struct poster *posters = mem_zalloc(POSTERS * sizeof(*posters));
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        posters[i].rig = &rig;
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    while (delivered < POSTERS * LETTERS)
        loop_turn(&rig.loop);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(loop_idle(&rig.loop));
    free(posters);
    loop_release(&rig.loop);
}

/* ---- timers ---- */

struct clock_timer {
    struct timer timer;
    struct rig *rig;
    uint64_t due_ns;
    unsigned fired;
};

static uint64_t last_due_ns;

static void fire_clock(struct timer *t)
{
    struct clock_timer *c = CONTAINER_OF(t, struct clock_timer, timer);
    assert_int_equal(t->slot, 0);
    assert_true(c->due_ns <= c->rig->now_ns && c->due_ns >= last_due_ns);
    last_due_ns = c->due_ns;
    c->fired++;
}

static void test_timers_fire_in_order_however_armed(void **state)
{
    enum { TIMERS = 2000 };
    struct rig rig;
    rig_init(&rig);
    struct rng rng;
    rng_seed(&rng, 7);
    struct clock_timer *t = mem_zalloc(TIMERS * sizeof(*t));
    for (int i = 0; i < TIMERS * 3; i++) { /* armed, armed again, disarmed */
        struct clock_timer *c = &t[rng_below(&rng, TIMERS)];
        c->rig = &rig;
        c->due_ns = 2000 + rng_below(&rng, 500);
        if (rng_below(&rng, 4) == 0)
            timer_disarm(&rig.loop, &c->timer);
        else
            timer_arm(&rig.loop, &c->timer, c->due_ns, fire_clock);
    }
    unsigned armed = 0, fired = 0;
    for (int i = 0; i < TIMERS; i++)
        armed += t[i].timer.slot != 0;
    loop_turn(&rig.loop);
    last_due_ns = 0;
    for (rig.now_ns = 2000; rig.now_ns < 2600; rig.now_ns += 7) {
        loop_turn(&rig.loop);
        assert_true(loop_next_timer_ns(&rig.loop) > rig.now_ns);
    }
    for (int i = 0; i < TIMERS; i++) {
        assert_true(t[i].fired <= 1);
        fired += t[i].fired;
    }
    assert_int_equal(fired, armed);
    assert_true(loop_next_timer_ns(&rig.loop) == UINT64_MAX);
    free(t);
    loop_release(&rig.loop);
}

static void fire_and_arm(struct timer *t)
{
    struct clock_timer *c = CONTAINER_OF(t, struct clock_timer, timer);
    note('t');
    if (++c->fired < 3)
        timer_arm(&c->rig->loop, t, c->fired == 1 ? c->rig->now_ns : c->rig->now_ns + 1, fire_and_arm);
}

static void test_a_timer_may_arm_itself(void **state)
{
    struct rig rig;
    rig_init(&rig);
    forget();
    struct clock_timer c = {.rig = &rig};
    timer_arm(&rig.loop, &c.timer, 0, fire_and_arm); /* long due */
    loop_turn(&rig.loop);
    assert_string_equal(trace, "tt"); /* due again at once; then in a nanosecond */
    rig.now_ns++;
    loop_turn(&rig.loop);
    assert_string_equal(trace, "ttt");
    loop_release(&rig.loop);
}

/* ---- operations ---- */

struct work {
    struct op op;
    char name;
    struct loop *again; /* starts and completes once more */
    bool free_me;
};

static void work_done(struct op *op)
{
    struct work *w = op->owner;
    assert_int_equal(op->state, OP_IDLE);
    note(w->name);
    if (w->again) {
        op_begin(op, TAKE(w->again), work_done, NULL);
        op_complete(op, 0);
    }
    if (w->free_me)
        free(w);
}

static void test_operations_resume_from_the_ready_queue(void **state)
{
    struct rig rig;
    rig_init(&rig);
    forget();
    struct work a = {.name = 'a', .again = &rig.loop}, *b = NEW(struct work);
    *b = (struct work){.name = 'b', .free_me = true};
    a.op.owner = &a;
    b->op.owner = b;
    op_begin(&a.op, &rig.loop, work_done, NULL);
    op_begin(&b->op, &rig.loop, work_done, NULL);
    op_complete(&a.op, -7);
    op_complete(&b->op, 0);
    assert_string_equal(trace, ""); /* never inside op_complete */
    assert_int_equal(a.op.result, -7);
    assert_false(loop_idle(&rig.loop));
    loop_turn(&rig.loop);
    assert_string_equal(trace, "aba");
    assert_int_equal(a.op.state, OP_IDLE);
    loop_release(&rig.loop);
}

static void cancel_work(struct op *op)
{
    note('x');
    op_complete(op, -1);
}

static void test_cancel_reaches_only_what_runs(void **state)
{
    struct rig rig;
    rig_init(&rig);
    forget();
    struct work a = {.name = 'a'}, deaf = {.name = 'd'};
    a.op.owner = &a;
    deaf.op.owner = &deaf;
    op_cancel(&a.op); /* not begun */
    op_begin(&a.op, &rig.loop, work_done, cancel_work);
    assert_true(op_running(&a.op));
    op_cancel(&a.op);
    op_cancel(&a.op); /* complete already */
    op_begin(&deaf.op, &rig.loop, work_done, NULL);
    op_cancel(&deaf.op); /* cannot be hurried */
    assert_true(op_running(&deaf.op));
    op_complete(&deaf.op, 0);
    loop_turn(&rig.loop);
    assert_string_equal(trace, "xad");
    loop_release(&rig.loop);
}

static void complete_by_mail(struct message *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, message);
    note(l->name);
}

static void fire_note(struct timer *t)
{
    note('t');
}

static void test_a_turn_is_mail_then_timers_then_ready(void **state)
{
    struct rig rig;
    rig_init(&rig);
    forget();
    struct work w = {.name = 'r'};
    struct letter l = {.name = 'm'};
    struct timer t = {0};
    w.op.owner = &w;
    op_begin(&w.op, &rig.loop, work_done, NULL);
    op_complete(&w.op, 0);
    timer_arm(&rig.loop, &t, rig.now_ns, fire_note);
    loop_post(&rig.loop, &l.message, complete_by_mail);
    loop_turn(&rig.loop);
    assert_string_equal(trace, "mtr");
    loop_release(&rig.loop);
}

static void *ask_whose(void *arg)
{
    return loop_is_mine(arg) ? arg : NULL;
}

static void test_one_owner(void **state)
{
    struct rig rig;
    rig_init(&rig);
    pthread_t thread;
    void *mine;
    assert_true(loop_is_mine(&rig.loop));
    assert_int_equal(pthread_create(&thread, NULL, ask_whose, &rig.loop), 0);
    pthread_join(thread, &mine);
    assert_null(mine);
    loop_release(&rig.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail_comes_in_order_and_once),
        cmocka_unit_test(test_a_message_may_be_posted_again_when_delivered),
        cmocka_unit_test(test_threads_post_at_once),
        cmocka_unit_test(test_timers_fire_in_order_however_armed),
        cmocka_unit_test(test_a_timer_may_arm_itself),
        cmocka_unit_test(test_operations_resume_from_the_ready_queue),
        cmocka_unit_test(test_cancel_reaches_only_what_runs),
        cmocka_unit_test(test_a_turn_is_mail_then_timers_then_ready),
        cmocka_unit_test(test_one_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
