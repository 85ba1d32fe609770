/* exemplars.h: for each bucket of M_HTTP_DURATION a request that fell into it lately, by its id.
 *
 * A new one is taken at most once a second a bucket, and only if nobody is reading or writing just then: on
 * the way of a request this is one look at a time stamp. Any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

enum { EXEMPLAR_ID_MAX = 118 }; /* with its label's name 128 characters, the most that OpenMetrics allows */

struct exemplars;

struct exemplar {
    uint64_t ns;      /* how long it took */
    uint64_t wall_ns; /* when it ended, since 1970 */
    char id[EXEMPLAR_ID_MAX + 1];
};

struct exemplars *exemplars_new(void) MUST_CHECK;
void exemplars_free(struct exemplars *e); /* accepts NULL */

/* now_ns: of clock_mono_ns. An id that is too long, or would have to be escaped, is none. */
void exemplars_note(struct exemplars *e, unsigned series, uint64_t ns, const char *id, uint64_t now_ns);
bool exemplars_get(struct exemplars *e, unsigned series, unsigned bucket, struct exemplar *ret);
