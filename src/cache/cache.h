/* cache.h: results by key. Contract for every tier; the memory tier is here (Redis comes later).
 *
 * A key is a SHA-256 over all that decides the result (request/key.h makes it). A value is an immutable,
 * ref-counted struct result; who gets one from cache_get owns a reference. Exact LRU, TTL from the time of
 * the put, O(1). Any thread (one mutex: entries are few and the work under it is tens of nanoseconds). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/macros.h"

enum { RESULT_OUTPUTS_MAX = 14 };

struct result_output {
    char *key; /* of the stored object */
    char *content_type;
    uint64_t bytes;
    uint32_t width, height;
};

/* What a finished request produced; everything an answer needs except what belongs to the asker. */
struct result {
    atomic_uint refs;
    unsigned output_count;
    struct result_output output[RESULT_OUTPUTS_MAX];
    char *model;   /* what ran */
    char *version; /* of it, if it is another one than the feature's row says; else NULL */
    char *ran_on;  /* provider */
    char *network; /* local runs: the network; else NULL */
    char *reason;  /* local runs: why this network; else NULL */
    char *detail;  /* JSON: what an answer tells besides; NULL: nothing */
    bool degraded; /* a provider further down the list ran it */
    bool prescaled;
    uint32_t original_width, original_height;
    uint32_t prescaled_width, prescaled_height;
    uint64_t run_ns;             /* what the model run took; what a hit saves */
    int64_t cost_nano;           /* what that cost, in billionths of a dollar; likewise */
    uint64_t made_ms;            /* when, since 1970: it may have been made on another machine */
    uint64_t keep_ms;            /* from then on; 0: it is not kept */
    _Atomic uint64_t checked_ms; /* when the store was last asked for its objects, since 1970; 0: never */
    _Atomic bool gone;           /* one of them is not there any more */
    _Atomic bool ahead;          /* made before anybody asked, and nobody has since */
    uint8_t feature;             /* its id + 1; 0: not known */
};

struct result *result_new(void) MUST_CHECK; /* zeroed, one reference; fill before sharing */
struct result *result_ref(struct result *r);
void result_unref(struct result *r);                              /* accepts NULL; frees the strings */
size_t result_bytes(const struct result *r);                      /* of memory, strings included */
const char *result_feature(const struct result *r);               /* its name; NULL: not known */
uint64_t result_age_ms(const struct result *r, uint64_t now_ms);  /* now_ms: since 1970 */
uint64_t result_left_ms(const struct result *r, uint64_t now_ms); /* for which it is still kept */

struct cache;

struct cache *cache_new(uint64_t max_entries,
                        uint64_t ttl_ms) MUST_CHECK; /* 0 of either: remembers nothing */
void cache_free(struct cache *c);

struct result *cache_get(struct cache *c, const uint8_t key[static DIGEST_BYTES], uint64_t now_ns) MUST_CHECK;
/* ttl_ms: as the cache's at most; 0: it is not put. */
void cache_put(struct cache *c, const uint8_t key[static DIGEST_BYTES], struct result *r, uint64_t now_ns,
               uint64_t ttl_ms);
/* One that was remembered before: it takes no other's place, and is the first to make way. false: there is no
 * room, or one with this key. */
bool cache_fill(struct cache *c, const uint8_t key[static DIGEST_BYTES], struct result *r, uint64_t now_ns,
                uint64_t ttl_ms);
bool cache_remove(struct cache *c, const uint8_t key[static DIGEST_BYTES]);
struct cache_stats {
    uint64_t entries;   /* live */
    uint64_t bytes;     /* what they take, results included */
    uint64_t evictions; /* so far: of what had not expired, for want of room */
};
void cache_stats(struct cache *c, uint64_t now_ns, struct cache_stats *ret); /* drops expired ones, too */
uint64_t cache_flush(struct cache *c);                 /* forgets everything; how much that was */
uint64_t cache_size(struct cache *c, uint64_t now_ns); /* live entries; drops expired ones from the old end */
/* What was put or got since the last call, as far as it is still there, in the order in which it was first
 * used; at most `most`, the rest comes next time. The results are the caller's references. */
struct cache_use {
    uint8_t key[DIGEST_BYTES];
    struct result *result;
    uint64_t hits; /* since the last call */
};
unsigned cache_take_uses(struct cache *c, struct cache_use *ret, unsigned most) MUST_CHECK;
/* The results that were made ahead and have gone since the last call without having been asked for. */
struct cache_waste {
    uint64_t results, cost_nano;
};
struct cache_waste cache_take_wasted(struct cache *c) MUST_CHECK;
uint64_t cache_max_size(const struct cache *c);
bool cache_remembers(const struct cache *c); /* anything at all */
uint64_t cache_ttl_ms(const struct cache *c);
