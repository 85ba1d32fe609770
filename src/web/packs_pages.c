/* The asset packs' two addresses.
 *
 * Happy path: answered on the front thread from what the manifest knows.
 * Failure modes: the first question of all, when nothing is known yet, is suspended and answered from the
 * core, whether its client is still there or not. Invariant: a call is its exchange's one answer to come; it
 * is freed when that is given. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "web/links.h"
#include "web/manifest.h"
#include "web/pages.h"

enum { PAGE_SIZE = 50, PAGE_SIZE_MAX = 500, PAGE_MAX = 1000000000, DOCUMENT_MAX = 256 << 20 };

struct call {
    struct manifest_wait wait;
    struct web *w;
    struct exchange *x;
    struct rate_state rate;
    struct reply *(*answer)(struct call *c, const struct packs *packs);
    json_t *asked; /* of a presign: the body */
    size_t page, page_size;
};

static struct call *call_new(struct web *w, struct exchange *x, const struct rate_state *rate,
                             struct reply *(*answer)(struct call *c, const struct packs *packs))
{
    struct call *c = NEW(struct call);
    c->w = w;
    c->x = x;
    c->rate = *rate;
    c->answer = answer;
    return c;
}

/* ---- answering ---- */

static struct reply *refusal(const struct call *c, enum err code, const char *field, const char *reason)
{
    struct error e;
    error_set_field(&e, code, field, "%s", reason);
    return reply_error(c->x, NULL, &e);
}

static void call_free(struct call *c)
{
    json_decref(c->asked);
    free(c);
}

/* On the front thread. */
static void answer_now(struct call *c, struct reply *r)
{
    page_rate_headers(r, &c->rate);
    exchange_answer(c->x, r);
    call_free(c);
}

static void answer_later(struct manifest_wait *wait, struct packs *packs, const struct error *e)
{
    struct call *c = CONTAINER_OF(wait, struct call, wait);
    struct reply *r = packs ? c->answer(c, packs) : reply_error(c->x, NULL, e);
    packs_unref(packs);
    page_rate_headers(r, &c->rate);
    exchange_answer_suspended(c->x, r);
    call_free(c);
}

/* The request is in order. */
static void serve(struct call *c)
{
    struct manifest *m = c->w->manifest;
    struct packs *packs = manifest_now(m);
    if (packs) {
        struct reply *r = c->answer(c, packs);
        packs_unref(packs);
        answer_now(c, r);
        return;
    }
    if (manifest_stopped(m)) {
        struct error e;
        error_set(&e, ERR_DRAINING, "The server is shutting down; ask again in a moment");
        e.retry_after_s = 5;
        answer_now(c, reply_error(c->x, NULL, &e));
        return;
    }
    exchange_suspend(c->x);
    c->wait.ready = answer_later;
    manifest_wait(m, &c->wait);
}

static struct reply *json_reply(json_t *doc)
{
    CHECK(doc);
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    CHECK(text);
    struct reply *r = reply_new(200);
    reply_text(r, text, "application/json; charset=utf-8");
    free(text);
    return r;
}

/* ---- manifest ---- */

/* A number of the query from 1 to most; *ret stays when there is none. false: it is something else. */
static bool query_number(const struct exchange *x, const char *name, size_t most, size_t *ret)
{
    const char *text = exchange_query(x, name);
    if (!text)
        return true;
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n < 1 || n > most)
        return false;
    *ret = (size_t)n;
    return true;
}

static void set_validators(struct reply *r, const struct packs *packs)
{
    reply_header(r, "ETag", "W/\"%s\"",
                 packs_version(packs)); /* weak: each answer has a request_id of its own */
    reply_header(r, "Cache-Control", "no-cache");
}

/* NULL: not given, or empty, as forms send it. */
static const char *query_word(const struct exchange *x, const char *name)
{
    const char *text = exchange_query(x, name);
    return text && *text ? text : NULL;
}

static void write_manifest(const struct call *c, const struct packs *packs, struct buf *out)
{
    struct packs_filter filter = {query_word(c->x, "category"), query_word(c->x, "target")};
    json_t *id = json_string(exchange_request_id(c->x));
    char *quoted = json_dumps(id, JSON_ENCODE_ANY);
    json_decref(id);
    buf_printf(out, "{\"request_id\":%s,\"status\":\"success\",\"data\":{\"items\":[", quoted);
    free(quoted);
    size_t total = packs_page(packs, &filter, c->page, c->page_size, out);
    buf_printf(out,
               "]},\"pagination\":{\"total\":%zu,\"page\":%zu,\"page_size\":%zu,\"total_pages\":%zu},"
               "\"meta\":{\"version\":\"%s\"%s}}",
               total, c->page, c->page_size, (total + c->page_size - 1) / c->page_size, packs_version(packs),
               packs_cut(packs) ? ",\"truncated\":true" : "");
}

static struct reply *answer_manifest(struct call *c, const struct packs *packs)
{
    char etag[PACKS_VERSION + 2];
    snprintf(etag, sizeof(etag), "\"%s\"", packs_version(packs));
    struct reply *r;
    if (page_unchanged(c->x, etag)) {
        r = reply_new(304);
    } else {
        BUF_ON_EXIT struct buf document;
        buf_init(&document, DOCUMENT_MAX);
        write_manifest(c, packs, &document);
        if (document.failed)
            return refusal(c, ERR_VALIDATION, "page_size",
                           "The page is too large; ask for fewer packs at once");
        BLOB_ON_EXIT struct blob *body = buf_take_blob(&document);
        r = reply_new(200);
        reply_body(r, body, "application/json; charset=utf-8");
    }
    set_validators(r, packs);
    return r;
}

void page_manifest(struct web *w, struct exchange *x, const struct rate_state *rate)
{
    struct call *c = call_new(w, x, rate, answer_manifest);
    c->page = 1;
    c->page_size = PAGE_SIZE;
    if (!query_number(x, "page", PAGE_MAX, &c->page))
        answer_now(c, refusal(c, ERR_VALIDATION, "page", "A whole number from 1 on is allowed"));
    else if (!query_number(x, "page_size", PAGE_SIZE_MAX, &c->page_size))
        answer_now(c, refusal(c, ERR_VALIDATION, "page_size", "A whole number from 1 to 500 is allowed"));
    else
        serve(c);
}

/* ---- presign ---- */

static const char *member(const struct call *c, const char *name)
{
    return json_string_value(json_object_get(c->asked, name));
}

static struct reply *answer_presign(struct call *c, const struct packs *packs)
{
    const struct web *w = c->w;
    const char *key = member(c, "key");
    if (!packs_has(packs, member(c, "pack_id"), key))
        return refusal(c, ERR_NOT_FOUND, "", "There is no such asset pack, or no such file in it");
    unsigned expires_s = (unsigned)w->opt->presign_expires_s;
    BUF_ON_EXIT struct buf base, url;
    buf_init(&base, LINK_MAX);
    buf_init(&url, LINK_MAX);
    link_base(c->x, w->opt, &base);
    link_make(w->store, w->signer, key, expires_s, buf_text(&base), &url);
    struct reply *r =
        json_reply(json_pack("{s:s,s:s,s:{s:s,s:i}}", "request_id", exchange_request_id(c->x), "status",
                             "success", "data", "url", buf_text(&url), "expires_in", (int)expires_s));
    reply_header(r, "Cache-Control", "no-store");
    return r;
}

/* NULL: it is in order, else what is wrong. */
static struct reply *read_presign(struct call *c, const struct blob *body)
{
    static const char *const wanted[] = {"pack_id", "key"};
    json_error_t why;
    c->asked = json_loadb((const char *)body->data, body->size, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(c->asked))
        return refusal(c, ERR_VALIDATION, "body", "Send a JSON object with \"pack_id\" and \"key\"");
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        const char *value = member(c, wanted[i]);
        if (!value || !*value)
            return refusal(c, ERR_VALIDATION, wanted[i], "It is missing, or no text");
    }
    return NULL;
}

void page_presign(struct web *w, struct exchange *x, struct blob *body, const struct rate_state *rate)
{
    struct call *c = call_new(w, x, rate, answer_presign);
    struct reply *wrong = read_presign(c, body);
    if (wrong)
        answer_now(c, wrong);
    else
        serve(c);
}
