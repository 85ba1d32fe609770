#include "app_limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "limiter/shared_slots.h"
#include "metrics/metrics.h"
#include "redis/info.h"

struct app_limits {
    struct services *svc;
    struct redis *redis;
    struct shared_slots *slots;
    struct redis_call look; /* at what the server may evict */
    bool looked;
};

static void notice(void *ctx, bool together, const char *why)
{
    const struct app_limits *a = ctx;
    cells_set(metrics_cells(a->svc->metrics), M_LIMITS_SHARED, 0, together);
    if (together)
        LOG(LOG_INFO, "limits are shared", F_STR("server", redis_place(a->redis)));
    else
        LOG(LOG_WARN, "limits are this gateway's own", F_STR("server", redis_place(a->redis)),
            F_STR("why", why));
}

static void looked(struct op *op)
{
    struct app_limits *a = CONTAINER_OF(op, struct app_limits, look.op);
    char policy[REDIS_INFO_MAX] = "";
    if (op->result == 0 && a->look.reply->type == REDIS_REPLY_STRING)
        redis_info_value(a->look.reply->str, "maxmemory_policy", policy);
    redis_call_release(&a->look);
    if (op->result == -ERR_PROVIDER_UNAVAILABLE)
        return;
    a->looked = true;
    if (!*policy)
        LOG(LOG_INFO, "it cannot be known whether limits may be evicted",
            F_STR("server", redis_place(a->redis)));
    else if (*a->svc->opt->budgets && strcmp(policy, "noeviction") != 0)
        LOG(LOG_WARN, "sums of budgets may be evicted", F_STR("server", redis_place(a->redis)),
            F_STR("maxmemory_policy", policy),
            F_STR("advice", "name a server that evicts nothing in REDIS_LIMITS_URL, or set noeviction"));
    else if (strncmp(policy, "allkeys", 7) == 0)
        LOG(LOG_WARN, "limits may be evicted", F_STR("server", redis_place(a->redis)),
            F_STR("maxmemory_policy", policy),
            F_STR("advice", "name a server that evicts nothing in REDIS_LIMITS_URL, or set volatile-lru"));
}

/* INFO, as CONFIG is often forbidden. */
static void on_up(void *ctx)
{
    struct app_limits *a = ctx;
    if (a->looked || a->look.op.state != OP_IDLE)
        return;
    struct redis_command info = redis_command("INFO");
    redis_add(&info, "memory");
    redis_call_start(a->redis, &a->look, &info, looked);
}

struct app_limits *app_limits_new(struct services *svc, struct redis *redis)
{
    struct app_limits *a = NEW(struct app_limits);
    a->svc = svc;
    a->redis = redis;
    a->slots = shared_slots_new(&(struct shared_slots_config){
        .redis = redis,
        .prefix = svc->opt->redis_prefix,
        .lease_ms = (uint64_t)svc->opt->redis_lease_ms,
        .notice = notice,
        .ctx = a,
    });
    for (int c = 0; c < CLASS_COUNT; c++)
        shared_slots_add(a->slots, svc->class_limiter[c]);
    redis_on_up(redis, on_up, a);
    cells_set(metrics_cells(svc->metrics), M_LIMITS_SHARED, 0, 0);
    return a;
}

void app_limits_free(struct app_limits *a)
{
    if (!a)
        return;
    shared_slots_free(a->slots);
    free(a);
}

bool app_limits_busy(const struct app_limits *a)
{
    return a && shared_slots_busy(a->slots);
}

bool app_limits_describe(const struct app_limits *a, struct buf *out)
{
    if (!a)
        return true;
    bool together = shared_slots_together(a->slots);
    buf_printf(out, ",\"limits\":\"%s\"", together ? "shared" : "alone");
    return together;
}
