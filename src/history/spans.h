/* spans.h: the lengths of time over which requests are added up. Private to this folder. */
#pragma once

#include <stdint.h>

#include "tables/options.h"

enum { SPAN_COUNT = 3, SPAN_LEAST_S = 10 };

/* The statements of its table; their arguments are said in spans.c. */
struct span {
    unsigned seconds;
    const char *find, *insert, *update, *clear, *read, *read_feature;
    unsigned keep_offset; /* of the option that says how long */
    unsigned keep_unit_s;
};

extern const struct span spans[SPAN_COUNT]; /* short to long */

int64_t span_keep_s(const struct span *s, const struct options *opt);
