/* uploads.h: the pictures that came lately, so that a caller may name one by its digest instead of sending it
 * again.
 *
 * Each caller's are its own: a name is a digest and a tenant. A picture is known for UPLOADS_KEEP_S after it
 * was sent or named last, while all of them fit into UPLOADS_KEEP_MB and UPLOADS_KEEP_MAX; those that were
 * not asked for longest go first. What is kept are references to upload bodies (store/body.h): in memory or
 * in a file as they were. Any thread (one mutex; the work under it is a look-up). */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "store/body.h"

struct uploads;

struct uploads_config {
    uint64_t bytes_max, count_max, keep_ns; /* 0 of any: nothing is kept */
};

struct uploads *uploads_new(const struct uploads_config *config) MUST_CHECK;
void uploads_free(struct uploads *u); /* accepts NULL; before the bodies' spool */

/* u NULL: nothing is kept. tenant NULL: everybody's. b is finished; a reference of its own is taken. */
void uploads_keep(struct uploads *u, const char *tenant, struct body *b, uint64_t now_ns);
/* A new reference; NULL: it is not known. */
struct body *uploads_get(struct uploads *u, const char *tenant, const uint8_t digest[static DIGEST_BYTES],
                         uint64_t now_ns) MUST_CHECK;
void uploads_expire(struct uploads *u, uint64_t now_ns); /* lets go of what is too old; now and then */

uint64_t uploads_count(struct uploads *u);
uint64_t uploads_bytes(struct uploads *u);
