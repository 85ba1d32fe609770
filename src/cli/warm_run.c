/* Happy path: each of several lanes takes the next job (a picture and a feature), sends it, waits for the
 * answer, tells it, and takes the next one; the last lane to find nothing stops the loop. Failure modes: a
 * gateway that has no place (429, 503) or cannot be reached any more is asked again with pauses, as long as
 * a request may wait in its queue; one that never answered, or refuses the key, ends everything at once, as
 * all that follows would fail alike. Invariants: a lane has either a call or a pause under way, or is idle;
 * each job is counted once. */
#include "cli/warm_run.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/form_body.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "http/client/client.h"
#include "http/client/patience.h"
#include "loop/loop_uv.h"
#include "version.h"

enum { LANES_MAX = 64, DRAW_MS = 100, ANSWER_MAX = 1 << 20, PART_HEAD = 1024, CONNECT_MS = 5000 };

struct warm;

struct lane_of_calls {
    struct warm *warm;
    const struct warm_feature *feature;
    char *name; /* of the input, for people; NULL: idle */
    struct blob *form;
    char type[FORM_TYPE_MAX];
    char *url;
    uint64_t begun_ns;
    struct http_call call;
    struct patience patience;
    struct timer pause;
};

struct warm {
    const struct warm_config *config;
    struct loop_uv *uv;
    struct loop *loop;
    struct http_client_pool *pool;
    struct message begin;
    struct timer draw;
    struct progress progress;
    struct rng rng;
    bool utf8;
    uint64_t begun_ns;
    size_t at, jobs; /* the next job, and how many there are */
    size_t made, there, unkept, failed;
    unsigned busy; /* lanes */
    bool answered; /* there is a gateway */
    bool interrupted, hopeless;
    struct lane_of_calls lane[LANES_MAX];
};

/* ---- what is told ---- */

static size_t over(const struct warm *w)
{
    return w->made + w->there + w->unkept + w->failed;
}

static double seconds_since(const struct warm *w, uint64_t from_ns)
{
    return (double)(loop_now_ns(w->loop) - from_ns) / 1e9;
}

static void draw(struct warm *w)
{
    const char *name = "";
    char phase[32];
    size_t done = over(w);
    for (unsigned i = 0; i < LANES_MAX && !*name; i++)
        name = w->lane[i].name ? w->lane[i].name : "";
    snprintf(phase, sizeof(phase), w->interrupted ? "stopping" : "%u at once", w->busy);
    double elapsed_s = seconds_since(w, w->begun_ns);
    struct progress_view view = {
        .image = (unsigned)MIN(done + 1, w->jobs),
        .images = (unsigned)w->jobs,
        .name = name,
        .phase = phase,
        .elapsed_s = elapsed_s,
        .left_s = done > 0 ? elapsed_s / (double)done * (double)(w->jobs - done) : -1,
    };
    progress_draw(&w->progress, &view);
}

static void on_draw(struct timer *t)
{
    struct warm *w = CONTAINER_OF(t, struct warm, draw);
    timer_arm(w->loop, t, loop_now_ns(w->loop) + DRAW_MS * NS_PER_MS, on_draw);
    draw(w);
}

static void tell_failure(struct warm *w, const char *name, const struct warm_feature *f, const char *why)
{
    progress_clear(&w->progress);
    w->failed++;
    if (f)
        fprintf(stderr, "limner: %s: %s: %s\n", name, f->args.feature->command, why);
    else
        fprintf(stderr, "limner: %s: %s\n", name, why);
}

static void tell_answer(struct lane_of_calls *l, const char *how, bool ran)
{
    struct warm *w = l->warm;
    progress_clear(&w->progress);
    if (w->config->quiet)
        return;
    printf("%s  %s  %s", l->name, l->feature->args.feature->command, how);
    if (ran)
        printf("  %.1f s", seconds_since(w, l->begun_ns));
    putchar('\n');
    fflush(stdout);
}

static void tell_end(struct warm *w)
{
    char clock[16];
    progress_clear(&w->progress);
    text_clock(seconds_since(w, w->begun_ns), clock, sizeof(clock));
    if (w->interrupted)
        fprintf(stderr, "limner: interrupted; %zu of %zu done\n", w->made + w->there, w->jobs);
    else if (w->unkept > 0)
        fprintf(stderr,
                "limner: the gateway does not keep results like %s; CACHE_TTL_MS and CACHE_MAX_SIZE say what "
                "it keeps, and relight needs --seed\n",
                w->unkept == 1 ? "one of these" : "these");
    if (!w->interrupted && !w->config->quiet && w->jobs > 1)
        printf("%zu results: %zu made, %zu there already, %zu not kept, %zu failed, in %s\n", w->jobs,
               w->made, w->there, w->unkept, w->failed, clock);
    fflush(stdout);
}

/* ---- one answer ---- */

/* What a refusal says, as problem+json. */
static char *reason_of(const struct http_call *call)
{
    json_t *doc = json_loadb(buf_text(&call->answer), call->answer.len, 0, NULL);
    const char *detail = json_string_value(json_object_get(doc, "detail"));
    char *why = detail && *detail ? text_clean(detail, text_utf8_ok())
                                  : mem_printf("the answer was HTTP status %d", call->status);
    json_decref(doc);
    return why;
}

static void next_job(struct lane_of_calls *l);

/* All that comes later would fail alike. */
static void give_up(struct warm *w, const char *why)
{
    progress_clear(&w->progress);
    if (!w->hopeless)
        fprintf(stderr, "limner: %s: %s\n", w->config->url, why);
    w->hopeless = true;
}

static void take_result(struct lane_of_calls *l)
{
    struct warm *w = l->warm;
    const char *cache = l->call.cache_status;
    bool hit = strstr(cache, "; hit"), twin = strstr(cache, "; collapsed");
    if (hit)
        w->there++;
    else if (twin || strstr(cache, "; stored"))
        w->made++;
    else
        w->unkept++;
    tell_answer(l, hit ? "is there already" : twin ? "was being made" : "made", !hit);
}

static void take_refusal(struct lane_of_calls *l)
{
    struct warm *w = l->warm;
    int status = l->call.status;
    FREE_ON_EXIT char *why = status > 0 ? reason_of(&l->call) : mem_strdup(l->call.err.reason);
    if (status == 0 && !w->answered)
        give_up(w, "no gateway answers there; --url says where it is");
    else if (status == 401)
        give_up(w, "it wants an API key, and WARM_API_KEY is none of its keys");
    else if (status == 404)
        give_up(w, "what answers there is no limner, or one that does not know this feature");
    else
        tell_failure(w, l->name, l->feature, why);
}

static bool may_pass(const struct warm *w, const struct http_call *call)
{
    if (call->status == 0)
        return w->answered && call->sent == SENT_NOTHING;
    return call->status == 429 || call->status == 503;
}

static void send_job(struct lane_of_calls *l);

static void pause_over(struct timer *t)
{
    send_job(CONTAINER_OF(t, struct lane_of_calls, pause));
}

/* False: it is over, one way or the other. */
static bool try_later(struct lane_of_calls *l)
{
    struct warm *w = l->warm;
    if (!may_pass(w, &l->call) || w->interrupted || w->hopeless)
        return false;
    uint64_t at = patience_next_ns(&l->patience, &w->rng, loop_now_ns(w->loop), l->call.retry_after);
    if (at == 0)
        return false;
    timer_arm(w->loop, &l->pause, at, pause_over);
    return true;
}

static void answered(struct op *op)
{
    struct lane_of_calls *l = op->owner;
    struct warm *w = l->warm;
    w->answered |= l->call.status > 0;
    bool later = l->call.status != 200 && try_later(l);
    if (!later && l->call.status == 200)
        take_result(l);
    else if (!later)
        take_refusal(l);
    http_call_release(&l->call);
    if (!later)
        next_job(l);
}

/* ---- one after another ---- */

static void send_job(struct lane_of_calls *l)
{
    struct warm *w = l->warm;
    const struct options *opt = w->config->opt;
    struct http_call *call = &l->call;
    *call = (struct http_call){
        .method = "POST",
        .url = l->url,
        .body = l->form,
        .answer_max_bytes = ANSWER_MAX,
        .connect_timeout_ms = CONNECT_MS,
        .timeout_ms = (uint32_t)MIN(opt->join_timeout_ms + opt->store_timeout_ms, (int64_t)UINT32_MAX),
    };
    call->header[call->header_count++] = (struct http_header){"Content-Type", l->type, false};
    call->header[call->header_count++] =
        (struct http_header){"Accept", "*/*, application/problem+json", false};
    if (*opt->warm_api_key)
        call->header[call->header_count++] = (struct http_header){"x-api-key", opt->warm_api_key, true};
    call->op.owner = l;
    http_call_start(w->pool, call, answered);
}

/* What was given, and what follows from it: the gateway has the rest. */
static void add_fields(struct form_body *form, const struct feature_args *args)
{
    struct params usual;
    size_t count;
    const struct param_row *rows = feature_params(args->feature, &count);
    params_init(&usual, args->feature);
    for (size_t i = 0; i < count; i++) {
        const char *value = args->params.value[i];
        if (args->given[i] || (value && (!usual.value[i] || strcmp(value, usual.value[i]) != 0)))
            form_text(form, rows[i].name, value);
    }
}

static void make_form(struct lane_of_calls *l, const struct blob *picture)
{
    struct form_body form;
    size_t count, most = picture->size + (size_t)(PARAMS_MAX + IMAGES_MAX) * 2 * PART_HEAD;
    const struct image_row *images = feature_images(l->feature->args.feature, &count);
    for (size_t i = 1; i < count; i++)
        most += l->feature->picture[i] ? l->feature->picture[i]->size : 0;
    form_begin(&form, most);
    add_fields(&form, &l->feature->args);
    form_file(&form, images[0].field, picture);
    for (size_t i = 1; i < count; i++)
        if (l->feature->picture[i])
            form_file(&form, images[i].field, l->feature->picture[i]);
    l->form = form_end(&form, l->type);
}

static void clear(struct lane_of_calls *l)
{
    free(TAKE(l->name));
    free(TAKE(l->url));
    blob_unref(TAKE(l->form));
}

/* True when its request is under way. A picture that cannot be read fails for each feature. */
static bool begin(struct lane_of_calls *l, size_t job)
{
    struct warm *w = l->warm;
    const struct input *input = &w->config->inputs->item[job / w->config->feature_count];
    l->feature = &w->config->feature[job % w->config->feature_count];
    l->name = input_shown_name(input->path, w->utf8);
    BLOB_ON_EXIT struct blob *bytes = NULL;
    struct error e;
    if (input->problem) {
        tell_failure(w, l->name, NULL, input->problem);
        return false;
    }
    if (input_read(input, &bytes, &e) < 0) {
        tell_failure(w, l->name, NULL, e.reason);
        return false;
    }
    make_form(l, bytes);
    l->url = mem_printf("%s%s", w->config->url, l->feature->args.feature->route);
    l->begun_ns = loop_now_ns(w->loop);
    patience_begin(&l->patience, PATIENCE_TRIES_ANY, l->begun_ns,
                   (uint32_t)MIN(w->config->opt->queue_timeout_ms, (int64_t)UINT32_MAX));
    send_job(l);
    return true;
}

static void next_job(struct lane_of_calls *l)
{
    struct warm *w = l->warm;
    clear(l);
    while (w->at < w->jobs && !w->interrupted && !w->hopeless) {
        if (begin(l, w->at++))
            return;
        clear(l);
    }
    if (--w->busy > 0)
        return;
    timer_disarm(w->loop, &w->draw);
    loop_uv_stop(w->uv);
}

static void begin_all(struct message *m)
{
    struct warm *w = CONTAINER_OF(m, struct warm, begin);
    unsigned lanes = (unsigned)MIN((size_t)w->config->opt->warm_parallel, w->jobs);
    w->busy = lanes;
    for (unsigned i = 0; i < lanes; i++) {
        w->lane[i].warm = w;
        next_job(&w->lane[i]);
    }
}

static void on_signal(void *ctx, int signum)
{
    struct warm *w = ctx;
    if (w->interrupted) {
        progress_clear(&w->progress);
        _exit(EXIT_INTERRUPTED);
    }
    w->interrupted = true;
    for (unsigned i = 0; i < LANES_MAX; i++) {
        struct lane_of_calls *l = &w->lane[i];
        if (!l->pause.slot)
            continue;
        timer_disarm(w->loop, &l->pause);
        next_job(l);
    }
}

static int exit_code(const struct warm *w)
{
    if (w->interrupted)
        return EXIT_INTERRUPTED;
    if (w->hopeless || (w->failed > 0 && w->failed == w->jobs))
        return EXIT_FAILED;
    return w->failed + w->unkept > 0 ? EXIT_PARTIAL : EXIT_DONE;
}

static int start_client(struct warm *w, struct error *e)
{
    const struct options *opt = w->config->opt;
    return http_client_start(&(struct http_client_config){.uv = w->uv,
                                                          .user_agent = "limner-warm/" LIMNER_VERSION,
                                                          .ca_file = opt->ca_file,
                                                          .connections_per_host = opt->warm_parallel},
                             &w->pool, e);
}

static void run_loop(struct warm *w)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        loop_uv_on_signal(w->uv, signals[i], on_signal, w);
    w->begun_ns = loop_now_ns(w->loop);
    loop_post(w->loop, &w->begin, begin_all);
    timer_arm(w->loop, &w->draw, w->begun_ns, on_draw);
    loop_uv_run(w->uv);
    tell_end(w);
}

int warm_run(const struct warm_config *config)
{
    struct error e = {0};
    struct warm *w = NEW(struct warm);
    *w = (struct warm){.config = config, .uv = loop_uv_new(), .utf8 = text_utf8_ok()};
    w->loop = loop_uv_loop(w->uv);
    w->jobs = config->inputs->count * config->feature_count;
    rng_seed(&w->rng, clock_mono_ns());
    progress_init(&w->progress, STDERR_FILENO, !config->quiet);
    int code = EXIT_FAILED;
    if (start_client(w, &e) == 0) {
        run_loop(w);
        code = exit_code(w);
    } else {
        fprintf(stderr, "limner: cannot start: %s\n", e.reason);
    }
    http_client_stop(w->pool);
    loop_uv_free(w->uv);
    free(w);
    return code;
}
