/* Happy path of a picture: it is posted and becomes a job; the job is asked for until it is over; each result
 * is fetched and written (courier_results.c); the errand is over. Failure modes: what may pass is asked again
 * (errands.c), as every call here may be sent twice; a job that was over before and is of no use is followed
 * by another one; when one of several results fails, those before it are removed; a signal ends what waits
 * for the gateway, and lets a write that is under way come to its end. Invariants: a picture has a call, a
 * pause or a write under way; it is completed, skipped or failed once, or none of them after a signal. */
#include "cli/courier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/courier_parts.h"
#include "cli/text.h"
#include "version.h"

/* WAIT_S: how long the gateway holds an answer back that would say nothing new; so often progress is told. */
enum {
    WAIT_S = 2,
    WAIT_LEAST_MS = 1000,
    CONNECT_MS = 5000,
    STALL_MS = 60000,
    ANSWER_MAX = 4 << 20,
    NUMBERS_MAX = 100
};

static struct courier_picture *picture_of(const struct errand *a)
{
    struct courier *r = a->all->config.ctx;
    return &r->picture[a->lane];
}

/* ---- its end ---- */

static void fail(struct courier_picture *p, const char *code, const char *why)
{
    struct courier *r = courier_of(p);
    progress_clear(&r->errands.progress);
    r->failed++;
    r->voice->failed(p, code, why);
}

void courier_fail(struct courier_picture *p, const char *code, const char *why)
{
    courier_remove_written(p);
    fail(p, code, why);
    errand_over(p->errand);
}

/* ---- calls ---- */

void courier_ask(struct courier_picture *p, enum courier_step step, struct http_call *call, uint32_t after_ms)
{
    p->step = step;
    call->url = p->url;
    call->connect_timeout_ms = CONNECT_MS;
    call->stall_timeout_ms = STALL_MS;
    errand_ask(p->errand, call, after_ms);
}

void courier_set_url(struct courier_picture *p, char *url)
{
    free(p->url);
    p->url = url;
}

static int make_form(struct courier_picture *p, struct error *e)
{
    static const struct image_limits any = {UINT64_MAX, UINT64_MAX};
    const struct courier_config *config = courier_of(p)->config;
    BLOB_ON_EXIT struct blob *bytes = NULL;
    struct blob *picture[IMAGES_MAX];
    struct image_info info;
    struct error ignored;
    int r = p->input->unread ? 0 : input_read(p->input, &bytes, e);
    if (r < 0)
        return r;
    memcpy(picture, config->picture, sizeof(picture));
    if (bytes) {
        picture[0] = bytes;
        if (image_probe(bytes, &any, &info, &ignored) == 0)
            p->original = (struct courier_size){info.width, info.height};
    }
    feature_form_release(&p->form);
    feature_form_make(config->args, picture, p->aim.type, &p->form);
    return 0;
}

/* False: told, and over. */
static bool submit(struct courier_picture *p)
{
    const struct courier_config *config = courier_of(p)->config;
    struct error e;
    if (make_form(p, &e) < 0) {
        fail(p, err_row(e.code)->code, e.reason);
        return false;
    }
    *p->id = '\0';
    courier_set_url(p, mem_printf("%s%s", config->url, config->args->feature->route));
    snprintf(p->key, sizeof(p->key), "limner-batch-%s-%u", p->form.digest, p->number);
    struct http_call call = {.method = "POST", .body = p->form.body, .answer_max_bytes = ANSWER_MAX};
    call.repeatable = true;
    call.header[call.header_count++] = (struct http_header){"Content-Type", p->form.type, false};
    call.header[call.header_count++] = (struct http_header){"Prefer", "respond-async", false};
    call.header[call.header_count++] = (struct http_header){"Idempotency-Key", p->key, false};
    errand_sign(p->errand, &call);
    courier_ask(p, COURIER_SUBMIT, &call, 0);
    return true;
}

/* A gateway that is about to stop does not hold its answers back; it is not to be asked all the time. */
static void wait_for_job(struct courier_picture *p)
{
    bool at_once = p->step == COURIER_WAIT && p->errand->call.duration_ns < WAIT_LEAST_MS * NS_PER_MS;
    courier_set_url(p, mem_printf("%s/api/jobs/%s?wait=%d", courier_of(p)->config->url, p->id, WAIT_S));
    struct http_call call = {.method = "GET", .answer_max_bytes = ANSWER_MAX};
    errand_sign(p->errand, &call);
    courier_ask(p, COURIER_WAIT, &call, at_once ? WAIT_LEAST_MS : 0);
}

/* A job that was over before is of no use: another one, with the next number. */
void courier_submit_again(struct courier_picture *p)
{
    courier_remove_written(p);
    json_decref(TAKE(p->result));
    if (++p->number == NUMBERS_MAX)
        courier_fail(p, NULL,
                     "it has failed too often today; another --seed, or any other field, begins anew");
    else if (!submit(p))
        errand_over(p->errand);
}

/* ---- what the gateway says ---- */

static json_t *parse(const struct http_call *call)
{
    return json_loadb(buf_text(&call->answer), call->answer.len, 0, NULL);
}

void courier_refused(struct courier_picture *p)
{
    json_t *doc = parse(&p->errand->call);
    const char *code = json_string_value(json_object_get(doc, "code"));
    FREE_ON_EXIT char *why = errand_reason(p->errand);
    courier_fail(p, code, why);
    json_decref(doc);
}

/* The gateway's words for where the job is; nothing that could steer a terminal. */
static void keep_word(char ret[static COURIER_WORD_MAX], const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz_0123456789/ ";
    bool ok = strlen(word) < COURIER_WORD_MAX && word[strspn(word, plain)] == '\0';
    snprintf(ret, COURIER_WORD_MAX, "%s", ok ? word : "");
}

static void note_progress(struct courier_picture *p, const json_t *job)
{
    char before[COURIER_WORD_MAX], told[COURIER_WORD_MAX];
    int percent = p->percent;
    const json_t *eta = json_object_get(job, "eta_ms");
    const json_t *done = json_object_get(json_object_get(job, "progress"), "percent");
    memcpy(before, p->stage, sizeof(before));
    memcpy(told, p->told, sizeof(told));
    keep_word(p->stage, courier_text(job, "stage"));
    keep_word(p->told, courier_text(job, "step"));
    p->percent = json_is_integer(done) ? (int)MAX(MIN(json_integer_value(done), 100), 0) : -1;
    p->left_s = json_is_integer(eta) ? (double)json_integer_value(eta) / 1e3 : -1;
    if (percent != p->percent || strcmp(before, p->stage) != 0 || strcmp(told, p->told) != 0)
        courier_of(p)->voice->progress(p);
}

/* One that was over before, and need not be the last word. */
static bool worth_another(const struct courier_picture *p, const json_t *job)
{
    const json_t *error = json_object_get(job, "error");
    if (!p->replayed || p->step != COURIER_SUBMIT)
        return false;
    if (strcmp(courier_text(job, "state"), "canceled") == 0 || courier_of(p)->config->args->force)
        return true;
    bool paid = json_is_true(json_object_get(job, "billed")) ||
                strcmp(courier_text(error, "code"), err_row(ERR_UNKNOWN_OUTCOME)->code) == 0;
    return !paid || json_is_true(json_object_get(error, "retryable"));
}

static void take_failure(struct courier_picture *p, const json_t *job)
{
    const json_t *error = json_object_get(job, "error");
    const char *message = courier_text(error, "message");
    if (worth_another(p, job)) {
        courier_submit_again(p);
        return;
    }
    FREE_ON_EXIT char *why = text_clean(*message ? message : "the job was canceled", text_utf8_ok());
    courier_fail(p, json_string_value(json_object_get(error, "code")), why);
}

static void take_job(struct courier_picture *p, const json_t *job)
{
    const char *state = courier_text(job, "state");
    if (p->errand->all->interrupted) {
        errand_over(p->errand);
    } else if (strcmp(state, "completed") == 0) {
        p->cost_usd = json_number_value(json_object_get(job, "cost_usd"));
        courier_take_result(p, json_object_get(job, "result"));
    } else if (strcmp(state, "failed") == 0 || strcmp(state, "canceled") == 0) {
        take_failure(p, job);
    } else {
        note_progress(p, job);
        wait_for_job(p);
    }
}

static bool keep_id(struct courier_picture *p, const char *id)
{
    static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    bool ok = *id && strlen(id) < COURIER_ID_MAX && id[strspn(id, plain)] == '\0';
    snprintf(p->id, sizeof(p->id), "%s", ok ? id : "");
    return ok;
}

static void submitted(struct courier_picture *p)
{
    const struct http_call *call = &p->errand->call;
    int status = call->status;
    if (status == 422 && !p->errand->all->interrupted &&
        strstr(buf_text(&call->answer), err_row(ERR_IDEMPOTENCY_MISMATCH)->code)) {
        courier_submit_again(p); /* the gateway would do it in another way now than it did then */
        return;
    }
    if (status != 200 && status != 202) {
        if (errand_is_hopeless(p->errand, true))
            errand_over(p->errand);
        else
            courier_refused(p);
        return;
    }
    json_t *doc = parse(call), *job = json_object_get(doc, "data");
    feature_form_release(&p->form);
    p->replayed = strcmp(call->idempotent_replayed, "true") == 0;
    if (status == 200) { /* a gateway without jobs has done it at once */
        courier_take_result(p, doc);
    } else if (!keep_id(p, courier_text(job, "job_id"))) {
        courier_fail(p, NULL, "what answers there is no limner, or an older one: it names no job");
    } else {
        courier_of(p)->voice->submitted(p);
        take_job(p, job);
    }
    json_decref(doc);
}

static void waited(struct courier_picture *p)
{
    int status = p->errand->call.status;
    if (status == 200) {
        json_t *doc = parse(&p->errand->call);
        take_job(p, json_object_get(doc, "data"));
        json_decref(doc);
    } else if (status == 404) {
        courier_fail(p, NULL, "the gateway knows nothing of this job any more");
    } else if (errand_is_hopeless(p->errand, false)) {
        errand_over(p->errand);
    } else {
        courier_refused(p);
    }
}

static void answered(struct errand *a)
{
    static void (*const steps[COURIER_STEPS])(struct courier_picture * p) = {
        [COURIER_SUBMIT] = submitted,
        [COURIER_WAIT] = waited,
        [COURIER_FETCH] = courier_fetched,
    };
    struct courier_picture *p = picture_of(a);
    if (!a->all->interrupted || a->call.status == 200 || a->call.status == 202) {
        steps[p->step](p);
        return;
    }
    courier_remove_written(p);
    errand_over(a);
}

/* Every call may be sent twice: a key or a GET sees to that. */
static bool may_pass(const struct errand *a)
{
    static const int passing[] = {408, 409, 429, 502, 503, 504};
    if (a->call.status == 0)
        return a->call.err.code != ERR_VALIDATION && a->call.err.code != ERR_PAYLOAD_TOO_LARGE;
    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        if (a->call.status == passing[i])
            return true;
    return false;
}

/* ---- one picture ---- */

static bool stands_in_the_way(struct courier_picture *p)
{
    struct courier *r = courier_of(p);
    unsigned one = 0, there = r->config->args->force ? 0 : out_count_there(&p->aim, &one);
    if (there == 0)
        return false;
    if (there == p->aim.count) {
        progress_clear(&r->errands.progress);
        r->skipped++;
        r->voice->skipped(p);
        return true;
    }
    FREE_ON_EXIT char *path = out_path(&p->aim, one), *shown = out_shown(path, r->utf8);
    FREE_ON_EXIT char *places = out_shown_all(&p->aim, r->utf8);
    FREE_ON_EXIT char *why =
        mem_printf("%s is there already, but not all of %s; -f does them all again", shown, places);
    fail(p, NULL, why);
    return true;
}

static bool begin(struct errand *a)
{
    struct courier *r = a->all->config.ctx;
    struct courier_picture *p = picture_of(a);
    const struct feature_args *args = r->config->args;
    *p = (struct courier_picture){.errand = a, .input = &r->config->inputs->item[a->number], .percent = -1};
    p->left_s = -1;
    p->aim = (struct out_aim){
        .path = p->input->output,
        .prefix = args->prefix,
        .type = p->input->type,
        .quality = (int)r->config->opt->output_quality,
        .count = args->results,
        .comic = args->comic,
    };
    a->name = input_shown_name(p->input->path, text_utf8_ok());
    if (p->input->problem) {
        fail(p, NULL, p->input->problem);
        return false;
    }
    return !stands_in_the_way(p) && submit(p);
}

static void clear(struct errand *a)
{
    struct courier_picture *p = picture_of(a);
    feature_form_release(&p->form);
    free(TAKE(p->url));
    json_decref(TAKE(p->result));
}

static size_t over(const void *ctx)
{
    const struct courier *r = ctx;
    return r->completed + r->skipped + r->failed;
}

/* Of one picture the bar tells how far it is; of many, how many are done. */
static void view(const void *ctx, struct progress_view *v)
{
    static const char *const words[COURIER_STEPS] = {"sending", "waiting", "fetching"};
    const struct courier *r = ctx;
    const struct courier_picture *p = &r->picture[0];
    if (v->images != 1 || !p->errand)
        return;
    const char *told = *p->told ? p->told : p->stage;
    v->phase = p->step == COURIER_WAIT && *told ? told : words[p->step];
    v->done = p->percent > 0 ? (unsigned)p->percent : 0;
    v->total = 100;
    v->left_s = p->left_s;
}

static void abandon(void *ctx)
{
    struct courier *r = ctx;
    for (unsigned i = 0; i < ERRANDS_AT_ONCE_MAX; i++)
        out_file_abandon(&r->picture[i].file);
}

static const struct errand_ops courier_ops = {
    .begin = begin,
    .may_pass = may_pass,
    .answered = answered,
    .clear = clear,
    .over = over,
    .view = view,
    .abandon = abandon,
};

/* ---- the whole ---- */

static int exit_code(const struct courier *r)
{
    if (r->errands.interrupted)
        return EXIT_INTERRUPTED;
    if (r->errands.hopeless || (r->failed > 0 && r->failed == r->errands.config.count))
        return EXIT_FAILED;
    return r->failed > 0 ? EXIT_PARTIAL : EXIT_DONE;
}

static void choose_voice(struct courier *r)
{
    bool to_stdout = false;
    const struct inputs *inputs = r->config->inputs;
    for (size_t i = 0; i < inputs->count; i++)
        to_stdout |= inputs->item[i].output && strcmp(inputs->item[i].output, "-") == 0;
    r->lines = to_stdout ? stderr : stdout;
    r->utf8 = text_utf8_ok();
    r->voice = r->config->args->json ? &courier_json : &courier_lines;
}

static int start(struct courier *r, struct error *e)
{
    const struct courier_config *config = r->config;
    const struct errands_config errands = {
        .opt = config->opt,
        .url = config->url,
        .flag = "--server",
        .user_agent = "limner-batch/" LIMNER_VERSION,
        .at_once = (unsigned)config->opt->batch_parallel,
        .count = config->inputs->count,
        .bar = !config->args->quiet && !config->args->json,
        .cut = true,
        .ops = &courier_ops,
        .ctx = r,
    };
    int code = errands_start(&r->errands, &errands, e);
    return code < 0 ? code : imaging_start(e);
}

int courier_run(const struct courier_config *config)
{
    struct error e = {0};
    struct courier *r = NEW(struct courier);
    r->config = config;
    choose_voice(r);
    int code = EXIT_FAILED;
    if (start(r, &e) == 0) {
        r->lane = lane_new(&(struct lane_config){"out", 1, ERRANDS_AT_ONCE_MAX, imaging_thread_stop},
                           r->errands.loop);
        errands_run(&r->errands);
        r->voice->end(r);
        code = exit_code(r);
        lane_free(r->lane);
        imaging_stop();
    } else {
        fprintf(stderr, "limner: cannot start: %s\n", e.reason);
    }
    errands_stop(&r->errands);
    free(r);
    return code;
}
