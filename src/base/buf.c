#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { FIRST_ROOM = 256 };

void buf_init(struct buf *b, size_t cap)
{
    CHECK(cap < SIZE_MAX / 2);
    *b = (struct buf){.cap = cap};
}

void buf_release(struct buf *b)
{
    free(b->data);
    buf_init(b, b->cap);
}

/* At least doubles, so that many small appends copy each byte about once. */
static int reserve(struct buf *b, size_t size)
{
    if (b->failed || size > b->cap - b->len) {
        b->failed = true;
        return -EMSGSIZE;
    }
    size_t need = b->len + size + 1;
    if (need <= b->room)
        return 0;
    size_t room = b->room ? b->room : FIRST_ROOM;
    while (room < need)
        room *= 2;
    room = MIN(room, b->cap + 1);
    b->data = mem_realloc(b->data, room);
    b->room = room;
    return 0;
}

int buf_reserve(struct buf *b, size_t size)
{
    if (b->failed || size > b->cap - b->len)
        return -EMSGSIZE;
    size_t need = b->len + size + 1;
    if (need > b->room) {
        b->data = mem_realloc(b->data, need);
        b->data[b->len] = '\0';
        b->room = need;
    }
    return 0;
}

int buf_append(struct buf *b, const void *data, size_t size)
{
    int r = reserve(b, size);
    if (r < 0)
        return r;
    if (size > 0)
        memcpy(b->data + b->len, data, size);
    b->len += size;
    b->data[b->len] = '\0';
    return 0;
}

int buf_puts(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    size_t room = b->failed ? 0 : b->room - b->len; /* usually enough: one pass */
    int n = vsnprintf(room ? b->data + b->len : NULL, room, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    bool written = (size_t)n < room;
    int r = written ? 0 : reserve(b, (size_t)n);
    if (r == 0 && !written)
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
    va_end(again);
    if (r == 0)
        b->len += (size_t)n;
    else if (b->data)
        b->data[b->len] = '\0';
    return r;
}

enum { DIGITS_MAX = 20 };

int buf_fixed(struct buf *b, uint64_t n, unsigned decimals)
{
    char text[DIGITS_MAX + 2], *end = text + sizeof(text), *at = end;
    CHECK(decimals < DIGITS_MAX);
    for (unsigned i = 0; n > 0 || i <= decimals; i++, n /= 10) {
        if (i == decimals && i > 0)
            *--at = '.';
        *--at = (char)('0' + n % 10);
    }
    return buf_append(b, at, (size_t)(end - at));
}

const char *buf_text(const struct buf *b)
{
    return b->data ? b->data : "";
}

struct blob *buf_take_blob(struct buf *b)
{
    size_t len = b->len;
    struct blob *blob = blob_take(TAKE(b->data), len, free);
    buf_init(b, b->cap);
    return blob;
}
