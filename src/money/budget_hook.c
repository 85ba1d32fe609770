/* Happy path: a notice is posted at once and freed with its answer. Failure modes: no answer, or one that is
 * not 2xx: it waits and is posted again, TRIES times in all. Invariants: a notice in the list is being posted
 * or has its timer armed. */
#include "money/budget_hook.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "http/client/patience.h"
#include "http/client/signed_post.h"

enum { TRIES = 60 /* some minutes */ };

struct budget_hook {
    struct budget_hook_config config;
    struct list notices;
    struct rng rng;
    struct signed_post_key key;
    bool stopped;
};

struct notice {
    struct list node;
    struct budget_hook *hook;
    struct blob *body;
    struct signed_post post;
    struct timer pause;
    struct patience patience;
    char id[UUID_TEXT];
};

static void notice_free(struct notice *n)
{
    list_remove(&n->node);
    signed_post_release(&n->post);
    blob_unref(n->body);
    free(n);
}

static void lose(struct notice *n)
{
    const struct budget_hook_config *config = &n->hook->config;
    char what[160];
    snprintf(what, sizeof(what),
             "a notice about a budget could not be delivered to BUDGET_WEBHOOK_URL: %.80s",
             n->post.call.status ? "it was refused" : n->post.call.err.reason);
    if (config->tell)
        config->tell(config->ctx, true, what);
    notice_free(n);
}

static void post(struct notice *n);

static void pause_over(struct timer *t)
{
    post(CONTAINER_OF(t, struct notice, pause));
}

static void answered(struct op *op)
{
    struct notice *n = CONTAINER_OF(op, struct notice, post.call.op);
    struct budget_hook *h = n->hook;
    if (signed_post_ok(&n->post)) {
        notice_free(n);
        return;
    }
    uint64_t at_ns =
        patience_next_ns(&n->patience, &h->rng, loop_now_ns(h->config.loop), n->post.call.retry_after);
    if (at_ns == 0 || h->stopped)
        lose(n);
    else
        timer_arm(h->config.loop, &n->pause, at_ns, pause_over);
}

static void post(struct notice *n)
{
    const struct budget_hook *h = n->hook;
    const struct signed_post_to to = {h->config.url, n->id, &h->key, false};
    signed_post_start(h->config.pool, &n->post, &to, n->body, answered);
}

void budget_hook_send(struct budget_hook *h, struct blob *body)
{
    struct notice *n = NEW(struct notice);
    n->hook = h;
    n->body = blob_ref(body);
    uuid_make(n->id);
    patience_begin(&n->patience, TRIES, loop_now_ns(h->config.loop), 0);
    list_push_back(&h->notices, &n->node);
    post(n);
}

void budget_hook_stop(struct budget_hook *h)
{
    h->stopped = true;
    LIST_FOREACH_SAFE (node, &h->notices) {
        struct notice *n = CONTAINER_OF(node, struct notice, node);
        if (n->pause.slot == 0)
            continue;
        timer_disarm(h->config.loop, &n->pause);
        lose(n);
    }
}

bool budget_hook_busy(const struct budget_hook *h)
{
    return !list_empty(&h->notices);
}

int budget_hook_new(const struct budget_hook_config *config, struct budget_hook **ret, struct error *e)
{
    struct budget_hook *h = NEW(struct budget_hook);
    uint64_t seed;
    h->config = *config;
    list_init(&h->notices);
    rng_bytes(&seed, sizeof(seed));
    rng_seed(&h->rng, seed);
    int r = signed_post_key_read("BUDGET_WEBHOOK_SECRET", h->config.secret, &h->key, e);
    if (r < 0) {
        budget_hook_free(h);
        return r;
    }
    *ret = h;
    return 0;
}

void budget_hook_free(struct budget_hook *h)
{
    if (!h)
        return;
    CHECK(list_empty(&h->notices));
    free(h);
}
