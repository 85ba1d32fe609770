/* hash.h: of a short text, for maps. Not for what an adversary chooses to collide: there is digest.h. */
#pragma once

#include <stdint.h>

/* FNV-1a. */
static inline uint32_t hash_text(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}
