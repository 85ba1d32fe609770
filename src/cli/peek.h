/* peek.h: asks a running gateway for all that it tells of itself.
 *
 * Order: peek_new, peek_start, and when done has been called read `sample`, or take it with sample_take;
 * peek_start again as often as one likes, one at a time; peek_free when none is under way (peek_cancel, and
 * wait for done). Core thread of uv. The four documents are asked for at once, each within PEEK_TIMEOUT_MS;
 * nothing is sent twice. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "cli/prom.h"
#include "http/client/client.h"
#include "tables/options.h"

enum { PEEK_TIMEOUT_MS = 5000 };

enum peek_part { PEEK_METRICS, PEEK_PROMETHEUS, PEEK_READY, PEEK_STATUS, PEEK_PARTS };

struct sample {
    uint64_t at_ns;    /* when it was all there */
    struct prom *prom; /* these are NULL if they could not be had */
    json_t *metrics, *ready, *status;
    int code[PEEK_PARTS]; /* HTTP; 0: no answer */
    char why[320];        /* why there is no metrics; "": there is */
};
void sample_release(struct sample *s); /* of a zeroed one, too */

bool peek_is_good(const json_t *check); /* a value of /readyz's checks */

struct peek_where {
    const char *url;         /* of the gateway: http://host:port */
    const char *metrics_url; /* where its metrics are */
    const char *token;       /* for those; "": none */
    const char *ca_file;
};

struct peek;

int peek_new(const struct peek_where *where, struct loop_uv *uv, void (*done)(void *ctx), void *ctx,
             struct peek **ret, struct error *e) MUST_CHECK;
void peek_free(struct peek *p); /* accepts NULL */
void peek_start(struct peek *p);
void peek_cancel(struct peek *p); /* done comes all the same */
bool peek_busy(const struct peek *p);
struct sample peek_take(struct peek *p) MUST_CHECK; /* what the last one brought; to be released */

/* Where the gateway is: at url, and its metrics at metrics_url; NULL: as these options say (HOST, PORT,
 * METRICS_ADDR). The texts are the caller's to free. */
struct peek_place {
    char *url, *metrics_url;
};
struct peek_place peek_find(const struct options *opt, const char *url, const char *metrics_url) MUST_CHECK;
void peek_place_release(struct peek_place *place);
