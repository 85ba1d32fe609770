#include "cli/doctor_rules.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/text.h"

enum { ENOUGH = 20, RUNS_LEAST = 5, MODELS_MAX = 32 };

#define REQUESTS "limner_requests_total"
#define REFUSED  "limner_admission_rejected_total"
#define SOURCE   "limner_source_rejected_total"
#define WAIT     "limner_queue_wait_seconds"
#define SPAN     "limner_request_span_duration_seconds"
#define RUNS     "limner_upstream_requests_total"
#define AGAIN    "limner_upstream_retries_total"
#define HTTP     "limner_http_requests_total"

/* ---- what is looked at ---- */

bool doctor_recent(const struct facts *f)
{
    return f->before && prom_grown(f->now->prom, f->before->prom, REQUESTS, NULL) >= ENOUGH;
}

static const struct prom *base_of(const struct facts *f)
{
    return doctor_recent(f) ? f->before->prom : NULL;
}

static double counted(const struct facts *f, const char *name, const char *labels)
{
    return prom_grown(f->now->prom, base_of(f), name, labels);
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

static double measure_gauge(const struct facts *f, const struct rule *r,
                            char subject[static DOCTOR_SUBJECT_MAX])
{
    return prom_has(f->now->prom, r->what, NULL) ? prom_max(f->now->prom, r->what, NULL) : NAN;
}

/* Of a gauge that is 1 while all is well. */
static double measure_down(const struct facts *f, const struct rule *r,
                           char subject[static DOCTOR_SUBJECT_MAX])
{
    return 1 - measure_gauge(f, r, subject);
}

static double measure_wait(const struct facts *f, const struct rule *r,
                           char subject[static DOCTOR_SUBJECT_MAX])
{
    double s = prom_quantile(f->now->prom, base_of(f), WAIT, r->what, 0.95);
    return s < 0 ? NAN : s;
}

static double measure_span(const struct facts *f, const struct rule *r,
                           char subject[static DOCTOR_SUBJECT_MAX])
{
    double s = prom_quantile(f->now->prom, base_of(f), SPAN, r->what, 0.95);
    return s < 0 ? NAN : s;
}

/* Whoever waits for a slot is waiting for a model, and is another rule's. */
static double measure_overhead(const struct facts *f, const struct rule *r,
                               char subject[static DOCTOR_SUBJECT_MAX])
{
    double waits = prom_quantile(f->now->prom, base_of(f), WAIT, NULL, 0.99);
    double s = prom_quantile(f->now->prom, base_of(f), r->what, NULL, 0.99);
    return s < 0 || waits > 0.1 ? NAN : s;
}

static double measure_refused(const struct facts *f, const struct rule *r,
                              char subject[static DOCTOR_SUBJECT_MAX])
{
    return share(counted(f, REFUSED, r->what), counted(f, REQUESTS, NULL));
}

static double measure_source(const struct facts *f, const struct rule *r,
                             char subject[static DOCTOR_SUBJECT_MAX])
{
    return share(counted(f, SOURCE, r->what), counted(f, REQUESTS, NULL));
}

static double measure_server_errors(const struct facts *f, const struct rule *r,
                                    char subject[static DOCTOR_SUBJECT_MAX])
{
    return share(counted(f, HTTP, r->what), counted(f, HTTP, NULL));
}

static double measure_runs(const struct facts *f, const struct rule *r,
                           char subject[static DOCTOR_SUBJECT_MAX])
{
    double all = counted(f, RUNS, NULL);
    return all >= RUNS_LEAST ? share(counted(f, RUNS, r->what), all) : NAN;
}

static double measure_unknown(const struct facts *f, const struct rule *r,
                              char subject[static DOCTOR_SUBJECT_MAX])
{
    return prom_sum(f->now->prom, RUNS, r->what);
}

static double measure_throttled(const struct facts *f, const struct rule *r,
                                char subject[static DOCTOR_SUBJECT_MAX])
{
    return share(counted(f, AGAIN, r->what), counted(f, RUNS, NULL));
}

/* Of the results that were made, how many pushed out another one before its time. */
static double measure_evictions(const struct facts *f, const struct rule *r,
                                char subject[static DOCTOR_SUBJECT_MAX])
{
    double made = counted(f, REQUESTS, r->what);
    return made >= ENOUGH ? share(counted(f, "limner_cache_evictions_total", NULL), made) : NAN;
}

/* what: a gauge whose limit has _limit behind it. */
static double measure_fullness(const struct facts *f, const struct rule *r,
                               char subject[static DOCTOR_SUBJECT_MAX])
{
    char limit[96];
    snprintf(limit, sizeof(limit), "%s_limit", r->what);
    return share(prom_sum(f->now->prom, r->what, NULL), prom_sum(f->now->prom, limit, NULL));
}

static double measure_files(const struct facts *f, const struct rule *r,
                            char subject[static DOCTOR_SUBJECT_MAX])
{
    return share(prom_sum(f->now->prom, "process_open_fds", NULL),
                 prom_sum(f->now->prom, "process_max_fds", NULL));
}

/* subject: the models whose breaker is open. */
static double measure_breakers(const struct facts *f, const struct rule *r,
                               char subject[static DOCTOR_SUBJECT_MAX])
{
    struct prom_word model[MODELS_MAX];
    unsigned count = prom_words(f->now->prom, r->what, "model", model, MODELS_MAX), open = 0;
    size_t used = 0;
    for (unsigned i = 0; i < count; i++) {
        char labels[192];
        snprintf(labels, sizeof(labels), "model=\"%.*s\"", model[i].length, model[i].text);
        if (prom_max(f->now->prom, r->what, labels) < 2)
            continue;
        open++;
        if (used + 1 < DOCTOR_SUBJECT_MAX)
            used += (size_t)snprintf(subject + used, DOCTOR_SUBJECT_MAX - used, "%s%.*s", used ? ", " : "",
                                     model[i].length, model[i].text);
    }
    return open;
}

/* what: a word of /readyz; subject: what is not well there. */
static double measure_status(const struct facts *f, const struct rule *r,
                             char subject[static DOCTOR_SUBJECT_MAX])
{
    const char *status = json_string_value(json_object_get(f->now->ready, "status")), *name;
    json_t *value;
    size_t used = 0;
    if (!status)
        return NAN;
    json_object_foreach(json_object_get(f->now->ready, "checks"), name, value)
    {
        const char *word = json_is_true(value) ? "yes" : json_string_value(value);
        if (word && !peek_is_good(value) && used + 1 < DOCTOR_SUBJECT_MAX)
            used += (size_t)snprintf(subject + used, DOCTOR_SUBJECT_MAX - used, "%s%s: %s", used ? ", " : "",
                                     name, word);
    }
    return strcmp(status, r->what) == 0;
}

/* ---- what is only seen on the same machine ---- */

static double measure_disk(const struct facts *f, const struct rule *r,
                           char subject[static DOCTOR_SUBJECT_MAX])
{
    return f->local && f->local->disk_used >= 0 ? f->local->disk_used : NAN;
}

static double measure_memory(const struct facts *f, const struct rule *r,
                             char subject[static DOCTOR_SUBJECT_MAX])
{
    return f->local && f->local->memory_used >= 0 ? f->local->memory_used : NAN;
}

static bool is_public(const struct options *opt)
{
    return strncmp(opt->host, "127.", 4) != 0 && strcmp(opt->host, "::1") != 0 &&
           strcmp(opt->host, "localhost") != 0;
}

static double measure_open_metrics(const struct facts *f, const struct rule *r,
                                   char subject[static DOCTOR_SUBJECT_MAX])
{
    const struct options *opt = f->local ? f->local->opt : NULL;
    return opt && is_public(opt) && !*opt->metrics_token && !*opt->metrics_addr;
}

static double measure_no_keys(const struct facts *f, const struct rule *r,
                              char subject[static DOCTOR_SUBJECT_MAX])
{
    const struct options *opt = f->local ? f->local->opt : NULL;
    return opt && is_public(opt) && !*opt->api_keys && *opt->replicate_token;
}

static double measure_no_base_url(const struct facts *f, const struct rule *r,
                                  char subject[static DOCTOR_SUBJECT_MAX])
{
    const struct options *opt = f->local ? f->local->opt : NULL;
    return opt && *opt->replicate_token && !*opt->public_base_url;
}

static double measure_no_hooks(const struct facts *f, const struct rule *r,
                               char subject[static DOCTOR_SUBJECT_MAX])
{
    const struct options *opt = f->local ? f->local->opt : NULL;
    return opt && *opt->replicate_token && *opt->public_base_url &&
           strncmp(opt->public_base_url, "https:", 6) != 0;
}

/* ---- the table ---- */

const struct rule doctor_rules[] = {
    {"unready", DOCTOR_BAD, DOCTOR_YES, measure_status, "unready", 1, "It takes no new work ({s}).",
     "Run limner check there: it says what is wrong.", ""},
    {"degraded", DOCTOR_BAD, DOCTOR_YES, measure_status, "degraded", 1, "It is degraded ({s}).",
     "Others serve meanwhile, or nobody; the log and limner check there say why.", ""},
    {"breaker", DOCTOR_BAD, DOCTOR_COUNT, measure_breakers, "limner_circuit_state", 1,
     "After failures, {s} is switched off.",
     "It is tried again by itself after this time. If it is \"account\": look at its credit and token.",
     "BREAKER_OPEN_MS"},
    {"redis", DOCTOR_BAD, DOCTOR_YES, measure_down, "limner_redis_up", 1,
     "Redis does not answer: this gateway is alone, and may run what another one runs, too.",
     "See that Redis runs, and is reached from there within REDIS_TIMEOUT_MS.", "REDIS_URL"},
    {"history-waiting", DOCTOR_BAD, DOCTOR_COUNT, measure_gauge, "limner_history_batches_waiting", 3,
     "{v} batches of history wait for the database.",
     "Nothing is lost yet. limner check there says what is wrong with the database.", "DATABASE_URL"},
    {"history-lost", DOCTOR_BAD, DOCTOR_COUNT, measure_gauge, "limner_history_batches_dropped_total", 1,
     "{v} batches of history were lost, as the room for those that wait was full.",
     "Repair the database, or give those that wait more room.", "HISTORY_SPILL_BYTES"},
    {"money-unknown", DOCTOR_BAD, DOCTOR_COUNT, measure_unknown, "outcome=\"unknown\"", 1,
     "Of {v} runs nobody knows whether they ran: they may have been paid for in vain.",
     "Look at the provider's list of predictions, and at the network between.", ""},
    {"runs-failed", DOCTOR_BAD, DOCTOR_SHARE, measure_runs, "outcome=\"failed\"", 0.1,
     "{v} of the model runs fail.",
     "The log has the reason of each; a model that changed its fields fails like that.", ""},
    {"runs-unavailable", DOCTOR_BAD, DOCTOR_SHARE, measure_runs, "outcome=\"unavailable\"", 0.1,
     "{v} of the model runs find their provider unavailable.",
     "With another provider in the list, work goes on.", "PROVIDERS"},
    {"server-errors", DOCTOR_BAD, DOCTOR_SHARE, measure_server_errors, "code=\"5", 0.01,
     "{v} of all answers are the server's fault (5xx).", "The log has the reason of each, and what to do.",
     ""},
    {"queue-full", DOCTOR_BAD, DOCTOR_SHARE, measure_refused, "reason=\"queue_full\"", 0.01,
     "{v} of the requests are refused, as the queue is full.",
     "Raise the slots if the account permits; a longer queue only makes callers wait longer.", "QUEUE_MAX"},
    {"queue-timeout", DOCTOR_BAD, DOCTOR_SHARE, measure_refused, "reason=\"queue_timeout\"", 0.01,
     "{v} of the requests give up in the queue.", "More slots help; more patience only if callers have it.",
     "QUEUE_TIMEOUT_MS"},
    {"unavailable", DOCTOR_BAD, DOCTOR_SHARE, measure_refused, "reason=\"unavailable\"", 0.01,
     "{v} of the requests find no provider that can run them.", "Name another one behind the first.",
     "PROVIDERS"},
    {"disk", DOCTOR_BAD, DOCTOR_SHARE, measure_disk, "", 0.9, "The disk of results and uploads is {v} full.",
     "Delete old results (OPERATIONS.md, On the disk), or move the folder.", "DATA_DIR"},
    {"memory", DOCTOR_BAD, DOCTOR_SHARE, measure_memory, "", 0.92, "{v} of this machine's memory is taken.",
     "Uploads go to files earlier with less of this; fewer IMAGING_THREADS and LOCAL_QUALITY=fast help, too.",
     "BODY_MEMORY_MB"},
    {"files", DOCTOR_BAD, DOCTOR_SHARE, measure_files, "", 0.85,
     "{v} of the files that it may open are open.", "Raise LimitNOFILE in the service's unit.", ""},
    {"connections", DOCTOR_BAD, DOCTOR_SHARE, measure_fullness, "limner_http_connections", 0.85,
     "{v} of the connections that it takes are open.",
     "Raise the limit of open files, or this, if it is set.", "CONNECTIONS_MAX"},
    {"wait-light", DOCTOR_ADVICE, DOCTOR_SECONDS, measure_wait, "class=\"light\"", 5,
     "Of the light models' requests, one in twenty waits {v} or longer for a slot.",
     "Raise the slots if the account permits.", "REPLICATE_LIGHT_CONCURRENCY"},
    {"wait-heavy", DOCTOR_ADVICE, DOCTOR_SECONDS, measure_wait, "class=\"heavy\"", 15,
     "Of the heavy models' requests, one in twenty waits {v} or longer for a slot.",
     "Raise the slots if the account permits.", "REPLICATE_HEAVY_CONCURRENCY"},
    {"wait-comic", DOCTOR_ADVICE, DOCTOR_SECONDS, measure_wait, "class=\"comic\"", 15,
     "Of the comics, one in twenty waits {v} or longer for a slot.",
     "Raise the slots if the account permits.", "REPLICATE_COMIC_CONCURRENCY"},
    {"wait-local", DOCTOR_ADVICE, DOCTOR_SECONDS, measure_wait, "class=\"local\"", 5,
     "Of what runs on this CPU, one in twenty waits {v} or longer for its turn.",
     "It runs one picture at a time: take a faster network, or a provider elsewhere.", "LOCAL_QUALITY"},
    {"wait-replace-bg", DOCTOR_ADVICE, DOCTOR_SECONDS, measure_wait, "class=\"replace-bg\"", 5,
     "Of the replaced backgrounds, one in twenty waits {v} or longer for a place.",
     "Raise the places; each holds one light slot while its cut-out is made.", "CONCURRENCY_REPLACE_BG"},
    {"wait-fetch", DOCTOR_ADVICE, DOCTOR_SECONDS, measure_wait, "class=\"fetch\"", 2,
     "Of the pictures that come as addresses, one in twenty waits {v} or longer for its download.",
     "Raise the downloads at once.", "FETCH_CONCURRENCY"},
    {"throttled", DOCTOR_ADVICE, DOCTOR_SHARE, measure_throttled, "reason=\"throttled\"", 0.02,
     "The provider answers {v} of the runs with 429 first.",
     "Begin no more a minute than the account may; with little credit that is 6.",
     "REPLICATE_CREATES_PER_MINUTE"},
    {"rate", DOCTOR_ADVICE, DOCTOR_SHARE, measure_refused, "reason=\"rate\"", 0.05,
     "{v} of the requests come too fast for their caller's limit.",
     "Behind a proxy that is not counted here, all callers share one limit.", "TRUST_PROXY"},
    {"unauthorized", DOCTOR_ADVICE, DOCTOR_SHARE, measure_refused, "reason=\"unauthorized\"", 0.1,
     "{v} of the requests have no valid API key.", "An app may still use an old one.", "API_KEYS"},
    {"too-large", DOCTOR_ADVICE, DOCTOR_SHARE, measure_source, "reason=\"bytes\"", 0.05,
     "{v} of the requests bring a picture of too many bytes.",
     "Allow more, or let the app shrink photos first.", "UPLOAD_MAX_BYTES"},
    {"format", DOCTOR_ADVICE, DOCTOR_SHARE, measure_source, "reason=\"format\"", 0.05,
     "{v} of the requests bring what is no JPEG, PNG, WebP or AVIF.",
     "Let the app convert first: phones send HEIC.", ""},
    {"picture", DOCTOR_ADVICE, DOCTOR_SHARE, measure_source, "reason=\"picture\"", 0.05,
     "{v} of the requests bring a picture that is damaged, animated or has too many pixels.",
     "If they have too many pixels, allow more.", "INPUT_MAX_MEGAPIXELS"},
    {"address", DOCTOR_ADVICE, DOCTOR_SHARE, measure_source, "reason=\"address\"", 0.05,
     "{v} of the requests name an address that could or may not be fetched.",
     "Addresses of private networks are refused unless this is on.", "ALLOW_PRIVATE_FETCH"},
    {"evictions", DOCTOR_ADVICE, DOCTOR_SHARE, measure_evictions, "outcome=\"run\"", 0.2,
     "{v} of the new results push an older one out of the cache before its time.",
     "Remember more: a result takes about 1 kB of memory.", "CACHE_MAX_SIZE"},
    {"overhead", DOCTOR_ADVICE, DOCTOR_SECONDS, measure_overhead, "limner_overhead_seconds", 1,
     "limner itself adds {v} or more to one request in a hundred, and nobody waits for a slot.",
     "limner_request_span_duration_seconds says in which part: prescale wants CPU, store a nearer bucket.",
     ""},
    {"prescale", DOCTOR_ADVICE, DOCTOR_SECONDS, measure_span, "span=\"prescale\"", 1,
     "Shrinking a photo takes {v} or longer for one in twenty.",
     "The CPU is busy, or photos are very large: let the app send smaller ones.", "IMAGING_THREADS"},
    {"store", DOCTOR_ADVICE, DOCTOR_SECONDS, measure_span, "span=\"store\"", 2,
     "Storing a result takes {v} or longer for one in twenty.",
     "Look for a bucket that is nearer, or a faster disk.", "CF_R2_ENDPOINT"},
    {"open-metrics", DOCTOR_ADVICE, DOCTOR_YES, measure_open_metrics, "", 1,
     "Whoever reaches the gateway can read its metrics.",
     "Set a token, or serve them on this machine only (METRICS_ADDR).", "METRICS_TOKEN"},
    {"no-keys", DOCTOR_ADVICE, DOCTOR_YES, measure_no_keys, "", 1,
     "Whoever reaches the gateway can spend the account's money.", "Let callers send a key.", "API_KEYS"},
    {"no-base-url", DOCTOR_ADVICE, DOCTOR_YES, measure_no_base_url, "", 1,
     "Replicate is used without webhooks, and links have the address that each caller used.",
     "Say where clients and Replicate reach this gateway: https://images.example.com.", "PUBLIC_BASE_URL"},
    {"no-webhooks", DOCTOR_ADVICE, DOCTOR_YES, measure_no_hooks, "", 1,
     "Replicate is used without webhooks, so runs are asked for again and again.",
     "They need an address that begins with https.", "PUBLIC_BASE_URL"},
};
const unsigned doctor_rule_count = ARRAY_LEN(doctor_rules);

/* ---- judging ---- */

static void value_text(enum doctor_unit unit, double v, char ret[static 32])
{
    if (unit == DOCTOR_SHARE)
        snprintf(ret, 32, "%.3g %%", 100 * v);
    else if (unit == DOCTOR_SECONDS)
        snprintf(ret, 32, "%.3g s", v);
    else
        snprintf(ret, 32, "%.0f", v);
}

bool doctor_judge(const struct rule *r, const struct facts *f, char **ret)
{
    char subject[DOCTOR_SUBJECT_MAX] = "", value[32];
    double v = r->measure(f, r, subject);
    if (isnan(v) || v < r->most)
        return false;
    value_text(r->unit, v, value);
    BUF_ON_EXIT struct buf text;
    buf_init(&text, 4096);
    for (const char *at = r->says; *at;) {
        bool is_value = strncmp(at, "{v}", 3) == 0, is_subject = strncmp(at, "{s}", 3) == 0;
        if (is_value || is_subject)
            buf_puts(&text, is_value ? value : subject);
        else
            buf_append(&text, at, 1);
        at += is_value || is_subject ? 3 : 1;
    }
    *ret = mem_strdup(buf_text(&text));
    return true;
}
