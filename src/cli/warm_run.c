/* Happy path: each job (a picture and a feature) is one errand: it is sent, its answer is told. Failure
 * modes: those of errands.c; a request that may have been sent is not sent again unless the gateway refused
 * it. Invariants: each job is counted once. */
#include "cli/warm_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/errands.h"
#include "cli/feature_form.h"
#include "cli/text.h"
#include "version.h"

enum { ANSWER_MAX = 1 << 20, CONNECT_MS = 5000 };

/* What a lane has of its job. */
struct warm_job {
    const struct warm_feature *feature;
    struct feature_form form;
    char *url;
};

struct warm {
    const struct warm_config *config;
    bool utf8;
    size_t made, there, unkept, failed;
    struct warm_job job[ERRANDS_AT_ONCE_MAX];
    struct errands errands;
};

static struct warm *warm_of(const struct errand *a)
{
    return a->all->config.ctx;
}

static struct warm_job *job_of(const struct errand *a)
{
    return &warm_of(a)->job[a->lane];
}

/* ---- what is told ---- */

static size_t over(const void *ctx)
{
    const struct warm *w = ctx;
    return w->made + w->there + w->unkept + w->failed;
}

static void tell_failure(struct errand *a, const struct warm_feature *f, const char *why)
{
    progress_clear(&a->all->progress);
    warm_of(a)->failed++;
    if (f)
        fprintf(stderr, "limner: %s: %s: %s\n", a->name, f->args.feature->command, why);
    else
        fprintf(stderr, "limner: %s: %s\n", a->name, why);
}

static void tell_answer(struct errand *a, const char *how, bool ran)
{
    progress_clear(&a->all->progress);
    if (warm_of(a)->config->quiet)
        return;
    printf("%s  %s  %s", a->name, job_of(a)->feature->args.feature->command, how);
    if (ran)
        printf("  %.1f s", errand_seconds(a));
    putchar('\n');
    fflush(stdout);
}

static void tell_end(struct warm *w)
{
    char clock[16];
    const struct errands *all = &w->errands;
    size_t jobs = all->config.count;
    text_clock((double)(loop_now_ns(all->loop) - all->begun_ns) / 1e9, clock, sizeof(clock));
    if (all->interrupted)
        fprintf(stderr, "limner: interrupted; %zu of %zu done\n", w->made + w->there, jobs);
    else if (w->unkept > 0)
        fprintf(stderr,
                "limner: the gateway does not keep results like %s; CACHE_TTL_MS and CACHE_MAX_SIZE say what "
                "it keeps, and relight needs --seed\n",
                w->unkept == 1 ? "one of these" : "these");
    if (!all->interrupted && !w->config->quiet && jobs > 1)
        printf("%zu results: %zu made, %zu there already, %zu not kept, %zu failed, in %s\n", jobs, w->made,
               w->there, w->unkept, w->failed, clock);
    fflush(stdout);
}

/* ---- one answer ---- */

static void take_result(struct errand *a)
{
    struct warm *w = warm_of(a);
    const char *cache = a->call.cache_status;
    bool hit = strstr(cache, "; hit"), twin = strstr(cache, "; collapsed");
    if (hit)
        w->there++;
    else if (twin || strstr(cache, "; stored"))
        w->made++;
    else
        w->unkept++;
    tell_answer(a, hit ? "is there already" : twin ? "was being made" : "made", !hit);
}

static bool may_pass(const struct errand *a)
{
    if (a->call.status == 0)
        return a->call.sent == SENT_NOTHING;
    return a->call.status == 429 || a->call.status == 503;
}

static void answered(struct errand *a)
{
    if (a->call.status == 200) {
        take_result(a);
    } else if (!errand_is_hopeless(a, true)) {
        FREE_ON_EXIT char *why = errand_reason(a);
        tell_failure(a, job_of(a)->feature, why);
    }
    errand_over(a);
}

/* ---- one request ---- */

static void send_job(struct errand *a)
{
    const struct warm_job *j = job_of(a);
    const struct options *opt = warm_of(a)->config->opt;
    struct http_call call = {
        .method = "POST",
        .url = j->url,
        .body = j->form.body,
        .answer_max_bytes = ANSWER_MAX,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = (uint32_t)MIN(opt->join_timeout_ms + opt->store_timeout_ms, (int64_t)UINT32_MAX),
    };
    call.header[call.header_count++] = (struct http_header){"Content-Type", j->form.type, false};
    errand_sign(a, &call);
    errand_ask(a, &call, 0);
}

static void clear(struct errand *a)
{
    struct warm_job *j = job_of(a);
    feature_form_release(&j->form);
    free(TAKE(j->url));
}

/* A picture that cannot be read fails for each feature. */
static bool begin(struct errand *a)
{
    struct warm *w = warm_of(a);
    struct warm_job *j = job_of(a);
    const struct input *input = &w->config->inputs->item[a->number / w->config->feature_count];
    j->feature = &w->config->feature[a->number % w->config->feature_count];
    a->name = input_shown_name(input->path, w->utf8);
    BLOB_ON_EXIT struct blob *bytes = NULL;
    struct error e;
    if (input->problem || input_read(input, &bytes, &e) < 0) {
        tell_failure(a, NULL, input->problem ? input->problem : e.reason);
        return false;
    }
    struct blob *picture[IMAGES_MAX];
    memcpy(picture, j->feature->picture, sizeof(picture));
    picture[0] = bytes;
    feature_form_make(&j->feature->args, picture, IMAGE_UNKNOWN, &j->form);
    j->url = mem_printf("%s%s", w->config->url, j->feature->args.feature->route);
    send_job(a);
    return true;
}

static const struct errand_ops warm_ops = {
    .begin = begin,
    .may_pass = may_pass,
    .answered = answered,
    .clear = clear,
    .over = over,
};

static int exit_code(const struct warm *w)
{
    if (w->errands.interrupted)
        return EXIT_INTERRUPTED;
    if (w->errands.hopeless || (w->failed > 0 && w->failed == w->errands.config.count))
        return EXIT_FAILED;
    return w->failed + w->unkept > 0 ? EXIT_PARTIAL : EXIT_DONE;
}

int warm_run(const struct warm_config *config)
{
    struct error e = {0};
    struct warm *w = NEW(struct warm);
    w->config = config;
    w->utf8 = text_utf8_ok();
    const struct errands_config errands = {
        .opt = config->opt,
        .url = config->url,
        .flag = "--url",
        .user_agent = "limner-warm/" LIMNER_VERSION,
        .at_once = (unsigned)config->opt->warm_parallel,
        .count = config->inputs->count * config->feature_count,
        .bar = !config->quiet,
        .ops = &warm_ops,
        .ctx = w,
    };
    int code = EXIT_FAILED;
    if (errands_start(&w->errands, &errands, &e) == 0) {
        errands_run(&w->errands);
        tell_end(w);
        code = exit_code(w);
    } else {
        fprintf(stderr, "limner: cannot start: %s\n", e.reason);
    }
    errands_stop(&w->errands);
    free(w);
    return code;
}
