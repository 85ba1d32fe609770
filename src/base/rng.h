/* rng.h: random numbers. rng_* is a small seeded generator for jitter and for the simulator (repeatable);
 * rng_bytes and uuid_make take the kernel's, for ids and secrets. A struct rng has one owner. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state; /* splitmix64 */
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 … n-1, n > 0 */
double rng_unit(struct rng *r);                /* [0, 1) */

void rng_bytes(void *ret, size_t size); /* from the kernel; any thread */

enum { UUID_TEXT = 37 };
void uuid_make(char ret[static UUID_TEXT]); /* random (version 4), lower case, with NUL */

/* Many of them, for whom one call of the kernel's for each costs too much: zero it, one owner, no fork. */
enum { UUID_BYTES = 16, UUIDS_AT_ONCE = 32 };
struct uuids {
    unsigned left;
    uint8_t random[UUIDS_AT_ONCE][UUID_BYTES];
};
void uuid_next(struct uuids *u, char ret[static UUID_TEXT]);
