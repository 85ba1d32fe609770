#include <math.h>
#include <string.h>

#include "comic/story_own.h"

enum { LIST_TRIES_MAX = 64, WORDS_ROOM = 4 * STORY_TAGS_BYTES_MAX };

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",    [JSON_ARRAY] = "a list",  [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number",    [JSON_REAL] = "a number", [JSON_TRUE] = "a true value",
        [JSON_FALSE] = "a false value", [JSON_NULL] = "null",
    };
    return names[json_typeof(value)];
}

/* NULL: it is no text, nor a number. */
static const char *as_text(const json_t *value, struct arena *a)
{
    if (json_is_string(value))
        return json_string_value(value);
    return json_is_number(value) ? arena_printf(a, "%.15g", json_number_value(value)) : NULL;
}

static const char *as_words(const json_t *value, struct arena *a)
{
    size_t i;
    json_t *element;
    if (!json_is_array(value))
        return as_text(value, a);
    BUF_ON_EXIT struct buf words;
    buf_init(&words, WORDS_ROOM);
    json_array_foreach(value, i, element)
    {
        const char *text = as_text(element, a);
        if (!text)
            continue;
        buf_puts(&words, words.len > 0 ? ", " : "");
        buf_puts(&words, text);
    }
    return arena_strdup(a, buf_text(&words));
}

/* 0: it is none, or out of bounds. */
static unsigned as_number(const json_t *value, unsigned most)
{
    double n = json_is_string(value) ? strtod(json_string_value(value), NULL) : json_number_value(value);
    return n >= 1 && n <= most && floor(n) == n ? (unsigned)n : 0;
}

static enum story_emotion as_emotion(const json_t *value)
{
    enum story_emotion emotion = STORY_NEUTRAL;
    if (json_is_string(value))
        story_emotion_find(json_string_value(value), &emotion);
    return emotion;
}

static const json_t *get(const json_t *object, const struct story_member *m)
{
    const json_t *value = json_object_get(object, m->name);
    if ((!value || json_is_null(value)) && m->other)
        value = json_object_get(object, m->other);
    return json_is_null(value) ? NULL : value;
}

static int read_text(const json_t *value, const struct story_member *m, const char **ret, struct arena *a,
                     struct error *e)
{
    const char *text = !value ? "" : m->kind == STORY_IS_TEXT ? as_text(value, a) : as_words(value, a);
    if (!text && m->required)
        return error_set(e, ERR_UPSTREAM, "\"%s\" is %s, a text is expected", m->name, type_name(value));
    *ret = text ? story_clean(text, m->most, a) : "";
    return m->required && !**ret ? error_set(e, ERR_UPSTREAM, "\"%s\" is missing", m->name) : 0;
}

int story_members_read(const json_t *object, const struct story_member *rows, size_t count, void *ret,
                       struct arena *a, struct error *e)
{
    for (const struct story_member *m = rows; m < rows + count; m++) {
        const json_t *value = get(object, m);
        void *at = (char *)ret + m->at;
        int r = 0;
        if (m->kind == STORY_IS_NUMBER)
            *(unsigned *)at = as_number(value, m->most);
        else if (m->kind == STORY_IS_EMOTION)
            *(enum story_emotion *)at = as_emotion(value);
        else
            r = read_text(value, m, at, a, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static unsigned *id_of(const struct story_list *list, char *rows, unsigned i)
{
    return (unsigned *)(void *)(rows + i * list->size + list->id);
}

/* In the order of their ids, if each has one of its own; then they are counted anew. */
static void order(const struct story_list *list, char *rows, unsigned count, struct arena *a)
{
    bool distinct = true;
    char *spare = arena_alloc(a, list->size);
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k <= i; k++)
            distinct = distinct && *id_of(list, rows, k) > 0 &&
                       (k == i || *id_of(list, rows, k) != *id_of(list, rows, i));
    for (unsigned i = 1; distinct && i < count; i++)
        for (unsigned k = i; k > 0 && *id_of(list, rows, k - 1) > *id_of(list, rows, k); k--) {
            char *row = rows + k * list->size;
            memcpy(spare, row, list->size);
            memcpy(row, row - list->size, list->size);
            memcpy(row - list->size, spare, list->size);
        }
    for (unsigned i = 0; i < count; i++)
        *id_of(list, rows, i) = i + 1;
}

static unsigned read_rows(const json_t *array, const struct story_list *list, char *rows, struct arena *a,
                          struct error *e)
{
    unsigned count = 0;
    for (size_t i = 0; i < json_array_size(array) && i < LIST_TRIES_MAX && count < list->most; i++) {
        const json_t *element = json_array_get(array, i);
        struct error wrong = {0};
        int r = json_is_object(element)
                    ? story_members_read(element, list->member, list->members, rows + count * list->size, a,
                                         &wrong)
                    : error_set(&wrong, ERR_UPSTREAM, "it is %s, an object is expected", type_name(element));
        if (r == 0)
            count++;
        else if (e->code == ERR_NONE)
            error_set(e, ERR_UPSTREAM, "%s %zu: %.160s", list->name, i + 1, wrong.reason);
    }
    return count;
}

int story_list_read(const json_t *object, const struct story_list *list, unsigned least, struct arena *a,
                    void *ret, unsigned *ret_count, struct error *e)
{
    const json_t *array = json_object_get(object, list->name);
    if (!json_is_array(array) && least > 0)
        return error_set(e, ERR_UPSTREAM, "\"%s\" is %s, a list is expected", list->name,
                         array ? type_name(array) : "missing");
    struct error first = {0};
    char *rows = arena_alloc(a, (list->most + 1) * list->size);
    unsigned count = read_rows(array, list, rows, a, &first);
    if (count < least)
        return error_set(e, ERR_UPSTREAM, "\"%s\" has %u that can be used, %u are needed%s%s", list->name,
                         count, least, first.reason[0] ? "; " : "", first.reason);
    if (list->id != STORY_NO_ID)
        order(list, rows, count, a);
    memcpy(ret, rows, count * list->size);
    *ret_count = count;
    return 0;
}
