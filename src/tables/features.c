#include "tables/features.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/utf8.h"
#include "tables/field_name.h"

const struct feature features[FEATURE_COUNT] = {
#define FEATURE(id, name, command, route, class, model, version, takes, prefix, side, rate, keep, refusal,   \
                step, about)                                                                                 \
    [FEATURE_##id] = {FEATURE_##id,                                                                          \
                      name,                                                                                  \
                      command,                                                                               \
                      route,                                                                                 \
                      CLASS_##class,                                                                         \
                      model,                                                                                 \
                      version,                                                                               \
                      takes,                                                                                 \
                      prefix,                                                                                \
                      about,                                                                                 \
                      offsetof(struct options, side),                                                        \
                      rate,                                                                                  \
                      KEEP_##keep,                                                                           \
                      ERR_##refusal,                                                                         \
                      FEATURE_##step},
#include "tables/features.def"
};

static const struct image_row image_rows[] = {
#define IMAGE(f, field, other, when, without, missing, about)                                                \
    {FEATURE_##f, field, other, when, without, ERR_##missing, about},
#include "tables/features.def"
};

static const struct param_row param_rows[] = {
#define PARAM_CHOICE(f, name, other, def, allowed, about)                                                    \
    {FEATURE_##f, PARAM_TYPE_CHOICE, name, other, def, 0, 0, 0, allowed, about, false},
#define PARAM_LENIENT(f, name, other, def, allowed, about)                                                   \
    {FEATURE_##f, PARAM_TYPE_LENIENT, name, other, def, 0, 0, 0, allowed, about, false},
#define PARAM_INT(f, name, other, def, least, most, step, about)                                             \
    {FEATURE_##f, PARAM_TYPE_INT, name, other, #def, least, most, step, NULL, about, false},
#define PARAM_SEED(f, name, about)                                                                           \
    {FEATURE_##f, PARAM_TYPE_INT, name, NULL, "", 0, INT_MAX, 1, NULL, about, false},
#define PARAM_NUM(f, name, other, def, least, most, about)                                                   \
    {FEATURE_##f, PARAM_TYPE_NUM, name, other, def, least, most, 0, NULL, about, false},
#define PARAM_BOOL(f, name, other, def, about)                                                               \
    {FEATURE_##f, PARAM_TYPE_BOOL, name, other, (def) ? "true" : "false", 0, 0, 0, NULL, about, false},
#define PARAM_TEXT(f, name, other, def, most, about)                                                         \
    {FEATURE_##f, PARAM_TYPE_TEXT, name, other, def, 0, most, 0, NULL, about, false},
#define PARAM_LINK(f, name, other, def, least, most, about)                                                  \
    {FEATURE_##f, PARAM_TYPE_INT, name, other, #def, least, most, 1, NULL, about, true},
#include "tables/features.def"
};

bool route_is(const char *route, const char *path)
{
    size_t len = strlen(route);
    return strncmp(path, route, len) == 0 && strcmp(path + len + (path[len] == '/'), "") == 0;
}

const char *class_name(enum class c)
{
    static const char *const names[CLASS_COUNT] = {"light", "heavy", "comic"};
    CHECK((unsigned)c < CLASS_COUNT);
    return names[c];
}

bool feature_takes(const struct feature *f, const char *extension)
{
    size_t len = strlen(extension);
    for (const char *at = f->takes; *at; at += strspn(at, "|")) {
        size_t item = strcspn(at, "|");
        if (item == len && strncmp(at, extension, len) == 0)
            return true;
        at += item;
    }
    return false;
}

int64_t feature_max_side(const struct feature *f, const struct options *opt)
{
    return *(const int64_t *)(const void *)((const char *)opt + f->side_offset);
}

const struct param_row *feature_params(const struct feature *f, size_t *ret_count)
{
    const struct param_row *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(param_rows); i++) {
        if (param_rows[i].feature != f->id)
            continue;
        if (!first)
            first = &param_rows[i];
        count++;
    }
    CHECK(count <= PARAMS_MAX);
    *ret_count = count;
    return first;
}

const struct image_row *feature_images(const struct feature *f, size_t *ret_count)
{
    const struct image_row *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(image_rows); i++) {
        if (image_rows[i].feature != f->id)
            continue;
        if (!first)
            first = &image_rows[i];
        count++;
    }
    CHECK(count >= 1 && count <= IMAGES_MAX);
    *ret_count = count;
    return first;
}

void params_init(struct params *p, const struct feature *f)
{
    size_t count;
    const struct param_row *row = feature_params(f, &count);
    *p = (struct params){.feature = f};
    for (size_t i = 0; i < count; i++)
        p->value[i] = row[i].initial ? row[i].initial : "";
}

/* Index of the parameter called name; -1 if there is none. */
static int find(const struct params *p, const char *name)
{
    size_t count;
    const struct param_row *row = feature_params(p->feature, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(row[i].name, name) == 0 || (row[i].other_name && strcmp(row[i].other_name, name) == 0))
            return (int)i;
    }
    return -1;
}

/* The picture whose field, with this end, is the name; other_too: or whose other name of its address is. */
static int picture_of(const struct feature *f, const char *name, const char *end, bool other_too)
{
    size_t count;
    const struct image_row *row = feature_images(f, &count);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(row[i].field);
        if ((strncmp(name, row[i].field, len) == 0 && strcmp(name + len, end) == 0) ||
            (other_too && row[i].other_url && strcmp(name, row[i].other_url) == 0))
            return (int)i;
    }
    return -1;
}

int feature_address_of(const struct feature *f, const char *name)
{
    return picture_of(f, name, "_url", true);
}

int feature_digest_of(const struct feature *f, const char *name)
{
    return picture_of(f, name, "_digest", false);
}

bool feature_has_field(const struct feature *f, const char *name)
{
    return find(&(struct params){.feature = f}, name) >= 0 || feature_address_of(f, name) >= 0 ||
           feature_digest_of(f, name) >= 0;
}

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

static const char *match_text(const struct param_row *row, const char *word, struct arena *a)
{
    size_t count = 0;
    for (const char *at = word; *at; count++) {
        size_t len = utf8_char(at);
        if (len == 0 || (len == 1 && iscntrl((unsigned char)*at) && !strchr("\n\r\t", *at)))
            return NULL;
        at += len;
    }
    bool missing = !row->initial && strspn(word, " \n\r\t") == strlen(word);
    return count <= (size_t)row->most && !missing ? arena_strdup(a, word) : NULL;
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
    case PARAM_TYPE_TEXT:
        return error_set_field(e, code, row->name,
                               "The text must be UTF-8 without control characters and have%s at most %d "
                               "characters",
                               row->initial ? "" : " at least 1 and", row->most);
    case PARAM_TYPE_BOOL:
        break;
    }
    return error_set_field(e, code, row->name, "\"%.32s\" is not true or false", value);
}

/* The name of the route's that this is a slip of; NULL: it means something else. */
static const char *meant(const struct params *p, struct arena *a, const char *name)
{
    size_t images, count;
    const struct image_row *image = feature_images(p->feature, &images);
    const struct param_row *row = feature_params(p->feature, &count);
    for (size_t i = 0; i < count; i++)
        if (field_name_near(name, row[i].name) ||
            (row[i].other_name && field_name_near(name, row[i].other_name)))
            return row[i].name;
    for (size_t i = 0; i < images; i++) {
        const char *url = arena_printf(a, "%s_url", image[i].field);
        if (field_name_near(name, url) || (image[i].other_url && field_name_near(name, image[i].other_url)))
            return url;
        if (field_name_near(name, image[i].field))
            return image[i].field;
    }
    return NULL;
}

/* Apps send fields of their own, which the route has never looked at. But a slip of a field that it has would
 * cost a run that nobody wanted. */
static int unknown_name(const struct params *p, struct arena *a, const char *name, struct error *e)
{
    size_t images;
    const struct image_row *image = feature_images(p->feature, &images);
    for (size_t i = 0; i < images; i++)
        if (strcmp(name, image[i].field) == 0)
            return error_set_field(
                e, p->feature->refusal, name,
                "A picture is taken here as a file of a form; its address goes into \"%s_url\"", name);
    const char *known = meant(p, a, name);
    if (!known)
        return 0;
    return error_set_field(e, p->feature->refusal, name, "There is no such field here; is \"%s\" meant?",
                           known);
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
    case PARAM_TYPE_BOOL:
        break;
    }
    return match_bool(value);
}

int params_set(struct params *p, struct arena *a, const char *name, const char *value, struct error *e)
{
    int i = find(p, name);
    if (i < 0)
        return unknown_name(p, a, name, e);
    size_t count;
    const struct param_row *row = feature_params(p->feature, &count) + i;
    const char *canonical = match(row, value, a);
    if (!canonical)
        return refuse(row, value, e);
    p->value[i] = canonical;
    return 0;
}

int params_check(const struct params *p, struct error *e)
{
    size_t count;
    const struct param_row *row = feature_params(p->feature, &count);
    char words[128];
    for (size_t i = 0; i < count; i++) {
        if (row[i].initial || *p->value[i])
            continue;
        if (row[i].type != PARAM_TYPE_CHOICE)
            return error_set_field(e, p->feature->refusal, row[i].name, "This field must be given");
        param_choices(&row[i], words, sizeof(words));
        return error_set_field(e, p->feature->refusal, row[i].name, "This field must be given: one of %s",
                               words);
    }
    return 0;
}

const char *params_text(const struct params *p, const char *name)
{
    int i = find(p, name);
    return i < 0 ? "" : p->value[i];
}

int params_int(const struct params *p, const char *name, int otherwise)
{
    const char *s = params_text(p, name);
    return *s ? atoi(s) : otherwise;
}

double params_num(const struct params *p, const char *name, double otherwise)
{
    const char *s = params_text(p, name);
    return *s ? strtod(s, NULL) : otherwise;
}

bool params_bool(const struct params *p, const char *name)
{
    return strcmp(params_text(p, name), "true") == 0;
}

enum { CANONICAL_MAX = 1 << 20 };

/* A text may hold anything, also what looks like the next parameter: its length comes first. */
static void canonical_value(struct buf *text, const struct param_row *row, const char *value)
{
    if (text->len)
        buf_puts(text, ";");
    buf_puts(text, row->name);
    if (row->type == PARAM_TYPE_TEXT) {
        buf_puts(text, ":");
        buf_fixed(text, strlen(value), 0);
    }
    buf_puts(text, "=");
    buf_puts(text, value);
}

char *params_canonical(const struct params *p, struct arena *a)
{
    size_t count;
    const struct param_row *row = feature_params(p->feature, &count);
    BUF_ON_EXIT struct buf text;
    buf_init(&text, CANONICAL_MAX);
    for (size_t i = 0; i < count; i++)
        if (!row[i].link_only)
            canonical_value(&text, &row[i], p->value[i]);
    CHECK(!text.failed);
    return arena_strdup(a, buf_text(&text));
}

bool params_match(const struct params *p, const char *when)
{
    if (!when)
        return true;
    size_t len = strcspn(when, "=");
    int i = -1;
    char name[64];
    if (len < sizeof(name)) {
        snprintf(name, sizeof(name), "%.*s", (int)len, when);
        i = find(p, name);
    }
    CHECK(i >= 0 && when[len] == '=');
    return strcmp(p->value[i], when + len + 1) == 0;
}

bool params_keep(const struct params *p)
{
    return p->feature->keep == KEEP_ALWAYS || *params_text(p, "seed");
}

char *params_prefix(const struct params *p, struct arena *a)
{
    char *out = arena_strdup(a, "");
    for (const char *at = p->feature->prefix; *at;) {
        size_t plain = strcspn(at, "{");
        out = arena_printf(a, "%s%.*s", out, (int)plain, at);
        at += plain;
        if (!*at)
            break;
        size_t name = strcspn(at + 1, "}");
        out = arena_printf(a, "%s%s", out, params_text(p, arena_strndup(a, at + 1, name)));
        at += name + 2;
    }
    return out;
}
