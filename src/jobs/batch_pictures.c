#include "jobs/batch_pictures.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "request/uploads.h"

/* ---- what is named ---- */

static void add(struct batch_pictures *p, const uint8_t *digest)
{
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 16;
        p->digest = mem_realloc(p->digest, p->room * sizeof(*p->digest));
    }
    memcpy(p->digest[p->count++], digest, DIGEST_BYTES);
}

static void add_named(struct batch_pictures *p, const struct feature *f, const json_t *fields)
{
    static const char scheme[] = "sha256:";
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)fields, name, value)
    {
        uint8_t digest[DIGEST_BYTES];
        const char *text = json_string_value(value);
        if (text && feature_digest_of(f, name) >= 0 && strncmp(text, scheme, strlen(scheme)) == 0 &&
            hex_decode(text + strlen(scheme), digest, DIGEST_BYTES) == 0)
            add(p, digest);
    }
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, DIGEST_BYTES);
}

/* Each once, in order: there may be as many as BATCH_MAX. */
static void tidy(struct batch_pictures *p)
{
    unsigned kept = 0;
    if (p->count > 0)
        qsort(p->digest, p->count, sizeof(*p->digest), compare);
    for (unsigned i = 0; i < p->count; i++)
        if (kept == 0 || compare(p->digest[kept - 1], p->digest[i]) != 0)
            memmove(p->digest[kept++], p->digest[i], DIGEST_BYTES);
    p->count = kept;
}

void batch_pictures_find(struct batch_pictures *p, const struct feature *f, const json_t *items,
                         const json_t *fields)
{
    add_named(p, f, fields);
    for (size_t i = 0; i < json_array_size(items); i++)
        add_named(p, f, json_array_get(items, i));
    tidy(p);
    p->is_held = mem_zalloc((p->count + 1) * sizeof(*p->is_held));
}

/* ---- keeping ---- */

static void keep_next(struct batch_pictures *p);

static void kept(struct op *op)
{
    struct batch_pictures *p = CONTAINER_OF(op, struct batch_pictures, keep.op);
    if (op->result < 0) {
        p->err = p->keep.err;
        op_complete(&p->op, op->result);
        return;
    }
    p->is_held[p->held++] = true;
    keep_next(p);
}

static void keep_next(struct batch_pictures *p)
{
    for (; p->held < p->count; p->held++) {
        struct body *body = uploads_get(p->uploads, p->tenant, p->digest[p->held], loop_now_ns(p->loop));
        if (!body)
            continue;
        p->keep = (struct input_keep){0};
        inputs_keep(p->inputs, &p->keep, body, kept);
        body_unref(body);
        return;
    }
    op_complete(&p->op, 0);
}

void batch_pictures_keep(struct batch_pictures *p, struct inputs *in, struct uploads *uploads,
                         const char *tenant, struct loop *loop, op_done_fn *on_done)
{
    p->inputs = in;
    p->uploads = uploads;
    p->tenant = tenant;
    p->loop = loop;
    op_begin(&p->op, loop, on_done, NULL);
    keep_next(p);
}

void batch_pictures_adopt(struct batch_pictures *p, struct inputs *in)
{
    p->inputs = in;
    for (unsigned i = 0; i < p->count; i++)
        p->is_held[i] = inputs_adopt_known(in, p->digest[i]);
    p->held = p->count;
}

bool batch_pictures_has(const struct batch_pictures *p, const uint8_t digest[static DIGEST_BYTES])
{
    const void *at = p->held ? bsearch(digest, p->digest, p->held, sizeof(*p->digest), compare) : NULL;
    return at && p->is_held[(const uint8_t(*)[DIGEST_BYTES])at - (const uint8_t(*)[DIGEST_BYTES])p->digest];
}

void batch_pictures_drop(struct batch_pictures *p)
{
    for (unsigned i = 0; i < p->held; i++)
        if (p->is_held[i])
            inputs_drop(p->inputs, p->digest[i]);
    batch_pictures_forget(p);
}

void batch_pictures_forget(struct batch_pictures *p)
{
    free(p->digest);
    free(p->is_held);
    *p = (struct batch_pictures){0};
}
