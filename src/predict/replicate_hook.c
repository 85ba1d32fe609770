/* Happy path: the secret is fetched at the first tick; a front thread checks a delivery and posts it; the
 * core hands it to its run, which judges it as if it had asked. Failure modes: no secret yet, or another one
 * since (it is fetched again, and the sender tries again); a delivery twice; one about a prediction that
 * nobody knows, which is no error; none at all, for which runs still poll. Invariants: what is not signed
 * right changes nothing but the wish for a newer secret. */
#include "predict/replicate_hook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "predict/replicate_json.h"
#include "predict/replicate_run.h"

enum { SECRET_AGAIN_S = 60, SECRET_ANSWER_MAX = 4096 };

#define HOOK_PATH "/hooks/replicate"

struct delivery {
    struct message mail;
    struct replicate *self;
    struct blob *body;
};

void replicate_hooks_init(struct replicate *self)
{
    struct replicate_hooks *h = &self->hooks;
    const char *base = self->config.opt->public_base_url;
    pthread_mutex_init(&h->mutex, NULL);
    h->secret_wanted = true;
    if (strncasecmp(base, "https://", 8) == 0) /* nothing else is sent to */
        h->url = mem_printf("%s%s", base, HOOK_PATH);
}

void replicate_hooks_release(struct replicate *self)
{
    struct replicate_hooks *h = &self->hooks;
    for (unsigned i = 0; i < HOOKS_EARLY; i++)
        blob_unref(h->early[i].body);
    http_call_release(&h->call);
    explicit_bzero(h->secret, sizeof(h->secret));
    pthread_mutex_destroy(&h->mutex);
    free(h->url);
}

/* ---- the secret ---- */

static void secret_came(struct op *op)
{
    struct replicate_hooks *h = CONTAINER_OF(op, struct replicate_hooks, call.op);
    bool ok = op->result == 0 && h->call.status == 200;
    JSON_ON_EXIT json_t *answer = ok ? replicate_json_read(h->call.answer.data, h->call.answer.len) : NULL;
    const char *secret = replicate_json_text(answer, "key");
    pthread_mutex_lock(&h->mutex);
    if (*secret && strlen(secret) < sizeof(h->secret)) {
        snprintf(h->secret, sizeof(h->secret), "%s", secret);
        h->secret_wanted = false;
    }
    pthread_mutex_unlock(&h->mutex);
    http_call_release(&h->call);
    h->call = (struct http_call){0};
}

void replicate_hooks_tick(struct replicate *self)
{
    struct replicate_hooks *h = &self->hooks;
    uint64_t now = loop_now_ns(self->config.loop);
    pthread_mutex_lock(&h->mutex);
    bool wanted = h->secret_wanted;
    pthread_mutex_unlock(&h->mutex);
    bool lately = h->asked_ns && now - h->asked_ns < SECRET_AGAIN_S * NS_PER_S;
    if (!h->url || !wanted || lately || op_running(&h->call.op))
        return;
    uint32_t timeout_ms = (uint32_t)self->config.opt->http_timeout_ms;
    snprintf(h->call_url, sizeof(h->call_url), "%s/webhooks/default/secret", self->base_url);
    h->asked_ns = now;
    h->call = (struct http_call){
        .method = "GET",
        .url = h->call_url,
        .header = {{"Authorization", self->authorization, true}},
        .header_count = 1,
        .answer_max_bytes = SECRET_ANSWER_MAX,
        .timeout_ms = timeout_ms,
    };
    http_call_start(self->config.pool, &h->call, secret_came);
}

/* ---- deliveries ---- */

static struct replicate_run *run_of(struct replicate *self, const char *id)
{
    LIST_FOREACH (node, &self->runs) {
        struct replicate_run *run = CONTAINER_OF(node, struct replicate_run, node);
        if (run->prediction && strcmp(run->id, id) == 0)
            return run;
    }
    return NULL;
}

static void keep(struct replicate *self, const char *id, struct blob *body)
{
    struct hook_early *e = &self->hooks.early[self->hooks.early_next++ % HOOKS_EARLY];
    blob_unref(e->body);
    snprintf(e->id, sizeof(e->id), "%s", id);
    e->body = blob_ref(body);
    e->at_ns = loop_now_ns(self->config.loop);
}

static void deliver(struct message *m)
{
    struct delivery *d = CONTAINER_OF(m, struct delivery, mail);
    struct replicate *self = d->self;
    JSON_ON_EXIT json_t *document = replicate_json_read(d->body->data, d->body->size);
    const char *id = replicate_json_text(document, "id");
    struct replicate_run *run = replicate_id_ok(id) ? run_of(self, id) : NULL;
    if (run) {
        self->hooks.missed = 0;
        run_take_hook(run, d->body);
    } else if (replicate_id_ok(id) && !replicate_id_known(self, id)) {
        keep(self, id, d->body);
    }
    blob_unref(d->body);
    free(d);
}

struct blob *replicate_hooks_early(struct replicate *self, const char *id)
{
    uint64_t now = loop_now_ns(self->config.loop);
    for (unsigned i = 0; i < HOOKS_EARLY; i++) {
        struct hook_early *e = &self->hooks.early[i];
        if (e->body && now - e->at_ns > HOOK_EARLY_MS * NS_PER_MS) {
            blob_unref(TAKE(e->body));
        } else if (e->body && strcmp(e->id, id) == 0) {
            self->hooks.missed = 0;
            return TAKE(e->body);
        }
    }
    return NULL;
}

bool replicate_hooks_work(const struct replicate *self)
{
    return self->hooks.url && self->hooks.missed < HOOKS_MISSED_MAX;
}

/* true: it was not there before. The lock is held. */
static bool note_seen(struct replicate_hooks *h, const char *id)
{
    uint8_t digest[DIGEST_BYTES];
    uint64_t mark;
    digest_of(id, strlen(id), digest);
    memcpy(&mark, digest, sizeof(mark));
    for (unsigned i = 0; i < HOOKS_SEEN; i++)
        if (h->seen[i] == mark)
            return false;
    h->seen[h->seen_next++ % HOOKS_SEEN] = mark;
    return true;
}

int replicate_hooks_receive(struct replicate *self, const struct webhook_headers *headers, struct blob *body)
{
    struct replicate_hooks *h = &self->hooks;
    char secret[sizeof(h->secret)];
    pthread_mutex_lock(&h->mutex);
    memcpy(secret, h->secret, sizeof(secret));
    pthread_mutex_unlock(&h->mutex);
    int r = *secret ? webhook_check(secret, headers, body->data, body->size, clock_wall_s())
                    : -ERR_PROVIDER_UNAVAILABLE;
    explicit_bzero(secret, sizeof(secret));
    pthread_mutex_lock(&h->mutex);
    bool fresh = r == 0 && note_seen(h, headers->id);
    h->secret_wanted |= r < 0; /* perhaps there is a new one */
    pthread_mutex_unlock(&h->mutex);
    if (!fresh)
        return r;
    struct delivery *d = NEW(struct delivery);
    d->self = self;
    d->body = blob_ref(body);
    loop_post(self->config.loop, &d->mail, deliver);
    return 0;
}
