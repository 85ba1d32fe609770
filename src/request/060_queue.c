/* 060 queue: pick the provider and its limiter, and wait fairly for a slot. Whoever waits here holds no image
 * in memory, but for as many as there are slots, while Redis is asked for them.
 *
 * Who shares a share of the slots: an API key, whoever uses it; without keys the address, as for the limits
 * in time (caller.h), since all callers together would be one line, in which the one with a thousand requests
 * holds up everybody. Behind a proxy that is not trusted they are that again. */
#include <string.h>

#include "base/log.h"
#include "limiter/key_weights.h"
#include "metrics/metrics.h"
#include "request/figures.h"
#include "request/flights.h"
#include "request/intent.h"
#include "request/prefetch.h"
#include "request/stage.h"
#include "request/story.h"

struct choice {
    struct provider *provider;
    unsigned index;
    bool degraded;
};

/* The first provider from `from` on that can run the feature now. One that is set up for it but switched off
 * for a while says when to come back; with FALLBACK the next one serves meanwhile. */
static int choose(const struct services *svc, const struct feature *f, unsigned from, struct choice *ret,
                  struct error *e)
{
    struct error first = {0};
    struct choice c = {.degraded = from > 0};
    for (c.index = from; c.index < svc->provider_count; c.index++) {
        struct error why = {0};
        c.provider = svc->provider[c.index];
        if (c.provider->ops->available(c.provider, f, &why) == 0) {
            *ret = c;
            return 0;
        }
        if (first.code == ERR_NONE || (first.retry_after_s == 0 && why.retry_after_s > 0))
            first = why;
        if (why.retry_after_s > 0 && !svc->opt->fallback)
            break;
        c.degraded |= why.retry_after_s > 0;
    }
    if (first.code == ERR_NONE)
        error_set(&first, ERR_PROVIDER_UNAVAILABLE, "No provider is set up");
    *e = first;
    return -ERR_PROVIDER_UNAVAILABLE;
}

static struct limiter *model_limiter(const struct services *svc, const struct feature *f,
                                     const struct provider *provider)
{
    return provider->ops->own_limiter ? svc->local_limiter : svc->class_limiter[f->class];
}

bool queue_may_send(const struct request *req)
{
    const struct services *svc = req->svc;
    for (unsigned i = 0; i < svc->provider_count; i++) {
        struct provider *p = svc->provider[i];
        struct error why = {0};
        if (p->ops->remote && (p->ops->available(p, req->feature, &why) == 0 || why.retry_after_s > 0))
            return true;
    }
    return false;
}

bool queue_is_busy(const struct request *req)
{
    struct choice c = {0};
    struct error ignored;
    if (choose(req->svc, req->feature, req->queue.choice, &c, &ignored) < 0)
        return false;
    return limiter_is_busy(model_limiter(req->svc, req->feature, c.provider));
}

struct provider *queue_provider(const struct services *svc, const struct feature *f, struct error *e)
{
    struct choice c = {0};
    return choose(svc, f, 0, &c, e) == 0 ? c.provider : NULL;
}

struct provider *queue_idle(const struct services *svc, const struct feature *f, unsigned percent)
{
    struct choice c = {0};
    struct error ignored;
    if (choose(svc, f, 0, &c, &ignored) < 0)
        return NULL;
    const struct limiter *l = model_limiter(svc, f, c.provider);
    bool idle = !limiter_is_busy(l) && l->waiting == 0 &&
                (l->running == 0 || (l->running + 1) * 100 <= l->slots * percent);
    return idle ? c.provider : NULL;
}

bool queue_goes_elsewhere(const struct request *req)
{
    const struct feature *f = req->feature;
    struct error ignored;
    if (f->work == WORK_STORY)
        f = &features[f->step]; /* where it is drawn */
    const struct provider *p = f->step == FEATURE_NONE ? queue_provider(req->svc, f, &ignored) : NULL;
    return p && !p->ops->own_limiter;
}

bool queue_fall_back(struct request *req)
{
    struct choice c;
    struct error ignored;
    if (!req->svc->opt->fallback || choose(req->svc, req->feature, req->queue.choice + 1, &c, &ignored) < 0)
        return false;
    LOG(LOG_WARN, "falling back", F_STR("id", req->id), F_STR("feature", req->feature->name),
        F_STR("from", req->queue.provider->ops->name), F_STR("to", c.provider->ops->name),
        F_STR("reason", req->err.reason));
    req->queue.choice++;
    return true;
}

/* A full disk is no reason to refuse: then the bytes stay in memory and count there. */
static void put_down(struct body *body)
{
    struct error ignored;
    int r = body ? body_spool(body, &ignored) : 0;
    (void)r;
}

void queue_put_down(struct request *req)
{
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        put_down(req->receive.body[i]);
    put_down(req->prescale.input);
}

/* A run of an earlier process is looked for where it was begun, whatever else could run it. */
static bool choose_resumed(const struct request *req, struct choice *ret)
{
    const struct run_resume *r = req->intent.resume;
    for (unsigned i = 0; r && r->provider && i < req->svc->provider_count; i++)
        if (strcmp(req->svc->provider[i]->ops->name, r->provider) == 0 && req->svc->provider[i]->ops->bills) {
            *ret = (struct choice){req->svc->provider[i], i, i > 0};
            return true;
        }
    return false;
}

/* Fills queue.provider, choice and degraded. NULL: req->err says why. */
static struct limiter *pick(struct request *req)
{
    if (req->feature->work == WORK_STORY)
        return story_check(req) == 0 ? req->svc->story_limiter : NULL;
    if (req->feature->step != FEATURE_NONE)
        return req->svc->step_limiter; /* the step's own request picks a provider */
    struct choice c = {0};
    if (!choose_resumed(req, &c) && choose(req->svc, req->feature, req->queue.choice, &c, &req->err) < 0)
        return NULL;
    req->queue.provider = c.provider;
    req->queue.choice = c.index;
    req->queue.degraded = c.degraded;
    return model_limiter(req->svc, req->feature, c.provider);
}

void queue_let_go(struct request *req)
{
    list_remove(&req->queue.lent);
    if (req->queue.limiter)
        limiter_release(TAKE(req->queue.limiter));
}

/* What was made ahead gives way to what was asked for, and never waits. false: it fails. */
static bool give_way(struct request *req, const struct limiter *limiter)
{
    if (!req->ahead || !req->client || prefetch_is_asked_for(req))
        return true;
    if (limiter_is_busy(limiter))
        error_set(&req->err, ERR_QUEUE_FULL, "The slots are taken by what was asked for");
    else if (!prefetch_affords(req))
        error_set(&req->err, ERR_BUDGET_EXCEEDED, "PREFETCH_BUDGET_USD is spent");
    return req->err.code == ERR_NONE;
}

struct slot_asker queue_asker(const struct request *req)
{
    return (struct slot_asker){.key = req->caller,
                               .weight = key_weight(req->svc->weights, req->tenant),
                               .priority = req->priority,
                               .promised = req->promised};
}

void queue_lend_turn(struct request *leader, const struct request *follower)
{
    const struct slot_asker by = queue_asker(follower);
    if (leader->at <= STAGE_QUEUE && follower->priority == SLOT_NORMAL)
        leader->priority = SLOT_NORMAL;
    if (leader->at == STAGE_QUEUE && leader->waiting == &leader->queue.wait.op)
        limiter_lend_turn(&leader->queue.wait, &by);
}

static int refuse(struct request *req, const struct limiter *limiter)
{
    int r = error_set(&req->err, ERR_QUEUE_FULL, "%zu requests of class \"%s\" wait already",
                      limiter->waiting, limiter->name);
    req->err.retry_after_s = limiter_retry_after_s(limiter, &req->queue.wait.asker,
                                                   metrics_typical_ns(req->svc->metrics, req->feature));
    return r;
}

enum verdict queue_enter(struct request *req)
{
    struct limiter *limiter = pick(req);
    if (!limiter ||
        (req->queue.provider && !intent_resumes(req) && budget_allows(req, req->queue.provider) < 0))
        return FAIL;
    if (!req->ahead && limiter_is_busy(limiter))
        prefetch_yield(req->svc->prefetch, limiter);
    bool busy = limiter_is_busy(limiter); /* else it takes no longer than a question to Redis */
    if (!give_way(req, limiter))
        return FAIL;
    req->queue.wait = (struct slot_wait){.asker = queue_asker(req)};
    if (limiter_acquire(limiter, &req->queue.wait, pipeline_op_done) < 0 && refuse(req, limiter) < 0)
        return FAIL;
    if (busy && limiter_is_waiting(&req->queue.wait)) /* no slot yet; mostly it is in files already */
        queue_put_down(req);
    return stage_wait(req, &req->queue.wait.op);
}

enum verdict queue_done(struct request *req)
{
    struct slot_wait *wait = &req->queue.wait;
    if (wait->op.result == -ERR_QUEUE_FULL && req->err.code == ERR_NONE)
        refuse(req, wait->limiter); /* its place went to who has less than his share of them */
    if (wait->op.result < 0)
        return FAIL; /* else err says who cancelled the wait */
    req->queue.limiter = wait->limiter;
    if (req->ahead)
        prefetch_holds(req->svc->prefetch, req);
    figures_of_wait(req);
    return NEXT;
}
