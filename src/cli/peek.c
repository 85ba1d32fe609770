/* Happy path: four GETs at once; when the last one is over, what they brought is read, and done is called.
 * Failure modes: any of them may fail or be refused: its part is NULL then, and code says what was answered.
 * Invariant: open counts the calls under way; done comes once for each start, never inside of it. */
#include "cli/peek.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_metrics_server.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "version.h"

enum { ANSWER_MAX = 8 << 20, CONNECTIONS = PEEK_PARTS };

static const struct {
    const char *path;
    bool metrics; /* at the address of these, with their token */
} parts[PEEK_PARTS] = {
    [PEEK_METRICS] = {"/metrics?format=json", true},
    [PEEK_PROMETHEUS] = {"/metrics?format=prometheus", true},
    [PEEK_READY] = {"/readyz", false},
    [PEEK_STATUS] = {"/status", false},
};

struct ask {
    struct peek *peek;
    char *url;
    struct http_call call;
};

struct peek {
    struct http_client_pool *pool;
    struct ask ask[PEEK_PARTS];
    char *authorization; /* NULL: none */
    unsigned open;
    void (*done)(void *ctx);
    void *ctx;
    struct sample sample;
};

void sample_release(struct sample *s)
{
    prom_free(s->prom);
    json_decref(s->metrics);
    json_decref(s->ready);
    json_decref(s->status);
    *s = (struct sample){0};
}

bool peek_is_good(const json_t *check)
{
    static const char *const good[] = {"ok", "closed", "ready", "busy", "shared"};
    const char *word = json_string_value(check);
    for (size_t i = 0; word && i < ARRAY_LEN(good); i++)
        if (strcmp(word, good[i]) == 0)
            return true;
    return json_is_false(check);
}

int peek_new(const struct peek_where *where, struct loop_uv *uv, void (*done)(void *ctx), void *ctx,
             struct peek **ret, struct error *e)
{
    struct peek *p = NEW(struct peek);
    const struct http_client_config config = {
        .uv = uv,
        .user_agent = "limner/" LIMNER_VERSION,
        .ca_file = where->ca_file,
        .connections_per_host = CONNECTIONS,
    };
    p->done = done;
    p->ctx = ctx;
    if (*where->token)
        p->authorization = mem_printf("Bearer %s", where->token);
    for (unsigned i = 0; i < PEEK_PARTS; i++) {
        const char *base = parts[i].metrics ? where->metrics_url : where->url;
        size_t len = strlen(base);
        p->ask[i].peek = p;
        p->ask[i].url =
            mem_printf("%.*s%s", (int)(len > 0 && base[len - 1] == '/' ? len - 1 : len), base, parts[i].path);
    }
    int r = http_client_start(&config, &p->pool, e);
    if (r < 0) {
        peek_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void peek_free(struct peek *p)
{
    if (!p)
        return;
    http_client_stop(p->pool);
    for (unsigned i = 0; i < PEEK_PARTS; i++)
        free(p->ask[i].url);
    free(p->authorization);
    sample_release(&p->sample);
    free(p);
}

bool peek_busy(const struct peek *p)
{
    return p->open > 0;
}

struct sample peek_take(struct peek *p)
{
    struct sample s = p->sample;
    p->sample = (struct sample){0};
    return s;
}

void peek_cancel(struct peek *p)
{
    for (unsigned i = 0; i < PEEK_PARTS; i++)
        op_cancel(&p->ask[i].call.op);
}

/* ---- what came ---- */

static json_t *read_json(const struct http_call *call)
{
    json_t *doc = json_loadb(buf_text(&call->answer), call->answer.len, 0, NULL);
    if (doc && !json_is_object(doc)) {
        json_decref(doc);
        doc = NULL;
    }
    return doc;
}

static void explain(struct sample *s, const struct http_call *call)
{
    static const struct {
        int status;
        const char *what;
    } known[] = {
        {401, "it wants the token for metrics: --token, or METRICS_TOKEN"},
        {403, "it is not shown to this machine"},
        {404, "metrics are not there; with METRICS_ADDR they have an address of their own: --metrics-url"},
    };
    const char *what = "it does not look like a gateway";
    if (call->status == 0) {
        snprintf(s->why, sizeof(s->why), "no answer: %s", call->err.reason);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].status == call->status)
            what = known[i].what;
    snprintf(s->why, sizeof(s->why), "it answers with %d: %s", call->status, what);
}

static void read_sample(struct peek *p)
{
    struct sample *s = &p->sample;
    sample_release(s);
    json_t **docs[PEEK_PARTS] = {
        [PEEK_METRICS] = &s->metrics, [PEEK_READY] = &s->ready, [PEEK_STATUS] = &s->status};
    for (unsigned i = 0; i < PEEK_PARTS; i++) {
        const struct http_call *call = &p->ask[i].call;
        s->code[i] = call->status;
        if (docs[i] && (call->status == 200 || i == PEEK_READY))
            *docs[i] = read_json(call);
        else if (i == PEEK_PROMETHEUS && call->status == 200)
            s->prom = prom_parse(buf_text(&call->answer));
    }
    if (!json_is_object(json_object_get(s->metrics, "requests"))) {
        json_decref(s->metrics);
        s->metrics = NULL;
        explain(s, &p->ask[PEEK_METRICS].call);
    }
    s->at_ns = clock_mono_ns();
}

static void answered(struct op *op)
{
    struct peek *p = CONTAINER_OF(op, struct ask, call.op)->peek;
    if (--p->open > 0)
        return;
    read_sample(p);
    for (unsigned i = 0; i < PEEK_PARTS; i++)
        http_call_release(&p->ask[i].call);
    p->done(p->ctx);
}

void peek_start(struct peek *p)
{
    for (unsigned i = 0; i < PEEK_PARTS; i++) {
        struct http_call *call = &p->ask[i].call;
        *call = (struct http_call){.method = "GET",
                                   .url = p->ask[i].url,
                                   .answer_max_bytes = ANSWER_MAX,
                                   .timeout_ms = PEEK_TIMEOUT_MS,
                                   .decode = true};
        if (p->authorization && parts[i].metrics)
            call->header[call->header_count++] =
                (struct http_header){"Authorization", p->authorization, true};
        p->open++;
        http_call_start(p->pool, call, answered);
    }
}

/* ---- where it is ---- */

static char *url_of(const char *host, int port)
{
    bool v6 = strchr(host, ':') != NULL;
    return mem_printf("http://%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

struct peek_place peek_find(const struct options *opt, const char *url, const char *metrics_url)
{
    char host[METRICS_HOST_MAX];
    int port;
    struct peek_place place = {.url = url ? mem_strdup(url) : url_of(cli_reach(opt->host), (int)opt->port)};
    if (metrics_url)
        place.metrics_url = mem_strdup(metrics_url);
    else if (!url && *opt->metrics_addr && app_metrics_address(opt->metrics_addr, host, &port) == 0)
        place.metrics_url = url_of(cli_reach(host), port);
    else
        place.metrics_url = mem_strdup(place.url);
    return place;
}

void peek_place_release(struct peek_place *place)
{
    free(place->url);
    free(place->metrics_url);
}
