#include "predict/cog_health.h"

#include <string.h>

#include "base/check.h"
#include "predict/replicate_json.h"

enum { SLOTS_MAX = 1024 };

static enum cog_state state_of(const char *word)
{
    static const struct {
        const char *word;
        enum cog_state state;
    } words[] = {
        {"READY", COG_READY},         {"BUSY", COG_BUSY},
        {"STARTING", COG_STARTING},   {"UNKNOWN", COG_STARTING}, /* before it starts */
        {"UNHEALTHY", COG_UNHEALTHY}, {"SETUP_FAILED", COG_SETUP_FAILED},
        {"DEFUNCT", COG_DEFUNCT},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(word, words[i].word) == 0)
            return words[i].state;
    return COG_UNHEALTHY; /* a word of the future is hardly a synonym of ready */
}

void cog_health_read(int status, const void *body, size_t size, struct cog_health *ret)
{
    *ret = (struct cog_health){.state = COG_UNREACHABLE};
    if (status != 200 && status != 503)
        return;
    JSON_ON_EXIT json_t *j = replicate_json_read(body, size);
    const char *word = replicate_json_text(j, "status");
    if (!*word)
        return;
    ret->state = state_of(word);
    const json_t *max = json_object_get(json_object_get(j, "concurrency"), "max");
    double slots = json_is_number(max) ? json_number_value(max) : 0;
    if (slots >= 1 && slots <= SLOTS_MAX)
        ret->slots = (unsigned)slots;
}

const char *cog_state_name(enum cog_state state)
{
    static const char *const names[] = {"unasked",   "starting",     "ready",   "busy",
                                        "unhealthy", "setup failed", "defunct", "unreachable"};
    CHECK((unsigned)state < ARRAY_LEN(names));
    return names[state];
}

bool cog_state_hopeful(enum cog_state state)
{
    return state <= COG_BUSY;
}
