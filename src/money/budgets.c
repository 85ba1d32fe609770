/* Happy path: a reservation is taken from each budget it falls under, here or in Redis, and its op completes;
 * settling puts the cost in its place. Failure modes: a budget without room refuses, and nothing is taken
 * from the others; Redis does not answer: budget_fall_back; the period ends while a run is under way: what it
 * cost counts in the one it began in. Invariants: `used` is changed on the core thread alone; what was added
 * for a hold is taken away, or replaced, exactly once, by budget_settle, as that takes the hold's budgets
 * away. */
#include "money/budgets_own.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/rng.h"

enum { UNKNOWN_AFTER_S = 1, RETRY_S = 5, BODY_MAX = 2048 };

_Static_assert((int)BUDGETS_MAX == (int)METRIC_BUDGETS, "each has its gauges");

int64_t budgets_now_s(const struct budgets *b)
{
    return b->config.now_s ? b->config.now_s() : clock_wall_s();
}

/* ---- sums ---- */

static int64_t used_at(const struct budgets *b, unsigned i, int64_t now_s)
{
    const struct budget *at = &b->budget[i];
    bool current = atomic_load(&at->start_s) == budget_period_start(b->plan.row[i].period, now_s);
    return current ? atomic_load(&at->used) : 0;
}

void budget_begin(struct budgets *b, unsigned i, int64_t now_s)
{
    struct budget *at = &b->budget[i];
    int64_t start_s = budget_period_start(b->plan.row[i].period, now_s);
    if (atomic_load(&at->start_s) == start_s)
        return;
    atomic_store(&at->used, 0);
    atomic_store(&at->start_s, start_s);
    at->told = TOLD_NOTHING;
}

void budget_hear(struct budgets *b, unsigned i, int64_t start_s, int64_t used)
{
    struct budget *at = &b->budget[i];
    if (atomic_load(&at->start_s) != start_s)
        return;
    atomic_store(&at->used, used);
    atomic_store(&at->heard_ns, loop_now_ns(b->config.loop));
}

/* Changes what is known here, and what is remembered. */
static void add(struct budgets *b, unsigned i, int64_t start_s, int64_t nano)
{
    struct budget *at = &b->budget[i];
    if (atomic_load(&at->start_s) == start_s)
        atomic_fetch_add(&at->used, nano);
    if (b->store)
        budget_store_add(b->store, i, start_s, nano, (int)at->told);
}

/* ---- telling ---- */

/* "key:mobile/hour" for people. */
static void whose(const struct budget_row *row, char *ret, size_t size)
{
    if (row->scope == BUDGET_CLASS)
        snprintf(ret, size, "of features of the class \"%s\"", class_name(row->class));
    else
        snprintf(ret, size, "%s", row->scope == BUDGET_KEY ? "of your API key" : "of this server");
}

static void time_text(int64_t at_s, char ret[static 24])
{
    struct tm tm = {0};
    time_t t = (time_t)at_s;
    gmtime_r(&t, &tm);
    strftime(ret, 24, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int budget_refuse(const struct budgets *b, unsigned i, struct error *e)
{
    const struct budget_row *row = &b->plan.row[i];
    int64_t now_s = budgets_now_s(b), end_s = budget_period_end(row->period, now_s);
    char who[64], end[24];
    whose(row, who, sizeof(who));
    time_text(end_s, end);
    error_set(e, ERR_BUDGET_EXCEEDED,
              "What this model run would cost is more than the budget %s for this %s has left; "
              "a new one begins at %s. Results that are remembered can still be had",
              who, budget_period_name(row->period), end);
    e->retry_after_s = (unsigned)MAX(end_s - now_s, 1);
    return -ERR_BUDGET_EXCEEDED;
}

/* {"type":"budget.soft","timestamp":…,"data":{…}} */
static struct blob *notice(const struct budgets *b, unsigned i, enum budget_told what)
{
    const struct budget_row *row = &b->plan.row[i];
    int64_t now_s = budgets_now_s(b);
    char now[24], from[24], to[24], limit[MONEY_TEXT], used[MONEY_TEXT];
    BUF_ON_EXIT struct buf body;
    buf_init(&body, BODY_MAX);
    time_text(now_s, now);
    time_text(budget_period_start(row->period, now_s), from);
    time_text(budget_period_end(row->period, now_s), to);
    buf_printf(&body,
               "{\"type\":\"budget.%s\",\"timestamp\":\"%s\",\"data\":{\"budget\":\"%s\",\"limit_usd\":%s,"
               "\"used_usd\":%s,\"from\":\"%s\",\"to\":\"%s\"}}",
               what == TOLD_SOFT ? "soft" : "exceeded", now, row->name, money_text(row->limit_nano, limit),
               money_text(used_at(b, i, now_s), used), from, to);
    return buf_take_blob(&body);
}

void budget_tell(struct budgets *b, unsigned i, enum budget_told what)
{
    struct budget *at = &b->budget[i];
    if (at->told >= what)
        return;
    at->told = what;
    if (b->store)
        budget_store_add(b->store, i, atomic_load(&at->start_s), 0, (int)what);
    if (!b->hook)
        return;
    BLOB_ON_EXIT struct blob *body = notice(b, i, what);
    budget_hook_send(b->hook, body);
}

/* ---- reserving ---- */

static void match(struct budgets *b, struct budget_hold *hold, const struct budget_who *who)
{
    int64_t now_s = budgets_now_s(b);
    hold->count = 0;
    for (unsigned i = 0; i < b->plan.count; i++) {
        if (!budget_covers(&b->plan.row[i], who->class, who->key))
            continue;
        CHECK(hold->count < BUDGET_MATCH_MAX);
        budget_begin(b, i, now_s);
        hold->budget[hold->count] = i;
        hold->start_s[hold->count++] = atomic_load(&b->budget[i].start_s);
    }
}

void budget_name_hold(struct budgets *b, struct budget_hold *hold)
{
    snprintf(hold->id, sizeof(hold->id), "%s.%" PRIu64, b->node, ++b->ids);
}

static bool has_room(const struct budgets *b, unsigned i, int64_t now_s, int64_t nano)
{
    return used_at(b, i, now_s) <= b->budget[i].limit - nano;
}

int budget_take(struct budgets *b, struct budget_hold *hold)
{
    int64_t now_s = budgets_now_s(b);
    hold->elsewhere = false;
    for (unsigned k = 0; k < hold->count; k++) {
        unsigned i = hold->budget[k];
        if (has_room(b, i, now_s, hold->nano))
            continue;
        budget_tell(b, i, TOLD_SPENT);
        return budget_refuse(b, i, &hold->err);
    }
    hold->budgets = b;
    for (unsigned k = 0; k < hold->count; k++) {
        unsigned i = hold->budget[k];
        add(b, i, hold->start_s[k], hold->nano);
        if (used_at(b, i, now_s) >= b->budget[i].soft)
            budget_tell(b, i, TOLD_SOFT);
    }
    return 0;
}

int budget_fall_back(struct budgets *b, struct budget_hold *hold)
{
    if (b->config.opt->budget_fallback == BUDGET_FALLBACK_OPEN)
        return budget_take(b, hold);
    error_set(&hold->err, ERR_PROVIDER_UNAVAILABLE,
              "What may still be spent is not known, as Redis does not answer");
    hold->err.retry_after_s = RETRY_S;
    return -ERR_PROVIDER_UNAVAILABLE;
}

static void cancel(struct op *op)
{
    struct budget_hold *hold = CONTAINER_OF(op, struct budget_hold, op);
    if (hold->call.pending)
        elsewhere_cancel(hold);
}

void budget_reserve(struct budgets *b, struct budget_hold *hold, const struct budget_who *who, int64_t nano,
                    op_done_fn *on_done)
{
    CHECK(!hold->budgets);
    hold->err = (struct error){0};
    hold->nano = nano;
    op_begin(&hold->op, b->config.loop, on_done, cancel);
    match(b, hold, who);
    budget_name_hold(b, hold);
    if (hold->count == 0)
        op_complete(&hold->op, 0);
    else if (!b->config.redis)
        op_complete(&hold->op, budget_take(b, hold));
    else if (redis_is_up(b->config.redis))
        elsewhere_reserve(b, hold);
    else
        op_complete(&hold->op, budget_fall_back(b, hold));
}

void budget_settle(struct budget_hold *hold, int64_t nano)
{
    struct budgets *b = TAKE(hold->budgets);
    if (!b)
        return;
    int64_t now_s = budgets_now_s(b);
    for (unsigned k = 0; k < hold->count; k++) {
        unsigned i = hold->budget[k];
        add(b, i, hold->start_s[k], nano - hold->nano);
        if (!b->config.redis && used_at(b, i, now_s) >= b->budget[i].soft)
            budget_tell(b, i, TOLD_SOFT);
    }
    if (b->config.redis)
        elsewhere_settle(b, hold, nano);
}

/* ---- looks ---- */

/* Others spend too: what they have given back since is not known here. */
static bool is_known(const struct budgets *b, unsigned i)
{
    uint64_t heard_ns = atomic_load(&b->budget[i].heard_ns);
    return !b->config.redis || loop_now_ns(b->config.loop) < heard_ns + UNKNOWN_AFTER_S * NS_PER_S;
}

/* The budget that has no room for it; -1: all have. */
static int spent_one(const struct budgets *b, const struct budget_who *who, int64_t nano)
{
    int64_t now_s = budgets_now_s(b);
    for (unsigned i = 0; nano > 0 && i < b->plan.count; i++)
        if (budget_covers(&b->plan.row[i], who->class, who->key) && is_known(b, i) &&
            !has_room(b, i, now_s, nano))
            return (int)i;
    return -1;
}

int budget_check(struct budgets *b, const struct budget_who *who, int64_t nano, struct error *e)
{
    int i = spent_one(b, who, nano);
    return i < 0 ? 0 : budget_refuse(b, (unsigned)i, e);
}

int budget_look(struct budgets *b, const struct budget_who *who, int64_t nano, struct error *e)
{
    int i = spent_one(b, who, nano);
    if (i < 0 || (b->config.redis && b->budget[i].told < TOLD_SPENT))
        return 0;
    budget_tell(b, (unsigned)i, TOLD_SPENT);
    return budget_refuse(b, (unsigned)i, e);
}

void budget_warning(struct budgets *b, const struct budget_who *who, struct buf *ret)
{
    if (!b)
        return;
    int64_t now_s = budgets_now_s(b);
    for (unsigned i = 0; i < b->plan.count; i++) {
        const struct budget_row *row = &b->plan.row[i];
        int64_t used = used_at(b, i, now_s);
        if (!budget_covers(row, who->class, who->key) || used < b->budget[i].soft)
            continue;
        int64_t percent = row->limit_nano ? money_scale(100, (uint64_t)used, (uint64_t)row->limit_nano) : 100;
        buf_printf(ret, "%s\"%s\";used=%" PRId64 ";t=%" PRId64, ret->len ? ", " : "", row->name, percent,
                   budget_period_end(row->period, now_s) - now_s);
    }
}

static int64_t left_at(const struct budgets *b, unsigned i, int64_t now_s)
{
    return MAX(b->budget[i].limit - used_at(b, i, now_s), 0);
}

void budgets_json(struct budgets *b, struct buf *ret)
{
    char limit[MONEY_TEXT], used[MONEY_TEXT], left[MONEY_TEXT];
    int64_t now_s = budgets_now_s(b);
    buf_puts(ret, "[");
    for (unsigned i = 0; i < b->plan.count; i++) {
        const struct budget_row *row = &b->plan.row[i];
        buf_printf(
            ret,
            "%s{\"name\":\"%s\",\"limit_usd\":%s,\"used_usd\":%s,\"remaining_usd\":%s,\"ends\":%" PRId64 "}",
            i ? "," : "", row->name, money_text(row->limit_nano, limit),
            money_text(used_at(b, i, now_s), used), money_text(left_at(b, i, now_s), left),
            budget_period_end(row->period, now_s));
    }
    buf_puts(ret, "]");
}

void budgets_sample(struct budgets *b, struct cells *cells)
{
    if (!b)
        return;
    int64_t now_s = budgets_now_s(b);
    for (unsigned i = 0; i < b->plan.count; i++) {
        cells_set(cells, M_BUDGET_LIMIT, i, (uint64_t)b->budget[i].limit);
        cells_set(cells, M_BUDGET_REMAINING, i, (uint64_t)left_at(b, i, now_s));
    }
}

const struct budget_plan *budgets_plan(const struct budgets *b)
{
    return &b->plan;
}

/* ---- life ---- */

/* What was spent before this process, or before the database could be read. */
static void loaded(void *ctx, unsigned i, int64_t start_s, int64_t used, int told)
{
    struct budgets *b = ctx;
    struct budget *at = &b->budget[i];
    budget_begin(b, i, budgets_now_s(b));
    if (atomic_load(&at->start_s) != start_s)
        return;
    atomic_fetch_add(&at->used, used);
    at->told = MAX(at->told, (enum budget_told)told);
}

static int make_store(struct budgets *b, struct error *e)
{
    const struct budget_store_config config = {
        .opt = b->config.opt,
        .lane = b->config.lane,
        .plan = &b->plan,
        .loaded = loaded,
        .tell = b->config.tell,
        .ctx = b,
        .tell_ctx = b->config.ctx,
    };
    if (b->config.redis || !b->config.lane)
        return 0;
    return budget_store_new(&config, &b->store, e);
}

static int make_hook(struct budgets *b, struct error *e)
{
    const struct options *opt = b->config.opt;
    const struct budget_hook_config config = {
        .url = opt->budget_webhook_url,
        .secret = opt->budget_webhook_secret,
        .loop = b->config.loop,
        .pool = b->config.pool,
        .tell = b->config.tell,
        .ctx = b->config.ctx,
    };
    return *config.url && config.pool ? budget_hook_new(&config, &b->hook, e) : 0;
}

static int check_matches(const struct budgets *b, struct error *e)
{
    unsigned all = 0, most_class = 0, most_key = 0;
    for (unsigned i = 0; i < b->plan.count; i++) {
        const struct budget_row *row = &b->plan.row[i];
        unsigned classes = 0, keys = 0;
        for (unsigned k = 0; k < b->plan.count; k++) {
            const struct budget_row *other = &b->plan.row[k];
            classes +=
                row->scope == BUDGET_CLASS && other->scope == BUDGET_CLASS && row->class == other->class;
            keys +=
                row->scope == BUDGET_KEY && other->scope == BUDGET_KEY && strcmp(row->key, other->key) == 0;
        }
        all += row->scope == BUDGET_ALL;
        most_class = MAX(most_class, classes);
        most_key = MAX(most_key, keys);
    }
    if (all + most_class + most_key <= BUDGET_MATCH_MAX)
        return 0;
    return error_set_field(e, ERR_VALIDATION, "BUDGETS",
                           "BUDGETS: a request falls under more than %d budgets", BUDGET_MATCH_MAX);
}

static int fill(struct budgets *b, struct error *e)
{
    uint64_t node;
    int r = check_matches(b, e);
    rng_bytes(&node, sizeof(node));
    snprintf(b->node, sizeof(b->node), "%016" PRIx64, node);
    for (unsigned i = 0; i < b->plan.count; i++) {
        struct budget *at = &b->budget[i];
        at->limit = b->plan.row[i].limit_nano;
        at->soft = money_scale(at->limit, (uint64_t)b->config.opt->budget_soft_percent, 100);
    }
    if (r == 0)
        r = make_hook(b, e);
    return r < 0 ? r : make_store(b, e);
}

int budgets_new(const struct budgets_config *config, struct budgets **ret, struct error *e)
{
    struct budgets *b = NEW(struct budgets);
    b->config = *config;
    list_init(&b->settling);
    int r = budget_plan_parse(config->opt->budgets, &b->plan, e);
    if (r == 0 && b->plan.count > 0)
        r = fill(b, e);
    if (r < 0 || b->plan.count == 0) {
        budgets_free(b);
        return r;
    }
    *ret = b;
    return 0;
}

static void on_second(struct timer *t)
{
    struct budgets *b = CONTAINER_OF(t, struct budgets, second);
    timer_arm(b->config.loop, t, loop_now_ns(b->config.loop) + NS_PER_S, on_second);
    elsewhere_try(b);
    if (b->store)
        budget_store_try(b->store);
}

void budgets_start(struct budgets *b)
{
    if (b)
        timer_arm(b->config.loop, &b->second, loop_now_ns(b->config.loop) + NS_PER_S, on_second);
}

void budgets_stop(struct budgets *b)
{
    if (!b || b->stopped)
        return;
    b->stopped = true;
    timer_disarm(b->config.loop, &b->second);
    elsewhere_try(b);
    if (b->store)
        budget_store_try(b->store);
    if (b->hook)
        budget_hook_stop(b->hook);
}

bool budgets_busy(const struct budgets *b)
{
    return b && (b->calls > 0 || (b->store && budget_store_busy(b->store)) ||
                 (b->hook && budget_hook_busy(b->hook)));
}

void budgets_free(struct budgets *b)
{
    if (!b)
        return;
    elsewhere_free(b);
    budget_store_free(b->store);
    budget_hook_free(b->hook);
    free(b);
}
