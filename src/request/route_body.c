#include "request/route_body.h"

#include <stdlib.h>

#include "base/mem.h"
#include "web/pages.h"

struct route_body {
    struct web *web;
    enum route_id route;
    struct web_caller caller;
    bool counted;  /* among those that are arriving */
    uint64_t room; /* of web.v1_bytes */
    struct buf bytes;
    struct body *archive; /* what comes goes there; NULL: into bytes */
    uint64_t most;
};

static void refuse_with(struct exchange *x, const struct error *e, const struct rate_state *rate)
{
    struct reply *r = reply_error(x, NULL, e);
    page_rate_headers(r, rate);
    exchange_answer(x, r);
}

static void refuse(struct exchange *x, enum err code, const struct rate_state *rate)
{
    struct error e;
    error_set(&e, code, "%s", code == ERR_PAYLOAD_TOO_LARGE ? "The body is too long" : "");
    e.retry_after_s = code == ERR_OVERLOADED ? 1 : 0;
    refuse_with(x, &e, rate);
}

/* Anybody may send one, and it lies in memory. Where there is none, those of others are no hindrance. Those
 * below /v1/ may be many and large: there bytes count. */
static bool take_room(struct route_body *b, enum route_id route, int64_t length, size_t most)
{
    if (!web_is_v1(route)) {
        b->counted = length != 0;
        return !b->counted || atomic_fetch_add(&b->web->bodies, 1) < WEB_BODIES_MAX;
    }
    b->room = length >= 0 ? (uint64_t)length : most;
    uint64_t all = (uint64_t)b->web->opt->v1_memory_mb << 20;
    return atomic_fetch_add(&b->web->v1_bytes, b->room) + b->room <= all;
}

struct route_body *route_body_new(struct gate *gate, enum route_id route, struct exchange *x,
                                  const struct web_caller *caller)
{
    struct web *web = gate->web;
    size_t archive = web_archive_max(web, route, x);
    size_t most = archive ? archive : web_body_max(web, route);
    if (exchange_content_length(x) > (int64_t)most) {
        refuse(x, ERR_PAYLOAD_TOO_LARGE, &caller->rate);
        return NULL;
    }
    struct route_body *b = NEW(struct route_body);
    b->web = web;
    if (!take_room(b, route, exchange_content_length(x), most)) {
        refuse(x, ERR_OVERLOADED, &caller->rate);
        route_body_free(b);
        return NULL;
    }
    b->route = route;
    b->caller = *caller;
    b->most = most;
    buf_init(&b->bytes, most);
    if (archive)
        b->archive = body_new(gate->svc->spool, (uint64_t)MAX(exchange_content_length(x), INT64_C(0)));
    return b;
}

static bool feed_archive(struct route_body *b, struct exchange *x, const void *data, size_t size)
{
    struct error e;
    if (body_size(b->archive) + size > b->most)
        refuse(x, ERR_PAYLOAD_TOO_LARGE, &b->caller.rate);
    else if (body_append(b->archive, data, size, &e) < 0)
        refuse_with(x, &e, &b->caller.rate);
    else
        return true;
    return false;
}

bool route_body_feed(struct route_body *b, struct exchange *x, const void *data, size_t size)
{
    if (b->archive)
        return feed_archive(b, x, data, size);
    if (buf_append(&b->bytes, data, size) == 0)
        return true;
    refuse(x, ERR_PAYLOAD_TOO_LARGE, &b->caller.rate);
    return false;
}

void route_body_complete(struct route_body *b, struct exchange *x)
{
    if (b->archive) {
        body_finish(b->archive);
        web_answer_archive(b->web, x, b->archive, &b->caller);
        return;
    }
    BLOB_ON_EXIT struct blob *body = buf_take_blob(&b->bytes);
    web_answer_body(b->web, b->route, x, body, &b->caller);
}

void route_body_free(struct route_body *b)
{
    if (!b)
        return;
    if (b->counted)
        atomic_fetch_sub(&b->web->bodies, 1);
    atomic_fetch_sub(&b->web->v1_bytes, b->room);
    buf_release(&b->bytes);
    body_unref(b->archive);
    free(b);
}
