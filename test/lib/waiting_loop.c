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

void waiting_loop_run(struct waiting_loop *w, const unsigned *count, unsigned target)
{
    loop_turn(&w->loop);
    while (*count < target) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 30;
        int r;
        do
            r = sem_timedwait(&w->awake, &until);
        while (r < 0 && errno == EINTR);
        assert_int_equal(r, 0);
        loop_turn(&w->loop);
    }
}
