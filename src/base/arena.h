/* arena.h: memory that lives as long as one request.
 *
 * Order: arena_init, any number of allocations, arena_release (frees them all). Nothing is freed singly. What
 * must outlive the request is a blob (blob.h). Owner: one thread at a time, the owner of the request.
 * Allocations cannot fail; they are for things of ours, bounded by the caller. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/macros.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used;                /* bytes used in the newest chunk */
};

void arena_init(struct arena *a);
void arena_release(struct arena *a); /* accepts a zeroed or released arena */

void *arena_alloc(struct arena *a, size_t size) MUST_CHECK; /* cleared, aligned for any type */
char *arena_strdup(struct arena *a, const char *s) MUST_CHECK;
char *arena_strndup(struct arena *a, const char *s, size_t n) MUST_CHECK;
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
char *arena_vprintf(struct arena *a, const char *fmt, va_list args) MUST_CHECK;

size_t arena_bytes(const struct arena *a); /* held from the system, for accounting */
