/* signed_post.h: one JSON document, posted as Standard Webhooks have it: webhook-id, webhook-timestamp and,
 * with a key, webhook-signature.
 *
 * Order: signed_post_start on a zeroed struct (or one that is done), wait for call.op, read call.status;
 * signed_post_release. A delivery that is repeated keeps its id and gets a new timestamp. Core thread. */
#pragma once

#include "base/rng.h"
#include "base/webhook_key.h"
#include "http/client/client.h"

enum { SIGNED_POST_KEY_MAX = 128, SIGNED_POST_KEY_LEAST = 16, SIGNED_POST_SIGNATURE_MAX = 64 };

struct signed_post_key {
    uint8_t bytes[SIGNED_POST_KEY_MAX];
    size_t size; /* 0: posts are not signed */
};

struct signed_post {
    struct http_call call;
    char timestamp[24], signature[SIGNED_POST_SIGNATURE_MAX];
};

struct signed_post_to {
    const char *url, *id; /* stay until the op is done */
    const struct signed_post_key *key;
    bool guard; /* the address is a caller's word */
};

/* secret: whsec_ and base64, the value of the option `name`; "": none. 0 or VALIDATION. */
int signed_post_key_read(const char *name, const char *secret, struct signed_post_key *ret,
                         struct error *e) MUST_CHECK;
/* body: the caller's reference, until the op is done. */
void signed_post_start(struct http_client_pool *pool, struct signed_post *p, const struct signed_post_to *to,
                       struct blob *body, op_done_fn *on_done);
bool signed_post_ok(const struct signed_post *p); /* the receiver answered 2xx */
void signed_post_release(struct signed_post *p);
