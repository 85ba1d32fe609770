#include "redis/info.h"

#include <string.h>

#include "base/macros.h"

void redis_info_value(const char *info, const char *name, char ret[static REDIS_INFO_MAX])
{
    size_t len = strlen(name);
    ret[0] = '\0';
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) != 0 || line[len] != ':')
            continue;
        size_t size = MIN(strcspn(line + len + 1, "\r\n"), (size_t)REDIS_INFO_MAX - 1);
        memcpy(ret, line + len + 1, size);
        ret[size] = '\0';
        return;
    }
}
