/* The Replicate provider: the account that its runs share.
 *
 * Invariants: the token is in `authorization` alone, which goes to addresses below base_url only; breakers
 * are the only part that other threads touch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "predict/replicate_run.h"

#define REPLICATE_API "https://api.replicate.com/v1"

static struct replicate *replicate_of(struct provider *p)
{
    return CONTAINER_OF(p, struct replicate, provider);
}

unsigned replicate_model_slot(const struct feature *f)
{
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        if (strcmp(features[i].model, f->model) == 0)
            return i;
    return f->id;
}

void replicate_keep_version(struct replicate *self, const struct feature *f, const char *version)
{
    unsigned slot = replicate_model_slot(f);
    snprintf(self->version[slot].id, sizeof(self->version[slot].id), "%s", version);
    self->version[slot].until_ns = loop_now_ns(self->config.loop) + REPLICATE_VERSION_S * NS_PER_S;
    if (!*f->version || strcmp(f->version, version) == 0 || self->version[slot].told)
        return;
    self->version[slot].told = true;
    char said[256];
    snprintf(said, sizeof(said), "%.64s is not to be had; %.128s runs instead", f->version, version);
    replicate_notice(self, "pinned version gone", f->model, said);
}

void replicate_drop_version(struct replicate *self, const struct feature *f, const char *version)
{
    unsigned slot = replicate_model_slot(f);
    if (strcmp(self->version[slot].id, version) == 0)
        self->version[slot].id[0] = '\0';
}

void replicate_notice(const struct replicate *self, const char *event, const char *model, const char *said)
{
    if (self->config.notice)
        self->config.notice(self->provider.ops->name, event, model, said);
}

void replicate_know_id(struct replicate *self, const char *id)
{
    snprintf(self->ids[self->id_next++ % REPLICATE_IDS_KEPT], sizeof(self->ids[0]), "%s", id);
}

bool replicate_id_known(const void *ctx, const char *id)
{
    const struct replicate *self = ctx;
    for (unsigned i = 0; i < REPLICATE_IDS_KEPT; i++)
        if (strcmp(self->ids[i], id) == 0)
            return true;
    return false;
}

bool replicate_id_taken(const void *ctx, const char *id)
{
    const struct replicate *self = ctx;
    LIST_FOREACH (node, &self->runs)
        if (strcmp(CONTAINER_OF(node, struct replicate_run, node)->id, id) == 0)
            return true;
    return replicate_id_known(self, id);
}

int replicate_breakers_allow(struct replicate *self, struct breaker *model, struct error *e)
{
    uint64_t now = loop_now_ns(self->config.loop);
    unsigned retry_after_s = 0;
    if (!breaker_allows(&self->account, now, &retry_after_s))
        error_set(e, ERR_PROVIDER_UNAVAILABLE, "%s", ""); /* why is the operator's matter */
    else if (model && !breaker_allows(model, now, &retry_after_s))
        error_set(e, ERR_PROVIDER_UNAVAILABLE, "The model has failed several times and rests for a while");
    else
        return 0;
    e->retry_after_s = retry_after_s;
    return -ERR_PROVIDER_UNAVAILABLE;
}

static int replicate_available(struct provider *p, const struct feature *f, struct error *e)
{
    struct replicate *self = replicate_of(p);
    if (!replicate_feature_known(f))
        return error_set(e, ERR_PROVIDER_UNAVAILABLE, "Replicate is not set up for this feature");
    return replicate_breakers_allow(self, &self->model[replicate_model_slot(f)], e);
}

static void replicate_start(struct provider *p, struct prediction *prediction)
{
    replicate_run_start(replicate_of(p), prediction);
}

static void show_circuit(struct replicate *self, const struct feature *f, struct breaker *b)
{
    const char *state = breaker_state(b, loop_now_ns(self->config.loop));
    metrics_circuit(self->metrics, f, strcmp(state, "closed") == 0 ? 0 : strcmp(state, "open") == 0 ? 2 : 1);
}

static void replicate_tick(struct provider *p)
{
    struct replicate *self = replicate_of(p);
    replicate_hooks_tick(self);
    show_circuit(self, NULL, &self->account);
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        if (replicate_model_slot(&features[i]) == i && replicate_feature_known(&features[i]))
            show_circuit(self, &features[i], &self->model[i]);
}

/* The account always, models while they are not well. */
static void replicate_describe(struct provider *p, struct buf *out)
{
    struct replicate *self = replicate_of(p);
    uint64_t now = loop_now_ns(self->config.loop);
    buf_printf(out, ",\"replicate.account\":\"%s\"", breaker_state(&self->account, now));
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        if (replicate_model_slot(&features[i]) != i || !replicate_feature_known(&features[i]))
            continue;
        const char *state = breaker_state(&self->model[i], now);
        if (strcmp(state, "closed") != 0)
            buf_printf(out, ",\"replicate.%s\":\"%s\"", features[i].model, state);
    }
}

/* All predictions are complete; files may still be being deleted. */
static void replicate_free(struct provider *p)
{
    struct replicate *self = replicate_of(p);
    LIST_FOREACH_SAFE (node, &self->runs) {
        replicate_run_give_up(CONTAINER_OF(node, struct replicate_run, node));
    }
    op_cancel(&self->hooks.call.op);
    loop_turn(self->config.loop); /* ends them, and brings the mail that is left */
    CHECK(list_empty(&self->runs));
    replicate_hooks_release(self);
    shared_bucket_free(self->shared_bucket);
    breaker_release(&self->account);
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        breaker_release(&self->model[i]);
    replicate_raw_release(self);
    explicit_bzero(self->authorization, strlen(self->authorization));
    free(self->authorization);
    free(self);
}

static const struct provider_ops replicate_ops = {
    .name = "replicate",
    .remote = true,
    .bills = true,
    .available = replicate_available,
    .start = replicate_start,
    .tick = replicate_tick,
    .describe = replicate_describe,
    .free = replicate_free,
};

int provider_replicate_hook(struct provider *p, const struct webhook_headers *headers, struct blob *body)
{
    CHECK(p->ops == &replicate_ops);
    return replicate_hooks_receive(replicate_of(p), headers, body);
}

struct provider *provider_replicate_new(const struct remote_config *config)
{
    const struct options *opt = config->opt;
    struct replicate *self = NEW(struct replicate);
    uint64_t seed;
    self->provider.ops = &replicate_ops;
    self->config = *config;
    self->base_url = *opt->replicate_base_url ? opt->replicate_base_url : REPLICATE_API;
    self->authorization = mem_printf("Bearer %s", opt->replicate_token);
    rng_bytes(&seed, sizeof(seed));
    rng_seed(&self->rng, seed);
    bucket_init(&self->bucket, (unsigned)opt->replicate_per_minute);
    if (config->limits)
        self->shared_bucket =
            shared_bucket_new(config->limits, opt->redis_prefix, opt->replicate_token, &self->bucket);
    breaker_init(&self->account, 1, opt->breaker_account_ms);
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        breaker_init(&self->model[i], opt->breaker_failures, opt->breaker_open_ms);
    replicate_raw_init(self);
    self->metrics = config->metrics ? metrics_provider(config->metrics, "replicate") : NULL;
    list_init(&self->runs);
    replicate_hooks_init(self);
    return &self->provider;
}
