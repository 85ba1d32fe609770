#include "tables/options.h"

#include <stddef.h>

#include "base/macros.h"

#define AT(field) offsetof(struct options, field)

const struct option_row option_rows[] = {
#define OPT_SECTION(title) {.type = OPTION_SECTION, .name = title},
#define OPT_INT(field, name, def, least, most, unit, text)                                                   \
    {OPTION_INT, name, #def, least, most, unit, NULL, text, AT(field)},
#define OPT_NUM(field, name, def, least, most, text)                                                         \
    {OPTION_NUM, name, #def, least, most, "", NULL, text, AT(field)},
#define OPT_SIZE(field, name, def, least, most, text)                                                        \
    {OPTION_SIZE, name, #def, least, most, "bytes", NULL, text, AT(field)},
#define OPT_BOOL(field, name, def, text)                                                                     \
    {OPTION_BOOL, name, (def) ? "on" : "off", 0, 0, "", "on|off", text, AT(field)},
#define OPT_TEXT(field, name, def, text)     {OPTION_TEXT, name, def, 0, 0, "", NULL, text, AT(field)},
#define OPT_URL(field, name, text)           {OPTION_URL, name, "", 0, 0, "", NULL, text, AT(field)},
#define OPT_SECRET(field, name, least, text) {OPTION_SECRET, name, "", least, 0, "", NULL, text, AT(field)},
#define OPT_CHOICE(field, name, def, allowed, text)                                                          \
    {OPTION_CHOICE, name, def, 0, 0, "", allowed, text, AT(field)},
#include "tables/options.def"
};

const unsigned option_row_count = ARRAY_LEN(option_rows);
