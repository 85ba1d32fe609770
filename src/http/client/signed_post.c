#include "http/client/signed_post.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"

enum { TIMEOUT_MS = 10000, ANSWER_MAX = 64 << 10 };

int signed_post_key_read(const char *name, const char *secret, struct signed_post_key *ret, struct error *e)
{
    ret->size = 0;
    if (!*secret)
        return 0;
    ssize_t size = webhook_key_read(secret, SIGNED_POST_KEY_MAX, ret->bytes);
    if (size < SIGNED_POST_KEY_LEAST)
        return error_set_field(e, ERR_VALIDATION, name, "%s is whsec_ and, in base64, %d to %d bytes", name,
                               SIGNED_POST_KEY_LEAST, SIGNED_POST_KEY_MAX * 3 / 4);
    ret->size = (size_t)size;
    return 0;
}

/* "v1," and the HMAC of id.timestamp.body */
static void sign(struct signed_post *p, const struct signed_post_to *to, const struct blob *body)
{
    uint8_t mac[DIGEST_BYTES];
    BUF_ON_EXIT struct buf text;
    buf_init(&text, SIGNED_POST_SIGNATURE_MAX);
    webhook_key_sign(to->key->bytes, to->key->size, to->id, p->timestamp, body->data, body->size, mac);
    int r = base64_append(&text, mac, sizeof(mac));
    CHECK(r == 0);
    snprintf(p->signature, sizeof(p->signature), "v1,%s", buf_text(&text));
}

static void add_header(struct http_call *call, const char *name, const char *value)
{
    call->header[call->header_count++] = (struct http_header){.name = name, .value = value};
}

void signed_post_start(struct http_client_pool *pool, struct signed_post *p, const struct signed_post_to *to,
                       struct blob *body, op_done_fn *on_done)
{
    struct http_call *call = &p->call;
    void *owner = call->op.owner;
    http_call_release(call);
    *call = (struct http_call){.method = "POST",
                               .url = to->url,
                               .body = body,
                               .answer_max_bytes = ANSWER_MAX,
                               .timeout_ms = TIMEOUT_MS,
                               .guard = to->guard,
                               .repeatable = true};
    call->op.owner = owner;
    snprintf(p->timestamp, sizeof(p->timestamp), "%" PRId64, clock_wall_s());
    add_header(call, "Content-Type", "application/json");
    add_header(call, "webhook-id", to->id);
    add_header(call, "webhook-timestamp", p->timestamp);
    if (to->key->size > 0) {
        sign(p, to, body);
        add_header(call, "webhook-signature", p->signature);
    }
    http_call_start(pool, call, on_done);
}

bool signed_post_ok(const struct signed_post *p)
{
    return p->call.op.result == 0 && p->call.status >= 200 && p->call.status <= 299;
}

void signed_post_release(struct signed_post *p)
{
    http_call_release(&p->call);
}
