/* 020 validate: the fields against the feature's rows, the pictures' first bytes, and the key. A picture that
 * is only named is looked for among those that came lately; without it, the key may still lead to a result.
 */
#include <string.h>

#include "request/key.h"
#include "request/pictures.h"
#include "request/stage.h"
#include "request/uploads.h"

static int refuse_missing(struct request *req, const struct image_row *row, bool empty)
{
    return error_set_field(&req->err, empty ? req->feature->refusal : row->missing, row->field,
                           empty ? "The file is empty"
                                 : "Send a picture in the file field \"%s\", or its address in \"%s_url\"",
                           row->field, row->field);
}

static int check_type(struct request *req, unsigned i, struct body *body, enum image_type *ret)
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
    if (r < 0) {
        req->err = e;
        feature_blame_picture(req->feature, i, &req->err);
    }
    return r;
}

static void find_named(struct request *req, unsigned i)
{
    const struct services *svc = req->svc;
    const uint8_t *digest = req->receive.digest[i];
    if (digest)
        req->receive.body[i] = uploads_get(svc->uploads, request_tenant(req), digest, loop_now_ns(svc->loop));
}

static int check_image(struct request *req, const struct image_row *row, unsigned i)
{
    find_named(req, i);
    struct body *body = req->receive.body[i];
    req->validate.digest[i] = req->receive.digest[i];
    if (!body && req->receive.digest[i])
        return 0; /* 040 refuses it, unless there is a result */
    bool empty = body && body_size(body) == 0;
    if (!body || empty) {
        int missing = refuse_missing(req, row, empty);
        if (empty)
            feature_blame_picture(req->feature, i, &req->err);
        return missing;
    }
    enum image_type type;
    int r = check_type(req, i, body, &type);
    if (r < 0)
        return r;
    if (i == 0)
        req->validate.type = type;
    return 0;
}

/* What is said of each picture says nothing of one that is not there. */
static int check_texts(struct request *req, unsigned pictures)
{
    struct params *p = &req->validate.params;
    size_t count, texts;
    const struct param_row *row = feature_params(req->feature, &count);
    for (size_t i = 0; i < count; i++) {
        if (row[i].type != PARAM_TYPE_LIST)
            continue;
        const char **list = params_list(p, row[i].name, &req->arena, &texts);
        (void)list;
        if (texts > pictures)
            return error_set_field(&req->err, req->feature->refusal, row[i].name,
                                   "The list has %zu texts, but there are %u pictures", texts, pictures);
    }
    return 0;
}

int validate_counts(struct request *req)
{
    const struct image_row *list = feature_picture_list(req->feature);
    unsigned given = pictures_given(req);
    if (!list)
        return 0;
    if (given < list->least)
        return error_set_field(&req->err, list->missing, list->field,
                               "Send from %u to %u pictures in the file field \"%s\", or their addresses in "
                               "\"%s_url\"; there %s %u",
                               list->least, list->most, list->field, list->field, given == 1 ? "is" : "are",
                               given);
    return check_texts(req, given);
}

static int check_list(struct request *req, const struct image_row *list)
{
    unsigned given = pictures_given(req);
    int r = validate_counts(req);
    for (unsigned i = 0; i < given && r == 0; i++)
        r = check_image(req, list, i);
    return r;
}

static int check_images(struct request *req)
{
    size_t count;
    const struct image_row *row = feature_images(req->feature, &count);
    if (feature_picture_list(req->feature))
        return check_list(req, row);
    for (unsigned i = 0; i < count; i++) {
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

/* A list that came once holds all of its texts, one that came several times a text each. They are kept newest
 * first. */
static int set_list(struct request *req, const struct param_row *row)
{
    struct params *p = &req->validate.params;
    const struct field *only = NULL;
    size_t count = 0;
    for (const struct field *f = req->receive.fields; f; f = f->next)
        if (feature_param(req->feature, f->name) == row) {
            only = f;
            count++;
        }
    if (count == 0)
        return 0;
    if (count == 1)
        return params_set(p, &req->arena, row->name, only->value, &req->err);
    const char **item = arena_alloc(&req->arena, count * sizeof(*item));
    size_t at = count;
    for (const struct field *f = req->receive.fields; f; f = f->next)
        if (feature_param(req->feature, f->name) == row)
            item[--at] = f->value;
    return params_set_items(p, &req->arena, row->name, item, count, &req->err);
}

static bool is_list(const struct feature *f, const char *name)
{
    const struct param_row *row = feature_param(f, name);
    return row && row->type == PARAM_TYPE_LIST;
}

int validate_fields(struct request *req)
{
    struct params *p = &req->validate.params;
    if (p->feature)
        return 0; /* 015 has asked before */
    params_init(p, req->feature);
    int r = 0;
    for (const struct field *f = req->receive.fields; f && r == 0; f = f->next)
        if (!is_list(req->feature, f->name))
            r = params_set(p, &req->arena, f->name, f->value, &req->err);
    size_t count;
    const struct param_row *row = feature_params(req->feature, &count);
    for (size_t i = 0; i < count && r == 0; i++)
        if (row[i].type == PARAM_TYPE_LIST)
            r = set_list(req, &row[i]);
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
