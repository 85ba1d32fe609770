#include "request/intake.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "request/job_wish.h"
#include "request/pictures.h"

enum { CHARACTER_BYTES = 4, ESCAPED_BYTES = 12 /* of a character, as JSON may write it */ };

/* Of a list of pictures, whose order is that in which they came. */
static bool names_pictures(const struct feature *f, const char *name)
{
    return feature_picture_list(f) && (feature_address_of(f, name) >= 0 || feature_digest_of(f, name) >= 0);
}

size_t intake_field_bytes(const struct feature *f, const char *name)
{
    const struct param_row *row = feature_param(f, name);
    size_t bytes = 0;
    if (row && row->type == PARAM_TYPE_TEXT)
        bytes = CHARACTER_BYTES * (size_t)row->most;
    else if (row && row->type == PARAM_TYPE_LIST)
        bytes = (size_t)row->items * (ESCAPED_BYTES * (size_t)row->most + CHARACTER_BYTES);
    else if (names_pictures(f, name))
        bytes = (size_t)FIELD_MAX_BYTES * feature_pictures(f);
    return MAX(bytes, (size_t)FIELD_MAX_BYTES);
}

int intake_refuse_long(struct request *req, const char *name)
{
    const struct param_row *row = feature_param(req->feature, name);
    enum err code = req->feature->refusal;
    if (row && row->type == PARAM_TYPE_LIST)
        return error_set_field(&req->err, code, name,
                               "At most %d texts of at most %d characters each are taken", row->items,
                               row->most);
    if (row && row->least > 0 && row->type == PARAM_TYPE_TEXT)
        return error_set_field(&req->err, code, name, "The text must have from %d to %d characters",
                               row->least, row->most);
    return error_set_field(&req->err, code, name, "The field is longer than %zu bytes",
                           intake_field_bytes(req->feature, name));
}

/* ---- how many ---- */

static bool is_of_pictures(const struct feature *f, const char *name)
{
    return names_pictures(f, name) || (feature_picture_list(f) && feature_file_of(f, name) >= 0);
}

/* Beyond the first of its list, within what that takes. */
static bool is_item(const struct feature *f, struct field_count *c, const char *name)
{
    size_t count;
    const struct param_row *first = feature_params(f, &count), *row = feature_param(f, name);
    unsigned list = PARAMS_MAX, most = 0;
    if (is_of_pictures(f, name)) {
        most = feature_pictures(f);
    } else if (row && row->type == PARAM_TYPE_LIST) {
        list = (unsigned)(row - first);
        most = (unsigned)row->items;
    }
    if (most == 0 || c->of_list[list] == most)
        return false;
    return c->of_list[list]++ > 0;
}

int intake_count(struct request *req, struct field_count *c, const char *name)
{
    int64_t most = req->svc->opt->form_fields_max;
    if (is_item(req->feature, c, name) || ++c->fields <= most)
        return 0;
    return error_set(&req->err, req->feature->refusal, "The form has more than %" PRId64 " fields", most);
}

/* ---- pictures that are named ---- */

static int read_digest(struct request *req, const char *name, const char *value, const uint8_t **ret)
{
    static const char prefix[] = "sha256:";
    uint8_t *sum = arena_alloc(&req->arena, DIGEST_BYTES);
    if (strncmp(value, prefix, strlen(prefix)) != 0 ||
        hex_decode(value + strlen(prefix), sum, DIGEST_BYTES) < 0)
        return error_set_field(&req->err, req->feature->refusal, name,
                               "Expected is sha256: and 64 hexadecimal digits in lower case");
    *ret = sum;
    return 0;
}

static int check_fetching(struct request *req, const char *name)
{
    if (req->svc->fetch)
        return 0;
    return error_set_field(&req->err, req->feature->refusal, name,
                           "Pictures are not fetched here; send the picture itself");
}

/* One of a list. */
static int take_named(struct request *req, const char *name, const char *value)
{
    bool is_digest = feature_digest_of(req->feature, name) >= 0;
    unsigned i;
    if (!*value)
        return 0; /* an empty field of a form */
    if (picture_place(req, 0, &i) < 0)
        return -(int)req->err.code;
    if (is_digest)
        return read_digest(req, name, value, &req->receive.digest[i]);
    if (check_fetching(req, name) < 0)
        return -(int)req->err.code;
    if (strlen(value) > FIELD_MAX_BYTES)
        return error_set_field(&req->err, req->feature->refusal, name, "An address is longer than %d bytes",
                               FIELD_MAX_BYTES);
    req->receive.url[i] = arena_strdup(&req->arena, value);
    req->receive.url_field[i] = arena_strdup(&req->arena, name);
    return 0;
}

static int refuse_item(struct request *req, const char *name, size_t i)
{
    return error_set_field(&req->err, req->feature->refusal, name, "Item %zu of the list is no text", i + 1);
}

static int take_named_array(struct request *req, const char *name, const json_t *array)
{
    int r = 0;
    for (size_t i = 0; i < json_array_size(array) && r == 0; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        r = text ? take_named(req, name, text) : refuse_item(req, name, i);
    }
    return r;
}

int intake_text(struct request *req, const char *name, const char *value)
{
    if (!names_pictures(req->feature, name)) {
        request_add_field(req, name, value);
        return 0;
    }
    if (value[strspn(value, " \n\r\t")] != '[')
        return take_named(req, name, value);
    json_t *array = json_loads(value, 0, NULL);
    int r = array ? take_named_array(req, name, array)
                  : error_set_field(&req->err, req->feature->refusal, name,
                                    "It begins like a JSON array, but is none");
    json_decref(array);
    return r;
}

/* ---- JSON ---- */

static int take_array(struct request *req, const char *name, const json_t *value)
{
    const struct param_row *row = feature_param(req->feature, name);
    if (names_pictures(req->feature, name))
        return take_named_array(req, name, value);
    if (!row || row->type != PARAM_TYPE_LIST)
        return error_set_field(&req->err, req->feature->refusal, name,
                               "A text, a number or a truth value is expected here");
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)) && !json_is_null(json_array_get(value, i)))
            return refuse_item(req, name, i);
    char *text = json_dumps(value, JSON_COMPACT);
    int r = 0;
    if (!text || strlen(text) > intake_field_bytes(req->feature, name))
        r = intake_refuse_long(req, name);
    else
        request_add_field(req, name, text);
    free(text);
    return r;
}

int intake_value(struct request *req, const char *name, const json_t *value)
{
    if (!json_is_null(value) && !feature_has_field(req->feature, name) && !job_wish_has_field(name)) {
        request_add_field(req, name, ""); /* whatever it holds: 020 looks at its name only */
        return 0;
    }
    switch (json_typeof(value)) {
    case JSON_STRING:
        if (json_string_length(value) > intake_field_bytes(req->feature, name))
            return intake_refuse_long(req, name);
        return intake_text(req, name, json_string_value(value));
    case JSON_INTEGER:
        request_add_field(req, name,
                          arena_printf(&req->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value)));
        return 0;
    case JSON_REAL:
        request_add_field(req, name, arena_printf(&req->arena, "%.15g", json_real_value(value)));
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        request_add_field(req, name, json_is_true(value) ? "true" : "false");
        return 0;
    case JSON_NULL:
        return 0;
    case JSON_ARRAY:
        return take_array(req, name, value);
    case JSON_OBJECT:
        break;
    }
    return error_set_field(&req->err, req->feature->refusal, name,
                           "A text, a number or a truth value is expected here");
}

static const char *json_fault(const json_error_t *why)
{
    bool nul = json_error_code(why) == json_error_null_character ||
               json_error_code(why) == json_error_null_byte_in_key;
    return nul ? "a text in it has the character NUL" : why->text;
}

int intake_json(struct request *req, const struct buf *text, int64_t *fields)
{
    json_error_t why;
    json_t *doc = json_loadb(buf_text(text), text->len, JSON_REJECT_DUPLICATES, &why);
    enum err code = req->feature->refusal;
    if (!json_is_object(doc)) {
        json_decref(doc);
        return error_set(&req->err, code, "The body is not a JSON object%s%.100s", doc ? "" : ": ",
                         doc ? "" : json_fault(&why));
    }
    int64_t most = req->svc->opt->form_fields_max;
    int r = 0;
    const char *name;
    json_t *value;
    json_object_foreach(doc, name, value)
    {
        if (r == 0 && ++*fields > most)
            r = error_set(&req->err, code, "The body has more than %" PRId64 " fields", most);
        if (r == 0)
            r = intake_value(req, name, value);
    }
    json_decref(doc);
    return r;
}

/* ---- pictures, one for each row ---- */

static int refuse_second(struct request *req, const char *field)
{
    return error_set_field(&req->err, req->feature->refusal, field,
                           "Send either the picture, or one address of it, or its digest");
}

static int take_digest(struct request *req, int i, const struct field *f)
{
    if (picture_given(req, (unsigned)i))
        return refuse_second(req, f->name);
    return read_digest(req, f->name, f->value, &req->receive.digest[i]);
}

int take_digests(struct request *req)
{
    for (struct field **at = &req->receive.fields; *at;) {
        const struct field *f = *at;
        int i = feature_digest_of(req->feature, f->name);
        if (i < 0) {
            at = &(*at)->next;
            continue;
        }
        *at = f->next;
        if (*f->value && take_digest(req, i, f) < 0)
            return -(int)req->err.code;
    }
    return 0;
}

int take_addresses(struct request *req)
{
    for (struct field **at = &req->receive.fields; *at;) {
        int i = feature_address_of(req->feature, (*at)->name);
        if (i < 0) {
            at = &(*at)->next;
            continue;
        }
        const struct field *f = *at;
        *at = f->next;
        if (!*f->value)
            continue; /* an empty field of a form */
        if (picture_given(req, (unsigned)i))
            return refuse_second(req, f->name);
        if (check_fetching(req, f->name) < 0)
            return -(int)req->err.code;
        req->receive.url[i] = f->value;
        req->receive.url_field[i] = f->name;
    }
    return 0;
}
