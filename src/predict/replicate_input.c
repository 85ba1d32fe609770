#include "predict/replicate_input.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/mem.h"
#include "predict/replicate_json.h"

enum { VALUES_MAX = 8 };
enum value_type { VALUE_END, VALUE_INT, VALUE_BOOL, VALUE_TEXT };

struct value_row {
    enum value_type type;
    const char *param; /* ours */
    const char *key;   /* the model's */
};

/* What a feature's model takes. Parameters not listed are ours alone (the local network's quality, …). */
static const struct input_row {
    const char *image_key;
    struct value_row value[VALUES_MAX];
} rows[FEATURE_COUNT] = {
    [FEATURE_CLARITY] = {"image",
                         {{VALUE_INT, "scale", "scale"}, {VALUE_BOOL, "faceEnhance", "face_enhance"}}},
    [FEATURE_ENHANCE] = {"image",
                         {{VALUE_INT, "scale", "scale"}, {VALUE_BOOL, "face_enhance", "face_enhance"}}},
    /* another author's build of the same network, with its own word for the factor */
    [FEATURE_BEAUTIFY] = {"image", {{VALUE_INT, "scale", "upscale"}}},
};

bool replicate_feature_known(const struct feature *f)
{
    return rows[f->id].image_key && *f->model;
}

void replicate_target_init(struct replicate_target *t, const struct feature *feature, const char *cached)
{
    *t = (struct replicate_target){.feature = feature};
    const char *version = *feature->version ? feature->version : cached ? cached : "";
    CHECK(strlen(version) < sizeof(t->version) && strlen(feature->model) < sizeof(t->path) - 32);
    snprintf(t->version, sizeof(t->version), "%s", version);
    if (*version)
        snprintf(t->path, sizeof(t->path), "/predictions");
    else
        snprintf(t->path, sizeof(t->path), "/models/%s/predictions", feature->model);
}

int replicate_target_fallback(struct replicate_target *t, char *ret_path, size_t size, struct error *e)
{
    if (t->resolved)
        return error_set(e, ERR_PROVIDER_UNAVAILABLE, "The model cannot be run at its server");
    t->resolved = true;
    snprintf(ret_path, size, "/models/%s", t->feature->model);
    return 0;
}

int replicate_target_resolve(struct replicate_target *t, const void *body, size_t size, struct error *e)
{
    JSON_ON_EXIT json_t *model = replicate_json_read(body, size);
    const char *id = replicate_json_text(json_object_get(model, "latest_version"), "id");
    size_t len = strlen(id), good = 0;
    while (isalnum((unsigned char)id[good]))
        good++;
    if (len == 0 || len != good || len >= sizeof(t->version) || strcmp(id, "hidden") == 0)
        return error_set(e, ERR_PROVIDER_UNAVAILABLE, "The model has no version that can be run");
    memcpy(t->version, id, len + 1);
    snprintf(t->path, sizeof(t->path), "/predictions");
    return 0;
}

static json_t *make_input(const struct feature *f, const struct params *params, const char *image)
{
    const struct input_row *row = &rows[f->id];
    json_t *input = json_object();
    json_object_set_new(input, row->image_key, json_string(image));
    for (const struct value_row *v = row->value; v->type != VALUE_END; v++) {
        if (v->type == VALUE_INT)
            json_object_set_new(input, v->key, json_integer(params_int(params, v->param, 0)));
        else if (v->type == VALUE_BOOL)
            json_object_set_new(input, v->key, json_boolean(params_bool(params, v->param)));
        else if (*params_text(params, v->param)) /* an empty one is the model's default */
            json_object_set_new(input, v->key, json_string(params_text(params, v->param)));
    }
    return input;
}

static int append(const char *data, size_t size, void *to)
{
    return buf_append(to, data, size);
}

int replicate_target_body(const struct replicate_target *t, const struct params *params, const char *image,
                          const char *webhook, struct buf *ret, struct error *e)
{
    CHECK(replicate_feature_known(t->feature));
    CHECK(strncasecmp(image, "http", 4) == 0 || strncasecmp(image, "data:", 5) == 0);
    JSON_ON_EXIT json_t *body = json_object();
    if (t->version[0]) /* on the other routes the key is refused */
        json_object_set_new(body, "version", json_string(t->version));
    json_object_set_new(body, "input", make_input(t->feature, params, image));
    if (webhook) {
        json_object_set_new(body, "webhook", json_string(webhook));
        json_object_set_new(body, "webhook_events_filter", json_pack("[s]", "completed"));
    }
    size_t before = ret->len;
    if (json_dump_callback(body, append, ret, JSON_COMPACT) == 0)
        return 0;
    ret->len = before;
    return error_set(e, ERR_INTERNAL, "%s", "");
}

bool replicate_inline(const struct blob *image, enum image_type type, struct buf *ret)
{
    size_t text = (image->size + 2) / 3 * 4;
    if (image->size > REPLICATE_INLINE_MAX || text + 32 > REPLICATE_INLINE_MAX)
        return false;
    FREE_ON_EXIT char *encoded = mem_alloc(text + 1);
    EVP_EncodeBlock((unsigned char *)encoded, image->data, (int)image->size);
    return buf_printf(ret, "data:%s;base64,%s", image_mime(type), encoded) == 0;
}

unsigned replicate_wait_s(int64_t wanted_s)
{
    return (unsigned)MIN(MAX(wanted_s, 1), (int64_t)60);
}

unsigned replicate_cancel_after_s(int64_t remaining_ms)
{
    return (unsigned)MIN(MAX(remaining_ms / 1000, 5), (int64_t)86400);
}
