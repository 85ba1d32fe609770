/* POST /api/batch. Happy path: the body is read and checked on the front thread; the core writes the job's
 * row, and answers 202 when it is there. An archive is looked into by the disk lane first, and then kept in
 * inputs. Failure modes: a body that says nothing useful: 400; a key that was used: the batch that it names,
 * or 422. Invariants: a call is answered exactly once, and freed then; a batch that is not accepted keeps no
 * archive. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "jobs/batch.h"
#include "jobs/batch_zip.h"
#include "jobs/pages.h"
#include "jobs/zip.h"
#include "request/job_wish.h"
#include "web/links.h"

enum { ROW_SLACK = 4096, ANSWER_MAX = 1 << 20 };

struct batch_call {
    struct jobs *jobs;
    struct exchange *x;
    struct job *job; /* ours until it is accepted */
    struct message mail;
    struct buf text;
    struct journal_row row;
    struct journal_write write;
    /* of an archive: */
    const struct feature *feature;
    json_t *doc; /* what the query says, as JSON would */
    char *who;
    struct body *archive;
    struct lane_job look;
    struct zip_list list;
    struct error err;
    struct input_keep keep;
    bool kept;
};

static const struct feature *feature_named(const char *name)
{
    for (unsigned i = 0; name && i < FEATURE_COUNT; i++) {
        const struct feature *f = &features[i];
        bool named = strcmp(f->name, name) == 0 || strcmp(f->route, name) == 0 ||
                     (*f->command && strcmp(f->command, name) == 0);
        if (*f->route && named)
            return f;
    }
    return NULL;
}

static int check_items(const json_t *items, int64_t most, struct error *e)
{
    size_t count = json_array_size(items);
    if (count == 0 || count > (size_t)most)
        return error_set_field(e, ERR_VALIDATION, "items",
                               "Expected is a list of 1 to %" PRId64 " objects, one for each picture", most);
    for (size_t i = 0; i < count; i++)
        if (!json_is_object(json_array_get(items, i)))
            return error_set_field(e, ERR_VALIDATION, "items", "Item %zu is no object", i);
    return 0;
}

static int check_key(const struct exchange *x, struct error *e)
{
    struct arena scratch = {0};
    const char *header = exchange_header(x, "Idempotency-Key");
    bool ok = !header || job_key_read(header, &scratch);
    arena_release(&scratch);
    return ok ? 0
              : error_set_field(e, ERR_VALIDATION, "Idempotency-Key",
                                "It is 1 to 255 visible characters of ASCII");
}

static int check(const json_t *doc, const struct feature **ret, struct error *e)
{
    const json_t *fields = json_object_get(doc, "fields"), *callback = json_object_get(doc, "callback_url");
    if (!json_is_object(doc))
        return error_set(e, ERR_VALIDATION, "The body is not a JSON object");
    *ret = feature_named(json_string_value(json_object_get(doc, "feature")));
    if (!*ret)
        return error_set_field(e, ERR_VALIDATION, "feature",
                               "Expected is a feature by its address or its name in /metrics");
    if (feature_pictures(*ret) == 0 || feature_picture_list(*ret))
        return error_set_field(
            e, ERR_VALIDATION, "feature",
            "A batch is of requests for one picture each; send those of this feature one by "
            "one, as jobs");
    if (fields && !json_is_object(fields))
        return error_set_field(e, ERR_VALIDATION, "fields", "Expected is an object of fields for all items");
    if (callback && !job_callback_ok(json_string_value(callback)))
        return error_set_field(e, ERR_VALIDATION, "callback_url", "Expected is an http or https address");
    return 0;
}

/* request: what is kept of it (batch.h); its reference is taken. */
static struct job *make_job(struct jobs *j, const struct exchange *x, json_t *request, const json_t *doc,
                            const struct feature *f, const char *who)
{
    BUF_ON_EXIT struct buf base;
    buf_init(&base, LINK_MAX);
    link_base(x, j->svc->opt, &base);
    struct job *job = job_new(j, f);
    const char *callback = json_string_value(json_object_get(doc, "callback_url"));
    struct arena scratch = {0};
    const char *header = exchange_header(x, "Idempotency-Key");
    const char *key = header ? job_key_read(header, &scratch) : NULL;
    uuid_make(job->id);
    job->kind = JOURNAL_BATCH;
    job->tenant = who ? mem_strdup(who) : NULL;
    job->request_id = mem_strdup(exchange_request_id(x));
    job->base_url = mem_strdup(buf_text(&base));
    job->callback = callback ? mem_strdup(callback) : NULL;
    job->key = key ? mem_strdup(key) : NULL;
    arena_release(&scratch);
    job->request = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
    job->created_ms = (int64_t)clock_wall_ms();
    json_decref(request);
    CHECK(job->request);
    FREE_ON_EXIT char *all = mem_printf("%s\n%s", f->name, job->request);
    digest_of(all, strlen(all), job->fingerprint);
    return job;
}

/* ---- the core ---- */

static void answer(struct batch_call *c, struct reply *r)
{
    exchange_answer_suspended(c->x, r);
    buf_release(&c->text);
    if (c->kept)
        inputs_drop(c->jobs->inputs, c->job->picture[0].digest);
    if (c->job) {
        batch_pictures_drop(&c->job->pictures);
        job_free(c->job);
    }
    json_decref(c->doc);
    free(c->who);
    body_unref(c->archive);
    zip_list_release(&c->list);
    free(c);
}

static void refuse_with(struct batch_call *c, const struct error *e)
{
    answer(c, reply_error(c->x, NULL, e));
}

static void refuse(struct batch_call *c, enum err code, const char *why)
{
    struct error e;
    error_set(&e, code, "%s", why);
    refuse_with(c, &e);
}

static void accepted(struct batch_call *c, const struct job *job)
{
    struct reply *r = job_reply(202, job, exchange_request_id(c->x), job_put, job->base_url);
    reply_header(r, "Location", "%s/api/jobs/%s", job->base_url, job->id);
    answer(c, r);
}

static void written(struct op *op)
{
    struct batch_call *c = CONTAINER_OF(op, struct batch_call, write.op);
    if (op->result == -ERR_IDEMPOTENCY_CONFLICT) {
        const struct job *other = job_find(c->jobs, c->write.other_id);
        bool same = memcmp(c->write.other_fingerprint, c->job->fingerprint, DIGEST_BYTES) == 0;
        if (!same)
            refuse(c, ERR_IDEMPOTENCY_MISMATCH, "");
        else if (other)
            accepted(c, other);
        else
            refuse(c, ERR_IDEMPOTENCY_CONFLICT,
                   "The batch with this key is over, or not read yet: ask for it by its id");
        return;
    }
    if (op->result < 0) {
        journal_remove(c->jobs->svc->journal, c->job->id); /* it may be there all the same */
        refuse(c, ERR_DATABASE, "The batch cannot be written down, so it is not taken");
        return;
    }
    struct job *job = TAKE(c->job);
    c->kept = false; /* it is the job's now */
    job_enter(job);
    job_begin(job);
    accepted(c, job);
}

static void write_row(struct batch_call *c)
{
    buf_init(&c->text, strlen(c->job->request) + ROW_SLACK);
    job_to_row(c->job, &c->text, &c->row);
    journal_insert(c->jobs->svc->journal, &c->write, &c->row, written);
}

/* Refuses, if there is none. */
static bool no_room(struct batch_call *c)
{
    if (c->jobs->open < (unsigned)c->jobs->svc->opt->jobs_max)
        return false;
    refuse(c, ERR_QUEUE_FULL, "Too many jobs are under way or wait already");
    return true;
}

static void pictures_kept(struct op *op)
{
    struct batch_call *c = op->owner;
    if (op->result == 0)
        write_row(c);
    else
        refuse_with(c, &c->job->pictures.err);
}

static void on_core(struct message *m)
{
    struct batch_call *c = CONTAINER_OF(m, struct batch_call, mail);
    if (c->jobs->stopped) {
        refuse(c, ERR_DRAINING, "");
        return;
    }
    if (no_room(c))
        return;
    const struct services *svc = c->jobs->svc;
    struct batch_pictures *p = &c->job->pictures;
    json_t *doc = json_loads(c->job->request, 0, NULL);
    batch_pictures_find(p, c->job->feature, json_object_get(doc, "items"), json_object_get(doc, "fields"));
    json_decref(doc);
    p->op.owner = c;
    batch_pictures_keep(p, c->jobs->inputs, svc->uploads, svc->opt->cache_shared ? NULL : c->job->tenant,
                        svc->loop, pictures_kept);
}

/* ---- an archive ---- */

static void kept(struct op *op)
{
    struct batch_call *c = CONTAINER_OF(op, struct batch_call, keep.op);
    c->kept = op->result == 0;
    if (c->kept)
        write_row(c);
    else
        refuse_with(c, &c->keep.err);
}

static json_t *request_of(const struct batch_call *c)
{
    char hex[DIGEST_HEX + 1];
    hex_encode(body_digest(c->archive), DIGEST_BYTES, hex);
    json_t *entries = json_array();
    for (size_t i = 0; i < c->list.count; i++)
        json_array_append_new(entries, json_pack("{s:i,s:s}", "at", (int)c->list.picture[i].at, "name",
                                                 c->list.picture[i].name));
    return json_pack("{s:o,s:I,s:[{s:s}],s:O}", "entries", entries, "passed_over",
                     (json_int_t)c->list.passed_over, "pictures", "digest", hex, "fields",
                     json_object_get(c->doc, "fields"));
}

static void looked(struct op *op)
{
    struct batch_call *c = CONTAINER_OF(op, struct batch_call, look.op);
    c->jobs->unpacking--;
    if (op->result < 0) {
        refuse_with(c, &c->err);
        return;
    }
    c->job = make_job(c->jobs, c->x, request_of(c), c->doc, c->feature, c->who);
    job_add_picture(c->job, 0, body_digest(c->archive));
    inputs_keep(c->jobs->inputs, &c->keep, c->archive, kept);
}

/* On the lane. */
static int look_inside(struct lane_job *look)
{
    struct batch_call *c = CONTAINER_OF(look, struct batch_call, look);
    struct zip_limits limits;
    struct zip *z = NULL;
    BLOB_ON_EXIT struct blob *bytes = NULL;
    batch_zip_limits(c->jobs->svc->opt, &limits);
    int r = body_blob(c->archive, &bytes, &c->err);
    if (r == 0)
        r = zip_open(bytes, &limits, &z, &c->err);
    if (r == 0)
        r = zip_list(z, &c->list, &c->err);
    zip_free(z);
    return r;
}

static void archive_on_core(struct message *m)
{
    struct batch_call *c = CONTAINER_OF(m, struct batch_call, mail);
    if (c->jobs->stopped)
        refuse(c, ERR_DRAINING, "");
    else if (no_room(c))
        return;
    else if (lane_submit(c->jobs->disk, &c->look, look_inside, looked) < 0)
        refuse(c, ERR_QUEUE_FULL, "Too much waits for the disk already");
    else
        c->jobs->unpacking++;
}

/* ---- the front ---- */

static struct batch_call *call_new(struct jobs *j, struct exchange *x)
{
    struct batch_call *c = NEW(struct batch_call);
    c->jobs = j;
    c->x = x;
    return c;
}

void job_batch_page(struct jobs *j, struct exchange *x, struct blob *body, const char *who)
{
    struct error e;
    const struct feature *f = NULL;
    json_t *doc = json_loadb((const char *)body->data, body->size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *items = json_object_get(doc, "items");
    if (check_key(x, &e) < 0 || check(doc, &f, &e) < 0 ||
        check_items(items, j->svc->opt->batch_max, &e) < 0) {
        json_decref(doc);
        exchange_answer(x, reply_error(x, NULL, &e));
        return;
    }
    struct batch_call *c = call_new(j, x);
    json_t *request = json_pack("{s:O,s:O*}", "items", items, "fields", json_object_get(doc, "fields"));
    c->job = make_job(j, x, request, doc, f, who);
    json_decref(doc);
    exchange_suspend(x);
    loop_post(j->svc->loop, &c->mail, on_core);
}

static void take_query(void *ctx, const char *name, const char *value)
{
    json_t *doc = ctx;
    bool own = strcmp(name, "feature") == 0 || strcmp(name, "callback_url") == 0;
    json_object_set_new(own ? doc : json_object_get(doc, "fields"), name, json_string(value));
}

void job_batch_archive_page(struct jobs *j, struct exchange *x, struct body *archive, const char *who)
{
    struct error e;
    const struct feature *f = NULL;
    json_t *doc = json_pack("{s:{}}", "fields");
    exchange_each_query(x, take_query, doc);
    if (check_key(x, &e) < 0 || check(doc, &f, &e) < 0) {
        json_decref(doc);
        exchange_answer(x, reply_error(x, NULL, &e));
        return;
    }
    struct batch_call *c = call_new(j, x);
    c->feature = f;
    c->doc = doc;
    c->who = who ? mem_strdup(who) : NULL;
    c->archive = body_ref(archive);
    exchange_suspend(x);
    loop_post(j->svc->loop, &c->mail, archive_on_core);
}
