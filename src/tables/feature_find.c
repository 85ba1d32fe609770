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
