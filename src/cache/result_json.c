#include "cache/result_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tables/features.h"

/* Raised when a field changes its meaning, or one comes that an answer cannot do without. */
enum { VERSION = 1 };

_Static_assert(sizeof(struct result) == 576, "a new field of struct result belongs here too");

/* ---- writing ---- */

static json_t *output_json(const struct result_output *o)
{
    return json_pack("{s:s,s:s,s:I,s:I,s:I}", "key", o->key, "type", o->content_type, "bytes",
                     (json_int_t)o->bytes, "width", (json_int_t)o->width, "height", (json_int_t)o->height);
}

int result_to_json(const struct result *r, struct buf *ret)
{
    json_t *outputs = json_array();
    for (unsigned i = 0; i < r->output_count; i++)
        json_array_append_new(outputs, output_json(&r->output[i]));
    json_t *doc = json_pack(
        "{s:i,s:o,s:s*,s:s,s:s*,s:s,s:s*,s:s*,s:s*,s:b,s:b,s:[I,I],s:[I,I],s:I,s:I,s:I,s:I}", "v", VERSION,
        "outputs", outputs, "feature", result_feature(r), "model", r->model, "version", r->version, "ran_on",
        r->ran_on, "network", r->network, "reason", r->reason, "detail", r->detail, "degraded",
        (int)r->degraded, "prescaled", (int)r->prescaled, "original", (json_int_t)r->original_width,
        (json_int_t)r->original_height, "scaled", (json_int_t)r->prescaled_width,
        (json_int_t)r->prescaled_height, "run_ns", (json_int_t)r->run_ns, "cost_nano",
        (json_int_t)r->cost_nano, "made_ms", (json_int_t)r->made_ms, "keep_ms", (json_int_t)r->keep_ms);
    CHECK(doc);
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    CHECK(text);
    int error = buf_puts(ret, text);
    free(text);
    return error < 0 ? -EMSGSIZE : 0;
}

/* ---- reading ---- */

/* A number that is missing, negative or too large makes the whole unreadable. */
static bool take_int(const json_t *value, uint64_t most, uint64_t *ret)
{
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;
    if (n < 0 || (uint64_t)n > most)
        return false;
    *ret = (uint64_t)n;
    return true;
}

static bool take_side(const json_t *value, uint32_t *ret)
{
    uint64_t n;
    if (!take_int(value, UINT32_MAX, &n))
        return false;
    *ret = (uint32_t)n;
    return true;
}

static bool take_size(const json_t *pair, uint32_t *width, uint32_t *height)
{
    return json_array_size(pair) == 2 && take_side(json_array_get(pair, 0), width) &&
           take_side(json_array_get(pair, 1), height);
}

static bool take_text(const json_t *doc, const char *name, bool needed, char **ret)
{
    const json_t *value = json_object_get(doc, name);
    if (!value)
        return !needed;
    if (!json_is_string(value) || json_string_length(value) == 0)
        return false;
    *ret = mem_strdup(json_string_value(value));
    return true;
}

static bool take_bool(const json_t *doc, const char *name, bool *ret)
{
    const json_t *value = json_object_get(doc, name);
    *ret = json_is_true(value);
    return json_is_boolean(value);
}

static bool take_output(const json_t *doc, struct result_output *o)
{
    return take_text(doc, "key", true, &o->key) && take_text(doc, "type", true, &o->content_type) &&
           take_int(json_object_get(doc, "bytes"), INT64_MAX, &o->bytes) &&
           take_side(json_object_get(doc, "width"), &o->width) &&
           take_side(json_object_get(doc, "height"), &o->height);
}

static bool take_outputs(const json_t *outputs, struct result *r)
{
    size_t count = json_array_size(outputs);
    if (count == 0 || count > RESULT_OUTPUTS_MAX)
        return false;
    r->output_count = (unsigned)count;
    for (unsigned i = 0; i < count; i++)
        if (!take_output(json_array_get(outputs, i), &r->output[i]))
            return false;
    return true;
}

/* What came later than the first version: 0 where it is missing. */
static bool take_cost(const json_t *doc, int64_t *ret)
{
    const json_t *value = json_object_get(doc, "cost_nano");
    uint64_t n = 0;
    if (value && !take_int(value, INT64_MAX, &n))
        return false;
    *ret = (int64_t)n;
    return true;
}

static bool take_all(const json_t *doc, struct result *r)
{
    return json_integer_value(json_object_get(doc, "v")) == VERSION &&
           take_outputs(json_object_get(doc, "outputs"), r) && take_text(doc, "model", true, &r->model) &&
           take_text(doc, "version", false, &r->version) && take_text(doc, "ran_on", true, &r->ran_on) &&
           take_text(doc, "network", false, &r->network) && take_text(doc, "reason", false, &r->reason) &&
           take_text(doc, "detail", false, &r->detail) && take_bool(doc, "degraded", &r->degraded) &&
           take_bool(doc, "prescaled", &r->prescaled) &&
           take_size(json_object_get(doc, "original"), &r->original_width, &r->original_height) &&
           take_size(json_object_get(doc, "scaled"), &r->prescaled_width, &r->prescaled_height) &&
           take_int(json_object_get(doc, "run_ns"), INT64_MAX, &r->run_ns) && take_cost(doc, &r->cost_nano) &&
           take_int(json_object_get(doc, "made_ms"), INT64_MAX, &r->made_ms) &&
           take_int(json_object_get(doc, "keep_ms"), INT64_MAX, &r->keep_ms);
}

/* One that is not known is none: a newer gateway may have it. */
static void take_feature(const json_t *doc, struct result *r)
{
    const struct feature *f = feature_by_name(json_string_value(json_object_get(doc, "feature")));
    if (f)
        r->feature = (uint8_t)(f->id + 1);
}

struct result *result_from_json(const char *text, size_t size)
{
    json_t *doc = size <= RESULT_JSON_MAX ? json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    struct result *r = result_new();
    bool whole = json_is_object(doc) && take_all(doc, r);
    take_feature(doc, r);
    json_decref(doc);
    if (whole)
        return r;
    result_unref(r);
    return NULL;
}
