/* 030 lookup: has this been done lately? A hit is answered right here, on the front thread. */
#include "base/clock.h"
#include "request/object_check.h"
#include "request/prefetch.h"
#include "request/stage.h"

/* Its object was deleted from the store: it is no result any more, under whichever key. */
static bool is_gone(struct result *r)
{
    return atomic_load_explicit(&r->gone, memory_order_relaxed);
}

bool lookup_is_too_old(const struct request *req, const struct result *r)
{
    return req->wish.limited && result_age_ms(r, clock_wall_ms()) > (uint64_t)req->wish.max_age_s * 1000;
}

struct result *lookup_result(struct request *req, const uint8_t key[static DIGEST_BYTES])
{
    if (req->wish.no_cache) {
        req->lookup.passed_by = true;
        return NULL;
    }
    struct result *r = cache_get(req->svc->cache, key, loop_now_ns(req->svc->loop));
    if (!r)
        return NULL;
    if (!is_gone(r) && !lookup_is_too_old(req, r)) {
        object_check_hit(req->svc->object_checks, key, r);
        prefetch_hit(req, r);
        return r;
    }
    req->lookup.passed_by = !is_gone(r);
    result_unref(r);
    return NULL;
}

enum verdict lookup_enter(struct request *req)
{
    if (!request_shares(req))
        return NEXT;
    req->lookup.hit = lookup_result(req, req->validate.key);
    return req->lookup.hit ? HIT : NEXT;
}
