/* 020 validate: the fields against the feature's rows, the image's first bytes, and the key. */
#include "request/key.h"
#include "request/stage.h"

static int check_image(struct request *req)
{
    struct body *body = req->receive.body;
    if (!body || body_size(body) == 0)
        return error_set_field(&req->err, ERR_VALIDATION, "image",
                               body ? "The file is empty" : "Send the picture in the file field \"image\"");
    BLOB_ON_EXIT struct blob *blob = NULL;
    int r = body_blob(body, &blob, &req->err);
    if (r < 0)
        return r;
    req->validate.type = image_sniff(blob->data, blob->size);
    if (req->validate.type != IMAGE_UNKNOWN)
        return 0;
    struct image_info unused; /* the probe stops at the type, and says what the file seems to be */
    return image_probe(blob, &(struct image_limits){0}, &unused, &req->err);
}

enum verdict validate_enter(struct request *req)
{
    params_init(&req->validate.params, req->feature);
    for (const struct field *f = req->receive.fields; f; f = f->next)
        if (params_set(&req->validate.params, &req->arena, f->name, f->value, &req->err) < 0)
            return FAIL;
    if (check_image(req) < 0)
        return FAIL;
    request_key(req, req->validate.key);
    return NEXT;
}
