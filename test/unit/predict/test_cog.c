/* The Cog provider over real sockets: servers of the test's own, which do what it tells them. */
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client_rig.h"
#include "loop/lane.h"
#include "predict/predict.h"
#include "scratch.h"
#include "tiny_server.h"

/* ---- a server ---- */

enum act {
    RUNS,
    HOLDS,
    FULL_JSON,
    FULL_DETAIL,
    FULL_TEXT,
    NOT_UP,
    RESETS,
    FAILS,
    CANCELS,
    LEAVES_OUT,
    AT_URL,
    GARBLES,
    WANTS_OTHERS
};

struct fake {
    struct tiny_server server;
    atomic_int act;
    atomic_int health; /* index into healths; -1: no answer at all */
    atomic_int refuse; /* so many more runs are refused as `act` says, then they run */
    atomic_uint asked, posts, running, left, farewells;
    pthread_mutex_t mutex;
    char id[64], said_farewell_to[64]; /* under it */
    bool body_ok;
};

enum { STARTING, READY, BUSY, SETUP_FAILED, DEFUNCT, STRANGE };
static const char *const healths[] = {"{\"status\":\"STARTING\",\"setup\":{}}",
                                      "{\"status\":\"READY\",\"setup\":{}}",
                                      "{\"status\":\"BUSY\"}",
                                      "{\"status\":\"SETUP_FAILED\"}",
                                      "{\"status\":\"DEFUNCT\"}",
                                      "<html>it works</html>"};

static const char picture_out[] = "{\"id\":\"x\",\"logs\":\"\",\"metrics\":{\"predict_time\":0.1},\"output\":"
                                  "\"data:image/png;base64,aGk=\","
                                  "\"status\":\"succeeded\"}";

static bool peer_left(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    char c;
    return poll(&p, 1, 5) == 1 && recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* Until the test has another wish, or the peer leaves; true: the peer is there. */
static bool hold(struct fake *f, int fd)
{
    while (atomic_load(&f->act) == HOLDS && !atomic_load(&f->server.stopping))
        if (peer_left(fd)) {
            atomic_fetch_add(&f->left, 1);
            return false;
        }
    return true;
}

static bool json(int fd, int status, const char *body)
{
    return tiny_answer(fd, status, "Content-Type: application/json\r\n", body);
}

static void look_at(struct fake *f, const struct tiny_request *r)
{
    json_t *body = json_loadb(r->body, r->body_size, 0, NULL);
    const char *id = json_string_value(json_object_get(body, "id"));
    const char *image = json_string_value(json_object_get(json_object_get(body, "input"), "image"));
    pthread_mutex_lock(&f->mutex);
    snprintf(f->id, sizeof(f->id), "%s", id ? id : "");
    f->body_ok = image && strcmp(image, "data:image/jpeg;base64,aW4=") == 0 &&
                 strcasestr(r->head, "\r\nContent-Type: application/json\r\n") && json_object_size(body) == 2;
    pthread_mutex_unlock(&f->mutex);
    json_decref(body);
}

static bool answer_run(struct fake *f, int fd)
{
    int act = atomic_load(&f->act);
    if (atomic_load(&f->refuse) > 0 && atomic_fetch_sub(&f->refuse, 1) == 1)
        atomic_store(&f->act, RUNS); /* the next one */
    if (act == HOLDS && !hold(f, fd))
        return false;
    switch (act) {
    case FULL_JSON:
        return json(fd, 409, "{\"error\":\"At capacity - all prediction slots busy\",\"status\":\"failed\"}");
    case FULL_DETAIL:
        return json(fd, 409, "{\"detail\":\"Already running a prediction\"}");
    case FULL_TEXT:
        return tiny_answer(fd, 409, "Content-Type: text/plain\r\n", "already running a prediction\n");
    case NOT_UP:
        return json(fd, 503, "{\"error\":\"Setup has not finished yet.\",\"status\":\"failed\"}");
    case RESETS:
        tiny_reset(fd);
        return false;
    case FAILS:
        return json(fd, 200, "{\"id\":\"x\",\"status\":\"failed\",\"error\":\"too dark\"}");
    case CANCELS:
        return json(fd, 200, "{\"id\":\"x\",\"status\":\"canceled\"}");
    case LEAVES_OUT:
        return json(fd, 200, "{\"id\":\"x\",\"status\":\"succeeded\"}");
    case AT_URL:
        return json(fd, 200, "{\"status\":\"succeeded\",\"output\":[\"http://there/out.png\"]}");
    case WANTS_OTHERS:
        return tiny_answer(fd, 422, "Content-Type: application/json\r\n",
                           "{\"detail\":[{\"loc\":[\"body\",\"input\",\"image\"],\"msg\":\"field required\","
                           "\"type\":\"value_error.missing\"}]}");
    case GARBLES:
        return json(fd, 200, "{\"status\":\"succ");
    default:
        return json(fd, 200, picture_out);
    }
}

static bool serve(struct tiny_server *s, int fd, const struct tiny_request *r)
{
    struct fake *f = CONTAINER_OF(s, struct fake, server);
    if (strcmp(r->path, "/health-check") == 0) {
        atomic_fetch_add(&f->asked, 1);
        int health = atomic_load(&f->health);
        while (atomic_load(&f->health) == -1 && !peer_left(fd) && !atomic_load(&s->stopping))
            ;
        return health >= 0 && json(fd, 200, healths[health]);
    }
    if (strcmp(r->path, "/predictions") == 0) {
        atomic_fetch_add(&f->posts, 1);
        look_at(f, r);
        atomic_fetch_add(&f->running, 1);
        bool keep = answer_run(f, fd);
        atomic_fetch_sub(&f->running, 1);
        return keep;
    }
    pthread_mutex_lock(&f->mutex);
    sscanf(r->path, "/predictions/%63[^/]/cancel", f->said_farewell_to);
    pthread_mutex_unlock(&f->mutex);
    atomic_fetch_add(&f->farewells, 1);
    return json(fd, 200, "{}");
}

/* ---- a provider with two of them ---- */

enum { SERVERS = 2, RUNS_MAX = 8 };

struct rig {
    struct client_rig client;
    struct fake fake[SERVERS];
    struct options opt;
    char *endpoints;
    struct lane *lane;
    struct provider *provider;
    struct params params;
    struct blob *input;
    struct prediction p[RUNS_MAX];
    unsigned begun, done;
    struct timer tick, limit;
    bool (*until)(struct rig *r);
};

static struct loop *loop_of(struct rig *r)
{
    return client_rig_loop(&r->client);
}

static void new_provider(struct rig *r)
{
    struct error e;
    const struct remote_config config = {
        .opt = &r->opt, .loop = loop_of(r), .pool = r->client.pool, .lane = r->lane};
    assert_int_equal(provider_cog_new(&config, &r->provider, &e), 0);
}

static int set_up(void **state)
{
    struct rig *r = NEW(struct rig);
    client_rig_init(&r->client, (struct http_client_config){.allow_private = true});
    for (int i = 0; i < SERVERS; i++) {
        pthread_mutex_init(&r->fake[i].mutex, NULL);
        tiny_server_start(&r->fake[i].server, serve);
        r->fake[i].act = RUNS;
        r->fake[i].health = READY;
    }
    r->endpoints = mem_printf("clarity=http://127.0.0.1:%u,http://127.0.0.1:%u;enhance=http://127.0.0.1:%u",
                              r->fake[0].server.port, r->fake[1].server.port, r->fake[0].server.port);
    r->opt = (struct options){.cog_endpoints = r->endpoints,
                              .cog_health_ms = 1000,
                              .ai_retries = 2,
                              .ai_retry_base_ms = 20,
                              .ai_retry_factor = 2,
                              .output_max_bytes = 1 << 20,
                              .output_total_max_bytes = 1 << 20};
    r->lane = lane_new(&(struct lane_config){.name = "answers", .threads = 1, .queue_max = 8}, loop_of(r));
    r->input = blob_copy("in", 2);
    params_init(&r->params, &features[FEATURE_CLARITY]);
    new_provider(r);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < r->begun; i++)
        prediction_release(&r->p[i]);
    lane_free(r->lane);
    provider_free(r->provider);
    for (int i = 0; i < SERVERS; i++) {
        tiny_server_stop(&r->fake[i].server);
        pthread_mutex_destroy(&r->fake[i].mutex);
    }
    client_rig_release(&r->client);
    blob_unref(r->input);
    free(r->endpoints);
    free(r);
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

static void run_done(struct op *op)
{
    struct rig *r = op->owner;
    r->done++;
}

static struct prediction *begin(struct rig *r, enum feature_id feature, unsigned limit_ms)
{
    struct prediction *p = &r->p[r->begun++];
    p->feature = &features[feature];
    p->params = &r->params;
    p->input = r->input;
    p->info.type = IMAGE_JPEG;
    p->deadline_ns = clock_mono_ns() + limit_ms * NS_PER_MS;
    p->op.owner = r;
    provider_start(r->provider, p, run_done);
    assert_false(p->op.state == OP_IDLE);
    return p;
}

static void too_late(struct timer *t)
{
    fail_msg("waited 30 s in vain");
}

static void on_tick(struct timer *t)
{
    struct rig *r = CONTAINER_OF(t, struct rig, tick);
    r->provider->ops->tick(r->provider);
    if (r->until(r))
        loop_uv_stop(r->client.uv);
    else
        timer_arm(loop_of(r), t, clock_mono_ns() + 5 * NS_PER_MS, on_tick);
}

static void wait_until(struct rig *r, bool (*until)(struct rig *r))
{
    r->until = until;
    timer_arm(loop_of(r), &r->limit, clock_mono_ns() + 30 * NS_PER_S, too_late);
    timer_arm(loop_of(r), &r->tick, 0, on_tick);
    loop_uv_run(r->client.uv);
    timer_disarm(loop_of(r), &r->limit);
}

static bool all_done(struct rig *r)
{
    return r->done == r->begun;
}

static char *describe(struct rig *r)
{
    static char text[512];
    struct buf out;
    buf_init(&out, sizeof(text) - 1);
    r->provider->ops->describe(r->provider, &out);
    snprintf(text, sizeof(text), "%s", buf_text(&out));
    buf_release(&out);
    return text;
}

static bool both_ready(struct rig *r)
{
    const char *first = strstr(describe(r), "\"ready\"");
    return first && strstr(first + 1, "\"ready\"");
}

static bool one_runs(struct rig *r)
{
    return atomic_load(&r->fake[0].running) + atomic_load(&r->fake[1].running) >= 1;
}

static bool each_runs(struct rig *r)
{
    return atomic_load(&r->fake[0].running) >= 1 && atomic_load(&r->fake[1].running) >= 1;
}

static bool first_heard(struct rig *r)
{
    return atomic_load(&r->fake[0].farewells) >= 1;
}

static struct prediction *run(struct rig *r)
{
    struct prediction *p = begin(r, FEATURE_CLARITY, 20000);
    wait_until(r, all_done);
    return p;
}

static void assert_ran(const struct prediction *p)
{
    assert_int_equal(p->op.result, 0);
    assert_int_equal(p->output_count, 1);
    assert_memory_equal(p->output[0].blob->data, "hi", 2);
    assert_string_equal(p->model, features[FEATURE_CLARITY].model);
    assert_false(p->paid);
}

static unsigned posts(struct rig *r)
{
    return atomic_load(&r->fake[0].posts) + atomic_load(&r->fake[1].posts);
}

static void set_both(struct rig *r, enum act act)
{
    for (int i = 0; i < SERVERS; i++)
        atomic_store(&r->fake[i].act, act);
}

static int available(struct rig *r, enum feature_id feature, struct error *e)
{
    *e = (struct error){0};
    return r->provider->ops->available(r->provider, &features[feature], e);
}

/* ---- runs that work ---- */

static void test_run(void **state)
{
    struct rig *r = *state;
    assert_ran(run(r));
    assert_int_equal(posts(r), 1);
    struct fake *f = atomic_load(&r->fake[0].posts) ? &r->fake[0] : &r->fake[1];
    assert_true(f->body_ok);
    assert_int_equal(strlen(f->id), 36);
}

static void test_without_a_lane(void **state)
{
    struct rig *r = *state;
    provider_free(r->provider);
    lane_free(TAKE(r->lane));
    new_provider(r);
    assert_ran(run(r));
}

static void test_output_elsewhere(void **state)
{
    struct rig *r = *state;
    set_both(r, AT_URL);
    struct prediction *p = run(r);
    assert_int_equal(p->op.result, 0);
    assert_string_equal(p->output[0].url, "http://there/out.png");
}

static void test_both_are_used(void **state)
{
    struct rig *r = *state;
    set_both(r, HOLDS);
    begin(r, FEATURE_CLARITY, 20000);
    begin(r, FEATURE_CLARITY, 20000);
    wait_until(r, each_runs);
    set_both(r, RUNS);
    wait_until(r, all_done);
    assert_ran(&r->p[0]);
    assert_ran(&r->p[1]);
    assert_int_equal(atomic_load(&r->fake[0].posts), 1);
    assert_int_equal(atomic_load(&r->fake[1].posts), 1);
}

/* ---- no room ---- */

static void test_no_room_goes_elsewhere(void **state)
{
    struct rig *r = *state;
    const enum act ways[] = {FULL_JSON, FULL_DETAIL, FULL_TEXT};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        atomic_store(&r->fake[0].act, ways[i]);
        assert_ran(run(r));
    }
    assert_int_equal(atomic_load(&r->fake[1].posts), 3);
}

static void test_no_room_anywhere_waits(void **state)
{
    struct rig *r = *state;
    set_both(r, FULL_TEXT);
    atomic_store(&r->fake[0].refuse, 3);
    atomic_store(&r->fake[1].refuse, 3);
    assert_ran(run(r));
    assert_true(posts(r) >= 4); /* far more than AI_RETRIES: a refusal is no failure */
}

static void test_deadline_without_room(void **state)
{
    struct rig *r = *state;
    set_both(r, FULL_JSON);
    struct prediction *p = begin(r, FEATURE_CLARITY, 200);
    wait_until(r, all_done);
    assert_int_equal(p->op.result, -ERR_DEADLINE);
    assert_int_equal(p->err.code, ERR_DEADLINE);
}

/* ---- not up yet ---- */

static bool asked_thrice(struct rig *r)
{
    return atomic_load(&r->fake[0].asked) >= 3;
}

static void test_starting_is_waited_for(void **state)
{
    struct rig *r = *state;
    r->opt.cog_health_ms = 20;
    atomic_store(&r->fake[0].health, STARTING);
    struct error e;
    struct prediction *p = begin(r, FEATURE_ENHANCE, 20000); /* server 0 only */
    wait_until(r, asked_thrice);
    assert_int_equal(r->done, 0);
    assert_int_equal(posts(r), 0);
    assert_int_equal(available(r, FEATURE_ENHANCE, &e), 0);
    assert_non_null(strstr(describe(r), "\":\"starting\""));
    atomic_store(&r->fake[0].health, READY);
    wait_until(r, all_done);
    assert_int_equal(p->op.result, 0);
}

static void test_503_is_no_failure(void **state)
{
    struct rig *r = *state;
    atomic_store(&r->fake[0].act, NOT_UP);
    atomic_store(&r->fake[0].refuse, 4);
    struct prediction *p = begin(r, FEATURE_ENHANCE, 20000);
    wait_until(r, all_done);
    assert_int_equal(p->op.result, 0);
    assert_int_equal(atomic_load(&r->fake[0].posts), 5);
}

/* ---- out of order ---- */

static void test_broken_ones_get_nothing_until_ready(void **state)
{
    struct rig *r = *state;
    const int broken[] = {SETUP_FAILED, DEFUNCT, STRANGE};
    const char *const names[] = {"setup failed", "defunct", "unreachable"};
    r->opt.cog_health_ms = 20;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct error e;
        atomic_store(&r->fake[0].health, broken[i]);
        atomic_store(&r->fake[0].asked, 0);
        wait_until(r, asked_thrice);
        unsigned before = atomic_load(&r->fake[0].posts);
        assert_int_equal(available(r, FEATURE_ENHANCE, &e), -ERR_PROVIDER_UNAVAILABLE);
        assert_int_equal(e.retry_after_s, 1);
        assert_int_equal(available(r, FEATURE_CLARITY, &e), 0); /* the other one is well */
        assert_non_null(strstr(describe(r), names[i]));
        assert_ran(run(r));
        struct prediction *p = begin(r, FEATURE_ENHANCE, 20000);
        wait_until(r, all_done);
        assert_int_equal(p->op.result, -ERR_PROVIDER_UNAVAILABLE);
        assert_int_equal(p->err.code, ERR_PROVIDER_UNAVAILABLE);
        assert_int_equal(atomic_load(&r->fake[0].posts), before);
    }
    atomic_store(&r->fake[0].health, READY);
    atomic_store(&r->fake[0].asked, 0);
    wait_until(r, asked_thrice);
    struct prediction *p = begin(r, FEATURE_ENHANCE, 20000);
    wait_until(r, all_done);
    assert_int_equal(p->op.result, 0);
}

static void test_refused_connection(void **state)
{
    struct rig *r = *state;
    struct error e;
    wait_until(r, both_ready);
    tiny_server_stop(&r->fake[0].server);
    struct prediction *p = begin(r, FEATURE_ENHANCE, 20000);
    wait_until(r, all_done);
    assert_int_equal(p->op.result, -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(p->err.retry_after_s, 1);
    assert_int_equal(available(r, FEATURE_ENHANCE, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_ran(run(r));
    assert_ran(run(r));
    tiny_server_start(&r->fake[0].server, serve); /* for tear_down */
}

static void test_feature_without_a_server(void **state)
{
    struct rig *r = *state;
    struct error e;
    assert_int_equal(available(r, FEATURE_BEAUTIFY, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(e.retry_after_s, 0);
}

/* ---- runs that break ---- */

static void test_reset_goes_elsewhere(void **state)
{
    struct rig *r = *state;
    atomic_store(&r->fake[0].act, RESETS);
    atomic_store(&r->fake[1].act, RUNS);
    for (int i = 0; i < 4; i++)
        assert_ran(run(r));
    assert_int_equal(atomic_load(&r->fake[1].posts), 4);
}

static void test_ended_there_is_tried_again(void **state)
{
    struct rig *r = *state;
    atomic_store(&r->fake[0].act, CANCELS);
    atomic_store(&r->fake[0].refuse, 2);
    struct prediction *p = begin(r, FEATURE_ENHANCE, 20000);
    wait_until(r, all_done);
    assert_int_equal(p->op.result, 0);
    assert_int_equal(posts(r), 3);
}

static void test_tries_end(void **state)
{
    struct rig *r = *state;
    set_both(r, CANCELS);
    struct prediction *p = run(r);
    assert_int_equal(p->op.result, -ERR_UPSTREAM);
    assert_int_equal(posts(r), 3); /* AI_RETRIES and the first one */
}

static void test_failures_are_final(void **state)
{
    struct rig *r = *state;
    static const struct {
        enum act act;
        const char *says;
    } rows[] = {{FAILS, "too dark"},
                {LEAVES_OUT, "no output"},
                {GARBLES, "cannot be read"},
                {WANTS_OTHERS, "image: field required"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_both(r, rows[i].act);
        struct prediction *p = run(r);
        assert_int_equal(p->op.result, -ERR_UPSTREAM);
        assert_non_null(strstr(p->err.reason, rows[i].says));
        assert_int_equal(posts(r), i + 1);
    }
}

static void test_silent_server_loses_its_runs(void **state)
{
    struct rig *r = *state;
    r->opt.cog_health_ms = 100;
    set_both(r, HOLDS);
    struct prediction *p = begin(r, FEATURE_CLARITY, 20000);
    wait_until(r, one_runs);
    int here = atomic_load(&r->fake[0].running) ? 0 : 1;
    atomic_store(&r->fake[1 - here].act, RUNS);
    atomic_store(&r->fake[here].health, -1);
    wait_until(r, all_done);
    assert_ran(p);
    assert_int_equal(atomic_load(&r->fake[1 - here].posts), 1);
}

/* ---- stopping ---- */

static bool somebody_left(struct rig *r)
{
    return atomic_load(&r->fake[0].left) >= 1 && first_heard(r) && all_done(r);
}

/* Most servers end a run whose caller leaves; the others must be told its id. */
static void check_stopped(struct rig *r, const struct prediction *p, enum err err)
{
    wait_until(r, somebody_left);
    assert_int_equal(p->op.result, -(int)err);
    assert_int_equal(p->err.code, err);
    assert_string_equal(r->fake[0].said_farewell_to, r->fake[0].id);
    assert_int_equal(posts(r), 1);
}

static void test_cancelled_while_it_runs(void **state)
{
    struct rig *r = *state;
    atomic_store(&r->fake[0].act, HOLDS);
    struct prediction *p = begin(r, FEATURE_ENHANCE, 20000);
    wait_until(r, one_runs);
    op_cancel(&p->op);
    op_cancel(&p->op);
    check_stopped(r, p, ERR_CLIENT_GONE);
}

static void test_deadline_while_it_runs(void **state)
{
    struct rig *r = *state;
    atomic_store(&r->fake[0].act, HOLDS);
    struct prediction *p = begin(r, FEATURE_ENHANCE, 300);
    check_stopped(r, p, ERR_DEADLINE);
}

static void test_cancelled_while_it_waits(void **state)
{
    struct rig *r = *state;
    atomic_store(&r->fake[0].health, STARTING);
    struct prediction *p = begin(r, FEATURE_ENHANCE, 20000);
    r->opt.cog_health_ms = 20;
    wait_until(r, asked_thrice);
    op_cancel(&p->op);
    wait_until(r, all_done);
    assert_int_equal(p->op.result, -ERR_CLIENT_GONE);
    assert_int_equal(posts(r), 0);
}

static void test_freed_while_it_asks(void **state)
{
    struct rig *r = *state;
    atomic_store(&r->fake[0].health, -1);
    r->provider->ops->tick(r->provider);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_run),
        TEST(test_without_a_lane),
        TEST(test_output_elsewhere),
        TEST(test_both_are_used),
        TEST(test_no_room_goes_elsewhere),
        TEST(test_no_room_anywhere_waits),
        TEST(test_deadline_without_room),
        TEST(test_starting_is_waited_for),
        TEST(test_503_is_no_failure),
        TEST(test_broken_ones_get_nothing_until_ready),
        TEST(test_refused_connection),
        TEST(test_feature_without_a_server),
        TEST(test_reset_goes_elsewhere),
        TEST(test_ended_there_is_tried_again),
        TEST(test_tries_end),
        TEST(test_failures_are_final),
        TEST(test_silent_server_loses_its_runs),
        TEST(test_cancelled_while_it_runs),
        TEST(test_deadline_while_it_runs),
        TEST(test_cancelled_while_it_waits),
        TEST(test_freed_while_it_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
