#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/rng.h"

enum { PART_MAX = 255 }; /* the longest file name */

static bool part_valid(const char *part, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return len >= 1 && len <= PART_MAX && part[0] != '.' && strspn(part, allowed) >= len;
}

bool store_key_valid(const char *key)
{
    if (strnlen(key, STORE_KEY_MAX + 1) > STORE_KEY_MAX)
        return false;
    for (const char *part = key;;) {
        size_t len = strcspn(part, "/");
        if (!part_valid(part, len))
            return false;
        if (!part[len])
            return true;
        part += len + 1;
    }
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

static void deliver_refusal(struct message *m)
{
    struct store_put *p = CONTAINER_OF(m, struct store_put, mail);
    op_complete(&p->op, -(int)p->err.code);
}

void store_put_refuse(struct store_put *p, enum err code, const char *reason)
{
    error_set(&p->err, code, "%s", reason);
    loop_post(p->op.loop, &p->mail, deliver_refusal);
}

void store_put_start(struct store *s, struct store_put *p, op_done_fn *on_done)
{
    op_begin(&p->op, s->loop, on_done, NULL);
    p->err = (struct error){0};
    if (store_key_valid(p->key))
        s->ops->put(s, p);
    else
        store_put_refuse(p, ERR_INTERNAL, "The result was given a name that cannot be stored");
}
