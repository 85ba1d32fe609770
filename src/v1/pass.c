/* What is handed on: questions about models, files, and predictions that are not remembered here.
 *
 * Happy path: the call goes out with the account's token, and its answer comes back; what was said about a
 * model serves for a while. Failure modes: what is the operator's matter (401, 402, 403) and what is no JSON
 * is told in our own words; too many at once are refused. Invariant: a pass owns its call, and its exchange
 * is answered once. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "v1/document.h"
#include "v1/inside.h"

enum { ANSWER_MAX = 32 << 20, KEPT_BYTES_MAX = 1 << 20, KEPT_S = 60, RETRIES = 3, DOCUMENT_MAX = 64 << 20 };

struct pass {
    struct v1_call *call;
    struct replicate_pass pass;
};

/* ---- what is kept ---- */

static struct v1_kept *kept_of(struct v1 *v, const char *path)
{
    uint64_t now = v1_now_ns(v);
    for (unsigned i = 0; i < V1_KEPT_MAX; i++) {
        struct v1_kept *k = &v->kept[i];
        if (k->path && strcmp(k->path, path) == 0)
            return k->until_ns > now ? k : NULL;
    }
    return NULL;
}

static void keep(struct v1 *v, const char *path, struct blob *body)
{
    struct v1_kept *into = &v->kept[0];
    for (unsigned i = 0; i < V1_KEPT_MAX; i++) {
        struct v1_kept *k = &v->kept[i];
        bool same = k->path && strcmp(k->path, path) == 0;
        if (same || k->until_ns < into->until_ns)
            into = k;
        if (same)
            break;
    }
    free(into->path);
    blob_unref(into->body);
    *into = (struct v1_kept){mem_strdup(path), blob_ref(body), v1_now_ns(v) + KEPT_S * NS_PER_S};
}

void v1_kept_release(struct v1 *v)
{
    for (unsigned i = 0; i < V1_KEPT_MAX; i++) {
        free(v->kept[i].path);
        blob_unref(v->kept[i].body);
    }
}

/* ---- answers ---- */

static void answer(struct exchange *x, int status, struct blob *body, const char *type)
{
    struct reply *r = reply_new(status);
    if (body && body->size > 0)
        reply_body(r, body, type);
    reply_header(r, "Cache-Control", "no-store");
    exchange_answer_suspended(x, r);
}

static void fail(struct pass *p, enum err code, const char *why, unsigned retry_after_s)
{
    struct error e;
    error_set(&e, code, "%s", why);
    e.retry_after_s = retry_after_s;
    v1_answer_error(TAKE(p->call->x), &e);
}

/* As it is to be seen from here. false: it cannot be read. */
static bool rewrite(const struct pass *p, const struct buf *said, struct buf *ret)
{
    const struct v1_call *c = p->call;
    if (c->what == V1_PASS)
        return v1_pages(said->data, said->len, replicate_base_url(c->v1->config.provider), c->base, ret) == 0;
    const struct v1_view v = {.id = c->id, .base = c->base, .said = said->data, .said_size = said->len};
    return v1_document(&v, ret) == 0;
}

static void answer_good(struct pass *p)
{
    struct v1_call *c = p->call;
    const struct http_call *said = &p->pass.call;
    if (said->answer.len == 0) {
        answer(TAKE(c->x), said->status, NULL, NULL);
        return;
    }
    BUF_ON_EXIT struct buf document;
    buf_init(&document, DOCUMENT_MAX);
    if (said->answer.data[0] == '[' || !rewrite(p, &said->answer, &document)) {
        fail(p, ERR_UPSTREAM, "Replicate sent an answer that cannot be read", 0);
        return;
    }
    BLOB_ON_EXIT struct blob *body = buf_take_blob(&document);
    if (c->keeps && said->status == 200 && body->size <= KEPT_BYTES_MAX)
        keep(c->v1, c->path, body);
    answer(TAKE(c->x), said->status, body, "application/json");
}

static void answer_bad(struct pass *p)
{
    const struct http_call *said = &p->pass.call;
    const struct buf *text = &said->answer;
    int status = said->status;
    const char *token = p->call->v1->config.opt->replicate_token;
    bool clean =
        text->len > 0 && text->data[0] == '{' && !memmem(text->data, text->len, token, strlen(token));
    int64_t retry_s = http_retry_after_s(said->retry_after, clock_wall_s());
    if (status == 401 || status == 402 || status == 403) {
        fail(p, ERR_PROVIDER_UNAVAILABLE, "", 0);
    } else if (status == 429) {
        fail(p, ERR_RATE_LIMIT, "Replicate takes no more requests of this account now",
             (unsigned)MAX(retry_s, (int64_t)1));
    } else if (status >= 400 && status < 500 && clean) {
        BLOB_ON_EXIT struct blob *body = blob_copy(text->data, text->len);
        answer(TAKE(p->call->x), status, body, "application/json");
    } else if (status == 404 || status == 413) {
        fail(p, status == 404 ? ERR_NOT_FOUND : ERR_PAYLOAD_TOO_LARGE, "", 0);
    } else {
        fail(p, ERR_UPSTREAM, "Replicate did not answer as it should", 0);
    }
}

static void pass_done(struct op *op)
{
    struct pass *p = CONTAINER_OF(op, struct pass, pass.op);
    p->call->v1->passes--;
    if (op->result < 0)
        v1_answer_error(TAKE(p->call->x), &p->pass.err);
    else if (p->pass.call.status / 100 == 2)
        answer_good(p);
    else
        answer_bad(p);
    replicate_pass_release(&p->pass);
    v1_call_free(p->call);
    free(p);
}

void v1_pass(struct v1_call *c)
{
    struct v1 *v = c->v1;
    const struct v1_kept *kept = c->keeps ? kept_of(v, c->path) : NULL;
    if (kept) {
        answer(TAKE(c->x), 200, kept->body, "application/json");
        v1_call_free(c);
        return;
    }
    struct pass *p = NEW(struct pass);
    p->call = c;
    if (v->passes >= V1_PASSES_MAX) {
        fail(p, ERR_OVERLOADED, "Too many such requests are under way", 1);
        v1_call_free(c);
        free(p);
        return;
    }
    v->passes++;
    p->pass = (struct replicate_pass){
        .method = c->method,
        .path = c->path,
        .body = c->body,
        .content_type = c->content_type,
        .answer_max_bytes = ANSWER_MAX,
        .timeout_ms = (uint32_t)v->config.opt->http_timeout_ms,
        .retries = RETRIES,
    };
    replicate_pass_start(v->config.provider, &p->pass, pass_done);
}

void v1_pass_prediction(struct v1_call *c)
{
    bool cancels = c->what == V1_CANCEL;
    c->method = cancels ? "POST" : "GET";
    c->path = mem_printf("/predictions/%s%s", c->id, cancels ? "/cancel" : "");
    v1_pass(c);
}
