/* wire.h: numbers and texts as bytes, for sketches and batches: LEB128 numbers, and byte strings behind their
 * length. A reader that meets something else sets failed and gives zeros from then on. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

static inline void wire_put(struct buf *out, uint64_t n)
{
    uint8_t bytes[10];
    size_t len = 0;
    do {
        bytes[len] = (uint8_t)((n & 0x7f) | (n > 0x7f ? 0x80 : 0));
        n >>= 7;
        len++;
    } while (n);
    buf_append(out, bytes, len);
}

static inline void wire_put_bytes(struct buf *out, const void *data, size_t size)
{
    wire_put(out, size);
    buf_append(out, data, size);
}

struct wire {
    const uint8_t *at, *end;
    bool failed;
};

static inline uint64_t wire_get(struct wire *w)
{
    uint64_t n = 0;
    if (w->at < w->end && *w->at < 0x80) /* mostly */
        return *w->at++;
    for (unsigned shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return n;
    }
    w->failed = true;
    w->at = w->end;
    return 0;
}

static inline const uint8_t *wire_get_bytes(struct wire *w, size_t *ret_size)
{
    uint64_t size = wire_get(w);
    const uint8_t *data = w->at;
    if (size > (size_t)(w->end - w->at)) {
        w->failed = true;
        w->at = w->end;
        size = 0;
    }
    w->at += size;
    *ret_size = (size_t)size;
    return data;
}
