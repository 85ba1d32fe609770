#include "tables/param_value.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json_out.h"
#include "base/utf8.h"

/* ---- texts ---- */

/* Blanks beyond ASCII, also those that are not seen: they are no text. */
static bool is_blank(const char *at, size_t len)
{
    static const char *const wide[] = {"\u00a0", "\u1680", "\u2028", "\u2029", "\u202f",
                                       "\u205f", "\u2060", "\u3000", "\ufeff"};
    if (len == 1)
        return strchr(" \n\r\t", *at);
    if (len == 3 && memcmp(at, "\xe2\x80", 2) == 0 && (uint8_t)at[2] >= 0x80 && (uint8_t)at[2] <= 0x8b)
        return true; /* U+2000 to U+200B */
    for (size_t i = 0; i < ARRAY_LEN(wide); i++)
        if (strlen(wide[i]) == len && memcmp(at, wide[i], len) == 0)
            return true;
    return false;
}

struct text {
    size_t chars;             /* all of them */
    const char *solid, *over; /* without the blanks at both ends: from here, to here */
    size_t solid_chars;       /* in between */
};

/* false: it is no UTF-8, or has control characters. */
static bool measure(const char *word, struct text *ret)
{
    *ret = (struct text){.solid = word, .over = word};
    size_t first = 0;
    for (const char *at = word; *at; ret->chars++) {
        size_t len = utf8_char(at);
        if (len == 0 || (len == 1 && iscntrl((unsigned char)*at) && !strchr("\n\r\t", *at)))
            return false;
        if (!is_blank(at, len)) {
            if (ret->over == word) {
                ret->solid = at;
                first = ret->chars;
            }
            ret->over = at + len;
            ret->solid_chars = ret->chars + 1 - first;
        }
        at += len;
    }
    return true;
}

static const char *match_text(const struct param_row *row, const char *word, struct arena *a)
{
    struct text text;
    if (!measure(word, &text))
        return NULL;
    if (row->least > 0) /* a prompt: what stands around it is no part of it */
        return text.solid_chars >= (size_t)row->least && text.solid_chars <= (size_t)row->most
                   ? arena_strndup(a, text.solid, (size_t)(text.over - text.solid))
                   : NULL;
    bool missing = !row->initial && strspn(word, " \n\r\t") == strlen(word);
    return text.chars <= (size_t)row->most && !missing ? arena_strdup(a, word) : NULL;
}

/* ---- words and numbers ---- */

/* Looks the word up in "a|b|long=a"; returns the canonical word in the arena, or NULL. */
static const char *match_choice(const char *allowed, const char *word, struct arena *a)
{
    size_t len = strlen(word);
    for (const char *at = allowed; *at;) {
        size_t item = strcspn(at, "|");
        size_t name = strcspn(at, "|=");
        if (name == len && strncmp(at, word, len) == 0) {
            bool renamed = name < item;
            return renamed ? arena_strndup(a, at + name + 1, item - name - 1) : arena_strndup(a, at, name);
        }
        at += item + (at[item] == '|');
    }
    return NULL;
}

static const char *match_bool(const char *word)
{
    static const char *const yes[] = {"1", "true", "yes", "on"};
    static const char *const no[] = {"0", "false", "no", "off", ""};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (strcasecmp(word, yes[i]) == 0)
            return "true";
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (strcasecmp(word, no[i]) == 0)
            return "false";
    return NULL;
}

static const char *match_int(const struct param_row *row, const char *word, struct arena *a)
{
    if (!*word && row->initial)
        return row->initial; /* a form's empty box */
    char *end;
    errno = 0;
    long n = strtol(word, &end, 10);
    bool plain = isdigit((unsigned char)word[word[0] == '-']); /* no blanks or plus in front */
    if (!plain || *end || errno || n < row->least || n > row->most || n % row->step != 0)
        return NULL;
    return arena_printf(a, "%ld", n);
}

/* "2", "2.0" and "02" are one number: the shortest text counts. */
static const char *match_num(const struct param_row *row, const char *word, struct arena *a)
{
    if (!*word && row->initial)
        return row->initial;
    size_t len = strspn(word, "0123456789.");
    char *end;
    double n = strtod(word, &end);
    if (len == 0 || word[len] || *end || !(n >= row->least && n <= row->most))
        return NULL;
    return arena_printf(a, "%.6g", n);
}

/* "2.0" is the whole number 2, as it is in JSON. */
static const char *without_zeros(const char *word, struct arena *a)
{
    size_t digits = strspn(word, "0123456789");
    if (digits == 0 || word[digits] != '.')
        return word;
    size_t zeros = strspn(word + digits + 1, "0");
    return zeros > 0 && !word[digits + 1 + zeros] ? arena_strndup(a, word, digits) : word;
}

static const char *match_choice_row(const struct param_row *row, const char *value, struct arena *a)
{
    if (row->initial && (!*value || strcmp(value, row->initial) == 0))
        return row->initial; /* also a form's empty box */
    const char *word = match_choice(row->allowed, without_zeros(value, a), a);
    return word || row->type == PARAM_TYPE_CHOICE ? word : row->initial;
}

void param_choices(const struct param_row *row, char *ret, size_t size)
{
    size_t len = 0;
    *ret = '\0';
    for (const char *at = row->allowed; *at && len < size;) {
        size_t item = strcspn(at, "|");
        len += (size_t)snprintf(ret + len, size - len, "%s%.*s", len ? ", " : "", (int)strcspn(at, "|="), at);
        at += item + (at[item] == '|');
    }
}

/* ---- lists ---- */

static int refuse_item(const struct param_row *row, size_t i, struct error *e)
{
    return error_set_field(
        e, features[row->feature].refusal, row->name,
        "Text %zu of the list must be UTF-8 without control characters and have at most %d "
        "characters",
        i + 1, row->most);
}

static int refuse_list(const struct param_row *row, struct error *e)
{
    return error_set_field(
        e, features[row->feature].refusal, row->name,
        "Expected is a list of at most %d texts of at most %d characters each: a JSON array, "
        "the field again for each, or lines",
        row->items, row->most);
}

/* What stands around a text is no part of it, nor are empty texts at the end of the list. */
const char *param_items(const struct param_row *row, const char *const *item, size_t count, struct arena *a,
                        struct error *e)
{
    enum { ESCAPED_MAX = 6 }; /* bytes of a byte */
    struct text *text = arena_alloc(a, MAX(count, (size_t)1) * sizeof(*text));
    size_t kept = 0, bytes = 4;
    for (size_t i = 0; i < count; i++) {
        if (!measure(item[i], &text[i]) || text[i].solid_chars > (size_t)row->most)
            return refuse_item(row, i, e), NULL;
        if (text[i].solid_chars > 0)
            kept = i + 1;
        bytes += ESCAPED_MAX * (size_t)(text[i].over - text[i].solid) + 4;
    }
    if (kept > (size_t)row->items)
        return refuse_list(row, e), NULL;
    BUF_ON_EXIT struct buf out;
    buf_init(&out, bytes);
    json_out_begin(&out, '[');
    for (size_t i = 0; i < kept; i++)
        json_out_put_text(&out, arena_strndup(a, text[i].solid, (size_t)(text[i].over - text[i].solid)));
    json_out_end(&out, ']');
    return arena_strdup(a, buf_text(&out));
}

/* null is an empty text. false: it is no array of texts. */
static bool take_array(const json_t *array, struct arena *a, const char ***ret, size_t *ret_count)
{
    size_t count = json_array_size(array);
    const char **item = arena_alloc(a, MAX(count, (size_t)1) * sizeof(*item));
    for (size_t i = 0; i < count; i++) {
        const json_t *text = json_array_get(array, i);
        if (!json_is_string(text) && !json_is_null(text))
            return false;
        item[i] = json_is_null(text) ? "" : arena_strdup(a, json_string_value(text));
    }
    *ret = item;
    *ret_count = count;
    return json_is_array(array);
}

static size_t take_lines(const char *value, struct arena *a, const char ***ret)
{
    size_t count = 1, n = 0;
    for (const char *at = value; *at; at++)
        count += *at == '\n';
    const char **item = arena_alloc(a, count * sizeof(*item));
    for (const char *at = value; n < count; n++) {
        size_t len = strcspn(at, "\n");
        item[n] = arena_strndup(a, at, len);
        at += len + (at[len] == '\n');
    }
    *ret = item;
    return count;
}

/* Whether it begins as an array of texts or nulls does: "[sighs]", "[narrator] Then" and "[" are texts. */
static bool is_array(const char *value)
{
    static const char blanks[] = " \n\r\t", null[] = "null";
    const char *at = value + strspn(value, blanks);
    if (*at != '[')
        return false;
    at += 1 + strspn(at + 1, blanks);
    if (strncmp(at, null, strlen(null)) != 0)
        return *at == '"' || *at == ']';
    at += strlen(null);
    at += strspn(at, blanks);
    return *at == ',' || *at == ']' || !*at;
}

static const char *list_value(const struct param_row *row, const char *value, struct arena *a,
                              struct error *e)
{
    const char **item = NULL;
    size_t count = 0;
    if (!is_array(value)) {
        count = take_lines(value, a, &item);
        return param_items(row, item, count, a, e);
    }
    json_t *array = json_loads(value, 0, NULL);
    bool ok = take_array(array, a, &item, &count);
    json_decref(array);
    if (!ok)
        return refuse_list(row, e), NULL;
    return param_items(row, item, count, a, e);
}

/* ---- the whole ---- */

static int refuse_int(const struct param_row *row, const char *value, struct error *e)
{
    enum err code = features[row->feature].refusal;
    if (row->step > 1)
        return error_set_field(e, code, row->name,
                               "\"%.32s\" is not a whole number from %d to %d in steps of %d", value,
                               row->least, row->most, row->step);
    return error_set_field(e, code, row->name, "\"%.32s\" is not a whole number from %d to %d", value,
                           row->least, row->most);
}

static int refuse(const struct param_row *row, const char *value, struct error *e)
{
    enum err code = features[row->feature].refusal;
    char words[128];
    switch (row->type) {
    case PARAM_TYPE_CHOICE:
    case PARAM_TYPE_LENIENT:
        param_choices(row, words, sizeof(words));
        return error_set_field(e, code, row->name, "\"%.32s\" is not one of %s", value, words);
    case PARAM_TYPE_INT:
        return refuse_int(row, value, e);
    case PARAM_TYPE_NUM:
        return error_set_field(e, code, row->name, "\"%.32s\" is not a number from %d to %d", value,
                               row->least, row->most);
    case PARAM_TYPE_LIST:
        return refuse_list(row, e);
    case PARAM_TYPE_TEXT:
        if (row->least > 0)
            return error_set_field(e, code, row->name,
                                   "The text must be UTF-8 without control characters and have from %d to %d "
                                   "characters, blanks around it not counted",
                                   row->least, row->most);
        return error_set_field(e, code, row->name,
                               "The text must be UTF-8 without control characters and have%s at most %d "
                               "characters",
                               row->initial ? "" : " at least 1 and", row->most);
    case PARAM_TYPE_BOOL:
        break;
    }
    return error_set_field(e, code, row->name, "\"%.32s\" is not true or false", value);
}

static const char *match(const struct param_row *row, const char *value, struct arena *a)
{
    switch (row->type) {
    case PARAM_TYPE_CHOICE:
    case PARAM_TYPE_LENIENT:
        return match_choice_row(row, value, a);
    case PARAM_TYPE_INT:
        return match_int(row, without_zeros(value, a), a);
    case PARAM_TYPE_NUM:
        return match_num(row, value, a);
    case PARAM_TYPE_TEXT:
        return match_text(row, value, a);
    case PARAM_TYPE_LIST:
    case PARAM_TYPE_BOOL:
        break;
    }
    return match_bool(value);
}

const char *param_value(const struct param_row *row, const char *value, struct arena *a, struct error *e)
{
    if (row->type == PARAM_TYPE_LIST)
        return list_value(row, value, a, e);
    const char *canonical = match(row, value, a);
    if (!canonical) {
        int r = refuse(row, value, e);
        (void)r;
    }
    return canonical;
}
