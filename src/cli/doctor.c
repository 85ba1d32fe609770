/* limner doctor: two samples of a running gateway, judged by the table of doctor_rules.c; and, if it runs on
 * this machine, what `limner check` finds here. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/doctor_rules.h"
#include "cli/peek_args.h"

enum { EXIT_UNREACHED = 2, MEMINFO_MAX = 8192 };

struct doctor {
    struct loop_uv *uv;
    struct peek *peek;
    struct timer pause;
    uint64_t interval_ns;
    struct sample sample[2];
    unsigned taken;
    unsigned bad, advised;
};

/* ---- samples ---- */

static void ask(struct timer *t)
{
    peek_start(CONTAINER_OF(t, struct doctor, pause)->peek);
}

static void told(void *ctx)
{
    struct doctor *d = ctx;
    struct sample *s = &d->sample[d->taken++];
    *s = peek_take(d->peek);
    if (!s->metrics || !s->prom || d->taken == ARRAY_LEN(d->sample)) {
        loop_uv_stop(d->uv);
        return;
    }
    struct loop *loop = loop_uv_loop(d->uv);
    timer_arm(loop, &d->pause, loop_now_ns(loop) + d->interval_ns, ask);
}

/* 0, or -ERR_UPSTREAM with why. */
static int take_samples(struct doctor *d, const struct peek_args *args, struct error *e)
{
    d->uv = loop_uv_new();
    d->interval_ns = (uint64_t)(args->interval_s * 1e9);
    int r = peek_new(&args->where, d->uv, told, d, &d->peek, e);
    if (r < 0)
        return r;
    timer_arm(loop_uv_loop(d->uv), &d->pause, 0, ask);
    loop_uv_run(d->uv);
    const struct sample *last = &d->sample[d->taken - 1];
    if (last->metrics && last->prom)
        return 0;
    return error_set(e, ERR_UPSTREAM, "%.200s", *last->why ? last->why : "it has no metrics for Prometheus");
}

/* ---- this machine ---- */

static double disk_used(const char *path)
{
    struct statvfs fs;
    if (statvfs(path, &fs) < 0 || fs.f_blocks == 0)
        return -1;
    double free = (double)fs.f_bavail, used = (double)(fs.f_blocks - fs.f_bfree);
    return used / (used + free);
}

static double memory_used(void)
{
    char text[MEMINFO_MAX];
    unsigned long long total = 0, available = 0;
    CLOSE_ON_EXIT int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    const char *a = strstr(text, "MemTotal:"), *b = strstr(text, "MemAvailable:");
    if (!a || !b)
        return -1;
    total = strtoull(a + strlen("MemTotal:"), NULL, 10);
    available = strtoull(b + strlen("MemAvailable:"), NULL, 10);
    return total > 0 ? 1 - (double)available / (double)total : -1;
}

/* ---- what is said ---- */

static void tell(struct doctor *d, bool bad, const char *name, const char *text)
{
    printf("%s %s: %s\n", bad ? "bad:   " : "advice:", name, text);
    d->bad += bad;
    d->advised += !bad;
}

static void found_here(void *ctx, bool ok, const char *what, const char *text)
{
    if (!ok)
        tell(ctx, true, what, text);
}

static void judge(struct doctor *d, const struct doctor_local *local)
{
    const struct facts facts = {.now = &d->sample[1], .before = &d->sample[0], .local = local};
    for (unsigned i = 0; i < doctor_rule_count; i++) {
        const struct rule *r = &doctor_rules[i];
        FREE_ON_EXIT char *text = NULL;
        if (!doctor_judge(r, &facts, &text))
            continue;
        tell(d, r->kind == DOCTOR_BAD, r->name, text);
        printf("        %s%s%s%s\n", r->advice, *r->option ? " [" : "", r->option, *r->option ? "]" : "");
    }
    if (d->bad + d->advised == 0)
        printf("nothing to advise\n");
    printf("(%s)\n", doctor_recent(&facts)
                         ? "judged by the seconds between two samples"
                         : "judged by all since the gateway's start, as little came just now");
}

static int examine(const struct peek_args *args)
{
    struct doctor d = {0};
    struct error e;
    const struct options *opt = &args->config.opt;
    struct doctor_local local = {.opt = opt};
    int code = EXIT_UNREACHED;
    if (take_samples(&d, args, &e) < 0) {
        fprintf(stderr, "limner: %s: %s\n", args->place.url, e.reason);
    } else {
        if (args->here) {
            local.disk_used = disk_used(opt->data_dir);
            local.memory_used = memory_used();
            check_all(&args->config, true, found_here, &d);
        }
        judge(&d, args->here ? &local : NULL);
        code = d.bad ? EXIT_FAILED : EXIT_DONE;
    }
    peek_free(d.peek);
    for (size_t i = 0; i < ARRAY_LEN(d.sample); i++)
        sample_release(&d.sample[i]);
    loop_uv_free(d.uv);
    return code;
}

int cli_doctor(int argc, char **argv)
{
    struct peek_args args;
    int r = peek_args_read(&args, argc, argv, 5);
    if (r != 0)
        return r;
    signal(SIGPIPE, SIG_IGN);
    int code = examine(&args);
    peek_args_release(&args);
    return code;
}
