#include "v1/document.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/json_out.h"
#include "v1/members.h"

static void put_raw(struct buf *b, const char *key, size_t key_size, const char *value, size_t value_size)
{
    buf_puts(b, b->data[b->len - 1] == '{' ? "\"" : ",\"");
    buf_append(b, key, key_size);
    buf_puts(b, "\":");
    buf_append(b, value, value_size);
}

void v1_put_time(struct buf *b, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    char text[32] = "";
    struct tm tm;
    if (gmtime_r(&s, &tm))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(b, "\"%s.%03" PRId64 "Z\"", text, ms % 1000);
}

static void put_time(struct buf *b, const char *key, int64_t ms)
{
    json_out_key(b, key);
    v1_put_time(b, ms);
}

/* said: the server's own; NULL: none. */
static void put_urls(struct buf *b, const struct v1_view *v, const struct member *said)
{
    struct member stream;
    json_out_key(b, "urls");
    buf_printf(b, "{\"get\":\"%s/v1/predictions/%s\",\"cancel\":\"%s/v1/predictions/%s/cancel\"", v->base,
               v->id, v->base, v->id);
    buf_printf(b, ",\"web\":\"%s/v1/predictions/%s\"", v->base, v->id);
    if (v->own_stream)
        buf_printf(b, ",\"stream\":\"%s/v1/streams/%s\"", v->base, v->id);
    else if (said && members_find(said->value, said->value_size, "stream", &stream))
        put_raw(b, "stream", 6, stream.value, stream.value_size);
    buf_puts(b, "}");
}

static void put_end(struct buf *b, const struct v1_view *v)
{
    if (v->status)
        json_out_text(b, "status", v->status);
    if (v->error)
        json_out_text(b, "error", v->error);
    if (v->ended_ms)
        put_time(b, "completed_at", v->ended_ms);
}

static bool is_ours(const struct member *m, const struct v1_view *v)
{
    return member_is(m, "id") || member_is(m, "urls") || (v->status && member_is(m, "status")) ||
           (v->error && member_is(m, "error")) || (v->ended_ms && member_is(m, "completed_at"));
}

static int from_said(const struct v1_view *v, struct buf *b)
{
    struct members members;
    struct member m, urls;
    members_init(&members, v->said, v->said_size);
    buf_puts(b, "{");
    json_out_text(b, "id", v->id);
    while (members_next(&members, &m))
        if (!is_ours(&m, v))
            put_raw(b, m.key, m.key_size, m.value, m.value_size);
    if (members.broken)
        return -EINVAL;
    bool has_urls = members_find(v->said, v->said_size, "urls", &urls);
    put_end(b, v);
    put_urls(b, v, has_urls ? &urls : NULL);
    buf_puts(b, "}");
    return 0;
}

static void from_nothing(const struct v1_view *v, struct buf *b)
{
    buf_puts(b, "{");
    json_out_text(b, "id", v->id);
    json_out_text(b, "model", v->model);
    json_out_text(b, "version", *v->version ? v->version : "hidden");
    put_raw(b, "input", 5, v->input, v->input_size);
    buf_puts(b, ",\"logs\":\"\",\"output\":null,\"data_removed\":false,\"source\":\"api\"");
    if (!v->error)
        buf_puts(b, ",\"error\":null");
    if (!v->status)
        buf_puts(b, ",\"status\":\"starting\"");
    put_time(b, "created_at", v->created_ms);
    put_end(b, v);
    put_urls(b, v, NULL);
    buf_puts(b, "}");
}

int v1_document(const struct v1_view *v, struct buf *ret)
{
    size_t before = ret->len;
    int r = 0;
    if (v->said)
        r = from_said(v, ret);
    else
        from_nothing(v, ret);
    if (r == 0 && ret->failed)
        r = -EMSGSIZE;
    if (r < 0)
        ret->len = before;
    return r;
}

/* "https://api…/v1/models?cursor=x" becomes "<base>/v1/models?cursor=x". */
static void put_address(struct buf *b, const struct member *m, const char *api, const char *base)
{
    size_t n = strlen(api);
    bool leads_there = m->value_size > n + 2 && m->value[0] == '"' && memcmp(m->value + 1, api, n) == 0;
    if (!leads_there) {
        put_raw(b, m->key, m->key_size, m->value, m->value_size);
        return;
    }
    put_raw(b, m->key, m->key_size, "\"", 1);
    buf_printf(b, "%s/v1", base);
    buf_append(b, m->value + 1 + n, m->value_size - 1 - n);
}

int v1_pages(const char *said, size_t size, const char *api, const char *base, struct buf *ret)
{
    struct members members;
    struct member m;
    members_init(&members, said, size);
    buf_puts(ret, "{");
    while (members_next(&members, &m)) {
        if (member_is(&m, "next") || member_is(&m, "previous"))
            put_address(ret, &m, api, base);
        else
            put_raw(ret, m.key, m.key_size, m.value, m.value_size);
    }
    buf_puts(ret, "}");
    return members.broken ? -EINVAL : ret->failed ? -EMSGSIZE : 0;
}
