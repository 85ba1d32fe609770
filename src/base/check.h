/* check.h: assertions that stay on in release builds.
 *
 * CHECK is for our own bugs only: a false condition prints where and aborts. What the outside world can cause
 * is an error (tables/error.h), never a CHECK. */
#pragma once

_Noreturn void check_failed(const char *expr, const char *file, int line, const char *func);

#define CHECK(expr)                                                                                          \
    do {                                                                                                     \
        if (__builtin_expect(!(expr), 0))                                                                    \
            check_failed(#expr, __FILE__, __LINE__, __func__);                                               \
    } while (0)
