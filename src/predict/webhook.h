/* webhook.h: is a delivery really from the one who knows the secret? Standard Webhooks, as Replicate signs.
 *
 * What is signed are the bytes as they came: id "." timestamp "." body. Any of several signatures may be the
 * right one; versions other than v1 are passed over. No I/O, no state (see replicate_hook.h for what has been
 * seen already); any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

enum { WEBHOOK_TOLERANCE_S = 300, WEBHOOK_SECRET_MAX = 128 };

struct webhook_headers {
    const char *id, *timestamp, *signature; /* NULL: not there */
};

/* 0 or UNAUTHORIZED. secret: "whsec_" and base64. The time it takes does not depend on the signature. */
int webhook_check(const char *secret, const struct webhook_headers *headers, const void *body, size_t size,
                  int64_t now_s) MUST_CHECK;
