#include "base/sse_out.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

static void put_field(struct buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    CHECK(!strpbrk(value, "\r\n"));
    buf_printf(b, "%s: %s\n", name, value);
}

static void put_data(struct buf *b, const char *data, size_t size)
{
    const char *at = data, *end = data + size;
    for (;;) {
        const char *stop = at;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        buf_puts(b, "data: ");
        buf_append(b, at, (size_t)(stop - at));
        buf_puts(b, "\n");
        if (stop == end)
            return;
        at = stop + (*stop == '\r' && stop + 1 < end && stop[1] == '\n' ? 2 : 1);
    }
}

/* All or nothing: half an event would become part of the next one. */
static int settle(struct buf *b, size_t before)
{
    if (!b->failed)
        return 0;
    b->failed = false;
    b->len = before;
    if (b->data)
        b->data[before] = '\0';
    return -EMSGSIZE;
}

int sse_write(struct buf *b, const char *id, const char *type, const char *data, size_t size)
{
    size_t before = b->len;
    if (b->failed)
        return -EMSGSIZE;
    put_field(b, "id", id);
    put_field(b, "event", type);
    put_data(b, data, size);
    buf_puts(b, "\n");
    return settle(b, before);
}

int sse_write_comment(struct buf *b, const char *text)
{
    size_t before = b->len;
    if (b->failed)
        return -EMSGSIZE;
    CHECK(!strpbrk(text, "\r\n"));
    buf_printf(b, ": %s\n\n", text);
    return settle(b, before);
}
