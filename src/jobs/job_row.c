/* A job as a row of the journal. What the row has no column for is in its `request`:
 * {"request":…,"request_id", "base_url","expires_s","list"}; how it came out is {"result":…,"meta":…}. An
 * error CANCELED of an open row is a wish; with "told_ms" it is what is told of the job (job_work.c). */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "cache/result_json.h"
#include "jobs/job.h"
#include "request/caller.h"
#include "request/request_json.h"

enum { BASE_URL_MAX = 512 };

static char *copy(const char *s)
{
    return s && *s ? mem_strdup(s) : NULL;
}

struct job *job_new(struct jobs *j, const struct feature *f)
{
    struct job *job = NEW(struct job);
    job->jobs = j;
    job->feature = f;
    list_init(&job->waiters);
    list_init(&job->steps);
    job_events_init(&job->events);
    return job;
}

struct job *job_of_request(struct jobs *j, struct request *req, const char *base_url)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, REQUEST_JSON_MAX);
    if (request_to_json(req, &text) < 0) {
        error_set(&req->err, ERR_PAYLOAD_TOO_LARGE, "The fields are too long for a job");
        return NULL;
    }
    struct job *job = job_new(j, req->feature);
    uuid_make(job->id);
    job->tenant = copy(req->tenant);
    job->request_id = mem_strdup(req->id);
    job->base_url = strlen(base_url) <= BASE_URL_MAX ? mem_strdup(base_url) : mem_strdup("");
    job->callback = copy(req->ask.callback);
    job->key = copy(req->ask.key);
    job->parent = copy(req->ask.parent);
    job->request = mem_strdup(buf_text(&text));
    memcpy(job->fingerprint, req->validate.key, DIGEST_BYTES);
    job->priority = (int)req->priority;
    job->caller = req->caller;
    job->created_ms = (int64_t)clock_wall_ms();
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        if (req->receive.body[i])
            job_add_picture(job, i, body_digest(req->receive.body[i]));
    job->outcome.how = answer_links_of(req, NULL);
    return job;
}

static void put_request(const struct job *job, struct buf *b)
{
    json_out_begin(b, '{');
    json_out_key(b, "request");
    buf_puts(b, job->request);
    json_out_text(b, "request_id", job->request_id);
    json_out_text(b, "base_url", job->base_url);
    json_out_int(b, "expires_s", job->outcome.how.expires_s);
    json_out_bool(b, "list", job->outcome.how.list);
    json_out_end(b, '}');
}

void job_to_row(const struct job *job, struct buf *ret_text, struct journal_row *ret)
{
    put_request(job, ret_text);
    *ret = (struct journal_row){
        .id = job->id,
        .kind = job->kind,
        .state = job->state,
        .tenant = job->tenant,
        .feature = job->feature->name,
        .parent = job->parent,
        .request = buf_text(ret_text),
        .callback_url = job->callback,
        .idempotency_key = job->key,
        .priority = job->priority,
        .created_ms = job->created_ms,
    };
    memcpy(ret->fingerprint, job->fingerprint, DIGEST_BYTES);
}

void job_outcome_json(const struct job *job, struct buf *ret)
{
    json_out_begin(ret, '{');
    json_out_key(ret, "result");
    BUF_ON_EXIT struct buf result;
    buf_init(&result, RESULT_JSON_MAX);
    if (result_to_json(job->outcome.result, &result) < 0)
        buf_puts(ret, "null");
    else
        buf_puts(ret, buf_text(&result));
    json_out_key(ret, "meta");
    buf_puts(ret, job->outcome.meta ? job->outcome.meta : "{}");
    json_out_end(ret, '}');
}

void job_error_json(const struct error *e, int64_t told_ms, struct buf *ret)
{
    json_out_begin(ret, '{');
    json_out_text(ret, "code", err_row(e->code)->code);
    if (*e->reason)
        json_out_text(ret, "message", e->reason);
    if (*e->field)
        json_out_text(ret, "field", e->field);
    if (told_ms > 0)
        json_out_int(ret, "told_ms", told_ms);
    json_out_end(ret, '}');
}

/* ---- back ---- */

static const char *text_of(const json_t *doc, const char *key)
{
    const char *s = json_string_value(json_object_get(doc, key));
    return s ? s : "";
}

/* Since when it is told; 0: its row says so. */
static int64_t read_error(const char *text, struct error *ret)
{
    json_t *doc = json_loads(text ? text : "", 0, NULL);
    enum err found = err_by_code(text_of(doc, "code"));
    int64_t told_ms = json_integer_value(json_object_get(doc, "told_ms"));
    error_set_field(ret, found != ERR_NONE ? found : ERR_INTERNAL, text_of(doc, "field"), "%s",
                    text_of(doc, "message"));
    json_decref(doc);
    return told_ms;
}

enum journal_state job_state_of_row(const struct journal_row *row)
{
    struct error e;
    bool left = row->state < JOURNAL_COMPLETED && row->error && read_error(row->error, &e) > 0;
    return left ? JOURNAL_CANCELED : row->state;
}

static void take_error(struct job *job, const struct journal_row *row)
{
    struct error e;
    int64_t told_ms = read_error(row->error, &e);
    bool open = row->state < JOURNAL_COMPLETED;
    job->canceling = open && e.code == ERR_CANCELED;
    if (open && told_ms > 0)
        job->state = job->ending = JOURNAL_CANCELED;
    if (told_ms > 0)
        job->ended_ms = told_ms;
    if (job->state >= JOURNAL_COMPLETED)
        job->outcome.err = e;
}

static void take_pictures(struct job *job, const json_t *request)
{
    const json_t *pictures = json_object_get(request, "pictures");
    for (unsigned i = 0; i < MIN(json_array_size(pictures), (size_t)IMAGES_MAX); i++) {
        uint8_t digest[DIGEST_BYTES];
        const char *hex = json_string_value(json_object_get(json_array_get(pictures, i), "digest"));
        if (hex && hex_decode(hex, digest, DIGEST_BYTES) == 0)
            job_add_picture(job, i, digest);
    }
}

static bool take_request(struct job *job, const char *text)
{
    json_t *doc = json_loads(text ? text : "", 0, NULL);
    const json_t *request = json_object_get(doc, "request");
    bool bare = !request; /* of a request that was no job: what it asked for is all there is */
    if (bare)
        request = doc;
    char *dumped = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (dumped) {
        job->request = dumped;
        job->request_id = mem_strdup(bare ? job->id : text_of(doc, "request_id"));
        job->base_url = mem_strdup(bare ? "" : text_of(doc, "base_url"));
        job->outcome.how.expires_s = (unsigned)json_integer_value(json_object_get(doc, "expires_s"));
        job->outcome.how.list = json_is_true(json_object_get(doc, "list"));
        take_pictures(job, request);
    }
    json_decref(doc);
    return dumped;
}

static void take_outcome(struct job *job, const struct journal_row *row)
{
    struct job_outcome *o = &job->outcome;
    o->cost_nano = row->cost_nano;
    o->billed = row->cost_nano > 0;
    if (row->state != JOURNAL_COMPLETED)
        take_error(job, row);
    if (job->kind == JOURNAL_BATCH) {
        o->meta = copy(row->result); /* its counts */
        return;
    }
    json_t *doc = row->result ? json_loads(row->result, 0, NULL) : NULL;
    char *result = doc ? json_dumps(json_object_get(doc, "result"), JSON_COMPACT) : NULL;
    if (result)
        o->result = result_from_json(result, strlen(result));
    o->meta = o->result ? json_dumps(json_object_get(doc, "meta"), JSON_COMPACT) : NULL;
    free(result);
    json_decref(doc);
    if (!o->result && row->state == JOURNAL_COMPLETED)
        error_set(&o->err, ERR_INTERNAL, "%s", "");
}

static void take_run(struct job *job, const struct journal_row *row)
{
    job->provider = copy(row->provider);
    job->prediction = copy(row->prediction);
    job->input_url = copy(row->input_url);
    job->intent_ms = row->intent_ms;
}

struct job *job_of_row(struct jobs *j, const struct journal_row *row)
{
    const struct feature *f = feature_by_name(row->feature);
    if (!f || strlen(row->id) >= sizeof(((struct job *)0)->id))
        return NULL;
    struct job *job = job_new(j, f);
    memcpy(job->id, row->id, strlen(row->id) + 1);
    if (!take_request(job, row->request)) {
        job_free(job);
        return NULL;
    }
    job->kind = row->kind;
    job->state = row->state;
    job->tenant = copy(row->tenant);
    job->callback = copy(row->callback_url);
    job->key = copy(row->idempotency_key);
    job->parent = copy(row->parent);
    memcpy(job->fingerprint, row->fingerprint, DIGEST_BYTES);
    job->priority = row->priority == SLOT_LOW ? SLOT_LOW : SLOT_NORMAL;
    job->caller = job->tenant ? caller_of_tenant(job->tenant) : 0; /* the address is not kept */
    job->created_ms = row->created_ms;
    job->started_ms = row->started_ms;
    job->ended_ms = row->ended_ms;
    take_run(job, row);
    job->told_log = copy(row->callback_log);
    job->told_next_ms = row->callback_due_ms;
    take_outcome(job, row);
    return job;
}
