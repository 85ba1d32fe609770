/* metrics.h: counters and latency histograms, lock-free where requests pass.
 *
 * Any thread. What is read while others write may be a few requests apart from one number to the
 * next. metrics_json and metrics_text render the documents of /metrics; what only the latter shows is counted
 * in cells (cells.h). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "metrics/cells.h"
#include "metrics/exemplars.h"
#include "metrics/exposition.h"
#include "metrics/histogram.h"
#include "tables/features.h"

struct metrics;

struct metrics *metrics_new(uint64_t now_ns) MUST_CHECK;
/* At the start, before there are threads: the span of the JSON's times and rates; 300 s otherwise. */
void metrics_window(struct metrics *m, uint64_t span_s, uint64_t now_ns);
/* One thread, a few times a second: lets what is too old leave the window. */
void metrics_turn(struct metrics *m, uint64_t now_ns);
void metrics_free(struct metrics *m);

struct cells *metrics_cells(struct metrics *m);         /* lives as long as m */
struct exemplars *metrics_exemplars(struct metrics *m); /* likewise */

enum outcome { OUTCOME_SUCCESS, OUTCOME_CACHED, OUTCOME_ERROR }; /* CACHED counts as a success too */

/* f may be NULL for what is not a feature's: it enters the totals only. */
void metrics_arrived(struct metrics *m, const struct feature *f);
/* ns: from arrival to answer. A twin's answer is a success, not cached. An error counts as such; its time
 * does not enter the latencies (a refusal in 50 µs says nothing about the feature). */
void metrics_finished(struct metrics *m, const struct feature *f, enum outcome o, uint64_t ns);

/* What was counted before this process began, and by others that it counts together with. */
struct metrics_past {
    bool known;      /* else it will be told later, and all is 0 */
    int64_t since_s; /* from when on, seconds since 1970 */
    struct {
        uint64_t success, cached, error;
    } feature[FEATURE_COUNT];
};

struct metrics_cache { /* filled by the caller: neither the cache nor history is below metrics */
    uint64_t size, max_size, ttl_ms;
    const char *budgets;             /* as JSON, for "money"; NULL: there are none */
    bool shared;                     /* there is a tier in Redis, counted in cells */
    const struct metrics_past *past; /* NULL: none is kept */
};

/* {"uptime":"3600s","since":"…","history":"known","requests":{…},"features":{name:{count,avg,min,max,p50,p95,p99,errors}},"cache":{…},"money":{"cost_usd","saved_usd":{…},"features":{…},"keys":{…},"budgets":[…]}},
 * and "providers", if there are any: {name:{creates,outcomes,retries,lookups,rateWaitMs,breakersOpened}}.
 * Counts of requests go on from the past; they begin at "since", which is the start of the process unless the
 * history is "known" (else "unknown" or "off"). All else is counted since the start; avg, min, max and
 * percentiles are of the window, in whole ms, rounded, and so are the rates, as "26.67%" of what arrived in
 * it, "0.00%" with none. Features that were never asked for are left out; a feature's count is of the answers
 * with a result, remembered ones too. */
void metrics_json(const struct metrics *m, uint64_t now_ns, const struct metrics_cache *cache,
                  struct buf *ret);

/* The Prometheus formats. Asks the kernel about the process, too. */
void metrics_text(struct metrics *m, enum exposition format, struct buf *ret);

/* A model run that succeeded, its time in the slot alone. */
void metrics_ran(struct metrics *m, const struct feature *f, uint64_t run_ns);
/* Median of those in ns; 0: none yet. For Retry-After: what is ahead in the queue waits its turn already. */
uint64_t metrics_typical_ns(const struct metrics *m, const struct feature *f);

/* ---- money, in billionths of a dollar ---- */

enum { METRICS_KEYS_MAX = 256 };

/* At the start, before there are threads: an API key whose sums the JSON tells. name: stays. */
void metrics_key(struct metrics *m, const char *name);
/* key: its name; NULL: there are no keys. by: V_SAVED_. */
void metrics_cost(struct metrics *m, const struct feature *f, const char *provider, const char *key,
                  int64_t nano);
void metrics_saved(struct metrics *m, const struct feature *f, unsigned by, const char *key, int64_t nano);
/* What a run of this feature at this provider has taken so far, on average; 0: there was none. */
uint64_t metrics_mean_run_ns(const struct metrics *m, const struct feature *f, const char *provider);

/* ---- providers that run models elsewhere ---- */

enum provider_count {
    PROVIDER_CREATES, /* runs asked for, further tries too */
    PROVIDER_SUCCEEDED,
    PROVIDER_FAILED,      /* the model, or what it was given */
    PROVIDER_UNAVAILABLE, /* nothing ran */
    PROVIDER_CANCELED,
    PROVIDER_UNKNOWN,         /* whether it ran is not known */
    PROVIDER_AGAIN_THROTTLED, /* further tries, and why */
    PROVIDER_AGAIN_UNSENT,
    PROVIDER_AGAIN_SERVER,   /* it failed, and nothing had come of it */
    PROVIDER_AGAIN_PLATFORM, /* the run was lost by no fault of the model's */
    PROVIDER_LOOK_UPS,       /* runs whose outcome had to be looked up */
    PROVIDER_RATE_WAIT_MS,   /* waited for the account's rate */
    PROVIDER_BREAKERS_OPENED,
    PROVIDER_COUNTS,
    PROVIDER_AGAIN_REASONS = PROVIDER_AGAIN_PLATFORM - PROVIDER_AGAIN_THROTTLED + 1
};

enum { METRICS_PROVIDERS_MAX = 4 };

struct metrics_provider;

/* At the start, before there are threads. name: static text. Lives as long as m. */
struct metrics_provider *metrics_provider(struct metrics *m, const char *name) MUST_CHECK;
/* f: whose model it was; NULL: it concerns the account. p may be NULL. */
void metrics_count(struct metrics_provider *p, const struct feature *f, enum provider_count what, uint64_t n);
/* Whether it is switched off: 0 no, 1 being tried again, 2 yes. Likewise. */
void metrics_circuit(struct metrics_provider *p, const struct feature *f, unsigned state);
