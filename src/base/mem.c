#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void *must(void *p)
{
    if (!p) {
        fputs("limner: out of memory\n", stderr);
        abort();
    }
    return p;
}

/* Up to so much is kept, and only what is larger is mapped by itself. Few heaps: what one thread has let go
 * of another cannot use, and pictures are worked on by many. */
enum { KEPT_BYTES = 16 << 20, MAPPED_BYTES = 4 << 20, ARENAS = 4 };

void mem_start(void)
{
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_ARENA_MAX, ARENAS);
}

void *mem_alloc(size_t size)
{
    return must(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return must(calloc(1, size ? size : 1));
}

void *mem_realloc(void *p, size_t size)
{
    CHECK(size > 0);
    return must(realloc(p, size));
}

char *mem_strdup(const char *s)
{
    CHECK(s);
    return must(strdup(s));
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return must(n < 0 ? NULL : s);
}
