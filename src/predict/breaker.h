/* breaker.h: switches off for a while what keeps failing.
 *
 * closed → open after so many failures in a row; open → half-open when its time is over: then one call
 * probes, the others are still refused; a good probe closes it, a bad one opens it again. Order:
 * breaker_init; breaker_enter before each call; breaker_leave after it, with what enter gave;
 * breaker_release. Any thread (a mutex, held for nanoseconds); the clock is the caller's. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct breaker {
    pthread_mutex_t mutex; /* over the rest */
    unsigned failures_max;
    uint64_t open_ns;
    unsigned failures; /* in a row */
    bool open, probing;
    uint64_t until_ns; /* while open: when a probe may go */
};

enum breaker_pass { BREAKER_REFUSED, BREAKER_CALL, BREAKER_PROBE };
enum breaker_verdict {
    BREAKER_GOOD,
    BREAKER_BAD,
    BREAKER_NEITHER /* it says nothing about the other side: our own fault, cancelled */
};

void breaker_init(struct breaker *b, int64_t failures_max, int64_t open_ms);
void breaker_release(struct breaker *b);

/* Would a call pass? *ret_retry_after_s, if not: in how many seconds it may. */
bool breaker_allows(struct breaker *b, uint64_t now_ns, unsigned *ret_retry_after_s) MUST_CHECK;
enum breaker_pass breaker_enter(struct breaker *b, uint64_t now_ns) MUST_CHECK;
/* pass: not REFUSED. true: this opened it. */
bool breaker_leave(struct breaker *b, enum breaker_pass pass, enum breaker_verdict verdict, uint64_t now_ns);
/* Opens it, whatever was counted. true: it was closed, or half-open. */
bool breaker_trip(struct breaker *b, uint64_t now_ns);
const char *breaker_state(struct breaker *b, uint64_t now_ns); /* "closed", "open", "half-open" */
