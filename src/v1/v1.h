/* v1.h: Replicate's own HTTP API at /v1, so that a client of Replicate's has limner's cache, twins, limits
 * and retries by changing its base URL.
 *
 * Order: v1_new; v1_answer for each request whose address lies below /v1/, on its front thread, once the
 * request is complete; v1_stop when no new work is to be taken; v1_free when v1_busy has become false, before
 * the providers and the limiters go. All but v1_answer: core thread.
 *
 * What is created here is remembered (V1_KEEP_MAX), under Replicate's own id where that was known when the
 * create was answered, else under one of ours of the same form; such a prediction can be asked for by both.
 * What is not remembered is asked for upstream. See ARCHITECTURE.md for what is shared with whom. */
#pragma once

#include "base/macros.h"
#include "http/server/http.h"
#include "limiter/limiter.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "money/budgets.h"
#include "predict/predict.h"
#include "tables/options.h"
#include "tables/prices.h"

struct v1;
struct key_weights;

struct v1_config { /* borrowed, until v1_free */
    const struct options *opt;
    struct loop *loop;
    struct provider *provider;     /* Replicate's */
    struct http_client_pool *pool; /* for the events of predictions, whose addresses Replicate names */
    struct limiter *const *class_limiter;
    const struct key_weights *weights; /* of tenants' shares of the slots; NULL: all the same */
    struct metrics *metrics;
    struct budgets *budgets;     /* NULL: there are none */
    const struct prices *prices; /* NULL: nothing costs anything */
};

/* VALIDATION: V1_CLASSES cannot be read. */
int v1_new(const struct v1_config *config, struct v1 **ret, struct error *e) MUST_CHECK;
void v1_stop(struct v1 *v); /* accepts NULL, as those below */
bool v1_busy(struct v1 *v); /* after v1_stop: is there anything to wait for? */
void v1_free(struct v1 *v);

/* Answers, or suspends the exchange and answers later. who: the tenant; NULL: there are no API keys. */
void v1_answer(void *v1, struct exchange *x, struct blob *body, const char *who);
