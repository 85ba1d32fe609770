/* The error answers of the OpenAPI document: one for each status of a route, shared by routes with the same
 * codes. */
#include <string.h>

#include "base/arena.h"
#include "web/openapi_parts.h"

json_t *openapi_error_codes(void)
{
    json_t *codes = json_array(), *about = json_object();
    for (unsigned i = 1; i < ERR_COUNT; i++) {
        const struct err_row *row = err_row((enum err)i);
        json_array_append_new(codes, json_string(row->code));
        json_object_set_new(about, row->code,
                            json_pack("{s:i,s:b,s:s,s:s}", "status", row->status, "retryable", row->retryable,
                                      "message", row->message, "advice", row->advice));
    }
    return json_pack("{s:s,s:o,s:s,s:o}", "type", "string", "enum", codes, "description",
                     "What went wrong, for programs; x-errors says what each means and what to do",
                     "x-errors", about);
}

/* The schema of one shape of error, narrowed to these codes. */
static json_t *narrowed(const char *schema, json_t *rest)
{
    return json_pack("{s:{s:[o,o]}}", "schema", "allOf", openapi_ref("schemas", schema), rest);
}

static json_t *answer(const struct openapi *d, int status, json_t *codes, const char *words)
{
    json_t *code = json_pack("{s:{s:{s:O}}}", "properties", "code", "enum", codes);
    json_t *headers = openapi_headers(d, status == 429);
    if (status == 402 || status == 429 || status == 503)
        json_object_set_new(headers, "Retry-After", openapi_ref("headers", "RetryAfter"));
    json_t *plain = narrowed("Error", json_pack("{s:{s:O}}", "properties", "error", code));
    return json_pack("{s:s,s:o,s:{s:o,s:o}}", "description", words, "headers", headers, "content",
                     "application/json", plain, "application/problem+json", narrowed("Problem", code));
}

/* All of the codes that have this status, as one component; its name is theirs. */
static void add_status(struct openapi *d, json_t *answers, int status, const enum err *codes, size_t count)
{
    struct arena a = {0};
    const char *name = "", *words = "";
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct err_row *row = err_row(codes[i]);
        if (row->status != status)
            continue;
        name = arena_printf(&a, "%s%s%s", name, *name ? "." : "", row->code);
        words = arena_printf(&a, "%s%s%s", words, *words ? "; " : "", row->message);
        json_array_append_new(list, json_string(row->code));
    }
    if (!json_object_get(d->responses, name))
        json_object_set_new(d->responses, name, answer(d, status, list, words));
    json_object_set_new(answers, arena_printf(&a, "%d", status), openapi_ref("responses", name));
    json_decref(list);
    arena_release(&a);
}

void openapi_errors(struct openapi *d, json_t *answers, const enum err *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int status = err_row(codes[i])->status;
        bool first = true;
        for (size_t k = 0; k < i; k++)
            first = first && err_row(codes[k])->status != status;
        if (first)
            add_status(d, answers, status, codes, count);
    }
}
