/* parallel.h: the rows of a picture, shared out over a few threads that live as long as one pass.
 *
 * The calling thread works too and returns when every row is done, so what a pass writes may be read after
 * it without more ado. A row's function may write only its own row. Blocking: for the pass. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/macros.h"
#include "tables/error.h"

enum { PARALLEL_THREADS_MAX = 16 };

struct crew {
    unsigned threads;             /* the caller's included; 0 is 1, above PARALLEL_THREADS_MAX is that */
    const atomic_bool *cancelled; /* looked at between bands of rows; NULL: never */
};

/* row(ctx, y) once for each y < rows, in no order. -ERR_CLIENT_GONE when cancelled; some rows are then not
 * done. A thread that cannot be started is done without. */
int parallel_rows(const struct crew *crew, uint32_t rows, void (*row)(void *ctx, uint32_t y), void *ctx,
                  struct error *e) MUST_CHECK;
