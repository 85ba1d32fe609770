#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"

void app_program_dir(char *ret, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", ret, size - 1);
    ret[MAX(n, 0)] = '\0';
    char *slash = strrchr(ret, '/');
    if (slash)
        *slash = '\0';
    else
        snprintf(ret, size, ".");
}
