#include "request/request_json.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/json_out.h"

enum { FORM = 1 };

static void put_fields(const struct request *req, struct buf *ret)
{
    json_out_key(ret, "fields");
    json_out_begin(ret, '[');
    for (const struct field *f = req->receive.fields; f; f = f->next) {
        json_out_begin(ret, '[');
        json_out_put_text(ret, f->name);
        json_out_put_text(ret, f->value);
        json_out_end(ret, ']');
    }
    json_out_end(ret, ']');
}

/* A picture that was fetched is known by its digest, like one that was sent. */
static void put_picture(const struct request *req, unsigned i, struct buf *ret)
{
    char hex[DIGEST_HEX + 1];
    json_out_begin(ret, '{');
    if (req->validate.digest[i]) {
        hex_encode(req->validate.digest[i], DIGEST_BYTES, hex);
        json_out_text(ret, "digest", hex);
    } else if (req->receive.url[i]) {
        json_out_text(ret, "url", req->receive.url[i]);
        json_out_text(ret, "url_field", req->receive.url_field[i]);
    }
    json_out_end(ret, '}');
}

int request_to_json(const struct request *req, struct buf *ret)
{
    json_out_begin(ret, '{');
    json_out_int(ret, "form", FORM);
    put_fields(req, ret);
    json_out_key(ret, "pictures");
    json_out_begin(ret, '[');
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        put_picture(req, i, ret);
    json_out_end(ret, ']');
    json_out_int(ret, "wanted", req->wanted);
    json_out_bool(ret, "no_cache", req->wish.no_cache);
    json_out_bool(ret, "no_store", req->wish.no_store);
    if (req->wish.limited)
        json_out_int(ret, "max_age_s", req->wish.max_age_s);
    json_out_end(ret, '}');
    return ret->failed ? -EMSGSIZE : 0;
}

/* They are kept newest first, and so were written. */
static bool take_fields(struct request *req, const json_t *fields)
{
    for (size_t i = json_array_size(fields); i-- > 0;) {
        const json_t *pair = json_array_get(fields, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));
        if (!name || !value)
            return false;
        request_add_field(req, name, value);
    }
    return json_is_array(fields);
}

static bool take_pictures(struct request *req, const json_t *pictures)
{
    for (size_t i = 0; i < MIN(json_array_size(pictures), (size_t)IMAGES_MAX); i++) {
        const json_t *p = json_array_get(pictures, i);
        const char *digest = json_string_value(json_object_get(p, "digest"));
        const char *url = json_string_value(json_object_get(p, "url"));
        const char *field = json_string_value(json_object_get(p, "url_field"));
        if (digest) {
            uint8_t *sum = arena_alloc(&req->arena, DIGEST_BYTES);
            if (hex_decode(digest, sum, DIGEST_BYTES) < 0)
                return false;
            req->receive.digest[i] = sum;
        } else if (url && field) {
            req->receive.url[i] = arena_strdup(&req->arena, url);
            req->receive.url_field[i] = arena_strdup(&req->arena, field);
        }
    }
    return json_is_array(pictures);
}

static void take_wishes(struct request *req, const json_t *doc)
{
    const json_t *age = json_object_get(doc, "max_age_s");
    req->wanted = (enum image_type)json_integer_value(json_object_get(doc, "wanted"));
    req->wish.no_cache = json_is_true(json_object_get(doc, "no_cache"));
    req->wish.no_store = json_is_true(json_object_get(doc, "no_store"));
    req->wish.limited = json_is_integer(age);
    req->wish.max_age_s = (uint32_t)json_integer_value(age);
}

int request_from_json(struct request *req, const char *text, struct error *e)
{
    json_t *doc = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    bool ok = json_integer_value(json_object_get(doc, "form")) == FORM &&
              take_fields(req, json_object_get(doc, "fields")) &&
              take_pictures(req, json_object_get(doc, "pictures"));
    if (ok)
        take_wishes(req, doc);
    json_decref(doc);
    return ok ? 0 : error_set(e, ERR_INTERNAL, "What was asked for cannot be read back");
}
