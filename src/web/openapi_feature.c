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

/* ---- parameters ---- */

/* The next word of "a|b|long=a", which is moved on; *ret_meant: what it stands for. NULL: there is none. */
static const char *next_word(const char **at, struct arena *a, const char **ret_meant)
{
    if (!**at)
        return NULL;
    size_t item = strcspn(*at, "|"), len = strcspn(*at, "|=");
    const char *word = arena_strndup(a, *at, len);
    *ret_meant = len < item ? arena_strndup(a, *at + len + 1, item - len - 1) : word;
    *at += item + ((*at)[item] == '|');
    return word;
}

static bool all_digits(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

/* Choices are numbers when all their words are. */
static bool is_number(const struct param_row *row)
{
    return row->allowed && strspn(row->allowed, "0123456789|") == strlen(row->allowed);
}

static json_t *word_value(const struct param_row *row, const char *word)
{
    return is_number(row) && all_digits(word) ? json_integer(atoll(word)) : json_string(word);
}

/* meant: the words that answers use, without their other names. */
static json_t *choice_schema(const struct param_row *row, bool meant)
{
    struct arena a = {0};
    json_t *words = json_array();
    const char *at = row->allowed, *word, *stands_for;
    if (row->initial && !*row->initial && !meant)
        json_array_append_new(words, json_string(""));
    while ((word = next_word(&at, &a, &stands_for)))
        if (!meant || word == stands_for)
            json_array_append_new(words, word_value(row, word));
    arena_release(&a);
    return json_pack("{s:s,s:o}", "type", is_number(row) ? "integer" : "string", "enum", words);
}

/* No control characters but line ends and tabs; one that must be given is not blank. */
static json_t *text_schema(const struct param_row *row)
{
#define ALLOWED "[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*"
    static const char any[] = "^" ALLOWED "$";
    static const char some[] = "^" ALLOWED "[^\\u0000-\\u0020\\u007f]" ALLOWED "$";
#undef ALLOWED
    return json_pack("{s:s,s:i,s:s}", "type", "string", "maxLength", row->most, "pattern",
                     row->initial ? any : some);
}

static json_t *number_schema(const struct param_row *row, bool whole)
{
    json_t *schema = json_pack("{s:s,s:i,s:i}", "type", whole ? "integer" : "number", "minimum", row->least,
                               "maximum", row->most);
    if (whole && row->step > 1)
        json_object_set_new(schema, "multipleOf", json_integer(row->step));
    return schema;
}

static json_t *type_schema(const struct param_row *row)
{
    switch (row->type) {
    case PARAM_TYPE_CHOICE:
    case PARAM_TYPE_LENIENT:
        return choice_schema(row, false);
    case PARAM_TYPE_INT:
        return number_schema(row, true);
    case PARAM_TYPE_NUM:
        return number_schema(row, false);
    case PARAM_TYPE_TEXT:
        return text_schema(row);
    case PARAM_TYPE_BOOL:
        break;
    }
    return json_pack("{s:s}", "type", "boolean");
}

static json_t *initial_value(const struct param_row *row)
{
    if (row->type == PARAM_TYPE_BOOL)
        return json_boolean(strcmp(row->initial, "true") == 0);
    if (row->type == PARAM_TYPE_INT || row->type == PARAM_TYPE_NUM)
        return json_integer(atoll(row->initial));
    return word_value(row, row->initial);
}

static json_t *param_schema(const struct param_row *row)
{
    json_t *schema = type_schema(row);
    bool may_be_left_out = row->type == PARAM_TYPE_INT && row->initial && !*row->initial;
    if (row->initial && !may_be_left_out)
        json_object_set_new(schema, "default", initial_value(row));
    json_object_set_new(schema, "description", json_string(row->about));
    return schema;
}

static json_t *alias_schema(const struct param_row *row)
{
    json_t *schema = type_schema(row);
    json_object_set_new(schema, "description", json_sprintf("Another name of %s", row->name));
    return schema;
}

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

static void set_picture(json_t *properties, const struct image_row *row, bool files, struct arena *a)
{
    const char *names[NAMES_MAX];
    unsigned n = picture_names(row, files, a, names);
    if (files)
        json_object_set_new(properties, names[0],
                            json_pack("{s:s,s:s,s:s,s:s}", "type", "string", "format", "binary",
                                      "contentMediaType", "application/octet-stream", "description",
                                      row->about));
    for (unsigned i = files; i < n - 1; i++)
        json_object_set_new(
            properties, names[i],
            json_pack("{s:s,s:s,s:o}", "type", "string", "format", "uri", "description",
                      json_sprintf("%s, as an address from which it is fetched", row->about)));
    const char *about = arena_printf(a, "%s, by its digest: it was sent lately", row->about);
    json_object_set_new(properties, names[n - 1], digest_schema(about));
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
    while ((word = next_word(&at, &a, &meant)))
        if (strcmp(meant, when + len + 1) != 0)
            json_array_append_new(words, word_value(row, word));
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
        json_object_set_new(properties, row[i].name, param_schema(&row[i]));
        if (row[i].other_name)
            json_object_set_new(properties, row[i].other_name, alias_schema(&row[i]));
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
    size_t images;
    (void)feature_images(f, &images);
    json_t *content = json_pack("{s:{s:o,s:o},s:{s:o},s:{s:o}}", "multipart/form-data", "schema",
                                openapi_ref("schemas", form), "encoding", file_encoding(f),
                                "application/json", "schema", openapi_ref("schemas", plain),
                                "application/x-www-form-urlencoded", "schema", openapi_ref("schemas", plain));
    for (int t = IMAGE_UNKNOWN + 1; images == 1 && t < IMAGE_TYPE_COUNT; t++)
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
    size_t images, count;
    (void)feature_images(f, &images);
    const struct param_row *row = feature_params(f, &count);
    json_t *parameters =
        json_pack("[o,o,o]", openapi_ref("parameters", "Prefer"), openapi_ref("parameters", "IdempotencyKey"),
                  openapi_ref("parameters", "Async"));
    for (size_t i = 0; images == 1 && i < count; i++) {
        add_query(parameters, row[i].name, param_schema(&row[i]));
        if (row[i].other_name)
            add_query(parameters, row[i].other_name, alias_schema(&row[i]));
    }
    return parameters;
}

/* ---- answers ---- */

/* As answer.c tells it; NULL: it does not. */
static json_t *told_schema(const struct param_row *row)
{
    if (row->type == PARAM_TYPE_TEXT || row->link_only || strcmp(row->name, "model") == 0)
        return NULL;
    if (row->type == PARAM_TYPE_CHOICE || row->type == PARAM_TYPE_LENIENT)
        return choice_schema(row, true);
    return type_schema(row);
}

static void add_digests(json_t *properties, const struct feature *f)
{
    struct arena a = {0};
    size_t images;
    const struct image_row *image = feature_images(f, &images);
    for (size_t i = 0; i < images; i++)
        json_object_set_new(properties, arena_printf(&a, "%s_digest", image[i].field),
                            digest_schema("Names the picture in a later request"));
    arena_release(&a);
}

static json_t *meta_schema(const struct feature *f)
{
    size_t count;
    const struct param_row *row = feature_params(f, &count);
    json_t *properties = json_object();
    add_digests(properties, f);
    for (size_t i = 0; i < count; i++) {
        json_t *schema = told_schema(&row[i]);
        if (schema)
            json_object_set_new(properties, row[i].name, schema);
    }
    if (f->id == FEATURE_ENHANCE)
        json_object_set_new(properties, "provider", json_pack("{s:s}", "const", "nightmareai"));
    if (f->id == FEATURE_BEAUTIFY) {
        json_object_set_new(properties, "version", json_pack("{s:s}", "type", "string"));
        json_object_set_new(properties, "pipeline", json_pack("{s:s}", "type", "string"));
    }
    return json_pack("{s:[o,{s:s,s:o}]}", "allOf", openapi_ref("schemas", "Meta"), "type", "object",
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

static json_t *answer_schema(const struct feature *f, const char *meta)
{
    const char *data = has_param(f, "number_of_images") ? "OutputsData" : "ImageData";
    return json_pack("{s:s,s:[s,s,s,s],s:{s:{s:s},s:{s:s},s:o,s:o}}", "type", "object", "required",
                     "request_id", "status", "data", "meta", "properties", "request_id", "type", "string",
                     "status", "const", "success", "data", openapi_ref("schemas", data), "meta",
                     openapi_ref("schemas", meta));
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
    const char *text = arena_printf(&a, "Pictures are JPEG, PNG, WebP or AVIF, up to %lld bytes.",
                                    (long long)d->opt->upload_max_bytes);
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
