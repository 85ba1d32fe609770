#include "tables/features.h"

#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "tables/field_name.h"
#include "tables/param_value.h"

static struct feature feature_rows[FEATURE_COUNT] = {
#define FEATURE(id, name, command, route, class, model, version, takes, prefix, side, rate, keep, refusal,   \
                work, step, about)                                                                           \
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
                      WORK_##work,                                                                           \
                      FEATURE_##step},
#include "tables/features.def"
};

const struct feature *const features = feature_rows;

static const struct image_row image_rows[] = {
#define IMAGE(f, field, other, when, without, missing, about)                                                \
    {FEATURE_##f, field, other, when, without, ERR_##missing, about, 1, 1},
#define IMAGE_LIST(f, field, least, most, missing, about)                                                    \
    {FEATURE_##f, field, NULL, NULL, NULL, ERR_##missing, about, least, most},
#include "tables/features.def"
};

static const struct param_row param_rows[] = {
#define PARAM_CHOICE(f, name, other, def, allowed, about)                                                    \
    {FEATURE_##f, PARAM_TYPE_CHOICE, name, other, def, 0, 0, 0, allowed, about, false, 0},
#define PARAM_LENIENT(f, name, other, def, allowed, about)                                                   \
    {FEATURE_##f, PARAM_TYPE_LENIENT, name, other, def, 0, 0, 0, allowed, about, false, 0},
#define PARAM_INT(f, name, other, def, least, most, step, about)                                             \
    {FEATURE_##f, PARAM_TYPE_INT, name, other, #def, least, most, step, NULL, about, false, 0},
#define PARAM_SEED(f, name, about)                                                                           \
    {FEATURE_##f, PARAM_TYPE_INT, name, NULL, "", 0, INT_MAX, 1, NULL, about, false, 0},
#define PARAM_NUM(f, name, other, def, least, most, about)                                                   \
    {FEATURE_##f, PARAM_TYPE_NUM, name, other, def, least, most, 0, NULL, about, false, 0},
#define PARAM_BOOL(f, name, other, def, about)                                                               \
    {FEATURE_##f, PARAM_TYPE_BOOL, name, other, (def) ? "true" : "false", 0, 0, 0, NULL, about, false, 0},
#define PARAM_TEXT(f, name, other, def, most, about)                                                         \
    {FEATURE_##f, PARAM_TYPE_TEXT, name, other, def, 0, most, 0, NULL, about, false, 0},
#define PARAM_PROMPT(f, name, other, least, most, about)                                                     \
    {FEATURE_##f, PARAM_TYPE_TEXT, name, other, NULL, least, most, 0, NULL, about, false, 0},
#define PARAM_LIST(f, name, items, most, about)                                                              \
    {FEATURE_##f, PARAM_TYPE_LIST, name, NULL, "[]", 0, most, 0, NULL, about, false, items},
#define PARAM_LINK(f, name, other, def, least, most, about)                                                  \
    {FEATURE_##f, PARAM_TYPE_INT, name, other, #def, least, most, 1, NULL, about, true, 0},
#include "tables/features.def"
};

enum { NAME_MOST = 63, VERSION_MOST = 64 }; /* of a model: its owner's or its own; a digest in hex */

static bool is_name(const char *s, size_t len, size_t most)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return len > 0 && len <= most && strspn(s, letters) >= len;
}

int feature_set_model(enum feature_id id, const char *model, const char *option, struct error *e)
{
    size_t owner = strcspn(model, "/"), colon = strcspn(model, ":"), all = strlen(model);
    if (!*model)
        return 0;
    bool whole = owner + 1 < colon && is_name(model, owner, NAME_MOST) &&
                 is_name(model + owner + 1, colon - owner - 1, NAME_MOST) &&
                 (colon == all || is_name(model + colon + 1, all - colon - 1, VERSION_MOST));
    if (!whole)
        return error_set_field(e, ERR_VALIDATION, option,
                               "%s: \"%.80s\" is no model; one is named owner/name or owner/name:version",
                               option, model);
    feature_rows[id].version = model + colon + (colon < all);
    feature_rows[id].model = colon < all ? strndup(model, colon) : model;
    CHECK(feature_rows[id].model);
    return 0;
}

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

const char *feature_model_name(const struct feature *f)
{
    const char *name = f->command;
    if (f->step != FEATURE_NONE || !*f->model)
        return "";
    for (unsigned i = 0; i < FEATURE_COUNT && !*name; i++)
        if (features[i].step == f->id)
            name = features[i].command;
    return *name ? name : f->name;
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
    CHECK(count <= IMAGES_MAX);
    *ret_count = count;
    return first;
}

const struct image_row *feature_picture_list(const struct feature *f)
{
    size_t count;
    const struct image_row *row = feature_images(f, &count);
    return count == 1 && row->most > 1 ? row : NULL;
}

unsigned feature_pictures(const struct feature *f)
{
    size_t count;
    const struct image_row *list = feature_picture_list(f), *row = feature_images(f, &count);
    (void)row;
    return list ? list->most : (unsigned)count;
}

const struct image_row *feature_picture(const struct feature *f, unsigned i)
{
    size_t count;
    const struct image_row *list = feature_picture_list(f), *row = feature_images(f, &count);
    CHECK(i < feature_pictures(f));
    return list ? list : &row[i];
}

void params_init(struct params *p, const struct feature *f)
{
    size_t count;
    const struct param_row *row = feature_params(f, &count);
    *p = (struct params){.feature = f};
    for (size_t i = 0; i < count; i++)
        p->value[i] = row[i].initial ? row[i].initial : "";
}

/* of_list: some forms call what comes several times name[]. */
static bool same_name(const char *name, const char *known, bool of_list)
{
    size_t len = strlen(known);
    return strncmp(name, known, len) == 0 && (!name[len] || (of_list && strcmp(name + len, "[]") == 0));
}

const struct param_row *feature_param(const struct feature *f, const char *name)
{
    size_t count;
    const struct param_row *row = feature_params(f, &count);
    for (size_t i = 0; i < count; i++) {
        if (same_name(name, row[i].name, row[i].type == PARAM_TYPE_LIST) ||
            (row[i].other_name && strcmp(row[i].other_name, name) == 0))
            return &row[i];
    }
    return NULL;
}

/* Index of the parameter called name; -1 if there is none. */
static int find(const struct params *p, const char *name)
{
    size_t count;
    const struct param_row *row = feature_param(p->feature, name);
    return row ? (int)(row - feature_params(p->feature, &count)) : -1;
}

/* The picture whose field, with this end, is the name; other_too: or whose other name of its address is. */
static int picture_of(const struct feature *f, const char *name, const char *end, bool other_too)
{
    char known[64];
    size_t count;
    const struct image_row *row = feature_images(f, &count);
    for (size_t i = 0; i < count; i++) {
        snprintf(known, sizeof(known), "%s%s", row[i].field, end);
        if (same_name(name, known, row[i].most > 1) ||
            (other_too && row[i].other_url && strcmp(name, row[i].other_url) == 0))
            return (int)i;
    }
    return -1;
}

/* "photo3" of the list "photos" */
static bool is_numbered(const struct image_row *list, const char *name)
{
    size_t len = strlen(list->field) - 1;
    const char *digits = name + len;
    return strncmp(name, list->field, len) == 0 && *digits >= '1' && *digits <= '9' &&
           strspn(digits, "0123456789") == strlen(digits) && strlen(digits) <= 2;
}

int feature_file_of(const struct feature *f, const char *name)
{
    const struct image_row *list = feature_picture_list(f);
    return list && is_numbered(list, name) ? 0 : picture_of(f, name, "", false);
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
    return feature_param(f, name) || feature_address_of(f, name) >= 0 || feature_digest_of(f, name) >= 0;
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
    int file = feature_file_of(p->feature, name);
    if (file >= 0)
        return error_set_field(
            e, p->feature->refusal, name,
            "A picture is taken here as a file of a form; its address goes into \"%s_url\"",
            image[file].field);
    const char *known = meant(p, a, name);
    if (!known)
        return 0;
    return error_set_field(e, p->feature->refusal, name, "There is no such field here; is \"%s\" meant?",
                           known);
}

int params_set(struct params *p, struct arena *a, const char *name, const char *value, struct error *e)
{
    int i = find(p, name);
    if (i < 0)
        return unknown_name(p, a, name, e);
    size_t count;
    const struct param_row *row = feature_params(p->feature, &count) + i;
    const char *canonical = param_value(row, value, a, e);
    if (!canonical)
        return -(int)e->code;
    p->value[i] = canonical;
    return 0;
}

int params_set_items(struct params *p, struct arena *a, const char *name, const char *const *item,
                     size_t count, struct error *e)
{
    int i = find(p, name);
    CHECK(i >= 0);
    size_t rows;
    const struct param_row *row = feature_params(p->feature, &rows) + i;
    const char *canonical = param_items(row, item, count, a, e);
    if (!canonical)
        return -(int)e->code;
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
        if (row[i].type == PARAM_TYPE_TEXT && row[i].least > 0)
            return error_set_field(e, p->feature->refusal, row[i].name,
                                   "This field must be given: from %d to %d characters", row[i].least,
                                   row[i].most);
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

const char **params_list(const struct params *p, const char *name, struct arena *a, size_t *ret_count)
{
    const char *text = params_text(p, name);
    json_t *array = json_loads(*text ? text : "[]", 0, NULL);
    size_t count = json_array_size(array);
    const char **item = arena_alloc(a, MAX(count, (size_t)1) * sizeof(*item));
    for (size_t i = 0; i < count; i++)
        item[i] = arena_strdup(a, json_string_value(json_array_get(array, i)));
    json_decref(array);
    *ret_count = count;
    return item;
}

enum { CANONICAL_MAX = 4 << 20 };

/* A text may hold anything, also what looks like the next parameter: its length comes first. */
static void canonical_value(struct buf *text, const struct param_row *row, const char *value)
{
    if (text->len)
        buf_puts(text, ";");
    buf_puts(text, row->name);
    if (row->type == PARAM_TYPE_TEXT || row->type == PARAM_TYPE_LIST) {
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
    const enum keep keep = p->feature->keep;
    return keep == KEEP_ALWAYS || (keep == KEEP_SEEDED && *params_text(p, "seed"));
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
