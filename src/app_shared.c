#include "app_shared.h"

#include <stdlib.h>
#include <string.h>

#include "app_limits.h"
#include "app_store.h"
#include "base/log.h"
#include "base/mem.h"
#include "metrics/metrics.h"
#include "redis/redis.h"

struct server {
    struct services *svc;
    struct redis *redis;
    bool of_results;
};

struct app_shared {
    struct services *svc;
    struct server results, other; /* redis NULL: there is none */
    struct redis *limits_redis;   /* of either */
    struct app_limits *limits;
};

static void notice(void *ctx, bool up, const char *why)
{
    const struct server *s = ctx;
    if (s->of_results)
        cells_set(metrics_cells(s->svc->metrics), M_REDIS_UP, 0, up);
    if (up)
        LOG(LOG_INFO, "redis answers", F_STR("server", redis_place(s->redis)));
    else
        LOG(LOG_WARN, "redis switched off", F_STR("server", redis_place(s->redis)), F_STR("why", why));
}

static int make_redis(struct server *s, const char *option, const char *url, struct error *e)
{
    const struct options *opt = s->svc->opt;
    const struct redis_config config = {
        .uv = s->svc->uv,
        .option = option,
        .url = url,
        .timeout_ms = (uint32_t)opt->redis_timeout_ms,
        .pipeline_max = (uint32_t)opt->redis_pipeline_max,
        .notice = notice,
        .ctx = s,
    };
    return redis_new(&config, &s->redis, e);
}

static void share_results(struct app_shared *a, const char *space)
{
    struct services *svc = a->svc;
    svc->shared = shared_new(&(struct shared_config){
        .redis = a->results.redis,
        .prefix = svc->opt->redis_prefix,
        .space = space,
        .ttl_ms = (uint64_t)svc->opt->cache_ttl_ms,
    });
    svc->claims =
        claims_new(svc->shared, (uint64_t)svc->opt->redis_lease_ms, (uint64_t)svc->opt->redis_grace_ms);
}

static int make_results(struct app_shared *a, struct error *e)
{
    const struct options *opt = a->svc->opt;
    char space[STORE_SPACE_MAX];
    if (!*opt->redis_url)
        return 0;
    int r = make_redis(&a->results, "REDIS_URL", opt->redis_url, e);
    if (r == 0)
        r = app_store_space(opt, space, e);
    if (r == 0 && opt->cache_ttl_ms > 0)
        share_results(a, space);
    return r;
}

static int make_limits(struct app_shared *a, struct error *e)
{
    const struct options *opt = a->svc->opt;
    bool same = !*opt->redis_limits_url || strcmp(opt->redis_limits_url, opt->redis_url) == 0;
    int r = same ? 0 : make_redis(&a->other, "REDIS_LIMITS_URL", opt->redis_limits_url, e);
    if (r < 0)
        return r;
    a->limits_redis = same ? a->results.redis : a->other.redis;
    a->limits = app_limits_new(a->svc, a->limits_redis);
    return 0;
}

int app_shared_new(struct services *svc, struct app_shared **ret, struct error *e)
{
    if (!*svc->opt->redis_url && !*svc->opt->redis_limits_url)
        return 0;
    struct app_shared *a = NEW(struct app_shared);
    a->svc = svc;
    a->results = (struct server){.svc = svc, .of_results = true};
    a->other = (struct server){.svc = svc};
    int r = make_results(a, e);
    if (r == 0)
        r = make_limits(a, e);
    if (r < 0) {
        app_shared_free(a);
        return r;
    }
    *ret = a;
    return 0;
}

void app_shared_start(struct app_shared *a)
{
    if (a && a->results.redis)
        redis_start(a->results.redis);
    if (a && a->other.redis)
        redis_start(a->other.redis);
}

bool app_shared_busy(const struct app_shared *a)
{
    return a && ((a->results.redis && redis_busy(a->results.redis)) || app_limits_busy(a->limits));
}

void app_shared_free(struct app_shared *a)
{
    if (!a)
        return;
    redis_stop(a->results.redis);
    redis_stop(a->other.redis);
    app_limits_free(a->limits);
    claims_free(TAKE(a->svc->claims));
    shared_free(TAKE(a->svc->shared));
    redis_free(a->results.redis);
    redis_free(a->other.redis);
    free(a);
}

struct redis *app_shared_limits(const struct app_shared *a)
{
    return a ? a->limits_redis : NULL;
}

bool app_shared_describe(const struct app_shared *a, struct buf *out)
{
    if (!a)
        return true;
    bool up = !a->results.redis || redis_is_up(a->results.redis);
    if (a->results.redis)
        buf_printf(out, ",\"redis\":\"%s\"", up ? "ok" : "unavailable");
    bool together = app_limits_describe(a->limits, out);
    return up && together;
}
