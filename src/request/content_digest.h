/* content_digest.h: inside of 010. A request's Content-Digest (RFC 9530) against the bytes that really came.
 *
 * Order: content_check_begin with the headers, content_check_feed with each piece of the body as it was sent,
 * content_check_end with its end; content_check_release at any time. Without such a header nothing is
 * computed. Only sha-256 is looked at; other algorithms are as good as not there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/macros.h"
#include "tables/error.h"

struct content_check {
    bool wanted;
    uint8_t told[DIGEST_BYTES];
    struct digest sum;
};

/* A sha-256 that is none can match nothing: VALIDATION. header NULL: there is none. c is zeroed before. */
int content_check_begin(struct content_check *c, const char *header, struct error *e) MUST_CHECK;
void content_check_feed(struct content_check *c, const void *data, size_t size);
int content_check_end(struct content_check *c, struct error *e) MUST_CHECK; /* 0 or VALIDATION */
void content_check_release(struct content_check *c);

/* The sha-256 of the header. 0; 1: it has none; -EINVAL: it has one that cannot be read. */
int content_digest_parse(const char *header, uint8_t ret[static DIGEST_BYTES]) MUST_CHECK;
