/* Headers that may come several times and then are one list (RFC 9110 §5.3). */
#include <strings.h>

#include "base/arena.h"
#include "http/server/http.h"

struct collect {
    const char *name;
    struct arena *arena;
    const char *all;
};

static void collect(void *ctx, const char *name, const char *value)
{
    struct collect *c = ctx;
    if (strcasecmp(name, c->name) == 0)
        c->all = c->all ? arena_printf(c->arena, "%s, %s", c->all, value) : value;
}

const char *exchange_header_list(const struct exchange *x, const char *name, struct arena *a)
{
    if (!exchange_header(x, name))
        return NULL;
    struct collect c = {.name = name, .arena = a};
    exchange_each_header(x, collect, &c);
    return c.all;
}
