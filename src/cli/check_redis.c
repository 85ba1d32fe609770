#include "cli/check_redis.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "redis/info.h"
#include "redis/redis.h"

struct look {
    bool results, limits, sums; /* what lives there: of budgets, too */
    struct loop_uv *uv;
    struct redis *redis;
    char *why; /* it cannot be used; NULL: so far all is well */
};

static void notice(void *ctx, bool up, const char *why)
{
    struct look *l = ctx;
    if (!up && !l->why)
        l->why = mem_strdup(why);
    loop_uv_stop(l->uv);
}

static void answered(struct op *op)
{
    loop_uv_stop(op->owner);
}

/* What eviction may do to limits, which have no time to live, and to leases, which live for seconds and must
 * not go before their time. */
static const char *advice(const struct look *l, const char *policy)
{
    if (!*policy)
        return l->limits ? "; whether it may evict the limits that gateways share cannot be known"
                         : "; whether it may evict leases cannot be known";
    if (l->sums && strcmp(policy, "noeviction") != 0)
        return "; but its maxmemory-policy may evict the sums of BUDGETS, and more is then spent than they "
               "allow: noeviction suits, or another server for limits and budgets in REDIS_LIMITS_URL";
    if (strncmp(policy, "allkeys", 7) == 0)
        return !l->limits   ? "; but its maxmemory-policy may evict leases, and the same is then run twice: "
                              "volatile-lru suits"
               : l->results ? "; but its maxmemory-policy may evict leases, and the same is then run twice, "
                              "and limits, and more runs then go out than they allow: volatile-lru suits, or "
                              "another server for limits in REDIS_LIMITS_URL"
                            : "; but its maxmemory-policy may evict limits, and more runs then go out than "
                              "they allow: noeviction or volatile-lru suits";
    if (l->results && (strcmp(policy, "volatile-ttl") == 0 || strcmp(policy, "volatile-random") == 0))
        return "; but its maxmemory-policy evicts leases before results, and the same is then run twice: "
               "volatile-lru suits";
    return "";
}

static char *describe(const struct look *l, const char *info)
{
    char version[REDIS_INFO_MAX], policy[REDIS_INFO_MAX];
    redis_info_value(info, "redis_version", version);
    redis_info_value(info, "maxmemory_policy", policy);
    return mem_printf("%s answers (Redis %s, maxmemory-policy %s)%s", redis_place(l->redis),
                      *version ? version : "of an unknown version", *policy ? policy : "unknown",
                      advice(l, policy));
}

static char *ask(struct look *l)
{
    struct redis_call call = {.op.owner = l->uv};
    struct redis_command info = redis_command("INFO");
    redis_call_start(l->redis, &call, &info, answered);
    loop_uv_run(l->uv);
    while (call.op.state != OP_IDLE) /* a notice came first */
        loop_uv_run(l->uv);
    char *text = NULL;
    if (call.op.result == 0 && call.reply->type == REDIS_REPLY_STRING)
        text = describe(l, call.reply->str);
    else if (call.op.result == -ERR_UPSTREAM)
        text = describe(l, ""); /* it may be forbidden to ask */
    else if (!l->why)
        l->why = mem_strdup(call.err.reason);
    redis_call_release(&call);
    return text;
}

static bool check_server(const struct options *opt, struct look l, const char *option, const char *url,
                         char **ret)
{
    const struct redis_config config = {
        .uv = l.uv,
        .option = option,
        .url = url,
        .timeout_ms = (uint32_t)opt->redis_timeout_ms,
        .pipeline_max = 1,
        .notice = notice,
        .ctx = &l,
    };
    struct error e = {0};
    if (redis_new(&config, &l.redis, &e) < 0) {
        *ret = mem_strdup(e.reason);
        return false;
    }
    redis_start(l.redis);
    loop_uv_run(l.uv);
    char *text = l.why ? NULL : ask(&l);
    *ret = text ? text
                : mem_printf("%s does not answer as it should (%s); a gateway starts all the same, alone",
                             redis_place(l.redis), l.why);
    redis_stop(l.redis);
    redis_free(l.redis);
    free(l.why);
    return text != NULL;
}

bool check_redis(const struct options *opt, struct loop_uv *uv, char **ret)
{
    const struct look l = {.results = true,
                           .limits = !*opt->redis_limits_url,
                           .sums = *opt->budgets && !*opt->redis_limits_url,
                           .uv = uv};
    return check_server(opt, l, "REDIS_URL", opt->redis_url, ret);
}

bool check_redis_limits(const struct options *opt, struct loop_uv *uv, char **ret)
{
    const struct look l = {.limits = true, .sums = *opt->budgets, .uv = uv};
    return check_server(opt, l, "REDIS_LIMITS_URL", opt->redis_limits_url, ret);
}
