/* macros.h: the few language helpers used everywhere.
 *
 * CLEANUP(fn) frees a local when its scope ends; fn takes a pointer to the variable. TAKE(p) hands the value
 * over to somebody else and leaves NULL behind, so that the clean-up does nothing. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_CHECK      __attribute__((warn_unused_result))
#define PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define UNUSED          __attribute__((unused))
#define CLEANUP(fn)     __attribute__((cleanup(fn)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define TAKE(p)                                                                                              \
    ({                                                                                                       \
        __typeof__(p) taken_ = (p);                                                                          \
        (p) = NULL;                                                                                          \
        taken_;                                                                                              \
    })

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define FREE_ON_EXIT  CLEANUP(cleanup_free)
#define CLOSE_ON_EXIT CLEANUP(cleanup_close)
