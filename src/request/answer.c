#include "request/answer.h"
#include "request/answer_comic.h"
#include "request/answer_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/money.h"
#include "request/costs.h"
#include "request/job_desk.h"
#include "web/links.h"
#include "web/pages.h"

enum { ANSWER_USUAL = 1024, ANSWER_MAX = 1 << 20 };

static void put_size(struct buf *b, const char *name, uint32_t width, uint32_t height)
{
    json_out_key(b, name);
    json_out_begin(b, '{');
    json_out_int(b, "width", width);
    json_out_int(b, "height", height);
    json_out_end(b, '}');
}

/* What each feature has always said about itself. */
static void put_feature_words(struct buf *b, const struct request *req, const struct result *r)
{
    const struct feature *f = req->feature;
    if (f->id == FEATURE_ENHANCE)
        json_out_text(b, "provider", "nightmareai");
    if (f->id != FEATURE_BEAUTIFY)
        return;
    json_out_text(b, "version", r->version ? r->version : f->version);
    json_out_text(b, "pipeline", "real-esrgan");
}

static void put_ms(struct buf *b, const char *name, uint64_t ns)
{
    json_out_fixed(b, name, (ns + NS_PER_US / 2) / NS_PER_US, 3);
}

static void put_timings(struct buf *b, const struct request *req)
{
    static const struct {
        enum stage_id stage;
        const char *name;
    } shown[] = {{STAGE_RECEIVE, "receive_ms"},
                 {STAGE_PRESCALE, "prescale_ms"},
                 {STAGE_QUEUE, "queue_ms"},
                 {STAGE_RUN, "run_ms"},
                 {STAGE_STORE, "store_ms"}};
    json_out_key(b, "timings");
    json_out_begin(b, '{');
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        uint64_t ns = request_stage_ns(req, shown[i].stage);
        if (ns > 0)
            put_ms(b, shown[i].name, ns);
    }
    put_ms(b, "total_ms", loop_now_ns(req->svc->loop) - req->entered_ns[STAGE_RECEIVE]);
    json_out_end(b, '}');
}

static void put_param(struct buf *b, const struct param_row *row, const char *text)
{
    bool whole = row->type == PARAM_TYPE_INT ||
                 (row->type == PARAM_TYPE_LENIENT && strspn(text, "0123456789") == strlen(text));
    json_out_key(b, row->name);
    if (row->type == PARAM_TYPE_BOOL)
        json_out_put_bool(b, strcmp(text, "true") == 0);
    else if (strcmp(row->name, "scale") == 0 || whole)
        json_out_put_int(b, atoll(text));
    else if (row->type == PARAM_TYPE_NUM)
        buf_printf(b, "%.9g", strtod(text, NULL));
    else
        json_out_put_text(b, text);
}

/* The model that ran is told, not the one that was named; the pages and panels that there are, not how many
 * were asked for. */
static bool is_told_otherwise(const struct param_row *row, const struct result *r)
{
    static const char *const counts[] = {"pages", "panels"};
    bool told = strcmp(row->name, "model") == 0;
    for (size_t i = 0; r->detail && i < ARRAY_LEN(counts); i++)
        told |= strcmp(row->name, counts[i]) == 0;
    return told;
}

/* What was asked for, by the fields' own names; prompts are the caller's and long. */
static void put_params(struct buf *b, const struct params *p, const struct result *r)
{
    size_t count;
    const struct param_row *row = feature_params(p->feature, &count);
    for (size_t i = 0; i < count; i++) {
        bool hidden = row[i].type == PARAM_TYPE_TEXT || row[i].type == PARAM_TYPE_LIST || row[i].link_only ||
                      is_told_otherwise(&row[i], r);
        if (!hidden && *p->value[i])
            put_param(b, &row[i], p->value[i]);
    }
}

static void put_digest(struct buf *b, const uint8_t *digest)
{
    static const char scheme[] = "sha256:";
    char text[sizeof(scheme) + DIGEST_HEX];
    memcpy(text, scheme, sizeof(scheme));
    hex_encode(digest, DIGEST_BYTES, text + sizeof(scheme) - 1);
    json_out_put_text(b, text);
}

/* By which the pictures may be named next time. */
static void put_digests(struct buf *b, const struct request *req)
{
    char name[64];
    bool list = feature_picture_list(req->feature) && req->validate.digest[0];
    for (unsigned i = 0; i < feature_pictures(req->feature); i++) {
        if (!req->validate.digest[i])
            continue;
        snprintf(name, sizeof(name), "%s_digest", feature_picture(req->feature, i)->field);
        if (!list || i == 0)
            json_out_key(b, name);
        if (list && i == 0)
            json_out_begin(b, '[');
        put_digest(b, req->validate.digest[i]);
    }
    if (list)
        json_out_end(b, ']');
}

static void put_sizes(struct buf *b, const struct result *r)
{
    json_out_bool(b, "prescaled", r->prescaled);
    if (r->prescaled) {
        put_size(b, "originalSize", r->original_width, r->original_height);
        put_size(b, "prescaledSize", r->prescaled_width, r->prescaled_height);
    }
    if (r->output[0].width)
        put_size(b, "size", r->output[0].width, r->output[0].height);
}

/* Of a story there are two. */
static void put_model(struct buf *b, const struct feature *f, const struct result *r)
{
    if (f->work != WORK_STORY) {
        json_out_text(b, "model", r->model);
        return;
    }
    json_out_key(b, "model");
    json_out_begin(b, '{');
    json_out_text(b, "llm", features[FEATURE_COMIC_TEXT].model);
    json_out_text(b, "image", r->model);
    json_out_end(b, '}');
}

void answer_meta(struct buf *b, const struct request *req, const struct result *r)
{
    char cost[MONEY_TEXT];
    json_out_begin(b, '{');
    put_model(b, req->feature, r);
    json_out_int(b, "bytes", (int64_t)r->output[0].bytes);
    json_out_text(b, "requestId", req->id);
    put_params(b, &req->validate.params, r);
    put_digests(b, req);
    if (r->detail)
        answer_comic_meta(b, r);
    else
        put_sizes(b, r);
    put_feature_words(b, req, r);
    if (r->version)
        json_out_text(b, "model_version", r->version);
    json_out_text(b, "ran_on", r->ran_on);
    if (r->degraded)
        json_out_bool(b, "degraded", true);
    if (r->reason)
        json_out_text(b, "reason", r->reason);
    json_out_bool(b, "cached", req->lookup.hit);
    if (req->join.collapsed)
        json_out_bool(b, "joined", true);
    json_out_key(b, "cost_usd");
    buf_puts(b, money_text(req->join.collapsed ? 0 : costs_of_request(req), cost));
    put_timings(b, req);
    json_out_end(b, '}');
}

/* Where one stored picture is, by our own link or the bucket's. */
struct links {
    struct buf signed_url, public_url; /* the second is empty unless the operator has made it so */
};

static void make_links(const struct services *svc, const char *key, unsigned expires_s, const char *base_url,
                       struct links *ret)
{
    buf_init(&ret->signed_url, LINK_MAX);
    buf_init(&ret->public_url, LINK_MAX);
    link_make(svc->store, svc->signer, key, expires_s, base_url, &ret->signed_url);
    if (*svc->opt->r2_public_base_url)
        buf_printf(&ret->public_url, "%s/%s", svc->opt->r2_public_base_url, key);
    else if (svc->opt->r2_public_fallback && svc->store->ops->link)
        link_make(svc->store, svc->signer, key, 0, base_url, &ret->public_url);
}

static void release_links(struct links *l)
{
    buf_release(&l->signed_url);
    buf_release(&l->public_url);
}

static const char *url_of(const struct links *l)
{
    return buf_text(l->public_url.len > 0 ? &l->public_url : &l->signed_url);
}

static void put_picture(struct buf *b, const char *key, enum answer_names names, const struct links *l)
{
    json_out_text(b, "key", key);
    json_out_text(b, names == ANSWER_PAGE ? "page_url" : "url", url_of(l));
    if (names != ANSWER_DATA || l->public_url.len > 0)
        json_out_text(b, "presigned_url", buf_text(&l->signed_url));
}

void answer_picture(struct buf *b, const struct services *svc, const char *key, enum answer_names names,
                    const struct answer_links *how, const char *base_url)
{
    struct links links;
    make_links(svc, key, how->expires_s, base_url, &links);
    put_picture(b, key, names, &links);
    release_links(&links);
}

void answer_link(struct buf *b, const struct services *svc, const char *key, const char *name,
                 const struct answer_links *how, const char *base_url)
{
    struct links links;
    make_links(svc, key, how->expires_s, base_url, &links);
    json_out_text(b, name, url_of(&links));
    release_links(&links);
}

/* The first picture is the data itself; where there are or could have been several, there is a list too. */
void answer_data(struct buf *b, const struct services *svc, const struct result *r,
                 const struct answer_links *how, const char *base_url)
{
    struct links links[RESULT_OUTPUTS_MAX];
    const struct result_output *page = r->detail ? answer_comic_page(r, 0) : NULL;
    const unsigned first = page ? (unsigned)(page - r->output) : 0;
    CHECK(r->output_count > 0);
    json_out_begin(b, '{');
    for (unsigned i = 0; i < r->output_count; i++)
        make_links(svc, r->output[i].key, how->expires_s, base_url, &links[i]);
    put_picture(b, r->output[first].key, r->detail ? ANSWER_COMIC : ANSWER_DATA, &links[first]);
    if (how->list) {
        json_out_key(b, "outputs");
        json_out_begin(b, '[');
        for (unsigned i = 0; i < r->output_count; i++) {
            json_out_begin(b, '{');
            json_out_int(b, "index", i);
            put_picture(b, r->output[i].key, ANSWER_DATA, &links[i]);
            json_out_end(b, '}');
        }
        json_out_end(b, ']');
    }
    for (unsigned i = 0; i < r->output_count; i++)
        release_links(&links[i]);
    if (r->detail)
        answer_comic_data(b, svc, r, how, base_url);
    json_out_int(b, "expires_in", how->expires_s);
    json_out_end(b, '}');
}

/* r NULL: there is none yet. */
struct answer_links answer_links_of(const struct request *req, const struct result *r)
{
    const struct params *p = &req->validate.params;
    return (struct answer_links){
        .expires_s = (unsigned)params_int(p, "signTtl", (int)req->svc->opt->presign_expires_s),
        .list = (r && r->output_count > 1 && !r->detail) || params_int(p, "number_of_images", 0) > 0,
    };
}

void answer_success(struct buf *b, const struct services *svc, const struct result *r,
                    const struct answer_links *how, const char *base_url, const char *meta)
{
    if (r->detail)
        answer_comic_members(b, svc, r, how, base_url);
    json_out_key(b, "data");
    answer_data(b, svc, r, how, base_url);
    json_out_key(b, "meta");
    buf_puts(b, meta);
}

static struct reply *success_reply(const struct request *req, const struct result *r, const char *base_url)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, ANSWER_MAX);
    int enough = buf_reserve(&text, ANSWER_USUAL);
    CHECK(enough == 0);
    json_out_begin(&text, '{');
    json_out_text(&text, "request_id", req->id);
    json_out_text(&text, "status", "success");
    const struct answer_links how = answer_links_of(req, r);
    BUF_ON_EXIT struct buf meta;
    buf_init(&meta, ANSWER_MAX);
    answer_meta(&meta, req, r);
    answer_success(&text, req->svc, r, &how, base_url, buf_text(&meta));
    json_out_end(&text, '}');
    CHECK(!text.failed);
    BLOB_ON_EXIT struct blob *body = buf_take_blob(&text);
    return reply_json(200, body);
}

struct reply *answer_reply(const struct request *req, const struct exchange *x, const char *base_url)
{
    if (req->err.code == ERR_NONE && req->accept.ticket && req->accept.ticket->job) {
        struct reply *job = req->svc->desk->reply(req->svc->desk, req, x, base_url);
        page_rate_headers(job, &req->receive.rate);
        return job;
    }
    const struct result *r = request_result(req);
    struct reply *reply = r ? success_reply(req, r, base_url) : reply_error(x, req->id, &req->err);
    page_rate_headers(reply, &req->receive.rate);
    answer_cache_status(req, reply);
    answer_server_timing(req, reply);
    answer_budget_warning(req, reply);
    return reply;
}
