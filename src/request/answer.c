#include "request/answer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"

enum {
    RETRY_AFTER_S = 30, /* for something to be repaired */
    URL_MAX = 8192
};

static void set_size(json_t *meta, const char *name, uint32_t width, uint32_t height)
{
    json_object_set_new(meta, name,
                        json_pack("{s:I,s:I}", "width", (json_int_t)width, "height", (json_int_t)height));
}

/* What each feature has always said about itself. */
static void set_feature_words(json_t *meta, const struct request *req)
{
    const struct feature *f = req->feature;
    switch (f->id) {
    case FEATURE_ENHANCE:
        json_object_set_new(meta, "provider", json_string("nightmareai"));
        break;
    case FEATURE_BEAUTIFY:
        json_object_set_new(meta, "version", json_string(f->version));
        json_object_set_new(meta, "pipeline", json_string("real-esrgan"));
        break;
    case FEATURE_CLARITY:
    case FEATURE_COUNT:
        break;
    }
}

/* Milliseconds with three decimals. */
static json_t *json_ms(uint64_t ns)
{
    return json_real(round((double)ns / 1000.0) / 1000.0);
}

static json_t *timings(const struct request *req)
{
    static const enum stage_id shown[] = {STAGE_RECEIVE, STAGE_PRESCALE, STAGE_QUEUE, STAGE_RUN, STAGE_STORE};
    json_t *t = json_object();
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        static const char *const names[] = {"receive_ms", "prescale_ms", "queue_ms", "run_ms", "store_ms"};
        uint64_t ns = request_stage_ns(req, shown[i]);
        if (ns > 0)
            json_object_set_new(t, names[i], json_ms(ns));
    }
    uint64_t total = loop_now_ns(req->svc->loop) - req->entered_ns[STAGE_RECEIVE];
    json_object_set_new(t, "total_ms", json_ms(total));
    return t;
}

static json_t *make_meta(const struct request *req, const struct result *r)
{
    const struct params *p = &req->validate.params;
    json_t *meta =
        json_pack("{s:s,s:i,s:I,s:s,s:b}", "model", r->model, "scale", params_int(p, "scale", 2), "bytes",
                  (json_int_t)r->output[0].bytes, "requestId", req->id, "prescaled", (int)r->prescaled);
    if (r->prescaled) {
        set_size(meta, "originalSize", r->original_width, r->original_height);
        set_size(meta, "prescaledSize", r->prescaled_width, r->prescaled_height);
    }
    if (r->output[0].width)
        set_size(meta, "size", r->output[0].width, r->output[0].height);
    set_feature_words(meta, req);
    json_object_set_new(meta, "ran_on", json_string(r->ran_on));
    if (r->reason)
        json_object_set_new(meta, "reason", json_string(r->reason));
    bool faces = params_bool(p, "faceEnhance");
    if (faces && r->network)
        json_object_set_new(meta, "notes",
                            json_pack("[s]", "faces are not treated apart by the local networks"));
    json_object_set_new(meta, "cached", json_boolean(req->lookup.hit));
    if (req->join.collapsed)
        json_object_set_new(meta, "joined", json_true());
    json_object_set_new(meta, "timings", timings(req));
    return meta;
}

/* A link of our own, or the bucket's; expires_s 0: unsigned, the bucket's only. */
static json_t *make_link(const struct request *req, const char *key, unsigned expires_s, const char *base_url)
{
    struct store *store = req->svc->store;
    if (store->ops->link) {
        BUF_ON_EXIT struct buf url;
        buf_init(&url, URL_MAX);
        CHECK(store->ops->link(store, key, expires_s, &url) == 0);
        return json_string(buf_text(&url));
    }
    char query[SIGNATURE_QUERY];
    signer_sign(req->svc->signer, key, clock_wall_s() + expires_s, query);
    return json_sprintf("%s/files/%s?%s", base_url, key, query);
}

static json_t *make_data(const struct request *req, const struct result *r, const char *base_url)
{
    const struct options *opt = req->svc->opt;
    const char *key = r->output[0].key;
    json_t *signed_url = make_link(req, key, (unsigned)opt->presign_expires_s, base_url);
    json_t *data = json_pack("{s:s}", "key", key);
    json_t *public_url = NULL;
    if (*opt->r2_public_base_url)
        public_url = json_sprintf("%s/%s", opt->r2_public_base_url, key);
    else if (opt->r2_public_fallback && req->svc->store->ops->link)
        public_url = make_link(req, key, 0, base_url);
    json_object_set_new(data, "url", public_url ? public_url : json_incref(signed_url));
    if (public_url)
        json_object_set(data, "presigned_url", signed_url);
    json_decref(signed_url);
    json_object_set_new(data, "expires_in", json_integer(opt->presign_expires_s));
    return data;
}

static void set_rate_headers(struct reply *reply, const struct rate_state *rate)
{
    if (rate->limit == 0)
        return;
    reply_header(reply, "RateLimit-Policy", "%u;w=60", rate->limit);
    reply_header(reply, "RateLimit-Limit", "%u", rate->limit);
    reply_header(reply, "RateLimit-Remaining", "%u", rate->remaining);
    reply_header(reply, "RateLimit-Reset", "%u", rate->reset_s);
}

static struct reply *success_reply(const struct request *req, const struct result *r, const char *base_url)
{
    json_t *doc = json_pack("{s:s,s:s,s:o,s:o}", "request_id", req->id, "status", "success", "data",
                            make_data(req, r, base_url), "meta", make_meta(req, r));
    CHECK(doc);
    char *text = json_dumps(doc, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(doc);
    CHECK(text);
    struct reply *reply = reply_new(200);
    struct blob *body = blob_take(text, strlen(text), free);
    reply_body(reply, body, "application/json; charset=utf-8");
    blob_unref(body);
    reply_header(reply, "Cache-Control", "no-store");
    return reply;
}

/* Who is told to come back is told when; a stage that knows better has said so already. */
static struct reply *failure_reply(const struct request *req, const struct exchange *x)
{
    struct error e = req->err;
    int status = err_row(e.code)->status;
    if ((status == 429 || status == 503) && e.retry_after_s == 0)
        e.retry_after_s = RETRY_AFTER_S;
    return reply_error(x, req->id, &e);
}

struct reply *answer_reply(const struct request *req, const struct exchange *x, const char *base_url)
{
    const struct result *r = request_result(req);
    struct reply *reply = r ? success_reply(req, r, base_url) : failure_reply(req, x);
    set_rate_headers(reply, &req->receive.rate);
    return reply;
}
