/* Happy path: a message starts the next picture; the client's answer tells how it went and posts the message
 * again; after the last one the app is stopped and app_run returns. Failure modes: a picture that cannot be
 * read or done is told and counted, and the next one starts; the first signal cancels the running request
 * and ends the batch with its answer; a second one leaves at once. Invariants: at most one request is alive;
 * req is not NULL exactly while it is. */
#include "cli/batch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
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
#include "request/story.h"

enum { DRAW_MS = 100 };

struct batch {
    const struct batch_config *config;
    struct services *svc;
    struct message next; /* starts the next picture */
    struct timer draw;
    struct progress progress;
    struct pace pace;
    uint64_t begun_ns;
    FILE *lines;         /* for done and skipped ones */
    bool utf8;           /* of lines */
    struct out_aim aim;  /* of the input that runs */
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

/* What a request does that tells no parts; NULL: it tells them. */
static const char *phase_of(const struct batch *b, const struct request *req)
{
    if (b->interrupted)
        return "stopping";
    if (req->at < STAGE_RUN)
        return "reading";
    if (req->at == STAGE_COMPOSE)
        return "composing";
    if (req->at > STAGE_RUN)
        return "writing";
    if (req->run.story)
        return *story_step(req->run.story) ? story_step(req->run.story) : "outline";
    if (req->run.total == 0)
        return req->run.child ? "cutting out" : "starting";
    return req->run.done == req->run.total ? "encoding" : NULL;
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
        .part = b->aim.comic       ? "step"
                : b->aim.count > 1 ? "result"
                                   : "tile",
        .phase = phase_of(b, req),
        .elapsed_s = seconds_since(b, b->pace.image_ns),
        .left_s = pace_left_s(&b->pace, (unsigned)(inputs->count - b->at), now),
    };
    progress_draw(&b->progress, &view);
}

static void on_draw(struct timer *t)
{
    struct batch *b = CONTAINER_OF(t, struct batch, draw);
    timer_arm(b->svc->loop, t, loop_now_ns(b->svc->loop) + DRAW_MS * NS_PER_MS, on_draw);
    draw(b);
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
    FREE_ON_EXIT char *places = out_shown_all(&b->aim, b->utf8);
    progress_clear(&b->progress);
    fprintf(b->lines, "%s  is there already, skipped (-f does it again)\n", places);
    fflush(b->lines);
}

/* Some of several results: writing the rest would mix two runs, or write over what is no result at all. */
static void tell_partly_there(struct batch *b, unsigned there)
{
    FREE_ON_EXIT char *path = out_path(&b->aim, there), *shown = out_shown(path, b->utf8);
    FREE_ON_EXIT char *places = out_shown_all(&b->aim, b->utf8);
    FREE_ON_EXIT char *why =
        mem_printf("%s is there already, but not all of %s; -f does them all again", shown, places);
    tell_failure(b, why);
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

/* What the model saw is told where it is what became the result. */
static void tell_sizes(struct batch *b, const struct result *r, const struct result_output *out)
{
    const char *times = b->utf8 ? "×" : "x", *arrow = b->utf8 ? "→" : "->";
    bool composed = b->config->args->feature->step != FEATURE_NONE;
    fprintf(b->lines, "  %u%s%u %s ", r->original_width, times, r->original_height, arrow);
    if (r->prescaled && !composed)
        fprintf(b->lines, "shrunk to %u%s%u %s ", r->prescaled_width, times, r->prescaled_height, arrow);
    if (out->width)
        fprintf(b->lines, "%u%s%u", out->width, times, out->height);
    else
        fputs("done", b->lines);
}

/* The rest of a result's line. */
static void tell_how(struct batch *b, const struct result *r, bool last)
{
    fprintf(b->lines, "  %s", r->network ? r->network : r->model);
    if (last) /* of all */
        fprintf(b->lines, "  %.1f s", seconds_since(b, b->pace.image_ns));
    fputc('\n', b->lines);
}

static const struct result_output *comic_part(const struct batch *b, const struct result *r, unsigned n)
{
    for (unsigned i = 0; i < r->output_count; i++)
        if (comic_out_number(b->aim.comic, r->output[i].key) == n)
            return &r->output[i];
    return NULL;
}

/* The files that there are now; of a book also how many pages are in it. */
static void tell_comic(struct batch *b, const struct result *r)
{
    unsigned pages = 0;
    for (unsigned i = 0; i < r->output_count; i++)
        pages += r->output[i].width > 0;
    for (unsigned n = 1; n <= b->aim.count; n++) {
        const struct result_output *out = comic_part(b, r, n);
        FREE_ON_EXIT char *path = out_path(&b->aim, n), *shown = out_shown(path, b->utf8);
        fputs(shown, b->lines);
        if (out && out->width)
            fprintf(b->lines, "  %u%s%u", out->width, b->utf8 ? "×" : "x", out->height);
        else
            fprintf(b->lines, "  %u page%s", pages, pages == 1 ? "" : "s");
        tell_how(b, r, n == b->aim.count);
    }
}

static void tell_pictures(struct batch *b, const struct result *r)
{
    for (unsigned i = 0; i < r->output_count; i++) {
        FREE_ON_EXIT char *path = out_path(&b->aim, i + 1), *shown = out_shown(path, b->utf8);
        fputs(shown, b->lines);
        tell_sizes(b, r, &r->output[i]);
        tell_how(b, r, i + 1 == r->output_count);
    }
}

static void tell_done(struct batch *b, const struct result *r)
{
    b->done++;
    progress_clear(&b->progress);
    if (quiet(b))
        return;
    if (b->aim.comic)
        tell_comic(b, r);
    else
        tell_pictures(b, r);
    fflush(b->lines);
    tell_network(b, r);
}

/* An error of a further picture names that too. */
static void tell_error(struct batch *b, const struct error *e)
{
    const char *reason = *e->reason ? e->reason : err_row(e->code)->message;
    const struct feature_args *args = b->config->args;
    size_t count;
    const struct image_row *images = feature_images(args->feature, &count);
    for (size_t i = 1; i < count; i++) {
        if (!args->picture[i] || strcmp(e->field, images[i].field) != 0)
            continue;
        FREE_ON_EXIT char *name = input_shown_name(args->picture[i], b->utf8);
        FREE_ON_EXIT char *why = mem_printf("--%s %s: %s", images[i].field, name, reason);
        tell_failure(b, why);
        return;
    }
    tell_failure(b, reason);
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
        tell_error(b, &req->err);
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

/* Type and quality of a result are said by its place and by an option. */
static const char *field_value(const struct batch *b, struct request *req, const struct param_row *row,
                               const char *value)
{
    if (strcmp(row->name, "output_format") == 0)
        return image_extension(b->aim.type);
    if (strcmp(row->name, "output_quality") == 0)
        return arena_printf(&req->arena, "%d", b->aim.quality);
    return value;
}

static void add_fields(const struct batch *b, struct request *req)
{
    const struct params *params = &b->config->args->params;
    size_t count;
    const struct param_row *rows = feature_params(b->config->args->feature, &count);
    for (size_t i = 0; i < count; i++)
        request_add_field(req, rows[i].name, field_value(b, req, &rows[i], params->value[i]));
}

/* bytes: of the input; NULL: there is none. */
static void add_pictures(const struct batch *b, struct request *req, struct blob *bytes)
{
    for (unsigned i = 0; i < IMAGES_MAX; i++) {
        struct blob *picture = i == 0 && bytes ? bytes : b->config->picture[i];
        if (picture)
            req->receive.body[i] = body_from_blob(b->svc->spool, picture);
    }
    req->receive.complete = true;
}

static void start_request(struct batch *b, struct blob *bytes)
{
    char id[UUID_TEXT];
    uuid_make(id);
    const struct feature *f = b->config->args->feature;
    out_store_aim(b->config->store, &b->aim);
    metrics_arrived(b->svc->metrics, f);
    struct request *req = request_new(b->svc, f, id, &batch_client, b, loop_now_ns(b->svc->loop));
    add_fields(b, req);
    add_pictures(b, req, bytes);
    req->wanted = b->aim.type;
    b->req = req;
    request_start(req); /* may be over already when this returns */
    draw(b);
}

/* True, and told, when there is something that is not to be written over. */
static bool stands_in_the_way(struct batch *b)
{
    unsigned one = 0, there = b->config->args->force ? 0 : out_count_there(&b->aim, &one);
    if (there == 0)
        return false;
    if (there == b->aim.count)
        tell_skipped(b);
    else
        tell_partly_there(b, one);
    return true;
}

static void take_aim(struct batch *b, const struct input *input)
{
    const struct feature_args *args = b->config->args;
    b->aim = (struct out_aim){
        .path = input->output,
        .prefix = args->prefix,
        .type = input->type,
        .quality = (int)b->svc->opt->output_quality,
        .count = args->results,
        .comic = args->comic,
    };
    free(b->name);
    b->name = input_shown_name(input->path, b->utf8);
}

/* True when a request runs now. */
static bool begin(struct batch *b, const struct input *input)
{
    take_aim(b, input);
    if (input->problem) {
        tell_failure(b, input->problem);
        return false;
    }
    if (stands_in_the_way(b))
        return false;
    BLOB_ON_EXIT struct blob *bytes = NULL;
    struct error e;
    pace_image_begin(&b->pace, loop_now_ns(b->svc->loop));
    if (!input->unread && input_read(input, &bytes, &e) < 0) {
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
