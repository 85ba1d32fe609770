/* Happy path: a message starts the next picture; the client's answer tells how it went and posts the message
 * again; after the last one the app is stopped and app_run returns. Failure modes: a picture that cannot be
 * read or done is told and counted, and the next one starts; the first signal cancels the running request
 * and ends the batch with its answer; a second one leaves at once. Invariants: at most one request is alive;
 * req is not NULL exactly while it is. */
#include "cli/batch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/cli.h"
#include "cli/out_store.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "loop/loop_uv.h"
#include "metrics/metrics.h"

enum { DRAW_MS = 100 };

struct batch {
    const struct batch_config *config;
    struct services *svc;
    struct message next; /* starts the next picture */
    struct timer draw;
    struct progress progress;
    struct pace pace;
    uint64_t begun_ns;
    FILE *lines; /* for done and skipped ones */
    bool utf8;   /* of lines */
    const struct input *input;
    char *name;          /* of the input, for people */
    struct request *req; /* NULL: none runs */
    size_t at;           /* of the input that comes next */
    size_t done, skipped, failed;
    bool interrupted;
    bool told_network; /* why auto took the lesser network */
};

/* ---- what is told ---- */

static bool quiet(const struct batch *b)
{
    return b->config->args->quiet;
}

static double seconds_since(struct batch *b, uint64_t from_ns)
{
    return (double)(loop_now_ns(b->svc->loop) - from_ns) / 1e9;
}

static void draw(struct batch *b)
{
    struct request *req = b->req;
    if (!req)
        return;
    uint64_t now = loop_now_ns(b->svc->loop);
    const struct inputs *inputs = b->config->inputs;
    pace_tiles(&b->pace, req->run.done, req->run.total, now);
    struct progress_view view = {
        .image = (unsigned)b->at,
        .images = (unsigned)inputs->count,
        .name = b->name,
        .done = req->run.done,
        .total = req->run.total,
        .elapsed_s = seconds_since(b, b->pace.image_ns),
        .left_s = pace_left_s(&b->pace, (unsigned)(inputs->count - b->at), now),
    };
    if (b->interrupted)
        view.phase = "stopping";
    else if (req->at < STAGE_RUN)
        view.phase = "reading";
    else if (req->at > STAGE_RUN)
        view.phase = "writing";
    else if (req->run.total == 0)
        view.phase = "starting";
    else if (req->run.done == req->run.total)
        view.phase = "encoding";
    progress_draw(&b->progress, &view);
}

static void on_draw(struct timer *t)
{
    struct batch *b = CONTAINER_OF(t, struct batch, draw);
    timer_arm(b->svc->loop, t, loop_now_ns(b->svc->loop) + DRAW_MS * NS_PER_MS, on_draw);
    draw(b);
}

static char *shown_path(const struct batch *b, const char *path)
{
    if (strcmp(path, "-") == 0)
        return mem_strdup("-");
    return text_clean(path, b->utf8);
}

static void tell_failure(struct batch *b, const char *why)
{
    progress_clear(&b->progress);
    b->failed++;
    fprintf(stderr, "limner: %s: %s\n", b->name, why);
}

static void tell_skipped(struct batch *b)
{
    b->skipped++;
    if (quiet(b))
        return;
    FREE_ON_EXIT char *output = shown_path(b, b->input->output);
    progress_clear(&b->progress);
    fprintf(b->lines, "%s  is there already, skipped (-f does it again)\n", output);
    fflush(b->lines);
}

/* Once a batch: what a better network would have taken. */
static void tell_network(struct batch *b, const struct result *r)
{
    const char *would = r->reason ? strstr(r->reason, " would take ") : NULL;
    if (!would || b->told_network)
        return;
    b->told_network = true;
    fprintf(stderr, "limner: %s; --quality best runs it all the same\n", r->reason);
}

static void tell_done(struct batch *b, const struct result *r)
{
    const char *times = b->utf8 ? "×" : "x", *arrow = b->utf8 ? "→" : "->";
    const struct result_output *out = &r->output[0];
    b->done++;
    progress_clear(&b->progress);
    if (quiet(b))
        return;
    FREE_ON_EXIT char *output = shown_path(b, b->input->output);
    fprintf(b->lines, "%s  %u%s%u %s ", output, r->original_width, times, r->original_height, arrow);
    if (r->prescaled)
        fprintf(b->lines, "shrunk to %u%s%u %s ", r->prescaled_width, times, r->prescaled_height, arrow);
    if (out->width)
        fprintf(b->lines, "%u%s%u", out->width, times, out->height);
    else
        fputs("done", b->lines);
    fprintf(b->lines, "  %s  %.1f s\n", r->network ? r->network : r->model,
            seconds_since(b, b->pace.image_ns));
    fflush(b->lines);
    tell_network(b, r);
}

static void tell_end(struct batch *b)
{
    char clock[16];
    size_t count = b->config->inputs->count;
    progress_clear(&b->progress);
    text_clock(seconds_since(b, b->begun_ns), clock, sizeof(clock));
    if (b->interrupted)
        fprintf(stderr, "limner: interrupted; %zu of %zu done, nothing half-written is left behind\n",
                b->done + b->skipped, count);
    else if (!quiet(b) && count > 1)
        fprintf(b->lines, "%zu pictures: %zu done, %zu skipped, %zu failed, in %s\n", count, b->done,
                b->skipped, b->failed, clock);
    fflush(b->lines);
}

/* ---- the request's client ---- */

static void nothing_to_do(struct request *req)
{
    (void)req; /* there is no socket */
}

static void start_next(struct message *m);

static void answered(struct request *req)
{
    struct batch *b = req->client_state;
    const struct result *result = request_result(req);
    if (result) {
        pace_image_end(&b->pace, loop_now_ns(b->svc->loop));
        tell_done(b, result);
    } else if (!b->interrupted) {
        tell_failure(b, *req->err.reason ? req->err.reason : err_row(req->err.code)->message);
    }
    b->req = NULL;
    loop_post(b->svc->loop, &b->next, start_next);
}

static void progressed(struct request *req, unsigned done, unsigned total)
{
    draw(req->client_state);
}

static const struct client_ops batch_client = {
    .suspend = nothing_to_do,
    .watch = nothing_to_do,
    .answer = answered,
    .progress = progressed,
};

/* ---- one after another ---- */

static void add_fields(const struct batch *b, struct request *req)
{
    const struct params *params = &b->config->args->params;
    size_t count;
    const struct param_row *rows = feature_params(b->config->args->feature, &count);
    for (size_t i = 0; i < count; i++)
        request_add_field(req, rows[i].name, params->value[i]);
}

static void start_request(struct batch *b, struct blob *bytes)
{
    char id[UUID_TEXT];
    uuid_make(id);
    const struct input *input = b->input;
    const struct feature *f = b->config->args->feature;
    uint64_t now = loop_now_ns(b->svc->loop);
    struct out_aim aim = {input->output, input->type, (int)b->svc->opt->output_quality};
    out_store_aim(b->config->store, &aim);
    metrics_arrived(b->svc->metrics, f);
    struct request *req = request_new(b->svc, f, id, &batch_client, b, now);
    add_fields(b, req);
    req->wanted = input->type;
    req->receive.body = body_from_blob(b->svc->spool, bytes);
    req->receive.complete = true;
    b->req = req;
    request_start(req); /* may be over already when this returns */
    draw(b);
}

static bool output_exists(const struct input *input)
{
    struct stat st;
    return strcmp(input->output, "-") != 0 && stat(input->output, &st) == 0 && S_ISREG(st.st_mode);
}

/* True when a request runs now. */
static bool begin(struct batch *b, const struct input *input)
{
    b->input = input;
    free(b->name);
    b->name = strcmp(input->path, "-") == 0 ? mem_strdup("standard input") : text_clean(input->path, b->utf8);
    if (input->problem) {
        tell_failure(b, input->problem);
        return false;
    }
    if (!b->config->args->force && output_exists(input)) {
        tell_skipped(b);
        return false;
    }
    BLOB_ON_EXIT struct blob *bytes = NULL;
    struct error e;
    pace_image_begin(&b->pace, loop_now_ns(b->svc->loop));
    if (input_read(input, &bytes, &e) < 0) {
        tell_failure(b, e.reason);
        return false;
    }
    start_request(b, bytes);
    return true;
}

static void start_next(struct message *m)
{
    struct batch *b = CONTAINER_OF(m, struct batch, next);
    const struct inputs *inputs = b->config->inputs;
    while (b->at < inputs->count && !b->interrupted)
        if (begin(b, &inputs->item[b->at++]))
            return;
    timer_disarm(b->svc->loop, &b->draw);
    tell_end(b);
    app_stop(b->config->app);
}

static void on_signal(void *ctx, int signum)
{
    struct batch *b = ctx;
    if (b->interrupted) {
        out_store_abandon(b->config->store);
        progress_clear(&b->progress);
        _exit(EXIT_INTERRUPTED);
    }
    b->interrupted = true;
    if (!b->req)
        return;
    draw(b);
    error_set(&b->req->err, ERR_CLIENT_GONE, "%s", "");
    request_cancel(b->req);
}

static int exit_code(const struct batch *b)
{
    if (b->interrupted)
        return EXIT_INTERRUPTED;
    if (b->failed == 0)
        return EXIT_DONE;
    return b->failed == b->config->inputs->count ? EXIT_FAILED : EXIT_PARTIAL;
}

int batch_run(const struct batch_config *config)
{
    struct batch b = {.config = config, .svc = app_services(config->app)};
    bool to_stdout = false;
    for (size_t i = 0; i < config->inputs->count; i++)
        to_stdout |= config->inputs->item[i].output && strcmp(config->inputs->item[i].output, "-") == 0;
    b.lines = to_stdout ? stderr : stdout;
    b.utf8 = text_utf8_ok();
    b.begun_ns = loop_now_ns(b.svc->loop);
    progress_init(&b.progress, STDERR_FILENO, !config->args->quiet);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        loop_uv_on_signal(b.svc->uv, signals[i], on_signal, &b);
    loop_post(b.svc->loop, &b.next, start_next);
    timer_arm(b.svc->loop, &b.draw, b.begun_ns, on_draw);
    app_run(config->app);
    free(b.name);
    return exit_code(&b);
}
