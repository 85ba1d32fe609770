#include "base/rng.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/digest.h"

void rng_seed(struct rng *r, uint64_t seed)
{
    r->state = seed;
}

uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    CHECK(n > 0);
    return rng_next(r) % n;
}

double rng_unit(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1.0p-53;
}

void rng_bytes(void *ret, size_t size)
{
    unsigned char *p = ret;
    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        CHECK(n > 0);
        p += n;
        size -= (size_t)n;
    }
}

static void make(const uint8_t random[static UUID_BYTES], char ret[static UUID_TEXT])
{
    static const uint8_t parts[] = {4, 2, 2, 2, 6};
    uint8_t b[UUID_BYTES];
    memcpy(b, random, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    const uint8_t *from = b;
    char *to = ret;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        hex_encode(from, parts[i], to);
        from += parts[i];
        to += 2 * parts[i];
        *to++ = i + 1 < ARRAY_LEN(parts) ? '-' : '\0';
    }
}

void uuid_make(char ret[static UUID_TEXT])
{
    uint8_t random[UUID_BYTES];
    rng_bytes(random, sizeof(random));
    make(random, ret);
}

void uuid_next(struct uuids *u, char ret[static UUID_TEXT])
{
    if (u->left == 0) {
        rng_bytes(u->random, sizeof(u->random));
        u->left = UUIDS_AT_ONCE;
    }
    make(u->random[--u->left], ret);
}
