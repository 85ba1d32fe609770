#include "tables/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"

static const struct err_row rows[ERR_COUNT] = {
    [ERR_NONE] = {"OK", "", "", 200, CAUSE_CLIENT, false},
#define ERROR(id, code, status, cause, retryable, message, advice)                                           \
    [ERR_##id] = {code, message, advice, status, CAUSE_##cause, retryable},
#include "tables/errors.def"
#undef ERROR
};

const struct err_row *err_row(enum err code)
{
    CHECK((unsigned)code < ERR_COUNT);
    return &rows[code];
}

enum err err_by_code(const char *code)
{
    for (unsigned i = 1; code && i < ERR_COUNT; i++)
        if (strcmp(rows[i].code, code) == 0)
            return (enum err)i;
    return ERR_NONE;
}

static int fill(struct error *e, enum err code, const char *field, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

static int fill(struct error *e, enum err code, const char *field, const char *fmt, va_list ap)
{
    *e = (struct error){.code = code};
    snprintf(e->field, sizeof(e->field), "%s", field);
    vsnprintf(e->reason, sizeof(e->reason), fmt, ap);
    utf8_clean(e->field); /* both may quote what a client sent, and go into JSON */
    utf8_clean(e->reason);
    return -(int)code;
}

int error_set(struct error *e, enum err code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = fill(e, code, "", fmt, ap);
    va_end(ap);
    return r;
}

int error_set_field(struct error *e, enum err code, const char *field, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = fill(e, code, field, fmt, ap);
    va_end(ap);
    return r;
}
