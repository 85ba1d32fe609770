/* fuzz_sse.c: the event stream reader on any bytes. clang -fsanitize=fuzzer,address,undefined.
 *
 * However the bytes are cut, the same events come. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/sse.h"

enum { EVENT_MAX = 512, SEEN_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *ctx, const struct sse_event *event)
{
    CHECK(event->size <= EVENT_MAX);
    buf_puts(ctx, event->type);
    buf_append(ctx, event->data, event->size);
    buf_append(ctx, "\0", 1);
}

static int read_in(const uint8_t *data, size_t size, size_t step, struct buf *seen)
{
    struct sse s;
    int r = 0;
    sse_init(&s, EVENT_MAX, note, seen);
    for (size_t at = 0; at < size && r == 0; at += step)
        r = sse_read(&s, data + at, MIN(step, size - at));
    sse_release(&s);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BUF_ON_EXIT struct buf whole, cut;
    buf_init(&whole, SEEN_MAX);
    buf_init(&cut, SEEN_MAX);
    size_t step = size > 0 ? data[0] % 7 + 1u : 1;
    int a = read_in(data, size, size + 1, &whole), b = read_in(data, size, step, &cut);
    CHECK(a == b && whole.len == cut.len);
    CHECK(whole.len == 0 || memcmp(whole.data, cut.data, whole.len) == 0);
    return 0;
}
