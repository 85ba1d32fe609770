/* batch.h: what was counted in one span of ten seconds, as bytes that can lie in a file.
 *
 * Order: batch_begin, batch_put for each row, then the buffer's bytes are the batch; batch_read and then
 * batch_next until it says there is no further row. A batch is named by the process that made it and a number
 * that rises by one: whoever applies a process's batches in their order knows by the last number what is
 * applied. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "base/rng.h"
#include "history/sketch.h"
#include "history/wire.h"

enum { BATCH_MAX = 8 << 20, BATCH_NAME_MAX = 64 };

struct batch_head {
    char source[UUID_TEXT]; /* the process */
    uint64_t number;        /* from 1 */
    int64_t at;             /* where the span began, seconds since 1970 */
};

struct batch_row {
    char feature[BATCH_NAME_MAX + 1], provider[BATCH_NAME_MAX + 1], outcome[BATCH_NAME_MAX + 1];
    uint64_t requests, latency_us, provider_us;   /* sums */
    uint64_t cost_nano, saved_nano;               /* likewise; 0 in batches of older programs */
    const uint8_t *latency, *overhead, *provided; /* coded sketches */
    size_t latency_size, overhead_size, provided_size;
};

void batch_begin(struct buf *out, const struct batch_head *head); /* out: cap BATCH_MAX */
void batch_put(struct buf *out, const struct batch_row *row);

struct batch_reader {
    struct batch_head head;
    struct wire wire;
    uint64_t format;
};

int batch_read(struct batch_reader *r, const void *bytes, size_t size) MUST_CHECK; /* 0 or -ERR_INTERNAL */
/* 1: a row; it points into the batch. 0: there is no further one. -ERR_INTERNAL: it cannot be read. */
int batch_next(struct batch_reader *r, struct batch_row *ret) MUST_CHECK;
