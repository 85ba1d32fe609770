#include <stdio.h>
#include <string.h>

#include "tables/features.h"

const struct feature *feature_by_route(const char *path)
{
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (*features[i].route && route_is(features[i].route, path))
            return &features[i];
    return NULL;
}

const struct feature *feature_by_command(const char *command)
{
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (*command && strcmp(features[i].command, command) == 0)
            return &features[i];
    return NULL;
}

const struct feature *feature_by_name(const char *name)
{
    for (size_t i = 0; name && i < FEATURE_COUNT; i++)
        if (strcmp(features[i].name, name) == 0)
            return &features[i];
    return NULL;
}

void feature_blame_picture(const struct feature *f, unsigned i, struct error *e)
{
    const struct error said = *e;
    if (feature_picture_list(f))
        snprintf(e->reason, sizeof(e->reason), "Picture %u: %.240s", i + 1,
                 *said.reason ? said.reason : err_row(said.code)->message);
    snprintf(e->field, sizeof(e->field), "%s", feature_picture(f, i)->field);
}
