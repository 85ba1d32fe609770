#include "request/intake.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "request/job_wish.h"

int intake_value(struct request *req, const char *name, const json_t *value)
{
    if (!json_is_null(value) && !feature_has_field(req->feature, name) && !job_wish_has_field(name)) {
        request_add_field(req, name, ""); /* whatever it holds: 020 looks at its name only */
        return 0;
    }
    switch (json_typeof(value)) {
    case JSON_STRING:
        if (json_string_length(value) > FIELD_MAX_BYTES)
            return error_set_field(&req->err, req->feature->refusal, name,
                                   "The field is longer than %d bytes", FIELD_MAX_BYTES);
        request_add_field(req, name, json_string_value(value));
        return 0;
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
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    return error_set_field(&req->err, req->feature->refusal, name,
                           "A text, a number or a truth value is expected here");
}

int intake_json(struct request *req, const struct buf *text, int64_t *fields)
{
    json_error_t why;
    json_t *doc = json_loadb(buf_text(text), text->len, JSON_REJECT_DUPLICATES, &why);
    enum err code = req->feature->refusal;
    if (!json_is_object(doc)) {
        json_decref(doc);
        return error_set(&req->err, code, "The body is not a JSON object%s%.100s", doc ? "" : ": ",
                         doc ? "" : why.text);
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

static bool is_given(const struct request *req, int i)
{
    return req->receive.body[i] || req->receive.url[i] || req->receive.digest[i];
}

static int refuse_second(struct request *req, const char *field)
{
    return error_set_field(&req->err, req->feature->refusal, field,
                           "Send either the picture, or one address of it, or its digest");
}

static int take_digest(struct request *req, int i, const struct field *f)
{
    static const char prefix[] = "sha256:";
    uint8_t *sum = arena_alloc(&req->arena, DIGEST_BYTES);
    if (is_given(req, i))
        return refuse_second(req, f->name);
    if (strncmp(f->value, prefix, strlen(prefix)) != 0 ||
        hex_decode(f->value + strlen(prefix), sum, DIGEST_BYTES) < 0)
        return error_set_field(&req->err, req->feature->refusal, f->name,
                               "Expected is sha256: and 64 hexadecimal digits in lower case");
    req->receive.digest[i] = sum;
    return 0;
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
        if (is_given(req, i))
            return refuse_second(req, f->name);
        if (!req->svc->fetch)
            return error_set_field(&req->err, req->feature->refusal, f->name,
                                   "Pictures are not fetched here; send the picture itself");
        req->receive.url[i] = f->value;
        req->receive.url_field[i] = f->name;
    }
    return 0;
}
