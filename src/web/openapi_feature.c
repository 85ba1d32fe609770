/* The image routes of the OpenAPI document: what each takes, in every way of sending it, and what it answers.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "imaging/imaging.h"
#include "web/openapi_parts.h"

enum { NAMES_MAX = 4 }; /* of one picture: the file, its address, another name of that, its digest */

/* ---- bodies ---- */

static unsigned picture_names(const struct image_row *row, bool files, struct arena *a,
                              const char *ret[NAMES_MAX])
{
    unsigned n = 0;
    if (files)
        ret[n++] = row->field;
    ret[n++] = arena_printf(a, "%s_url", row->field);
    if (row->other_url)
        ret[n++] = row->other_url;
    ret[n++] = arena_printf(a, "%s_digest", row->field);
    return n;
}

static json_t *digest_schema(const char *about)
{
    return json_pack("{s:s,s:s,s:s,s:s}", "type", "string", "format", "sha256", "pattern",
                     "^sha256:[0-9a-f]{64}$", "description", about);
}

/* Items of one kind, as many as the row says. */
static json_t *several(const struct image_row *list, json_t *items)
{
    json_t *about = json_incref(json_object_get(items, "description"));
    json_object_del(items, "description");
    return json_pack("{s:s,s:i,s:i,s:o,s:o}", "type", "array", "minItems", (int)list->least, "maxItems",
                     (int)list->most, "items", items, "description", about);
}

static json_t *maybe_several(const struct image_row *row, json_t *schema)
{
    return row->most > 1 ? several(row, schema) : schema;
}

static void set_picture(json_t *properties, const struct image_row *row, bool files, struct arena *a)
{
    const char *names[NAMES_MAX];
    unsigned n = picture_names(row, files, a, names);
    if (files)
        json_object_set_new(
            properties, names[0],
            maybe_several(row, json_pack("{s:s,s:s,s:s,s:s}", "type", "string", "format", "binary",
                                         "contentMediaType", "application/octet-stream", "description",
                                         row->about)));
    for (unsigned i = files; i < n - 1; i++)
        json_object_set_new(
            properties, names[i],
            maybe_several(row, json_pack("{s:s,s:s,s:o}", "type", "string", "format", "uri", "description",
                                         json_sprintf("%s, as %s from which %s fetched", row->about,
                                                      row->most > 1 ? "addresses" : "an address",
                                                      row->most > 1 ? "they are" : "it is"))));
    const char *about =
        arena_printf(a, "%s, by %s lately", row->about,
                     row->most > 1 ? "their digests: they were sent" : "its digest: it was sent");
    json_object_set_new(properties, names[n - 1], maybe_several(row, digest_schema(about)));
}

static json_t *has(const char *name)
{
    return json_pack("{s:[s]}", "required", name);
}

/* Another choice than the one that needs the picture. That one must be the default. */
static json_t *not_needed(const struct feature *f, const char *when)
{
    struct params initial;
    params_init(&initial, f);
    CHECK(params_match(&initial, when));
    size_t count, len = strcspn(when, "=");
    const struct param_row *row = feature_params(f, &count);
    while (strlen(row->name) != len || strncmp(row->name, when, len) != 0)
        row++;
    struct arena a = {0};
    json_t *words = json_array();
    const char *at = row->allowed, *word, *meant;
    while ((word = openapi_next_word(&at, &a, &meant)))
        if (strcmp(meant, when + len + 1) != 0)
            json_array_append_new(words, openapi_word(row, word));
    arena_release(&a);
    return json_pack("{s:[s],s:{s:{s:o}}}", "required", row->name, "properties", row->name, "enum", words);
}

/* Each picture in exactly one way; one that is not always needed in one at most. */
static void require_picture(json_t *schema, const struct feature *f, const struct image_row *row, bool files,
                            struct arena *a)
{
    const char *names[NAMES_MAX];
    unsigned n = picture_names(row, files, a, names);
    json_t *ways = json_array(), *rules = json_object_get(schema, "allOf");
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(ways, has(names[i]));
    if (row->when)
        json_array_append_new(ways, not_needed(f, row->when));
    json_array_append_new(rules, json_pack("{s:o}", row->when ? "anyOf" : "oneOf", ways));
    for (unsigned i = 0; row->when && i < n; i++)
        for (unsigned k = 0; k < i; k++)
            json_array_append_new(rules, json_pack("{s:{s:[s,s]}}", "not", "required", names[k], names[i]));
}

static json_t *body_schema(const struct feature *f, bool files)
{
    struct arena a = {0};
    size_t images, count;
    const struct image_row *image = feature_images(f, &images);
    const struct param_row *row = feature_params(f, &count);
    json_t *schema = json_pack("{s:s,s:{},s:[],s:[],s:b}", "type", "object", "properties", "required",
                               "allOf", "additionalProperties", 0);
    json_t *properties = json_object_get(schema, "properties");
    for (size_t i = 0; i < images; i++) {
        set_picture(properties, &image[i], files, &a);
        require_picture(schema, f, &image[i], files, &a);
    }
    for (size_t i = 0; i < count; i++) {
        json_object_set_new(properties, row[i].name, openapi_param(&row[i]));
        if (row[i].other_name)
            json_object_set_new(properties, row[i].other_name, openapi_param_alias(&row[i]));
        if (!row[i].initial)
            json_array_append_new(json_object_get(schema, "required"), json_string(row[i].name));
    }
    arena_release(&a);
    if (json_array_size(json_object_get(schema, "required")) == 0)
        json_object_del(schema, "required");
    if (json_array_size(json_object_get(schema, "allOf")) == 0)
        json_object_del(schema, "allOf");
    return schema;
}

static json_t *file_encoding(const struct feature *f)
{
    size_t images;
    const struct image_row *image = feature_images(f, &images);
    json_t *encoding = json_object();
    for (size_t i = 0; i < images; i++)
        json_object_set_new(
            encoding, image[i].field,
            json_pack("{s:s}", "contentType", "image/jpeg, image/png, image/webp, image/avif"));
    return encoding;
}

static json_t *request_body(const struct feature *f, const char *form, const char *plain)
{
    bool one = feature_pictures(f) == 1, none = feature_pictures(f) == 0;
    json_t *content = json_pack("{s:{s:o,s:o*},s:{s:o},s:{s:o}}", "multipart/form-data", "schema",
                                openapi_ref("schemas", form), "encoding", none ? NULL : file_encoding(f),
                                "application/json", "schema", openapi_ref("schemas", plain),
                                "application/x-www-form-urlencoded", "schema", openapi_ref("schemas", plain));
    for (int t = IMAGE_UNKNOWN + 1; one && t < IMAGE_TYPE_COUNT; t++)
        json_object_set_new(content, image_mime((enum image_type)t), json_object());
    return json_pack("{s:b,s:o}", "required", 1, "content", content);
}

static void add_query(json_t *parameters, const char *name, json_t *schema)
{
    json_array_append_new(parameters,
                          json_pack("{s:s,s:s,s:b,s:o,s:o}", "name", name, "in", "query", "required", 0,
                                    "description", json_incref(json_object_get(schema, "description")),
                                    "schema", schema));
}

/* Beside a picture that is the body itself, there is no other place for the fields. */
static json_t *query_parameters(const struct feature *f)
{
    size_t count;
    bool one = feature_pictures(f) == 1;
    const struct param_row *row = feature_params(f, &count);
    json_t *parameters =
        json_pack("[o,o,o]", openapi_ref("parameters", "Prefer"), openapi_ref("parameters", "IdempotencyKey"),
                  openapi_ref("parameters", "Async"));
    for (size_t i = 0; one && i < count; i++) {
        add_query(parameters, row[i].name, openapi_param(&row[i]));
        if (row[i].other_name)
            add_query(parameters, row[i].other_name, openapi_param_alias(&row[i]));
    }
    return parameters;
}

/* ---- answers ---- */

static void add_digests(json_t *properties, const struct feature *f)
{
    struct arena a = {0};
    size_t images;
    const struct image_row *image = feature_images(f, &images);
    for (size_t i = 0; i < images; i++)
        json_object_set_new(
            properties, arena_printf(&a, "%s_digest", image[i].field),
            maybe_several(&image[i],
                          digest_schema(image[i].most > 1 ? "Name the pictures in a later request"
                                                          : "Names the picture in a later request")));
    arena_release(&a);
}

static bool is_comic(const struct feature *f)
{
    return f->work == WORK_STORY || f->work == WORK_PHOTOS;
}

static json_t *meta_schema(const struct feature *f)
{
    size_t count;
    const struct param_row *row = feature_params(f, &count);
    json_t *properties = json_object();
    add_digests(properties, f);
    for (size_t i = 0; i < count; i++) {
        json_t *schema = openapi_param_told(&row[i]);
        if (schema)
            json_object_set_new(properties, row[i].name, schema);
    }
    if (f->id == FEATURE_ENHANCE)
        json_object_set_new(properties, "provider", json_pack("{s:s}", "const", "nightmareai"));
    if (f->id == FEATURE_BEAUTIFY) {
        json_object_set_new(properties, "version", json_pack("{s:s}", "type", "string"));
        json_object_set_new(properties, "pipeline", json_pack("{s:s}", "type", "string"));
    }
    return json_pack("{s:[o,{s:s,s:o}]}", "allOf",
                     openapi_ref("schemas", is_comic(f) ? "MetaOfComic" : "Meta"), "type", "object",
                     "properties", properties);
}

static bool has_param(const struct feature *f, const char *name)
{
    size_t count;
    const struct param_row *row = feature_params(f, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(row[i].name, name) == 0)
            return true;
    return false;
}

/* What an answer of a comic has beside its data. */
static void add_comic(json_t *answer, const struct feature *f)
{
    json_t *properties = json_object_get(answer, "properties"),
           *required = json_object_get(answer, "required");
    json_object_set_new(properties, "story_id",
                        json_pack("{s:s,s:s}", "type", "string", "description", "Names it in the store"));
    json_object_set_new(properties, "title", json_pack("{s:s}", "type", "string"));
    json_object_set_new(properties, "pages",
                        json_pack("{s:s,s:i,s:o}", "type", "array", "minItems", 1, "items",
                                  openapi_ref("schemas", "ComicPage")));
    if (f->id == FEATURE_COMIC)
        json_object_set_new(properties, "page_url",
                            json_pack("{s:s,s:s}", "type", "string", "format", "uri"));
    json_array_append_new(required, json_string("story_id"));
    json_array_append_new(required, json_string("pages"));
}

static json_t *answer_schema(const struct feature *f, const char *meta)
{
    const char *data = is_comic(f)                        ? "ComicData"
                       : has_param(f, "number_of_images") ? "OutputsData"
                                                          : "ImageData";
    json_t *answer =
        json_pack("{s:s,s:[s,s,s,s],s:{s:{s:s},s:{s:s},s:o,s:o}}", "type", "object", "required", "request_id",
                  "status", "data", "meta", "properties", "request_id", "type", "string", "status", "const",
                  "success", "data", openapi_ref("schemas", data), "meta", openapi_ref("schemas", meta));
    if (is_comic(f))
        add_comic(answer, f);
    return answer;
}

static json_t *responses(struct openapi *d, const struct feature *f, const char *answer)
{
    static const enum err always[] = {
        ERR_REQUEST_TIMEOUT,
        ERR_PAYLOAD_TOO_LARGE,
        ERR_UNSUPPORTED_MEDIA_TYPE,
        ERR_CONTENT_FILTERED,
        ERR_UPLOAD_UNKNOWN,
        ERR_QUEUE_FULL,
        ERR_INTERNAL,
        ERR_UPSTREAM,
        ERR_UNKNOWN_OUTCOME,
        ERR_OVERLOADED,
        ERR_DRAINING,
        ERR_PROVIDER_UNAVAILABLE,
        ERR_DEADLINE,
        ERR_STORAGE_FULL,
        ERR_STORAGE_FAILED,
        ERR_DATABASE,
        ERR_IDEMPOTENCY_MISMATCH,
        ERR_CANCELED,
    };
    enum err codes[ERR_COUNT] = {ERR_VALIDATION};
    size_t count = 1, images;
    const struct image_row *image = feature_images(f, &images);
    for (size_t i = 0; i < images; i++)
        if (image[i].missing != codes[count - 1])
            codes[count++] = image[i].missing;
    if (*d->opt->api_keys)
        codes[count++] = ERR_UNAUTHORIZED;
    if (*d->opt->budgets)
        codes[count++] = ERR_BUDGET_EXCEEDED;
    if (d->opt->rate_limits)
        codes[count++] = ERR_RATE_LIMIT;
    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        codes[count++] = always[i];
    json_t *headers = openapi_headers(d, true);
    json_object_set_new(headers, "Cache-Status", openapi_ref("headers", "CacheStatus"));
    json_object_set_new(headers, "Server-Timing", openapi_ref("headers", "ServerTiming"));
    if (*d->opt->budgets)
        json_object_set_new(headers, "X-Budget-Warning", openapi_ref("headers", "BudgetWarning"));
    json_t *success = json_pack("{s:s,s:o,s:{s:{s:o}}}", "description",
                                "The result is stored; here is its address", "headers", headers, "content",
                                "application/json", "schema", openapi_ref("schemas", answer));
    json_t *all = json_pack("{s:o,s:o}", "200", success, "202", openapi_ref("responses", "Accepted"));
    openapi_errors(d, all, codes, count);
    return all;
}

/* ---- the whole ---- */

static json_t *description(const struct openapi *d, const struct feature *f)
{
    struct arena a = {0};
    const struct image_row *list = feature_picture_list(f);
    const char *text = "Takes texts only.";
    if (feature_pictures(f) > 0)
        text = arena_printf(&a, "Pictures are JPEG, PNG, WebP or AVIF, up to %lld bytes.",
                            (long long)d->opt->upload_max_bytes);
    if (list)
        text = arena_printf(&a,
                            "%s From %u to %u of them, in the order in which they come: files, addresses and "
                            "digests may be mixed.",
                            text, list->least, list->most);
    if (d->opt->rate_limits)
        text = arena_printf(&a, "%s At most %u requests a minute and caller.", text, f->per_minute);
    if (f->keep == KEEP_SEEDED)
        text = arena_printf(&a, "%s Results are remembered and shared only with a seed.", text);
    json_t *j = json_string(text);
    arena_release(&a);
    return j;
}

/* ImproveClarityForm: the feature's name with a capital, and what it is. */
static const char *schema_name(const struct feature *f, const char *what, struct arena *a)
{
    char *name = arena_printf(a, "%s%s", f->name, what);
    name[0] = (char)toupper((unsigned char)name[0]);
    return name;
}

json_t *openapi_feature(struct openapi *d, const struct feature *f)
{
    struct arena a = {0};
    const char *form = schema_name(f, "Form", &a), *plain = schema_name(f, "Fields", &a);
    const char *answer = schema_name(f, "Answer", &a), *meta = schema_name(f, "Meta", &a);
    json_object_set_new(d->schemas, form, body_schema(f, true));
    json_object_set_new(d->schemas, plain, body_schema(f, false));
    json_object_set_new(d->schemas, answer, answer_schema(f, meta));
    json_object_set_new(d->schemas, meta, meta_schema(f));
    json_t *op =
        json_pack("{s:s,s:[s],s:s,s:o,s:o,s:o,s:o}", "operationId", f->name, "tags", "Images", "summary",
                  f->about, "description", description(d, f), "parameters", query_parameters(f),
                  "requestBody", request_body(f, form, plain), "responses", responses(d, f, answer));
    if (d->opt->rate_limits)
        json_object_set_new(op, "x-requests-per-minute", json_integer(f->per_minute));
    if (*d->opt->api_keys)
        json_object_set_new(op, "security", json_pack("[{s:[]},{s:[]}]", "apiKey", "bearer"));
    arena_release(&a);
    return op;
}
