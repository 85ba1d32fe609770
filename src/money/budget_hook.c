/* Happy path: a notice is posted at once and freed with its answer. Failure modes: no answer, or one that is
 * not 2xx: it waits and is posted again, TRIES times in all. Invariants: a notice in the list is being posted
 * or has its timer armed. */
#include "money/budget_hook.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/webhook_key.h"
#include "http/client/client.h"
#include "http/client/patience.h"

enum {
    TRIES = 60 /* some minutes */,
    TIMEOUT_MS = 10000,
    ANSWER_MAX = 64 << 10,
    KEY_MAX = 128,
    KEY_LEAST = 16,
    SIGNATURE_MAX = 64
};

struct budget_hook {
    struct budget_hook_config config;
    struct list notices;
    struct rng rng;
    uint8_t key[KEY_MAX];
    size_t key_size; /* 0: they are not signed */
    bool stopped;
};

struct notice {
    struct list node;
    struct budget_hook *hook;
    struct blob *body;
    struct http_call call;
    struct timer pause;
    struct patience patience;
    char id[UUID_TEXT], timestamp[24], signature[SIGNATURE_MAX];
};

static void notice_free(struct notice *n)
{
    list_remove(&n->node);
    http_call_release(&n->call);
    blob_unref(n->body);
    free(n);
}

/* "v1," and the HMAC of id.timestamp.body */
static void sign(struct notice *n)
{
    uint8_t mac[DIGEST_BYTES];
    BUF_ON_EXIT struct buf text;
    buf_init(&text, SIGNATURE_MAX);
    webhook_key_sign(n->hook->key, n->hook->key_size, n->id, n->timestamp, n->body->data, n->body->size, mac);
    int r = base64_append(&text, mac, sizeof(mac));
    CHECK(r == 0);
    snprintf(n->signature, sizeof(n->signature), "v1,%s", buf_text(&text));
}

static void add_header(struct http_call *call, const char *name, const char *value)
{
    call->header[call->header_count++] = (struct http_header){.name = name, .value = value};
}

static void lose(struct notice *n)
{
    const struct budget_hook_config *config = &n->hook->config;
    char what[160];
    snprintf(what, sizeof(what),
             "a notice about a budget could not be delivered to BUDGET_WEBHOOK_URL: %.80s",
             n->call.status ? "it was refused" : n->call.err.reason);
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
    struct notice *n = CONTAINER_OF(op, struct notice, call.op);
    struct budget_hook *h = n->hook;
    if (op->result == 0 && n->call.status >= 200 && n->call.status <= 299) {
        notice_free(n);
        return;
    }
    uint64_t at_ns =
        patience_next_ns(&n->patience, &h->rng, loop_now_ns(h->config.loop), n->call.retry_after);
    if (at_ns == 0 || h->stopped)
        lose(n);
    else
        timer_arm(h->config.loop, &n->pause, at_ns, pause_over);
}

static void post(struct notice *n)
{
    struct http_call *call = &n->call;
    http_call_release(call);
    *call = (struct http_call){.method = "POST",
                               .url = n->hook->config.url,
                               .body = n->body,
                               .answer_max_bytes = ANSWER_MAX,
                               .timeout_ms = TIMEOUT_MS,
                               .repeatable = true};
    snprintf(n->timestamp, sizeof(n->timestamp), "%" PRId64, clock_wall_s());
    add_header(call, "Content-Type", "application/json");
    add_header(call, "webhook-id", n->id);
    add_header(call, "webhook-timestamp", n->timestamp);
    if (n->hook->key_size > 0) {
        sign(n);
        add_header(call, "webhook-signature", n->signature);
    }
    http_call_start(n->hook->config.pool, call, answered);
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

static int read_secret(struct budget_hook *h, struct error *e)
{
    if (!*h->config.secret)
        return 0;
    ssize_t size = webhook_key_read(h->config.secret, KEY_MAX, h->key);
    if (size < KEY_LEAST)
        return error_set_field(e, ERR_VALIDATION, "BUDGET_WEBHOOK_SECRET",
                               "BUDGET_WEBHOOK_SECRET is whsec_ and, in base64, %d to %d bytes", KEY_LEAST,
                               KEY_MAX * 3 / 4);
    h->key_size = (size_t)size;
    return 0;
}

int budget_hook_new(const struct budget_hook_config *config, struct budget_hook **ret, struct error *e)
{
    struct budget_hook *h = NEW(struct budget_hook);
    uint64_t seed;
    h->config = *config;
    list_init(&h->notices);
    rng_bytes(&seed, sizeof(seed));
    rng_seed(&h->rng, seed);
    int r = read_secret(h, e);
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
