#include "predict/replicate_input.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/mem.h"
#include "predict/replicate_json.h"

enum { TEXT_MAX = 256 << 10, DATA_URL_HEAD = 32 };
enum { VALUES_MAX = 16 };
enum value_type {
    VALUE_END,
    VALUE_INT, /* of a choice or a whole number; left out while not given */
    VALUE_NUM,
    VALUE_BOOL,
    VALUE_TEXT,   /* an empty one is left out: it is the model's default */
    VALUE_STYLE,  /* the prompt of a style, and the caller's further wishes */
    VALUE_FORMAT, /* "jpg" or "png", as the caller would like the result */
    VALUE_FIXED_TEXT,
    VALUE_FIXED_INT
};

struct value_row {
    enum value_type type;
    const char *key;   /* the model's */
    const char *param; /* ours; of a fixed one: its value */
};

/* What a feature's model takes. Parameters not listed are ours alone (the local network's quality, …). */
static const struct input_row {
    const char *image_key; /* NULL: it takes no picture */
    struct value_row value[VALUES_MAX];
} rows[FEATURE_COUNT] = {
    [FEATURE_CLARITY] = {"image",
                         {{VALUE_INT, "scale", "scale"}, {VALUE_BOOL, "face_enhance", "faceEnhance"}}},
    [FEATURE_ENHANCE] = {"image",
                         {{VALUE_INT, "scale", "scale"}, {VALUE_BOOL, "face_enhance", "face_enhance"}}},
    /* another author's build of the same network, with its own word for the factor */
    [FEATURE_BEAUTIFY] = {"image", {{VALUE_INT, "upscale", "scale"}}},
    [FEATURE_UPSCALE] = {"img", {{VALUE_INT, "scale", "scale"}, {VALUE_TEXT, "version", "version"}}},
    [FEATURE_STYLE] = {"input_image",
                       {{VALUE_STYLE, "prompt", "style"},
                        {VALUE_FIXED_TEXT, "aspect_ratio", "match_input_image"},
                        {VALUE_FORMAT, "output_format", NULL}}},
    /* 0: the edge stays soft */
    [FEATURE_CUTOUT] = {"image",
                        {{VALUE_FIXED_TEXT, "format", "png"},
                         {VALUE_FIXED_TEXT, "background_type", "rgba"},
                         {VALUE_FIXED_INT, "threshold", "0"}}},
    [FEATURE_RELIGHT] = {"subject_image",
                         {{VALUE_TEXT, "prompt", "prompt"},
                          {VALUE_TEXT, "appended_prompt", "appended_prompt"},
                          {VALUE_TEXT, "negative_prompt", "negative_prompt"},
                          {VALUE_TEXT, "light_source", "light_source"},
                          {VALUE_INT, "steps", "steps"},
                          {VALUE_NUM, "cfg", "cfg"},
                          {VALUE_INT, "width", "width"},
                          {VALUE_INT, "height", "height"},
                          {VALUE_INT, "number_of_images", "number_of_images"},
                          {VALUE_TEXT, "output_format", "output_format"},
                          {VALUE_INT, "output_quality", "output_quality"},
                          {VALUE_INT, "seed", "seed"}}},
    /* enough for a long answer, and an end to one that does not end */
    [FEATURE_COMIC_TEXT] = {NULL,
                            {{VALUE_TEXT, "prompt", "prompt"},
                             {VALUE_TEXT, "system_instruction", "instruction"},
                             {VALUE_FIXED_INT, "max_output_tokens", "16384"}}},
    [FEATURE_COMIC_PANEL] = {NULL,
                             {{VALUE_TEXT, "prompt", "prompt"},
                              {VALUE_TEXT, "negative_prompt", "negative_prompt"},
                              {VALUE_INT, "width", "width"},
                              {VALUE_INT, "height", "height"},
                              {VALUE_FIXED_INT, "num_inference_steps", "28"},
                              {VALUE_FIXED_INT, "guidance_scale", "7"},
                              {VALUE_INT, "seed", "seed"}}},
};

/* Said to a model that edits as it is told: what to change first, then what has to stay. */
#define KEEP                                                                                                 \
    " Keep the people's identity, facial features, expression, pose and clothing, and the composition, "     \
    "exactly as they are. Add no text, signature or border."
static const struct {
    const char *style, *prompt;
} styles[] = {
    {"anime", "Redraw this photo as a polished anime illustration: clean confident line art, cel shading "
              "with crisp shadows, expressive eyes, vivid harmonious colors and a detailed painted "
              "background." KEEP},
    {"ghibli", "Redraw this photo in the style of a hand-painted Studio Ghibli film: soft rounded "
               "characters, gentle natural light, lush gouache backgrounds and warm nostalgic "
               "colors." KEEP},
    {"watercolor", "Repaint this photo as a delicate watercolor: transparent washes that bleed softly "
                   "into each other, visible paper grain, loose expressive edges, light left as white "
                   "paper." KEEP},
    {"oil-painting", "Repaint this photo as a classical oil painting on canvas: rich layered pigments, "
                     "visible thick brush strokes, deep shadows and warm glowing highlights." KEEP},
    {"sketches", "Redraw this photo as a detailed pencil sketch on white paper: fine graphite lines, "
                 "careful cross-hatching and smudged shading, black and white only." KEEP},
    {"cartoon", "Redraw this photo as a modern cartoon: bold smooth outlines, simplified shapes, flat "
                "bright colors with soft shading and a cheerful look." KEEP},
};

bool replicate_feature_known(const struct feature *f)
{
    return rows[f->id].value[0].type != VALUE_END && *f->model;
}

void replicate_target_init(struct replicate_target *t, const struct feature *feature, const char *cached)
{
    *t = (struct replicate_target){.feature = feature};
    const char *version = cached && *cached ? cached : feature->version;
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

static json_t *style_prompt(const struct params *params, const char *name)
{
    const char *extra = params_text(params, "extra");
    size_t i = 0;
    while (i < ARRAY_LEN(styles) && strcmp(styles[i].style, params_text(params, name)) != 0)
        i++;
    CHECK(i < ARRAY_LEN(styles)); /* each word of the feature's row has a prompt */
    return json_sprintf("%s%s%s", styles[i].prompt, *extra ? " " : "", extra);
}

/* NULL: it is left out. */
static json_t *value_of(const struct value_row *v, const struct params *params, enum image_type wanted)
{
    const char *param = v->param ? v->param : "", *text = params_text(params, param);
    switch (v->type) {
    case VALUE_INT:
        return *text ? json_integer(params_int(params, param, 0)) : NULL;
    case VALUE_NUM:
        return *text ? json_real(params_num(params, param, 0)) : NULL;
    case VALUE_BOOL:
        return json_boolean(params_bool(params, param));
    case VALUE_TEXT:
        return *text ? json_string(text) : NULL;
    case VALUE_STYLE:
        return style_prompt(params, param);
    case VALUE_FORMAT:
        return json_string(wanted == IMAGE_JPEG ? "jpg" : "png");
    case VALUE_FIXED_TEXT:
        return json_string(param);
    case VALUE_FIXED_INT:
        return json_integer(atoi(param));
    case VALUE_END:
        break;
    }
    return NULL;
}

static json_t *make_input(const struct replicate_target *t, const struct params *params, const char *image)
{
    const struct input_row *row = &rows[t->feature->id];
    json_t *input = json_object();
    if (row->image_key)
        json_object_set_new(input, row->image_key, json_string(image));
    for (const struct value_row *v = row->value; v->type != VALUE_END; v++) {
        json_t *value = value_of(v, params, t->wanted);
        if (value)
            json_object_set_new(input, v->key, value);
    }
    return input;
}

static int append(const char *data, size_t size, void *to)
{
    return buf_append(to, data, size);
}

/* The JSON library would look at each byte of a picture several times: it writes this instead, and the
 * picture, which needs no escapes, takes its place. It comes before all that a caller wrote, so the first is
 * the one. */
static const char picture_mark[] = "data:picture";

static bool put_picture(const struct buf *text, const struct replicate_image *image, struct buf *ret)
{
    const char *at = strstr(buf_text(text), picture_mark);
    CHECK(at);
    size_t before = (size_t)(at - text->data), after = before + strlen(picture_mark);
    bool fits = buf_reserve(ret, text->len + base64_length(image->bytes->size) + DATA_URL_HEAD) == 0;
    buf_append(ret, text->data, before);
    buf_printf(ret, "data:%s;base64,", image_mime(image->type));
    fits = fits && base64_append(ret, image->bytes->data, image->bytes->size) == 0;
    return buf_append(ret, text->data + after, text->len - after) == 0 && fits;
}

static void put_beside(json_t *body, const struct replicate_beside *beside)
{
    if (beside->id)
        json_object_set_new(body, "id", json_string(beside->id));
    if (!beside->webhook)
        return;
    json_object_set_new(body, "webhook", json_string(beside->webhook));
    json_object_set_new(body, "webhook_events_filter", json_pack("[s]", "completed"));
}

int replicate_target_body(const struct replicate_target *t, const struct params *params,
                          const struct replicate_image *image, const struct replicate_beside *beside,
                          struct buf *ret, struct error *e)
{
    CHECK(replicate_feature_known(t->feature));
    CHECK(!image->url || strncasecmp(image->url, "http", 4) == 0);
    JSON_ON_EXIT json_t *body = json_object();
    if (t->version[0]) /* on the other routes the key is refused */
        json_object_set_new(body, "version", json_string(t->version));
    json_object_set_new(body, "input", make_input(t, params, image->url ? image->url : picture_mark));
    put_beside(body, beside);
    BUF_ON_EXIT struct buf text;
    buf_init(&text, TEXT_MAX);
    size_t before = ret->len;
    bool whole = json_dump_callback(body, append, &text, JSON_COMPACT) == 0;
    bool as_it_is = image->url || !rows[t->feature->id].image_key;
    if (whole && (as_it_is ? buf_append(ret, text.data, text.len) == 0 : put_picture(&text, image, ret)))
        return 0;
    ret->len = before;
    return error_set(e, ERR_INTERNAL, "%s", "");
}

/* A value like the default is nobody's choice. */
static bool chosen(const struct params *params, const char *name)
{
    size_t count;
    const struct param_row *row = feature_params(params->feature, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(row[i].name, name) == 0)
            return !row[i].initial || strcmp(params->value[i], row[i].initial) != 0;
    return false;
}

/* The caller's name for what the model calls key; NULL: the caller did not choose it. */
static const char *callers_name(const struct params *params, const char *key)
{
    const struct input_row *row = &rows[params->feature->id];
    size_t count;
    if (row->image_key && strcmp(key, row->image_key) == 0)
        return feature_images(params->feature, &count)[0].field;
    for (const struct value_row *v = row->value; v->type != VALUE_END; v++) {
        bool ours = v->type == VALUE_FIXED_TEXT || v->type == VALUE_FIXED_INT || !v->param;
        if (strcmp(key, v->key) == 0 && !ours && chosen(params, v->param))
            return v->param;
    }
    return NULL;
}

void replicate_input_blame(const struct params *params, enum replicate_refusal refusal, struct error *e)
{
    CHECK(refusal != REPLICATE_REFUSAL_NONE);
    const struct error said = *e;
    const char *name = refusal == REPLICATE_REFUSAL_VALUE ? callers_name(params, said.field) : NULL;
    if (name || refusal == REPLICATE_REFUSAL_RUN)
        error_set_field(e, ERR_VALIDATION, name ? name : "", "The model refused the input: %s", said.reason);
    else
        error_set(e, ERR_UPSTREAM, "The model does not take what this server sends it%s%s%s%s",
                  *said.reason ? ": " : "", said.field, *said.field ? ": " : "", said.reason);
}

bool replicate_inline_fits(const struct blob *image)
{
    return image->size <= REPLICATE_INLINE_MAX &&
           base64_length(image->size) + DATA_URL_HEAD <= REPLICATE_INLINE_MAX;
}

unsigned replicate_wait_s(int64_t wanted_s)
{
    return (unsigned)MIN(MAX(wanted_s, 1), (int64_t)60);
}

unsigned replicate_cancel_after_s(int64_t remaining_ms)
{
    return (unsigned)MIN(MAX(remaining_ms / 1000, 5), (int64_t)86400);
}
