/* The sums in Redis: a hash for each budget and period, with the field `spent`, one for each hold ("<amount>
 * <until>", ms since 1970 by Redis' clock), and one for each thing that was told (soft, hard). Beside it, in
 * a sorted set, the holds that were settled, until they would have lapsed: they are not added up each time.
 *
 * Happy path: one script takes from all of a hold's budgets or from none; another puts the cost in the hold's
 * place. Failure modes: a reservation whose answer does not come may be there: it is settled with 0 later,
 * and the hold falls back; a settling whose answer does not come is told again, and counts
 * once as long as it is in the set; a gateway that dies leaves a hold that is passed over from `until` on.
 * Invariants: a settling is in the list until Redis has confirmed it; one that was never sent, and whose hold
 * is not in Redis, takes up later ones for the same budgets, so that the list stays short however long Redis
 * is away. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "money/budgets_own.h"

enum { NAME_MAX_BYTES = 256, KEPT_S = 3600 };

/* used(key): what is spent and held there, and drops holds that have lapsed. */
#define SCRIPT_USED                                                                                          \
    "local time = redis.call('TIME')\n"                                                                      \
    "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"                                              \
    "local function used(key)\n"                                                                             \
    "  local sum, all = 0, redis.call('HGETALL', key)\n"                                                     \
    "  for i = 1, #all, 2 do\n"                                                                              \
    "    local held, till = string.match(all[i + 1], '^(%d+) (%d+)$')\n"                                     \
    "    if held and tonumber(till) <= now then redis.call('HDEL', key, all[i])\n"                           \
    "    elseif held then sum = sum + tonumber(held)\n"                                                      \
    "    elseif all[i] == 'spent' then sum = sum + tonumber(all[i + 1]) end\n"                               \
    "  end\n"                                                                                                \
    "  return sum\n"                                                                                         \
    "end\n"                                                                                                  \
    "local till = string.format(' %.0f', now + ARGV[3])\n"                                                   \
    "local answer = {0}\n"                                                                                   \
    "local function told(i, key, what)\n"                                                                    \
    "  answer[2 * i + 1] = redis.call('HSETNX', key, what, '1')\n"                                           \
    "end\n"

/* KEYS: budgets. ARGV: id, amount, how long it is held in ms; for each budget its limit, its soft limit and
 * how long it is kept in ms. Answers which one refused (0: none), and for each its sum and whether something
 * is to be told. */
static const char script_reserve[] = SCRIPT_USED
    "for i, key in ipairs(KEYS) do\n"
    "  answer[2 * i] = used(key)\n"
    "  answer[2 * i + 1] = 0\n"
    "  if answer[1] == 0 and answer[2 * i] + ARGV[2] > tonumber(ARGV[3 * i + 1]) then answer[1] = i end\n"
    "end\n"
    "if answer[1] > 0 then\n"
    "  told(answer[1], KEYS[answer[1]], 'hard')\n"
    "  redis.call('PEXPIRE', KEYS[answer[1]], ARGV[3 * answer[1] + 3])\n"
    "  return answer\n"
    "end\n"
    "for i, key in ipairs(KEYS) do\n"
    "  redis.call('HSET', key, ARGV[1], ARGV[2] .. till)\n"
    "  redis.call('PEXPIRE', key, ARGV[3 * i + 3])\n"
    "  answer[2 * i] = answer[2 * i] + ARGV[2]\n"
    "  if answer[2 * i] >= tonumber(ARGV[3 * i + 2]) then told(i, key, 'soft') end\n"
    "end\n"
    "return answer\n";

/* The same with the cost as the amount. */
static const char script_settle[] =
    SCRIPT_USED "for i, key in ipairs(KEYS) do\n"
                "  answer[2 * i + 1] = 0\n"
                "  local done = key .. ':settled'\n"
                "  if not redis.call('ZSCORE', done, ARGV[1]) then\n"
                "    redis.call('HINCRBY', key, 'spent', ARGV[2])\n"
                "    redis.call('HDEL', key, ARGV[1])\n"
                "    redis.call('ZREMRANGEBYSCORE', done, '-inf', now)\n"
                "    redis.call('ZADD', done, string.sub(till, 2), ARGV[1])\n"
                "    redis.call('PEXPIRE', key, ARGV[3 * i + 3])\n"
                "    redis.call('PEXPIRE', done, ARGV[3 * i + 3])\n"
                "  end\n"
                "  answer[2 * i] = used(key)\n"
                "  if answer[2 * i] >= tonumber(ARGV[3 * i + 2]) then told(i, key, 'soft') end\n"
                "end\n"
                "return answer\n";

/* What Redis is still to be told. */
struct settling {
    struct list node; /* in budgets.settling */
    struct budgets *budgets;
    struct budget_hold hold; /* whose op is not used */
    bool sent;
};

/* ---- commands ---- */

/* The texts that a command borrows. */
struct words {
    char name[BUDGET_MATCH_MAX][NAME_MAX_BYTES];
    char number[3 + 3 * BUDGET_MATCH_MAX][24];
    unsigned numbers;
};

static void add_number(struct redis_command *c, struct words *w, int64_t n)
{
    char *text = w->number[w->numbers++];
    snprintf(text, sizeof(w->number[0]), "%" PRId64, n);
    redis_add(c, text);
}

/* Kept for as long as holds may be settled in it. */
static int64_t kept_ms(const struct budgets *b, unsigned i, int64_t start_s)
{
    int64_t left_s = budget_period_end(b->plan.row[i].period, start_s) - budgets_now_s(b);
    return (MAX(left_s, 0) + KEPT_S) * 1000 + (int64_t)b->config.lease_ms;
}

static void start(struct budgets *b, struct budget_hold *hold, const char *script, op_done_fn *on_done)
{
    struct words w = {.numbers = 0};
    struct redis_command c = redis_command("EVAL");
    redis_add(&c, script);
    add_number(&c, &w, hold->count);
    for (unsigned k = 0; k < hold->count; k++) {
        snprintf(w.name[k], sizeof(w.name[k]), "%s:{budgets}:%s:%" PRId64, b->config.opt->redis_prefix,
                 b->plan.row[hold->budget[k]].name, hold->start_s[k]);
        redis_add(&c, w.name[k]);
    }
    redis_add(&c, hold->id);
    add_number(&c, &w, hold->nano);
    add_number(&c, &w, (int64_t)b->config.lease_ms);
    for (unsigned k = 0; k < hold->count; k++) {
        unsigned i = hold->budget[k];
        add_number(&c, &w, b->budget[i].limit);
        add_number(&c, &w, b->budget[i].soft);
        add_number(&c, &w, kept_ms(b, i, hold->start_s[k]));
    }
    redis_call_start(b->config.redis, &hold->call, &c, on_done);
}

static int64_t number_at(const redisReply *reply, size_t i)
{
    bool there = reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements &&
                 reply->element[i]->type == REDIS_REPLY_INTEGER;
    return there ? reply->element[i]->integer : 0;
}

static void take_answer(struct budgets *b, const struct budget_hold *hold)
{
    const redisReply *reply = hold->call.reply;
    unsigned refused = (unsigned)number_at(reply, 0);
    for (unsigned k = 0; k < hold->count; k++) {
        unsigned i = hold->budget[k];
        budget_hear(b, i, hold->start_s[k], number_at(reply, 2 * k + 1));
        if (hold->start_s[k] != atomic_load(&b->budget[i].start_s))
            continue; /* of a period that is over */
        if (number_at(reply, 2 * k + 2) > 0)
            budget_tell(b, i, refused == k + 1 ? TOLD_SPENT : TOLD_SOFT);
        else if (refused == k + 1)
            b->budget[i].told = TOLD_SPENT; /* another gateway has said so */
    }
}

/* A server that is full, or may only be read: the operator is to know. */
static void report(struct budgets *b, int result, const struct error *e)
{
    char what[sizeof(e->reason) + 32];
    if (result == -ERR_UPSTREAM && !b->told_refusal && b->config.tell) {
        snprintf(what, sizeof(what), "budgets are not kept in %s", e->reason);
        b->config.tell(b->config.ctx, true, what);
    }
    b->told_refusal = result == -ERR_UPSTREAM || (b->told_refusal && result < 0);
}

/* ---- settling ---- */

static void settling_free(struct settling *s)
{
    list_remove(&s->node);
    redis_call_release(&s->hold.call);
    free(s);
}

static void settled(struct op *op)
{
    struct settling *s = CONTAINER_OF(op, struct settling, hold.call.op);
    struct budgets *b = s->budgets;
    b->calls--;
    report(b, op->result, &s->hold.call.err);
    if (op->result == 0) {
        take_answer(b, &s->hold);
        settling_free(s);
    } else {
        s->sent = s->sent && op->result != -ERR_UPSTREAM; /* Redis has refused it: nothing was counted */
        redis_call_release(&s->hold.call);
    }
}

static void try_one(struct settling *s)
{
    struct budgets *b = s->budgets;
    if (op_running(&s->hold.call.op) || s->hold.call.op.state == OP_COMPLETE || !redis_is_up(b->config.redis))
        return;
    s->sent = true;
    b->calls++;
    start(b, &s->hold, script_settle, settled);
}

void elsewhere_try(struct budgets *b)
{
    LIST_FOREACH (node, &b->settling)
        try_one(CONTAINER_OF(node, struct settling, node));
}

static bool same_budgets(const struct budget_hold *a, const struct budget_hold *b)
{
    return a->count == b->count && memcmp(a->budget, b->budget, a->count * sizeof(a->budget[0])) == 0 &&
           memcmp(a->start_s, b->start_s, a->count * sizeof(a->start_s[0])) == 0;
}

static bool taken_up(struct budgets *b, const struct budget_hold *hold, int64_t nano)
{
    LIST_FOREACH (node, &b->settling) {
        struct settling *s = CONTAINER_OF(node, struct settling, node);
        if (s->sent || s->hold.elsewhere || hold->elsewhere || !same_budgets(&s->hold, hold))
            continue;
        s->hold.nano += nano;
        return true;
    }
    return false;
}

void elsewhere_settle(struct budgets *b, const struct budget_hold *hold, int64_t nano)
{
    if (taken_up(b, hold, nano))
        return;
    struct settling *s = NEW(struct settling);
    s->budgets = b;
    s->hold.elsewhere = hold->elsewhere;
    s->hold.nano = nano;
    s->hold.count = hold->count;
    memcpy(s->hold.id, hold->id, sizeof(s->hold.id));
    memcpy(s->hold.budget, hold->budget, sizeof(s->hold.budget));
    memcpy(s->hold.start_s, hold->start_s, sizeof(s->hold.start_s));
    list_push_back(&b->settling, &s->node);
    try_one(s);
}

void elsewhere_free(struct budgets *b)
{
    LIST_FOREACH_SAFE (node, &b->settling)
        settling_free(CONTAINER_OF(node, struct settling, node));
}

/* ---- reserving ---- */

/* It may be there, and is given back. */
static void give_back(struct budgets *b, struct budget_hold *hold)
{
    hold->elsewhere = true;
    elsewhere_settle(b, hold, 0);
    budget_name_hold(b, hold);
}

static int reserve_failed(struct budgets *b, struct budget_hold *hold, int result)
{
    if (result != -ERR_QUEUE_FULL && result != -ERR_UPSTREAM) /* which say that nothing was reserved */
        give_back(b, hold);
    return result == -ERR_CLIENT_GONE ? result : budget_fall_back(b, hold);
}

static void reserved(struct op *op)
{
    struct budget_hold *hold = CONTAINER_OF(op, struct budget_hold, call.op);
    struct budgets *b = TAKE(hold->budgets);
    int result = op->result;
    b->calls--;
    report(b, result, &hold->call.err);
    int64_t refused = result == 0 ? number_at(hold->call.reply, 0) : 0;
    if (result == 0)
        take_answer(b, hold);
    redis_call_release(&hold->call);
    if (result < 0) {
        result = reserve_failed(b, hold, result);
    } else if (refused > 0 && refused <= hold->count) {
        result = budget_refuse(b, hold->budget[refused - 1], &hold->err);
    } else {
        hold->budgets = b;
        hold->elsewhere = true;
    }
    op_complete(&hold->op, result);
}

void elsewhere_reserve(struct budgets *b, struct budget_hold *hold)
{
    hold->budgets = b; /* for `reserved` alone: it cannot be settled before */
    b->calls++;
    start(b, hold, script_reserve, reserved);
}

void elsewhere_cancel(struct budget_hold *hold)
{
    op_cancel(&hold->call.op);
}
