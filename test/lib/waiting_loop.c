#include "waiting_loop.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "scratch.h"

static uint64_t now_ns(struct loop *loop)
{
    return clock_mono_ns();
}

static void wake(struct loop *loop)
{
    struct waiting_loop *w = loop->driver_state;
    sem_post(&w->awake);
}

static const struct loop_driver driver = {.now_ns = now_ns, .wake = wake};

void waiting_loop_init(struct waiting_loop *w)
{
    sem_init(&w->awake, 0, 0);
    loop_init(&w->loop, &driver, w);
    loop_own(&w->loop);
}

void waiting_loop_release(struct waiting_loop *w)
{
    loop_release(&w->loop);
    sem_destroy(&w->awake);
}

/* Until somebody wakes us or a timer is due; false: neither within 30 s. */
static bool sleep_until_news(struct waiting_loop *w)
{
    uint64_t now = clock_mono_ns(), due = loop_next_timer_ns(&w->loop);
    uint64_t wait_ns = MIN(due > now ? due - now : 0, 30 * NS_PER_S);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(wait_ns / NS_PER_S);
    until.tv_nsec += (long)(wait_ns % NS_PER_S);
    if (until.tv_nsec >= (long)NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= (long)NS_PER_S;
    }
    int r;
    do
        r = sem_timedwait(&w->awake, &until);
    while (r < 0 && errno == EINTR);
    return r == 0 || due <= clock_mono_ns();
}

void waiting_loop_run(struct waiting_loop *w, const unsigned *count, unsigned target)
{
    uint64_t start = clock_mono_ns();
    loop_turn(&w->loop);
    while (*count < target) {
        assert_true(sleep_until_news(w));
        assert_true(clock_mono_ns() - start < 60 * NS_PER_S);
        loop_turn(&w->loop);
    }
}

void waiting_loop_step(struct waiting_loop *w)
{
    loop_turn(&w->loop);
    assert_true(sleep_until_news(w));
    loop_turn(&w->loop);
}
