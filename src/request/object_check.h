/* object_check.h: is what the cache remembers still in the store? Somebody may have deleted it there.
 *
 * A hit that was neither stored nor checked for CACHE_VERIFY_AFTER_MS has its objects asked for (a head each)
 * in the background; the hit itself is answered at once. If one is gone, the result leaves the cache, and the
 * next request runs again. Any other failure means nothing. At most one check a result and interval, and
 * CACHE_VERIFY_MAX at once; further ones wait for a later hit. */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "cache/cache.h"
#include "cache/shared.h"
#include "loop/loop.h"
#include "store/store.h"

struct object_checks;

struct object_checks_config {
    struct loop *loop;
    struct store *store;
    struct cache *cache;
    struct shared *shared; /* NULL: none */
    uint64_t after_ms;     /* 0: nothing is checked */
    unsigned most;         /* at once */
};

struct object_checks *object_checks_new(const struct object_checks_config *config) MUST_CHECK;
void object_checks_free(struct object_checks *c); /* accepts NULL; none may run */

/* The cache has just given r for this key. Any thread; never waits. c NULL: nothing is checked. */
void object_check_hit(struct object_checks *c, const uint8_t key[static DIGEST_BYTES], struct result *r);
unsigned object_checks_running(const struct object_checks *c); /* c may be NULL */
