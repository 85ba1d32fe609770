#include "base/sse.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char bom[] = "\xEF\xBB\xBF";

void sse_init(struct sse *s, size_t event_max, sse_event_fn *on_event, void *ctx)
{
    *s = (struct sse){.on_event = on_event, .ctx = ctx, .retry_ms = -1};
    buf_init(&s->line, event_max);
    buf_init(&s->data, event_max);
}

static void forget_event(struct sse *s)
{
    buf_release(&s->data);
    s->type[0] = '\0';
    s->has_data = false;
}

void sse_restart(struct sse *s)
{
    forget_event(s);
    buf_release(&s->line);
    memcpy(s->id, s->last_id, sizeof(s->id));
    s->after_cr = s->begun = false;
}

void sse_release(struct sse *s)
{
    buf_release(&s->line);
    buf_release(&s->data);
}

/* One that does not fit is none: half a name would be another one. */
static void keep(char *ret, size_t room, const char *value, size_t len)
{
    size_t n = len < room ? len : 0;
    memcpy(ret, value, n);
    ret[n] = '\0';
}

static void keep_retry(struct sse *s, const char *value, size_t len)
{
    int64_t ms = 0;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)value[i]) || ms > INT32_MAX)
            return;
        ms = ms * 10 + (value[i] - '0');
    }
    if (len > 0)
        s->retry_ms = ms;
}

/* Its id counts for the next connection even if it has no data, and is no event then. */
static void dispatch(struct sse *s)
{
    memcpy(s->last_id, s->id, sizeof(s->last_id));
    if (s->has_data) {
        const struct sse_event event = {*s->type ? s->type : "message", buf_text(&s->data), s->data.len};
        s->on_event(s->ctx, &event);
    }
    forget_event(s);
}

static bool is_field(const char *name, size_t len, const char *field)
{
    return strlen(field) == len && memcmp(name, field, len) == 0;
}

static int take_field(struct sse *s, const char *name, size_t name_len, const char *value, size_t len)
{
    if (is_field(name, name_len, "data")) {
        int r = s->has_data ? buf_append(&s->data, "\n", 1) : 0;
        s->has_data = true;
        return r < 0 ? r : buf_append(&s->data, value, len);
    }
    if (is_field(name, name_len, "event"))
        keep(s->type, sizeof(s->type), value, len);
    else if (is_field(name, name_len, "id") && !memchr(value, '\0', len))
        keep(s->id, sizeof(s->id), value, len);
    else if (is_field(name, name_len, "retry"))
        keep_retry(s, value, len);
    return 0;
}

static int take_line(struct sse *s)
{
    const char *line = buf_text(&s->line);
    size_t len = s->line.len;
    if (!s->begun && len >= strlen(bom) && memcmp(line, bom, strlen(bom)) == 0) {
        line += strlen(bom);
        len -= strlen(bom);
    }
    s->begun = true;
    if (len == 0) {
        dispatch(s);
        return 0;
    }
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon ? (size_t)(colon - line) : len;
    const char *value = colon ? colon + 1 : line + len;
    if (value < line + len && *value == ' ')
        value++;
    size_t value_len = (size_t)(line + len - value);
    if (name_len > 0)
        return take_field(s, line, name_len, value, value_len);
    const struct sse_event comment = {"", value, value_len};
    s->on_event(s->ctx, &comment);
    return 0;
}

int sse_read(struct sse *s, const void *bytes, size_t size)
{
    const char *at = bytes, *end = at + size;
    while (at < end) {
        if (s->after_cr && *at == '\n') { /* the other half of that line's end */
            s->after_cr = false;
            at++;
            continue;
        }
        s->after_cr = false;
        const char *stop = at;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        if (buf_append(&s->line, at, (size_t)(stop - at)) < 0)
            return -EMSGSIZE;
        at = stop;
        if (at == end)
            break;
        s->after_cr = *at++ == '\r';
        if (take_line(s) < 0)
            return -EMSGSIZE;
        s->line.len = 0;
    }
    return 0;
}
