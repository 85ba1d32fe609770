/* cog_health.h: what a Cog server says about itself, whichever generation it is of.
 *
 * All answer GET /health-check with JSON and a "status"; most with 200 whatever they say, some with 503
 * unless they are ready. Go's also says how many runs it takes at once. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum cog_state {
    COG_UNASKED,  /* nothing is known, or no longer */
    COG_STARTING, /* its set-up has not ended */
    COG_READY,
    COG_BUSY,         /* it has no room for another run */
    COG_UNHEALTHY,    /* its own check of the model fails */
    COG_SETUP_FAILED, /* somebody has to look at it */
    COG_DEFUNCT,      /* likewise: the model has crashed */
    COG_UNREACHABLE   /* no answer, or none of Cog's */
};

struct cog_health {
    enum cog_state state;
    unsigned slots; /* runs at once; 0: not told */
};

/* Never UNASKED. */
void cog_health_read(int status, const void *body, size_t size, struct cog_health *ret);

const char *cog_state_name(enum cog_state state); /* "setup failed" */
bool cog_state_hopeful(enum cog_state state);     /* it can run something now or soon */
