#include "tables/features.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

const struct feature features[FEATURE_COUNT] = {
#define FEATURE(id, name, command, route, class, model, version, prefix, side, rate, about)                  \
    [FEATURE_##id] = {FEATURE_##id, name,    command, route, CLASS_##class,                                  \
                      model,        version, prefix,  about, offsetof(struct options, side),                 \
                      rate},
#define PARAM_CHOICE(...)
#define PARAM_INT(...)
#define PARAM_BOOL(...)
#include "tables/features.def"
#undef FEATURE
#undef PARAM_CHOICE
#undef PARAM_INT
#undef PARAM_BOOL
};

static const struct param_row param_rows[] = {
#define FEATURE(...)
#define PARAM_CHOICE(f, name, other, def, allowed, about)                                                    \
    {FEATURE_##f, PARAM_TYPE_CHOICE, name, other, def, 0, 0, allowed, about},
#define PARAM_INT(f, name, other, def, least, most, about)                                                   \
    {FEATURE_##f, PARAM_TYPE_INT, name, other, #def, least, most, NULL, about},
#define PARAM_BOOL(f, name, other, def, about)                                                               \
    {FEATURE_##f, PARAM_TYPE_BOOL, name, other, (def) ? "true" : "false", 0, 0, NULL, about},
#include "tables/features.def"
#undef FEATURE
#undef PARAM_CHOICE
#undef PARAM_INT
#undef PARAM_BOOL
};

const struct feature *feature_by_route(const char *path)
{
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (strcmp(features[i].route, path) == 0)
            return &features[i];
    return NULL;
}

const struct feature *feature_by_command(const char *command)
{
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (strcmp(features[i].command, command) == 0)
            return &features[i];
    return NULL;
}

const char *class_name(enum class c)
{
    static const char *const names[CLASS_COUNT] = {"light", "heavy", "comic"};
    CHECK((unsigned)c < CLASS_COUNT);
    return names[c];
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

void params_init(struct params *p, const struct feature *f)
{
    size_t count;
    const struct param_row *row = feature_params(f, &count);
    *p = (struct params){.feature = f};
    for (size_t i = 0; i < count; i++)
        p->value[i] = row[i].initial;
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
    char *end;
    long n = strtol(word, &end, 10);
    bool plain = isdigit((unsigned char)word[word[0] == '-']); /* no blanks or plus in front */
    if (!plain || *end || n < row->least || n > row->most)
        return NULL;
    return arena_printf(a, "%ld", n);
}

/* The words of "a|b|long=a" as a list for people: "a, b, long". */
static void list_choices(const char *allowed, char *ret, size_t size)
{
    size_t len = 0;
    *ret = '\0';
    for (const char *at = allowed; *at && len < size;) {
        size_t item = strcspn(at, "|");
        len += (size_t)snprintf(ret + len, size - len, "%s%.*s", len ? ", " : "", (int)strcspn(at, "|="), at);
        at += item + (at[item] == '|');
    }
}

static int refuse(const struct param_row *row, const char *value, struct error *e)
{
    char words[128];
    switch (row->type) {
    case PARAM_TYPE_CHOICE:
        list_choices(row->allowed, words, sizeof(words));
        return error_set_field(e, ERR_VALIDATION, row->name, "\"%.32s\" is not one of %s", value, words);
    case PARAM_TYPE_INT:
        return error_set_field(e, ERR_VALIDATION, row->name, "\"%.32s\" is not a whole number from %d to %d",
                               value, row->least, row->most);
    case PARAM_TYPE_BOOL:
        break;
    }
    return error_set_field(e, ERR_VALIDATION, row->name, "\"%.32s\" is not true or false", value);
}

static int refuse_name(const struct params *p, struct arena *a, const char *name, struct error *e)
{
    size_t count;
    const struct param_row *row = feature_params(p->feature, &count);
    const char *known = "image";
    for (size_t i = 0; i < count; i++)
        known = arena_printf(a, "%s, %s", known, row[i].name);
    return error_set_field(e, ERR_VALIDATION, name, "There is no such field here; this route takes %s",
                           known);
}

int params_set(struct params *p, struct arena *a, const char *name, const char *value, struct error *e)
{
    int i = find(p, name);
    if (i < 0)
        return refuse_name(p, a, name, e);
    size_t count;
    const struct param_row *row = feature_params(p->feature, &count) + i;
    const char *canonical = NULL;
    switch (row->type) {
    case PARAM_TYPE_CHOICE:
        canonical = strcmp(value, row->initial) == 0 ? row->initial : match_choice(row->allowed, value, a);
        break;
    case PARAM_TYPE_INT:
        canonical = match_int(row, value, a);
        break;
    case PARAM_TYPE_BOOL:
        canonical = match_bool(value);
        break;
    }
    if (!canonical)
        return refuse(row, value, e);
    p->value[i] = canonical;
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

bool params_bool(const struct params *p, const char *name)
{
    return strcmp(params_text(p, name), "true") == 0;
}

char *params_canonical(const struct params *p, struct arena *a)
{
    size_t count;
    const struct param_row *row = feature_params(p->feature, &count);
    char *text = arena_strdup(a, "");
    for (size_t i = 0; i < count; i++)
        text = arena_printf(a, "%s%s%s=%s", text, i ? ";" : "", row[i].name, p->value[i]);
    return text;
}
