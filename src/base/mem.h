/* mem.h: allocation of small things, which cannot fail.
 *
 * A few bytes of our own that cannot be had mean the process is lost: these abort. Anything whose size a peer
 * decides goes through buf.h or blob.h, which have caps and return errors. Any thread. */
#pragma once

#include <stddef.h>

#include "base/macros.h"

/* Once, before there are threads: how the C library keeps what is freed. Pictures come and go; left to itself
 * it gives each back to the kernel, which clears every page again for the next one. */
void mem_start(void);

void *mem_alloc(size_t size) MUST_CHECK;            /* not cleared; free with free() */
void *mem_zalloc(size_t size) MUST_CHECK;           /* cleared */
void *mem_realloc(void *p, size_t size) MUST_CHECK; /* as realloc(), size > 0 */
char *mem_strdup(const char *s) MUST_CHECK;         /* s may not be NULL */
char *mem_printf(const char *fmt, ...) PRINTF(1, 2) MUST_CHECK;

#define NEW(type) ((type *)mem_zalloc(sizeof(type)))
