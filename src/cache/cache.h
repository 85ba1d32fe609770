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

enum { RESULT_OUTPUTS_MAX = 12 };

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
    char *ran_on;  /* provider */
    char *network; /* local runs: the network; else NULL */
    char *reason;  /* local runs: why this network; else NULL */
    bool prescaled;
    uint32_t original_width, original_height;
    uint32_t prescaled_width, prescaled_height;
    uint64_t run_ns; /* what the model run took; what a hit saves */
};

struct result *result_new(void) MUST_CHECK; /* zeroed, one reference; fill before sharing */
struct result *result_ref(struct result *r);
void result_unref(struct result *r); /* accepts NULL; frees the strings */

struct cache;

struct cache *cache_new(uint64_t max_entries,
                        uint64_t ttl_ms) MUST_CHECK; /* 0 of either: remembers nothing */
void cache_free(struct cache *c);

struct result *cache_get(struct cache *c, const uint8_t key[static DIGEST_BYTES], uint64_t now_ns) MUST_CHECK;
void cache_put(struct cache *c, const uint8_t key[static DIGEST_BYTES], struct result *r, uint64_t now_ns);
bool cache_remove(struct cache *c, const uint8_t key[static DIGEST_BYTES]);
uint64_t cache_size(struct cache *c, uint64_t now_ns); /* live entries; drops expired ones from the old end */
uint64_t cache_max_size(const struct cache *c);
uint64_t cache_ttl_ms(const struct cache *c);
