/* read_file.h: a whole file for a bench program, which ends where something is wrong. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/blob.h"

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, why);
    exit(1);
}

static struct blob *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) < 0)
        fail("the photo cannot be opened");
    size_t size = (size_t)ftell(f);
    rewind(f);
    void *data = malloc(size);
    if (!data || fread(data, 1, size, f) != size)
        fail("the photo cannot be read");
    fclose(f);
    return blob_take(data, size, free);
}
