/* Raw runs: which breaker counts for them, and what a refusal leaves behind. The rest of their way is
 * everybody's.
 *
 * Models that no feature has get a breaker of their own in a small table, by name; one that is in use, or has
 * failed lately, keeps its place. Where the table is full of such, a model goes without. */
#include "predict/replicate_raw.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "predict/replicate_run.h"

enum { SAID_MAX = 256 << 10 };

static uint64_t now_of(const struct replicate *self)
{
    return loop_now_ns(self->config.loop);
}

/* ---- breakers ---- */

void replicate_raw_init(struct replicate *self)
{
    const struct options *opt = self->config.opt;
    for (unsigned i = 0; i < RAW_MODELS; i++)
        breaker_init(&self->raw[i].breaker, opt->breaker_failures, opt->breaker_open_ms);
}

void replicate_raw_release(struct replicate *self)
{
    for (unsigned i = 0; i < RAW_MODELS; i++)
        breaker_release(&self->raw[i].breaker);
}

const struct feature *replicate_raw_feature(const char *model, const char *version)
{
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        const struct feature *f = &features[i];
        bool named = *model && strcmp(f->model, model) == 0;
        bool pinned = *version && strcmp(f->version, version) == 0;
        if (replicate_feature_known(f) && (named || pinned))
            return f;
    }
    return NULL;
}

static bool is_quiet(struct replicate *self, struct raw_model *m)
{
    return m->users == 0 && m->breaker.failures == 0 &&
           strcmp(breaker_state(&m->breaker, now_of(self)), "closed") == 0;
}

/* NULL: every place is taken. */
static struct raw_model *place_of(struct replicate *self, const char *name)
{
    struct raw_model *free_one = NULL;
    for (unsigned i = 0; i < RAW_MODELS; i++) {
        struct raw_model *m = &self->raw[i];
        if (strncmp(m->name, name, sizeof(m->name) - 1) == 0)
            return m;
        bool older = !free_one || m->used_ns < free_one->used_ns;
        if (older && is_quiet(self, m))
            free_one = m;
    }
    if (free_one)
        snprintf(free_one->name, sizeof(free_one->name), "%s", name);
    return free_one;
}

void replicate_raw_join(struct replicate_run *run)
{
    struct replicate *self = run->self;
    const struct raw_run *raw = run->prediction->raw;
    const struct feature *f = replicate_raw_feature(raw->model, raw->version);
    if (f) {
        run->prediction->feature = f; /* so it is counted as that model's, too */
        run->breaker = &self->model[replicate_model_slot(f)];
        return;
    }
    const char *name = *raw->model ? raw->model : *raw->deployment ? raw->deployment : raw->version;
    run->raw_model = place_of(self, name);
    if (!run->raw_model)
        return;
    run->raw_model->users++;
    run->raw_model->used_ns = now_of(self);
    run->breaker = &run->raw_model->breaker;
}

void replicate_raw_leave(struct replicate_run *run)
{
    if (run->raw_model)
        run->raw_model->users--;
    run->raw_model = NULL;
}

/* ---- what is said ---- */

void replicate_raw_tell(const struct replicate_run *run, const struct replicate_reply *reply,
                        const struct replicate_answer *a)
{
    struct prediction *p = run->prediction;
    if (p->raw)
        p->raw->told(p, a, reply->body, reply->size);
}

void replicate_raw_refused(const struct replicate_run *run)
{
    struct raw_run *raw = run->prediction->raw;
    const struct buf *answer = &run->call.answer;
    raw->status = run->call.op.result == 0 ? run->call.status : 0;
    blob_unref(raw->said);
    raw->said = answer->len > 0 && answer->len <= SAID_MAX ? blob_copy(answer->data, answer->len) : NULL;
}

/* ---- for the owner ---- */

void replicate_raw_look(struct prediction *p, uint64_t fresh_ms)
{
    struct replicate_run *run = p->driver;
    if (!run || run->at != RUN_POLL || !run->pausing)
        return;
    struct replicate *self = run->self;
    uint64_t now = now_of(self);
    uint64_t least_ns = MAX(fresh_ms, run_polls_apart_ms(run)) * NS_PER_MS;
    uint64_t at_ns = MAX(run->heard_ns + least_ns, self->bucket.paused_until_ns);
    if (at_ns >= run->timer.at_ns)
        return;
    run_pause_until(run, MAX(at_ns, now), RUN_POLL);
}
