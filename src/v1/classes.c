#include "v1/classes.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/words.h"
#include "predict/replicate_raw.h"

enum { RULES_MAX = 256, NAME_MAX_BYTES = 160 };

struct rule {
    char *name; /* what stands before a final star, if there is one */
    bool star;
    enum class class;
};

struct classes {
    unsigned count;
    struct rule rule[RULES_MAX];
};

static int read_class(const struct word *w, enum class *ret)
{
    for (int i = 0; i < CLASS_COUNT; i++)
        if (word_is(w, class_name((enum class)i))) {
            *ret = (enum class)i;
            return 0;
        }
    return -1;
}

static int add(struct classes *c, const struct word *item, struct error *e)
{
    const char *at = item->at, *end = item->at + item->len;
    struct word name = word_next(&at, end, '='), what = word_next(&at, end, '=');
    struct rule rule;
    if (c->count == RULES_MAX)
        return error_set_field(e, ERR_VALIDATION, "V1_CLASSES", "V1_CLASSES has more than %d rules",
                               RULES_MAX);
    if (name.len == 0 || name.len > NAME_MAX_BYTES || read_class(&what, &rule.class) < 0)
        return error_set_field(e, ERR_VALIDATION, "V1_CLASSES",
                               "V1_CLASSES: \"%.*s\" is no rule; they look like owner/name=heavy, and the "
                               "classes are light, heavy and comic",
                               (int)MIN(item->len, (size_t)80), item->at);
    rule.star = name.at[name.len - 1] == '*';
    rule.name = mem_printf("%.*s", (int)(name.len - rule.star), name.at);
    c->rule[c->count++] = rule;
    return 0;
}

int classes_new(const char *rules, struct classes **ret, struct error *e)
{
    struct classes *c = NEW(struct classes);
    const char *at = rules, *end = rules + strlen(rules);
    int r = 0;
    while (at < end && r == 0) {
        struct word item = word_next(&at, end, ',');
        if (item.len > 0)
            r = add(c, &item, e);
    }
    if (r < 0)
        classes_free(c);
    else
        *ret = c;
    return r;
}

void classes_free(struct classes *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->count; i++)
        free(c->rule[i].name);
    free(c);
}

static bool fits(const struct rule *r, const char *model, const char *version)
{
    if (r->star)
        return strncmp(model, r->name, strlen(r->name)) == 0;
    return strcmp(model, r->name) == 0 || (*version && strcmp(version, r->name) == 0);
}

enum class classes_of(const struct classes *c, const char *model, const char *version) {
    for (unsigned i = 0; i < c->count; i++) if (fits(&c->rule[i], model, version)) return c->rule[i].class;
    const struct feature *f = replicate_raw_feature(model, version);
    return f ? f->class : CLASS_LIGHT;
}
