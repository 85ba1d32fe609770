/* 030 lookup: has this been done lately? A hit is answered right here, on the front thread. */
#include "request/stage.h"

enum verdict lookup_enter(struct request *req)
{
    req->lookup.hit = cache_get(req->svc->cache, req->validate.key, loop_now_ns(req->svc->loop));
    return req->lookup.hit ? HIT : NEXT;
}
