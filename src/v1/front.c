/* The front's part: which call it is, by a table, and what the request says, checked and taken apart here so
 * that the core does not. Front threads. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "limiter/key_weights.h"
#include "request/caller.h"
#include "request/priority.h"
#include "v1/inside.h"
#include "web/links.h"

enum { PARTS_MAX = 3, QUERY_MAX = 4096, PATH_MAX_BYTES = 1024, TYPE_MAX = 512 };

struct target {
    const struct row *row;
    char part[PARTS_MAX][V1_NAME_MAX]; /* what stood for the pattern's colons */
    unsigned parts;
};

static int make_create(struct v1_call *c, const struct target *t, struct blob *body, struct error *e);
static int make_named(struct v1_call *c, const struct target *t, struct blob *body, struct error *e);
static int make_list(struct v1_call *c, const struct target *t, struct blob *body, struct error *e);
static int make_pass(struct v1_call *c, const struct target *t, struct blob *body, struct error *e);
static int make_kept(struct v1_call *c, const struct target *t, struct blob *body, struct error *e);
static int make_file(struct v1_call *c, const struct target *t, struct blob *body, struct error *e);

/* What is not here is not there: trainings, the account and its webhook secret are the operator's matter. */
static const struct row {
    const char *method, *pattern; /* below /v1; a colon stands for one part of the path */
    enum v1_what what;
    int (*make)(struct v1_call *c, const struct target *t, struct blob *body, struct error *e);
    enum order_kind kind;
    bool whole; /* it shows what is everybody's: not where there are API keys */
} rows[] = {
    {"POST", "/predictions", V1_CREATE, make_create, ORDER_VERSION, false},
    {"GET", "/predictions", V1_LIST, make_list, 0, false},
    {"GET", "/predictions/:", V1_GET, make_named, 0, false},
    {"POST", "/predictions/:/cancel", V1_CANCEL, make_named, 0, false},
    {"GET", "/streams/:", V1_STREAM, make_named, 0, false},
    {"POST", "/models/:/:/predictions", V1_CREATE, make_create, ORDER_MODEL, false},
    {"POST", "/deployments/:/:/predictions", V1_CREATE, make_create, ORDER_DEPLOYMENT, false},
    {"GET", "/models", V1_PASS, make_pass, 0, false},
    {"GET", "/models/:/:", V1_PASS, make_kept, 0, false},
    {"GET", "/models/:/:/versions", V1_PASS, make_pass, 0, false},
    {"GET", "/models/:/:/versions/:", V1_PASS, make_kept, 0, false},
    {"GET", "/collections", V1_PASS, make_pass, 0, false},
    {"GET", "/collections/:", V1_PASS, make_pass, 0, false},
    {"GET", "/hardware", V1_PASS, make_pass, 0, false},
    {"POST", "/files", V1_PASS, make_file, 0, false},
    {"GET", "/files", V1_PASS, make_pass, 0, true},
    {"GET", "/files/:", V1_PASS, make_pass, 0, false},
    {"DELETE", "/files/:", V1_PASS, make_pass, 0, false},
};

/* ---- which call ---- */

static bool is_part(const char *s, size_t n)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return n > 0 && n < V1_NAME_MAX && strspn(s, allowed) >= n && !(s[0] == '.' && (n == 1 || s[1] == '.'));
}

static bool matches(const char *pattern, const char *path, struct target *t)
{
    t->parts = 0;
    while (*pattern) {
        if (*pattern != ':') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t n = strcspn(path, "/");
        if (!is_part(path, n))
            return false;
        memcpy(t->part[t->parts], path, n);
        t->part[t->parts++][n] = '\0';
        path += n;
        pattern++;
    }
    return *path == '\0' || strcmp(path, "/") == 0;
}

/* 0, NOT_FOUND or METHOD_NOT_ALLOWED. */
static int find(const struct exchange *x, struct target *ret, struct error *e)
{
    const char *method = exchange_method(x), *path = exchange_path(x) + strlen("/v1");
    bool there = false;
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!matches(rows[i].pattern, path, ret))
            continue;
        there = true;
        ret->row = &rows[i];
        if (strcmp(rows[i].method, method) == 0)
            return 0;
    }
    return error_set(e, there ? ERR_METHOD_NOT_ALLOWED : ERR_NOT_FOUND, "%s",
                     there ? "" : "The requested resource could not be found.");
}

/* ---- what it says ---- */

static int make_create(struct v1_call *c, const struct target *t, struct blob *body, struct error *e)
{
    const struct order_ask ask = {
        .kind = t->row->kind,
        .owner = t->part[0],
        .name = t->part[1],
        .tenant = c->v1->config.opt->cache_shared ? NULL : c->tenant,
        .prefer = exchange_header(c->x, "Prefer"),
        .cancel_after = exchange_header(c->x, "Cancel-After"),
        .cache_control = exchange_header(c->x, "Cache-Control"),
    };
    return order_read(&ask, body, &c->order, e);
}

static int take_id(struct v1_call *c, const char *id, struct error *e)
{
    if (!replicate_id_ok(id))
        return error_set(e, ERR_NOT_FOUND, "The requested resource could not be found.");
    memcpy(c->id, id, strlen(id) + 1);
    return 0;
}

static int make_named(struct v1_call *c, const struct target *t, struct blob *body, struct error *e)
{
    return take_id(c, t->part[0], e);
}

static int make_list(struct v1_call *c, const struct target *t, struct blob *body, struct error *e)
{
    const char *cursor = exchange_query(c->x, "cursor");
    return cursor && *cursor ? take_id(c, cursor, e) : 0;
}

static void put_escaped(struct buf *b, const char *s)
{
    for (; *s; s++) {
        if (isalnum((unsigned char)*s) || strchr("-_.~", *s))
            buf_append(b, s, 1);
        else
            buf_printf(b, "%%%02X", (unsigned char)*s);
    }
}

static void put_query(void *ctx, const char *name, const char *value)
{
    struct buf *b = ctx;
    buf_puts(b, memchr(b->data, '?', b->len) ? "&" : "?");
    put_escaped(b, name);
    buf_puts(b, "=");
    put_escaped(b, value);
}

static int make_pass(struct v1_call *c, const struct target *t, struct blob *body, struct error *e)
{
    BUF_ON_EXIT struct buf path;
    buf_init(&path, PATH_MAX_BYTES + QUERY_MAX);
    buf_puts(&path, exchange_path(c->x) + strlen("/v1"));
    if (path.len > 1 && path.data[path.len - 1] == '/')
        path.data[--path.len] = '\0';
    exchange_each_query(c->x, put_query, &path);
    if (path.failed)
        return error_set(e, ERR_VALIDATION, "The query is too long");
    c->path = mem_strdup(buf_text(&path));
    c->method = t->row->method;
    return 0;
}

/* What does not change from one minute to the next; a query is nothing that it knows. */
static int make_kept(struct v1_call *c, const struct target *t, struct blob *body, struct error *e)
{
    int r = make_pass(c, t, body, e);
    if (r == 0)
        c->path[strcspn(c->path, "?")] = '\0';
    c->keeps = true;
    return r;
}

static int make_file(struct v1_call *c, const struct target *t, struct blob *body, struct error *e)
{
    const char *type = exchange_header(c->x, "Content-Type");
    if (!type || strlen(type) > TYPE_MAX)
        return error_set(e, ERR_VALIDATION, "Send the file as multipart/form-data");
    c->content_type = mem_strdup(type);
    c->body = blob_ref(body);
    return make_pass(c, t, body, e);
}

/* ---- the way to the core ---- */

void v1_call_free(struct v1_call *c)
{
    CHECK(!c->x);
    order_free(c->order);
    blob_unref(c->body);
    free(c->base);
    free(c->path);
    free(c->content_type);
    free(c);
}

static int make(struct v1_call *c, struct blob *body, struct error *e)
{
    struct target t;
    if (find(c->x, &t, e) < 0)
        return -(int)e->code;
    if (t.row->whole && c->tenant)
        return error_set(e, ERR_NOT_FOUND, "Files are not listed where callers have API keys of their own");
    c->what = t.row->what;
    return t.row->make(c, &t, body, e);
}

static struct slot_asker asker_of(const struct v1 *v, const struct exchange *x, const char *tenant)
{
    return (struct slot_asker){.key = caller_hash(x, (unsigned)v->config.opt->trust_proxy, tenant, ""),
                               .weight = key_weight(v->config.weights, tenant),
                               .priority = priority_parse(exchange_header(x, "Priority"))};
}

void v1_answer(void *v1, struct exchange *x, struct blob *body, const char *who)
{
    struct v1 *v = v1;
    struct error e;
    struct v1_call *c = NEW(struct v1_call);
    c->v1 = v;
    c->x = x;
    c->tenant = who;
    c->asker = asker_of(v, x, who);
    if (make(c, body, &e) < 0) {
        exchange_answer(TAKE(c->x), reply_error(x, NULL, &e));
        v1_call_free(c);
        return;
    }
    BUF_ON_EXIT struct buf base;
    buf_init(&base, LINK_MAX);
    link_base(x, v->config.opt, &base);
    c->base = mem_strdup(buf_text(&base));
    exchange_suspend(x);
    loop_post(v->config.loop, &c->mail, v1_deliver);
}
