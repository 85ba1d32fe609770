#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

enum { CHUNK_BYTES = 1024 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void arena_release(struct arena *a)
{
    struct arena_chunk *c = a->chunks;
    while (c) {
        struct arena_chunk *next = c->next;
        free(c);
        c = next;
    }
    *a = (struct arena){0};
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    size = (size + align - 1) & ~(align - 1);
    if (!a->chunks || a->chunks->size - a->used < size) {
        size_t bytes = MAX(size, (size_t)CHUNK_BYTES - sizeof(struct arena_chunk));
        struct arena_chunk *c = mem_zalloc(sizeof(*c) + bytes);
        c->size = bytes;
        c->next = a->chunks;
        a->chunks = c;
        a->used = 0;
    }
    void *p = a->chunks->data + a->used;
    a->used += size;
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *p = arena_alloc(a, len + 1);
    memcpy(p, s, len);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

/* Usually it fits what is left of the chunk: one pass. What a text that does not has left there is never
 * given out, as the next allocation begins another chunk. */
char *arena_vprintf(struct arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = a->chunks ? a->chunks->size - a->used : 0;
    int n = vsnprintf(room ? a->chunks->data + a->used : NULL, room, fmt, args);
    CHECK(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    if ((size_t)n >= room)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *p = arena_vprintf(a, fmt, args);
    va_end(args);
    return p;
}

size_t arena_bytes(const struct arena *a)
{
    size_t sum = 0;
    for (const struct arena_chunk *c = a->chunks; c; c = c->next)
        sum += sizeof(*c) + c->size;
    return sum;
}
