#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"

enum { PART_MAX = 255 }; /* the longest file name */

/* ---- names ---- */

static bool parts_valid(const char *name)
{
    for (const char *part = name;;) {
        size_t len = strcspn(part, "/");
        if (len < 1 || len > PART_MAX || part[0] == '.')
            return false;
        if (!part[len])
            return true;
        part += len + 1;
    }
}

bool store_key_valid(const char *key)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
    size_t len = strnlen(key, STORE_KEY_MAX + 1);
    return len <= STORE_KEY_MAX && strspn(key, allowed) == len && parts_valid(key);
}

bool store_name_valid(const char *name)
{
    if (strnlen(name, STORE_NAME_MAX + 1) > STORE_NAME_MAX)
        return false;
    for (size_t at = 0, n; name[at]; at += n) {
        n = utf8_char(name + at);
        if (n == 0 || (unsigned char)name[at] < 0x20 || name[at] == 0x7f)
            return false;
    }
    return parts_valid(name);
}

/* YYYY-MM-DD/ */
static bool is_day(const char *part)
{
    static const char form[] = "dddd-dd-dd/";
    for (size_t i = 0; form[i]; i++) /* stops at the text's end, which matches nothing */
        if (form[i] == 'd' ? part[i] < '0' || part[i] > '9' : part[i] != form[i])
            return false;
    return true;
}

const char *store_name_day(const char *name)
{
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (is_day(part))
            return part;
    }
    return NULL;
}

const char *store_content_type(const char *name)
{
    static const struct {
        const char *extension, *type;
    } known[] = {{"png", "image/png"},           {"jpg", "image/jpeg"},
                 {"jpeg", "image/jpeg"},         {"webp", "image/webp"},
                 {"avif", "image/avif"},         {"gif", "image/gif"},
                 {"bmp", "image/bmp"},           {"tif", "image/tiff"},
                 {"tiff", "image/tiff"},         {"zip", "application/zip"},
                 {"xmp", "application/rdf+xml"}, {"json", "application/json"},
                 {"pdf", "application/pdf"},     {"cbz", "application/vnd.comicbook+zip"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < ARRAY_LEN(known); i++)
        if (strcasecmp(dot + 1, known[i].extension) == 0)
            return known[i].type;
    return "application/octet-stream";
}

void store_key_make(const char *prefix, int64_t now_s, const char *ext, char ret[static STORE_KEY_MAX + 1])
{
    char day[16], id[UUID_TEXT];
    struct tm tm;
    time_t t = (time_t)now_s;
    CHECK(gmtime_r(&t, &tm));
    strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    uuid_make(id);
    int n = snprintf(ret, STORE_KEY_MAX + 1, "%s/%s/%s.%s", prefix, day, id, ext);
    CHECK(n > 0 && n <= STORE_KEY_MAX && store_key_valid(ret));
}

void store_free(struct store *s)
{
    if (s)
        s->ops->free(s);
}

/* ---- starting ---- */

static void deliver_refusal(struct message *m)
{
    struct store_refusal *r = CONTAINER_OF(m, struct store_refusal, mail);
    op_complete(r->op, r->result);
}

void store_refuse(struct store_refusal *r, struct op *op, struct error *err, enum err code,
                  const char *reason)
{
    r->op = op;
    r->result = error_set(err, code, "%s", reason);
    loop_post(op->loop, &r->mail, deliver_refusal);
}

void store_put_start(struct store *s, struct store_put *p, op_done_fn *on_done)
{
    op_begin(&p->op, s->loop, on_done, NULL);
    p->err = (struct error){0};
    if (store_key_valid(p->key))
        s->ops->put(s, p);
    else
        store_refuse(&p->refusal, &p->op, &p->err, ERR_INTERNAL,
                     "The result was given a name that cannot be stored");
}

static void begin_get(struct store *s, struct store_get *g, bool head, op_done_fn *on_done)
{
    CHECK(s->ops->get);
    op_begin(&g->op, s->loop, on_done, NULL);
    g->err = (struct error){0};
    g->info = (struct store_info){0};
    g->body = NULL;
    g->head = head;
    if (store_name_valid(g->name))
        s->ops->get(s, g);
    else
        store_refuse(&g->refusal, &g->op, &g->err, ERR_NOT_FOUND, "No stored object can have this name");
}

void store_get_start(struct store *s, struct store_get *g, op_done_fn *on_done)
{
    begin_get(s, g, false, on_done);
}

void store_head_start(struct store *s, struct store_get *g, op_done_fn *on_done)
{
    begin_get(s, g, true, on_done);
}

void store_list_start(struct store *s, struct store_list *l, op_done_fn *on_done)
{
    CHECK(s->ops->list);
    op_begin(&l->op, s->loop, on_done, NULL);
    l->err = (struct error){0};
    l->listing = (struct store_listing){0};
    FREE_ON_EXIT char *longer = mem_printf("%sx", l->prefix); /* a prefix is what a name can go on from */
    if (store_name_valid(longer))
        s->ops->list(s, l);
    else
        store_refuse(&l->refusal, &l->op, &l->err, ERR_NOT_FOUND, "No stored object's name begins like this");
}

void store_listing_release(struct store_listing *l)
{
    free(l->object);
    arena_release(&l->arena);
    *l = (struct store_listing){0};
}
