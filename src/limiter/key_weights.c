#include "limiter/key_weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "limiter/fair_queue.h"

enum { KEYS_MAX = 256, NAME_MAX_CHARS = 64 };

struct key_weights {
    unsigned count;
    struct {
        char name[NAME_MAX_CHARS + 1];
        unsigned weight;
    } key[KEYS_MAX];
};

static bool is_named(const struct key_weights *w, const char *name)
{
    for (unsigned i = 0; i < w->count; i++)
        if (strcmp(w->key[i].name, name) == 0)
            return true;
    return false;
}

/* 0: it is none. */
static unsigned read_weight(const char *text, const char *end)
{
    unsigned weight = 0;
    for (; text < end && weight <= FAIR_WEIGHT_MAX; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        weight = weight * 10 + (unsigned)(*text - '0');
    }
    return weight <= FAIR_WEIGHT_MAX ? weight : 0;
}

static int add(struct key_weights *w, const char *item, size_t len, struct error *e)
{
    const char *equals = memchr(item, '=', len);
    size_t name = equals ? (size_t)(equals - item) : 0;
    unsigned weight = equals ? read_weight(equals + 1, item + len) : 0;
    if (name == 0 || name > NAME_MAX_CHARS || weight == 0)
        return error_set_field(e, ERR_VALIDATION, "KEY_WEIGHTS",
                               "KEY_WEIGHTS: \"%.*s\" is no name=weight, with a weight from 1 to %d",
                               (int)MIN(len, (size_t)NAME_MAX_CHARS), item, FAIR_WEIGHT_MAX);
    if (w->count == KEYS_MAX)
        return error_set_field(e, ERR_VALIDATION, "KEY_WEIGHTS", "KEY_WEIGHTS names more than %d keys",
                               KEYS_MAX);
    char *to = w->key[w->count].name;
    memcpy(to, item, name);
    to[name] = '\0';
    if (is_named(w, to))
        return error_set_field(e, ERR_VALIDATION, "KEY_WEIGHTS", "KEY_WEIGHTS names \"%s\" twice", to);
    w->key[w->count++].weight = weight;
    return 0;
}

int key_weights_new(const char *text, struct key_weights **ret, struct error *e)
{
    struct key_weights *w = NEW(struct key_weights);
    for (const char *at = text; *at;) {
        at += strspn(at, ", \t");
        size_t len = strcspn(at, ", \t");
        int r = len > 0 ? add(w, at, len, e) : 0;
        if (r < 0) {
            free(w);
            return r;
        }
        at += len;
    }
    *ret = w;
    return 0;
}

void key_weights_free(struct key_weights *w)
{
    free(w);
}

unsigned key_weight(const struct key_weights *w, const char *name)
{
    for (unsigned i = 0; w && name && i < w->count; i++)
        if (strcmp(w->key[i].name, name) == 0)
            return w->key[i].weight;
    return 1;
}

const char *key_weights_name(const struct key_weights *w, unsigned i)
{
    return w && i < w->count ? w->key[i].name : NULL;
}
