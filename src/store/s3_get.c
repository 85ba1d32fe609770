/* Reading from the bucket: one GET or HEAD. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "store/s3_call.h"

struct s3_get {
    struct s3_call call;
    struct store_get *get;
};

static int64_t read_date(const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return end && !*end ? (int64_t)timegm(&tm) : 0;
}

/* "70ee…" with its quotes, or W/"70ee…" */
static void read_etag(const char *text, char ret[static STORE_ETAG_MAX + 1])
{
    const char *from = strncmp(text, "W/", 2) == 0 ? text + 2 : text;
    from += *from == '"';
    snprintf(ret, STORE_ETAG_MAX + 1, "%.*s", (int)strcspn(from, "\""), from);
}

static int take_answer(struct s3_get *w)
{
    struct store_get *g = w->get;
    struct http_call *http = &w->call.http;
    if (http->answer.len > g->max_bytes)
        return error_set(&g->err, ERR_PAYLOAD_TOO_LARGE, "The stored object is too large");
    g->info.size = g->head ? strtoull(http->content_length, NULL, 10) : http->answer.len;
    g->info.modified_s = read_date(http->last_modified);
    read_etag(http->etag, g->info.etag);
    snprintf(g->info.content_type, sizeof(g->info.content_type), "%s", http->content_type);
    if (!g->head)
        g->body = buf_take_blob(&http->answer);
    return 0;
}

static void get_done(struct s3_call *c, int r)
{
    struct s3_get *w = CONTAINER_OF(c, struct s3_get, call);
    struct store_get *g = w->get;
    r = r < 0 ? s3_call_tell(c, r, "The stored object could not be read", &g->err) : take_answer(w);
    g->driver_state = NULL;
    s3_call_release(c);
    free(w);
    op_complete(&g->op, r);
}

static void cancel_get(struct op *op)
{
    struct store_get *g = CONTAINER_OF(op, struct store_get, op);
    struct s3_get *w = g->driver_state;
    s3_call_cancel(&w->call);
}

void s3_get(struct store *s, struct store_get *g)
{
    struct s3_get *w = NEW(struct s3_get);
    s3_call_init(&w->call, s3_of(s), g->head ? "HEAD" : "GET", g->name, get_done);
    w->get = g;
    w->call.answer_max_bytes = g->max_bytes;
    g->driver_state = w;
    g->op.cancel = cancel_get;
    s3_call_send(&w->call);
}
