/* limner top: what a gateway is doing, drawn anew every few seconds.
 *
 * Happy path: a sample is taken, shown, and after the interval the next one is taken. A key, a resize or a
 * signal is seen at any time, also while a sample is under way.
 * Failure modes: a gateway that does not answer leaves the last picture there, with the reason in its first
 * line, and is asked again; with --once, and before it has ever answered, it ends the command.
 * Invariants: one sample is under way at a time; the ring holds the last ones, newest last; however the
 * command ends, the terminal is left as it was. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/peek_args.h"
#include "cli/screen.h"
#include "cli/text.h"
#include "cli/top_view.h"

enum {
    KEPT = 64,
    MINUTE_S = 60,
    PLAIN_COLUMNS = 120,
    PLAIN_LINES = 1000,
    FRAME_MAX = 1 << 20,
    FIRST_MS = 1000
};

struct top {
    struct loop_uv *uv;
    struct loop *loop;
    struct peek *peek;
    const char *url;
    struct timer pause;
    uint64_t interval_ns;
    struct screen screen;
    bool drawn, once; /* on a terminal; one picture only */
    bool color, utf8;
    bool over;
    int code; /* to exit with */
    struct fd_watch *keys;
    struct sample ring[KEPT]; /* oldest first */
    unsigned kept;
    char trouble[320];
};

/* ---- showing ---- */

static const struct sample *minute_ago(const struct top *t)
{
    const struct sample *now = &t->ring[t->kept - 1];
    for (unsigned i = 0; i + 1 < t->kept; i++)
        if (now->at_ns - t->ring[i].at_ns <= MINUTE_S * NS_PER_S)
            return &t->ring[i];
    return NULL;
}

static void show(struct top *t)
{
    unsigned columns = PLAIN_COLUMNS, lines = PLAIN_LINES;
    BUF_ON_EXIT struct buf frame;
    struct page page;
    if (t->kept == 0)
        return;
    buf_init(&frame, FRAME_MAX);
    if (t->drawn)
        screen_size(t->screen.fd, &columns, &lines);
    const struct top_view view = {
        .url = t->url,
        .now = &t->ring[t->kept - 1],
        .before = t->kept > 1 ? &t->ring[t->kept - 2] : NULL,
        .long_ago = minute_ago(t),
        .trouble = *t->trouble ? t->trouble : NULL,
        .keys = t->drawn && t->keys,
    };
    page_init(&page, &frame, columns, lines, t->color, t->utf8);
    top_view_draw(&view, &page);
    if (t->drawn) {
        screen_draw(&t->screen, buf_text(&frame));
        return;
    }
    fputs(buf_text(&frame), stdout);
    putchar('\n');
    if (fflush(stdout) != 0) /* who read them has gone */
        t->over = true;
}

/* ---- ending ---- */

/* A sample under way still ends by itself, with done. */
static void finish(struct top *t, int code)
{
    t->over = true;
    t->code = code;
    timer_disarm(t->loop, &t->pause);
    peek_cancel(t->peek);
    if (!peek_busy(t->peek))
        loop_uv_stop(t->uv);
}

static void on_signal(void *ctx, int signum)
{
    finish(ctx, signum == SIGINT ? EXIT_DONE : 128 + signum);
}

static void on_resize(void *ctx, int signum)
{
    show(ctx);
}

/* Ctrl-Z: the shell gets its terminal as it was, and we ours when we go on. */
static void on_suspend(void *ctx, int signum)
{
    struct top *t = ctx;
    screen_leave(&t->screen);
    raise(SIGSTOP);
    screen_enter(&t->screen);
    show(t);
}

static void on_key(void *ctx, int fd, unsigned events)
{
    struct top *t = ctx;
    char key[16];
    ssize_t n = read(fd, key, sizeof(key));
    bool gone = n == 0 || (events & FD_ERROR);
    if (gone || (n > 0 && (memchr(key, 'q', (size_t)n) || memchr(key, 'Q', (size_t)n))))
        finish(t, EXIT_DONE);
}

/* ---- samples ---- */

static void ask(struct timer *timer)
{
    peek_start(CONTAINER_OF(timer, struct top, pause)->peek);
}

static void keep(struct top *t, struct sample *s)
{
    if (t->kept == KEPT) {
        sample_release(&t->ring[0]);
        memmove(t->ring, t->ring + 1, (KEPT - 1) * sizeof(t->ring[0]));
        t->kept--;
    }
    t->ring[t->kept++] = *s;
}

static void told(void *ctx)
{
    struct top *t = ctx;
    struct sample s = peek_take(t->peek);
    bool good = s.metrics && s.prom;
    snprintf(t->trouble, sizeof(t->trouble), "%s",
             *s.why || good ? s.why : "it has no metrics for Prometheus");
    if (good && !t->over)
        keep(t, &s);
    else
        sample_release(&s);
    bool first = t->kept < 2;
    if (!t->over && !good && (t->kept == 0 || t->once))
        finish(t, EXIT_FAILED);
    if (!t->over && (t->drawn || !first))
        show(t);
    if (!t->over && t->once && !first)
        finish(t, EXIT_DONE);
    if (t->over) {
        loop_uv_stop(t->uv);
        return;
    }
    uint64_t wait = first && t->drawn ? MIN(t->interval_ns, FIRST_MS * NS_PER_MS) : t->interval_ns;
    timer_arm(t->loop, &t->pause, loop_now_ns(t->loop) + wait, ask);
}

/* ---- the command ---- */

static void take_terminal(struct top *t)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    const char *no_color = getenv("NO_COLOR");
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        loop_uv_on_signal(t->uv, ends[i], on_signal, t);
    if (!t->drawn)
        return;
    t->color = !no_color || !*no_color;
    loop_uv_on_signal(t->uv, SIGWINCH, on_resize, t);
    loop_uv_on_signal(t->uv, SIGTSTP, on_suspend, t);
    screen_init(&t->screen, STDOUT_FILENO);
    screen_enter(&t->screen);
    if (t->screen.keys >= 0)
        t->keys = fd_watch_start(t->uv, t->screen.keys, FD_READ, on_key, t);
}

static int watch(const struct peek_args *args)
{
    struct top t = {.once = args->once, .utf8 = text_utf8_ok(), .url = args->place.url};
    struct error e;
    t.uv = loop_uv_new();
    t.loop = loop_uv_loop(t.uv);
    t.interval_ns = (uint64_t)(args->interval_s * 1e9);
    t.drawn = !t.once && screen_possible(STDOUT_FILENO);
    if (peek_new(&args->where, t.uv, told, &t, &t.peek, &e) < 0) {
        fprintf(stderr, "limner: %s\n", e.reason);
        loop_uv_free(t.uv);
        return EXIT_FAILED;
    }
    take_terminal(&t);
    timer_arm(t.loop, &t.pause, 0, ask);
    loop_uv_run(t.uv);
    fd_watch_stop(t.keys);
    if (t.drawn)
        screen_release(&t.screen);
    if (t.code == EXIT_FAILED)
        fprintf(stderr, "limner: %s: %s\n", t.url, t.trouble);
    peek_free(t.peek);
    for (unsigned i = 0; i < t.kept; i++)
        sample_release(&t.ring[i]);
    loop_uv_free(t.uv);
    return t.code;
}

int cli_top(int argc, char **argv)
{
    struct peek_args args;
    int r = peek_args_read(&args, argc, argv, 2);
    if (r != 0)
        return r;
    signal(SIGPIPE, SIG_IGN);
    int code = watch(&args);
    peek_args_release(&args);
    return code;
}
