/* options.h: the options as one struct, and their rows as data. Rows: options.def. Who fills it: config/. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct options {
#define OPT_SECTION(title)
#define OPT_INT(field, name, def, least, most, unit, text) int64_t field;
#define OPT_NUM(field, name, def, least, most, text)       double field;
#define OPT_SIZE(field, name, def, least, most, text)      int64_t field; /* bytes */
#define OPT_BOOL(field, name, def, text)                   bool field;
#define OPT_TEXT(field, name, def, text)                   const char *field;
#define OPT_URL(field, name, text)                         const char *field;
#define OPT_SECRET(field, name, least, text)               const char *field;
#define OPT_CHOICE(field, name, def, allowed, text)        int field;
#include "tables/options.def"
#undef OPT_SECTION
#undef OPT_INT
#undef OPT_NUM
#undef OPT_SIZE
#undef OPT_BOOL
#undef OPT_TEXT
#undef OPT_URL
#undef OPT_SECRET
#undef OPT_CHOICE
};

enum option_type {
    OPTION_SECTION,
    OPTION_INT,
    OPTION_NUM,
    OPTION_SIZE,
    OPTION_BOOL,
    OPTION_TEXT,
    OPTION_URL,
    OPTION_SECRET,
    OPTION_CHOICE
};

struct option_row {
    enum option_type type;
    const char *name;    /* environment variable; a section's title */
    const char *initial; /* default, as text */
    int64_t least, most; /* of a secret: its length */
    const char *unit;
    const char *allowed; /* choices separated by | */
    const char *text;
    unsigned offset; /* of the field in struct options */
};

extern const struct option_row option_rows[];
extern const unsigned option_row_count;

/* The choices in the order of their rows. */
enum { BUDGET_FALLBACK_OPEN, BUDGET_FALLBACK_CLOSED };
enum { PRESCALE_JPEG, PRESCALE_PNG, PRESCALE_WEBP };
enum { JOURNAL_SYNC_PROCESS, JOURNAL_SYNC_DISK };
enum { S3_CHECKSUM_SHA256, S3_CHECKSUM_MD5, S3_CHECKSUM_NONE };
enum { QUALITY_AUTO, QUALITY_FAST, QUALITY_BEST };
enum { PRECISION_AUTO, PRECISION_F32, PRECISION_BF16 };
