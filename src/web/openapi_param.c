/* What a parameter may be, as a JSON schema. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "web/openapi_parts.h"

const char *openapi_next_word(const char **at, struct arena *a, const char **ret_meant)
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

json_t *openapi_word(const struct param_row *row, const char *word)
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
    while ((word = openapi_next_word(&at, &a, &stands_for)))
        if (!meant || word == stands_for)
            json_array_append_new(words, openapi_word(row, word));
    arena_release(&a);
    return json_pack("{s:s,s:o}", "type", is_number(row) ? "integer" : "string", "enum", words);
}

#define CONTROL "\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f"
#define ALLOWED "[^" CONTROL "]"
#define BLANK   "\\t\\n\\r \\u00a0\\u1680\\u2000-\\u200b\\u2028\\u2029\\u202f\\u205f\\u2060\\u3000\\ufeff"

/* The blanks at its ends do not count. */
static json_t *prompt_schema(const struct param_row *row)
{
    struct arena a = {0};
    const char *inside = arena_printf(&a, ALLOWED "{%d,}", MAX(row->least - 2, 0));
    const char *solid = "[^" CONTROL BLANK "]";
    const char *pattern = row->least > 1
                              ? arena_printf(&a, "^[" BLANK "]*%s%s%s[" BLANK "]*$", solid, inside, solid)
                              : arena_printf(&a, "^" ALLOWED "*%s" ALLOWED "*$", solid);
    json_t *schema = json_pack("{s:s,s:i,s:i,s:s}", "type", "string", "minLength", row->least, "maxLength",
                               row->most, "pattern", pattern);
    arena_release(&a);
    return schema;
}

/* No control characters but line ends and tabs; one that must be given is not blank. */
static json_t *text_schema(const struct param_row *row)
{
    static const char any[] = "^" ALLOWED "*$";
    static const char some[] = "^" ALLOWED "*[^\\u0000-\\u0020\\u007f]" ALLOWED "*$";
    if (row->least > 0)
        return prompt_schema(row);
    return json_pack("{s:s,s:i,s:s}", "type", "string", "maxLength", row->most, "pattern",
                     row->initial ? any : some);
}

static json_t *list_schema(const struct param_row *row)
{
    json_t *item = json_pack("{s:[s,s],s:i,s:s}", "type", "string", "null", "maxLength", row->most, "pattern",
                             "^" ALLOWED "*$");
    return json_pack("{s:s,s:i,s:o}", "type", "array", "maxItems", row->items, "items", item);
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
    case PARAM_TYPE_LIST:
        return list_schema(row);
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
    if (row->type == PARAM_TYPE_LIST)
        return json_array();
    return openapi_word(row, row->initial);
}

json_t *openapi_param(const struct param_row *row)
{
    json_t *schema = type_schema(row);
    bool may_be_left_out = row->type == PARAM_TYPE_INT && row->initial && !*row->initial;
    if (row->initial && !may_be_left_out)
        json_object_set_new(schema, "default", initial_value(row));
    json_object_set_new(schema, "description", json_string(row->about));
    return schema;
}

json_t *openapi_param_alias(const struct param_row *row)
{
    json_t *schema = type_schema(row);
    json_object_set_new(schema, "description", json_sprintf("Another name of %s", row->name));
    return schema;
}

json_t *openapi_param_told(const struct param_row *row)
{
    if (row->type == PARAM_TYPE_TEXT || row->type == PARAM_TYPE_LIST || row->link_only ||
        strcmp(row->name, "model") == 0)
        return NULL;
    if (row->type == PARAM_TYPE_CHOICE || row->type == PARAM_TYPE_LENIENT)
        return choice_schema(row, true);
    return type_schema(row);
}
