/* error.h: error codes, and the error object that travels in a request.
 *
 * Functions above src/base return 0 or a negative ERR_ code (`return -ERR_NOT_FOUND` reads as such); those
 * with something to explain also fill a struct error. Who finds the cause writes the message; nobody above
 * overwrites it. Rows: errors.def. Any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

enum err {
    ERR_NONE = 0,
#define ERROR(id, code, status, cause, retryable, message, advice) ERR_##id,
#include "tables/errors.def"
#undef ERROR
    ERR_COUNT
};

enum err_cause { CAUSE_CLIENT, CAUSE_UPSTREAM, CAUSE_INTERNAL };

struct err_row {
    const char *code; /* the word in the answer */
    const char *message;
    const char *advice; /* what its caller is to do */
    int status;         /* HTTP */
    enum err_cause cause;
    bool retryable;
};

struct error {
    enum err code;          /* ERR_NONE: nothing is wrong */
    unsigned retry_after_s; /* 0: unknown */
    char field[64];         /* the input field at fault; "" if none */
    char reason[256];       /* what is wrong, for the caller; "" → the row's message */
};

const struct err_row *err_row(enum err code);

enum err err_by_code(const char *code); /* NONE: there is no such word, or it is NULL */

/* Fill an error and return the negative code, so that a function can end with `return error_set(...)`. */
int error_set(struct error *e, enum err code, const char *fmt, ...) PRINTF(3, 4);
int error_set_field(struct error *e, enum err code, const char *field, const char *fmt, ...) PRINTF(4, 5);
