/* 020 validate: the fields against the feature's rows, the pictures' first bytes, and the key. A picture that
 * is only named is looked for among those that came lately; without it, the key may still lead to a result.
 */
#include <string.h>

#include "request/key.h"
#include "request/stage.h"
#include "request/uploads.h"

static int refuse_missing(struct request *req, const struct image_row *row, bool empty)
{
    return error_set_field(&req->err, empty ? req->feature->refusal : row->missing, row->field,
                           empty ? "The file is empty"
                                 : "Send a picture in the file field \"%s\", or its address in \"%s_url\"",
                           row->field, row->field);
}

static int check_type(struct request *req, const struct image_row *row, struct body *body,
                      enum image_type *ret)
{
    BLOB_ON_EXIT struct blob *blob = NULL;
    int r = body_blob(body, &blob, &req->err);
    if (r < 0)
        return r;
    *ret = image_sniff(blob->data, blob->size);
    if (*ret != IMAGE_UNKNOWN)
        return 0;
    struct image_info unused; /* the probe stops at the type, and says what the file seems to be */
    struct error e;
    r = image_probe(blob, &(struct image_limits){0}, &unused, &e);
    return r < 0 ? error_set_field(&req->err, e.code, row->field, "%s", e.reason) : r;
}

static void find_named(struct request *req, size_t i)
{
    const struct services *svc = req->svc;
    const uint8_t *digest = req->receive.digest[i];
    if (digest)
        req->receive.body[i] = uploads_get(svc->uploads, request_tenant(req), digest, loop_now_ns(svc->loop));
}

static int check_image(struct request *req, const struct image_row *row, size_t i)
{
    find_named(req, i);
    struct body *body = req->receive.body[i];
    req->validate.digest[i] = req->receive.digest[i];
    if (!body && req->receive.digest[i])
        return 0; /* 040 refuses it, unless there is a result */
    bool empty = body && body_size(body) == 0;
    if (!body || empty)
        return refuse_missing(req, row, empty);
    enum image_type type;
    int r = check_type(req, row, body, &type);
    if (r < 0)
        return r;
    if (i == 0)
        req->validate.type = type;
    return 0;
}

static int check_images(struct request *req)
{
    size_t count;
    const struct image_row *row = feature_images(req->feature, &count);
    for (size_t i = 0; i < count; i++) {
        if (!params_match(&req->validate.params, row[i].when)) {
            body_unref(TAKE(req->receive.body[i])); /* not needed for this: it must not change the key */
            continue;
        }
        int r = check_image(req, &row[i], i);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What a request is made of may be named by the next one, whatever becomes of this one. The digests live as
 * long as the request, its bodies need not. */
static void keep_images(struct request *req)
{
    const struct services *svc = req->svc;
    for (size_t i = 0; i < IMAGES_MAX; i++) {
        struct body *body = req->receive.body[i];
        if (!body)
            continue;
        uint8_t *sum = arena_alloc(&req->arena, DIGEST_BYTES);
        memcpy(sum, body_digest(body), DIGEST_BYTES);
        req->validate.digest[i] = sum;
        if (!req->wish.no_store && *req->feature->route)
            uploads_keep(svc->uploads, request_tenant(req), body, loop_now_ns(svc->loop));
    }
}

int validate_fields(struct request *req)
{
    struct params *p = &req->validate.params;
    if (p->feature)
        return 0; /* 015 has asked before */
    params_init(p, req->feature);
    int r = 0;
    for (const struct field *f = req->receive.fields; f && r == 0; f = f->next)
        r = params_set(p, &req->arena, f->name, f->value, &req->err);
    return r;
}

enum verdict validate_enter(struct request *req)
{
    if (validate_fields(req) < 0 || check_images(req) < 0 ||
        params_check(&req->validate.params, &req->err) < 0)
        return FAIL;
    keep_images(req);
    request_key(req, req->validate.key);
    return NEXT;
}
