#include "loop/loop_uv.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "scratch.h"

struct rig {
    struct loop_uv *uv;
    struct timer timer, guard;
    struct message message;
    uint64_t due_ns, fired_ns;
    unsigned letters, signals, gone;
    int fd[2];
    struct peer_watch *watch;
};

static struct rig rig;

static struct loop *loop(void)
{
    return loop_uv_loop(rig.uv);
}

static void too_late(struct timer *t)
{
    fail_msg("nothing happened for 10 s");
}

static void set_up(void)
{
    rig = (struct rig){.uv = loop_uv_new()};
    timer_arm(loop(), &rig.guard, clock_mono_ns() + 10 * NS_PER_S, too_late);
}

static void run(void)
{
    loop_uv_run(rig.uv);
    timer_disarm(loop(), &rig.guard);
}

static void stop_at(struct timer *t)
{
    rig.fired_ns = clock_mono_ns();
    loop_uv_stop(rig.uv);
}

static void test_timer_is_never_early(void **state)
{
    for (unsigned us = 0; us < 20000; us += 3333) {
        set_up();
        rig.due_ns = clock_mono_ns() + us * 1000ull;
        timer_arm(loop(), &rig.timer, rig.due_ns, stop_at);
        run();
        assert_true(rig.fired_ns >= rig.due_ns);
        assert_true(rig.fired_ns - rig.due_ns < NS_PER_S);
        loop_uv_free(rig.uv);
    }
}

static void arm_sooner(struct message *m)
{
    rig.letters++;
    timer_arm(loop(), &rig.timer, clock_mono_ns() + 5 * NS_PER_MS, stop_at);
}

static void *post_from_afar(void *arg)
{
    usleep(20000);
    loop_post(loop(), &rig.message, arm_sooner);
    return NULL;
}

/* The core sleeps until a far timer; another thread's message wakes it, and a nearer timer is kept. */
static void test_mail_wakes_a_sleeper(void **state)
{
    set_up();
    pthread_t thread;
    uint64_t begin = clock_mono_ns();
    timer_arm(loop(), &rig.timer, begin + 8 * NS_PER_S, stop_at);
    assert_int_equal(pthread_create(&thread, NULL, post_from_afar, NULL), 0);
    run();
    pthread_join(thread, NULL);
    assert_int_equal(rig.letters, 1);
    assert_true(rig.fired_ns - begin < 5 * NS_PER_S);
    loop_uv_free(rig.uv);
}

static void on_signal(void *ctx, int signum)
{
    assert_ptr_equal(ctx, &rig);
    assert_int_equal(signum, SIGUSR1);
    if (++rig.signals == 2)
        loop_uv_stop(rig.uv);
    else
        raise(SIGUSR1);
}

static void test_signals_come_to_the_core(void **state)
{
    set_up();
    loop_uv_on_signal(rig.uv, SIGUSR1, on_signal, &rig);
    raise(SIGUSR1);
    run();
    assert_int_equal(rig.signals, 2);
    loop_uv_free(rig.uv);
}

static void peer_gone(void *ctx)
{
    rig.gone++;
    peer_watch_stop(rig.watch); /* inside its own call, as http_client.c does */
    rig.watch = NULL;
    timer_arm(loop(), &rig.timer, clock_mono_ns() + 20 * NS_PER_MS, stop_at); /* were it told twice… */
}

static void close_peer(struct timer *t)
{
    close(rig.fd[1]);
    rig.fd[1] = -1;
}

static void half_close_peer(struct timer *t)
{
    shutdown(rig.fd[1], SHUT_WR);
}

static void peer_leaves_by(void (*how)(struct timer *t), bool before)
{
    set_up();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, rig.fd), 0);
    struct timer leave = {0};
    if (before)
        how(&leave);
    rig.watch = peer_watch_start(rig.uv, rig.fd[0], peer_gone, NULL);
    assert_non_null(rig.watch);
    if (!before)
        timer_arm(loop(), &leave, clock_mono_ns() + 10 * NS_PER_MS, how);
    run();
    assert_int_equal(rig.gone, 1);
    close(rig.fd[0]);
    if (rig.fd[1] >= 0)
        close(rig.fd[1]);
    loop_uv_free(rig.uv);
}

static void test_peer_that_leaves_is_noticed_once(void **state)
{
    peer_leaves_by(close_peer, false);
    peer_leaves_by(half_close_peer, false);
    peer_leaves_by(close_peer, true);
}

static void stop_watch_then_close(struct timer *t)
{
    peer_watch_stop(TAKE(rig.watch));
    close_peer(t);
    timer_arm(loop(), t, clock_mono_ns() + 20 * NS_PER_MS, stop_at);
}

static void test_stopped_watch_is_silent(void **state)
{
    set_up();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, rig.fd), 0);
    rig.watch = peer_watch_start(rig.uv, rig.fd[0], peer_gone, NULL);
    assert_non_null(rig.watch);
    timer_arm(loop(), &rig.timer, clock_mono_ns(), stop_watch_then_close);
    assert_int_equal(write(rig.fd[1], "words", 5), 5); /* bytes are no reason either */
    run();
    assert_int_equal(rig.gone, 0);
    close(rig.fd[0]);
    peer_watch_stop(NULL);
    loop_uv_free(rig.uv);
    loop_uv_free(NULL);
}

static void test_what_cannot_be_watched(void **state)
{
    set_up();
    assert_null(peer_watch_start(rig.uv, -1, peer_gone, NULL));
    timer_disarm(loop(), &rig.guard);
    loop_uv_free(rig.uv);
}

static struct fd_watch *watched;
static unsigned told;

static void socket_ready(void *ctx, int fd, unsigned events)
{
    char byte;
    assert_ptr_equal(ctx, &rig);
    assert_int_equal(fd, rig.fd[0]);
    switch (++told) {
    case 1: /* it can always be written */
        assert_int_equal(events, FD_WRITE);
        fd_watch_set(watched, FD_READ);
        assert_int_equal(write(rig.fd[1], "ab", 2), 2);
        return;
    case 2:
    case 3: /* as long as there is something to read */
        assert_int_equal(events, FD_READ);
        assert_int_equal(read(fd, &byte, 1), 1);
        if (told == 3)
            close(rig.fd[1]);
        return;
    default: /* its end is to be read too; after the stop nothing more is told */
        assert_int_equal(read(fd, &byte, 1), 0);
        fd_watch_stop(TAKE(watched));
        timer_arm(loop(), &rig.timer, clock_mono_ns() + 20 * NS_PER_MS, stop_at);
    }
}

static void test_watched_socket_tells_each_time(void **state)
{
    set_up();
    told = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, rig.fd), 0);
    watched = fd_watch_start(rig.uv, rig.fd[0], FD_WRITE, socket_ready, &rig);
    assert_non_null(watched);
    assert_null(fd_watch_start(rig.uv, -1, FD_READ, socket_ready, &rig));
    run();
    assert_int_equal(told, 4);
    close(rig.fd[0]);
    fd_watch_stop(NULL);
    loop_uv_free(rig.uv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_is_never_early),
        cmocka_unit_test(test_mail_wakes_a_sleeper),
        cmocka_unit_test(test_signals_come_to_the_core),
        cmocka_unit_test(test_peer_that_leaves_is_noticed_once),
        cmocka_unit_test(test_stopped_watch_is_silent),
        cmocka_unit_test(test_what_cannot_be_watched),
        cmocka_unit_test(test_watched_socket_tells_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
