#include "request/answer_headers.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/clock.h"
#include "request/stage.h"

enum { TIMING_MAX = 1024, WARNING_MAX = 1024 };

static bool is_switched_off(const struct request *req)
{
    return !params_keep(&req->validate.params) || !cache_remembers(req->svc->cache);
}

/* Why the cache did not serve it. */
static const char *forwarded(const struct request *req)
{
    if (is_switched_off(req))
        return "bypass";
    return req->wish.no_store || req->lookup.passed_by ? "request" : "miss";
}

void answer_cache_status(const struct request *req, struct reply *r)
{
    if (req->entered_ns[STAGE_LOOKUP] == 0)
        return;
    const struct result *hit = req->lookup.hit;
    if (hit)
        reply_header(r, "Cache-Status", "limner; hit; ttl=%" PRIu64 "%s",
                     result_left_ms(hit, clock_wall_ms()) / 1000,
                     req->lookup.by_pixels ? "; detail=pixels" : "");
    else
        reply_header(r, "Cache-Status", "limner; fwd=%s%s%s", forwarded(req),
                     req->settle.stored ? "; stored" : "", req->join.collapsed ? "; collapsed" : "");
}

/* Some stages most requests only pass through. */
static bool took_part(const struct request *req, enum stage_id stage)
{
    if (stage == STAGE_FETCH)
        return req->fetch.pictures;
    if (stage == STAGE_JOIN)
        return req->join.collapsed;
    return stage != STAGE_COMPOSE || req->run.child;
}

static void put_duration(struct buf *text, const char *name, uint64_t ns)
{
    if (text->len)
        buf_puts(text, ", ");
    buf_puts(text, name);
    buf_puts(text, ";dur=");
    buf_fixed(text, (ns + NS_PER_US / 2) / NS_PER_US, 3);
}

void answer_server_timing(const struct request *req, struct reply *r)
{
    static const struct {
        const char *name;
        enum stage_id stage;
    } told[] = {
        {"receive", STAGE_RECEIVE}, {"fetch", STAGE_FETCH},       {"cache", STAGE_LOOKUP},
        {"join", STAGE_JOIN},       {"prescale", STAGE_PRESCALE}, {"queue", STAGE_QUEUE},
        {"run", STAGE_RUN},         {"read", STAGE_READ_OUTPUT},  {"compose", STAGE_COMPOSE},
        {"store", STAGE_STORE},
    };
    BUF_ON_EXIT struct buf text;
    buf_init(&text, TIMING_MAX);
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        uint64_t ns = request_stage_ns(req, told[i].stage);
        if (ns > 0 && took_part(req, told[i].stage))
            put_duration(&text, told[i].name, ns);
    }
    put_duration(&text, "total", loop_now_ns(req->svc->loop) - req->entered_ns[STAGE_RECEIVE]);
    reply_header(r, "Server-Timing", "%s", buf_text(&text));
}

void answer_budget_warning(const struct request *req, struct reply *r)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, WARNING_MAX);
    budget_warn(req, &text);
    if (text.len > 0)
        reply_header(r, "X-Budget-Warning", "%s", buf_text(&text));
}
