/* buf.h: a growing byte buffer that has a cap from birth.
 *
 * Order: buf_init(cap), appends, then buf_release, or buf_take_blob to hand the bytes over. Appending past
 * the cap fails with -EMSGSIZE and leaves the buffer as it was; `failed` then stays set, so a chain of
 * appends can be checked once at its end. The text is always NUL-terminated behind len. One owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/macros.h"

struct buf {
    char *data; /* NULL while empty */
    size_t len;
    size_t room;
    size_t cap;
    bool failed; /* an append did not fit */
};

void buf_init(struct buf *b, size_t cap);
void buf_release(struct buf *b); /* leaves an empty buffer with the same cap */
int buf_append(struct buf *b, const void *data, size_t size);
int buf_reserve(struct buf *b,
                size_t size); /* room for as many more, so that they are appended without copies */
int buf_puts(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* n in units of the last decimal: 1021 with 3 is 1.021. Faster than printing it. */
int buf_fixed(struct buf *b, uint64_t n, unsigned decimals);
const char *buf_text(const struct buf *b);            /* "" while empty; valid until the next append */
struct blob *buf_take_blob(struct buf *b) MUST_CHECK; /* the buffer is empty afterwards */

static inline void cleanup_buf(struct buf *b)
{
    buf_release(b);
}
#define BUF_ON_EXIT CLEANUP(cleanup_buf)
