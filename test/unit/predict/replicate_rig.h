/* replicate_rig.h: the Replicate provider against a scripted API. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "api_script.h"
#include "base/clock.h"
#include "metrics/metrics.h"
#include "provider_rig.h"

#define PREDICTION(rest)                                                                                     \
    "{\"id\":\"p1\",\"model\":\"nightmareai/real-esrgan\",\"urls\":{\"get\":\"$/predictions/p1\","           \
    "\"cancel\":\"$/predictions/p1/cancel\"}," rest "}"
#define STARTING   PREDICTION("\"status\":\"starting\",\"output\":null")
#define PROCESSING PREDICTION("\"status\":\"processing\",\"output\":null")
#define SUCCEEDED  PREDICTION("\"status\":\"succeeded\",\"output\":\"https://replicate.delivery/a.png\"")
#define CANCELED   PREDICTION("\"status\":\"canceled\",\"output\":null")
#define THROTTLED  "{\"detail\":\"Request was throttled. Expected available in 1 second.\"}"
#define CREATE     "POST /v1/models/nightmareai/real-esrgan/predictions\n"
#define GET        "GET /v1/predictions/p1\n"

#define A(code, text)                                                                                        \
    {                                                                                                        \
        .status = (code), .body = (text)                                                                     \
    }
#define RESET                                                                                                \
    {                                                                                                        \
        .act = API_RESET                                                                                     \
    }

struct rig {
    struct provider_rig r;
    struct api_script api;
};

static inline void rig_open(struct rig *g, const struct api_step *step, unsigned count)
{
    provider_rig_init(&g->r, FEATURE_CLARITY);
    api_script_start(&g->api, step, count);
    g->r.ctx = g;
    g->r.opt.replicate_token = "r8_secretsecret";
    g->r.opt.replicate_base_url = g->api.base_url;
    provider_rig_open(&g->r, provider_replicate_new);
}
#define OPEN(g, ...)                                                                                         \
    const struct api_step steps_[] = {__VA_ARGS__};                                                          \
    static struct rig g;                                                                                     \
    rig_open(&g, steps_, ARRAY_LEN(steps_))

static inline void rig_close(struct rig *g)
{
    provider_rig_release(&g->r);
    api_script_stop(&g->api);
}

static inline void check_output(struct rig *g)
{
    assert_int_equal(g->r.p.output_count, 1);
    assert_string_equal(g->r.p.output[0].url, "https://replicate.delivery/a.png");
    assert_null(g->r.p.output[0].blob);
    assert_true(g->r.p.paid);
}

/* What /metrics says of the provider, from "creates" on, begins so. */
static inline void check_metrics(struct rig *g, const char *expected)
{
    BUF_ON_EXIT struct buf all;
    buf_init(&all, 100000);
    metrics_json(g->r.metrics, 0, &(struct metrics_cache){0}, &all);
    const char *at = strstr(buf_text(&all), "\"replicate\":{");
    assert_non_null(at);
    char said[1000];
    snprintf(said, sizeof(said), "%.*s", (int)strlen(expected), at + 12);
    assert_string_equal(said, expected);
}

/* The lines of the log, without the query, which holds a time. */
static inline void check_log(struct rig *g, const char *expected)
{
    char plain[API_LOG_MAX];
    size_t n = 0;
    bool query = false;
    for (const char *c = g->api.log; *c; c++) {
        query = (query || *c == '?') && *c != '\n';
        if (!query)
            plain[n++] = *c;
    }
    plain[n] = '\0';
    assert_string_equal(plain, expected);
}

/* INPUT as FEATURE_CLARITY's create has it, as a list shows it. */
#define INPUT                                                                                                \
    "{\"scale\":2.0,\"image\":\"data:image/jpeg;base64,/9j/"                                                 \
    "IHBpY3R1cmU=\",\"face_enhance\":false,\"more\":1}"
#define LISTED(rest, input)                                                                                  \
    "{\"next\":null,\"results\":[{\"id\":\"other\",\"model\":\"nightmareai/real-esrgan\",\"input\":{}},"     \
    "{\"id\":\"p1\",\"model\":\"nightmareai/real-esrgan\",\"input\":" input "," rest "}]}"
#define NOTHING_LISTED "{\"next\":null,\"results\":[]}"
#define LIST           "GET /v1/predictions\n"
#define CANCEL         "POST /v1/predictions/p1/cancel\n"
