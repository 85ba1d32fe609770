/* What is the S3 driver's own: tries, cancelling, links and what it says at the start. A real server with
 * signatures is in test/e2e/test_s3.py. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/lane.h"
#include "loop/loop_uv.h"
#include "scratch.h"
#include "store/store.h"
#include "tiny_server.h"

static struct tiny_server server;
static atomic_uint seen_puts, seen_deletes,
    refuse; /* refuse: how many more seen_puts are answered with `refusal` */
static atomic_int refusal;
static _Atomic(bool) hang;

static const char SLOW_DOWN[] = "<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>";
static const char DENIED[] = "<Error><Code>AccessDenied</Code></Error>";

static bool answer(struct tiny_server *s, int fd, const struct tiny_request *r)
{
    assert_non_null(strstr(r->head, "AWS4-HMAC-SHA256 Credential=key/"));
    assert_non_null(strstr(r->head, "/us-east-1/s3/aws4_request"));
    if (strcmp(r->method, "DELETE") == 0) {
        atomic_fetch_add(&seen_deletes, 1);
        return tiny_answer(fd, 204, "", "");
    }
    assert_string_equal(r->method, "PUT");
    if (strcmp(r->path, "/b/limner-check") == 0)
        return tiny_answer(fd, 200, "", "");
    atomic_fetch_add(&seen_puts, 1);
    if (atomic_load(&hang)) {
        while (!atomic_load(&s->stopping) && atomic_load(&hang))
            tiny_sleep_ms(5);
        return false;
    }
    assert_string_equal(r->path, "/b/k/a.png");
    assert_non_null(strstr(r->head, "image/png"));
    assert_non_null(strstr(r->head, "Content-Length: 5\r\n"));
    /* echo -n bytes | sha256sum */
    assert_non_null(strstr(r->head, "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9"));
    assert_memory_equal(r->body, "bytes", 5);
    if (atomic_load(&refuse) == 0)
        return tiny_answer(fd, 200, "", "");
    atomic_fetch_sub(&refuse, 1);
    int status = atomic_load(&refusal);
    if (status == 0) {
        tiny_reset(fd);
        return false;
    }
    return tiny_answer(fd, status, "", status == 403 || status == 507 ? DENIED : SLOW_DOWN);
}

/* ---- the rig ---- */

struct rig {
    struct loop_uv *uv;
    struct lane *lane;
    struct store *store;
    struct timer late;
    unsigned done;
};

static int open_store(struct rig *rig, const char *bucket, struct error *e)
{
    char endpoint[64];
    snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", server.port);
    const struct s3_config config = {
        .endpoint = endpoint,
        .bucket = bucket,
        .access_key = "key",
        .secret = "secret",
        .region = "auto",
        .retries = 2,
        .timeout_ms = 5000,
    };
    return store_s3_new(&config, rig->uv, rig->lane, &rig->store, e);
}

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    struct error e;
    atomic_store(&seen_puts, 0);
    atomic_store(&seen_deletes, 0);
    atomic_store(&refuse, 0);
    tiny_server_start(&server, answer);
    rig->uv = loop_uv_new();
    rig->lane =
        lane_new(&(struct lane_config){.name = "hash", .threads = 1, .queue_max = 10}, loop_uv_loop(rig->uv));
    assert_int_equal(open_store(rig, "b", &e), 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    store_free(rig->store);
    lane_free(rig->lane);
    loop_uv_free(rig->uv);
    tiny_server_stop(&server);
    free(rig);
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

static void on_done(struct op *op)
{
    struct rig *rig = op->owner;
    rig->done++;
    loop_uv_stop(rig->uv);
}

static void wait_over(struct timer *t)
{
    loop_uv_stop(CONTAINER_OF(t, struct rig, late)->uv);
}

static void run_for(struct rig *rig, unsigned ms)
{
    struct loop *loop = loop_uv_loop(rig->uv);
    timer_arm(loop, &rig->late, loop_now_ns(loop) + ms * NS_PER_MS, wait_over);
    loop_uv_run(rig->uv);
    timer_disarm(loop, &rig->late);
}

/* cancel_after_ms 0: not cancelled */
static int put(struct rig *rig, unsigned cancel_after_ms, struct error *ret)
{
    BLOB_ON_EXIT struct blob *body = blob_copy("bytes", 5);
    struct store_put p = {.key = "k/a.png", .content_type = "image/png", .body = body};
    p.op.owner = rig;
    rig->done = 0;
    store_put_start(rig->store, &p, on_done);
    assert_int_equal(rig->done, 0);
    if (cancel_after_ms) {
        run_for(rig, cancel_after_ms);
        assert_int_equal(rig->done, 0);
        op_cancel(&p.op);
    }
    run_for(rig, 20000);
    assert_int_equal(rig->done, 1);
    *ret = p.err;
    return p.op.result;
}

/* ---- the tests ---- */

static void test_what_may_pass_is_tried_again(void **state)
{
    static const int statuses[] = {503, 500, 429, 408, 0};
    struct error e;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        atomic_store(&seen_puts, 0);
        atomic_store(&refusal, statuses[i]);
        atomic_store(&refuse, 2);
        assert_int_equal(put(*state, 0, &e), 0);
        assert_int_equal(atomic_load(&seen_puts), 3);
    }
}

static void test_it_gives_up(void **state)
{
    struct error e;
    atomic_store(&refusal, 503);
    atomic_store(&refuse, 100);
    assert_int_equal(put(*state, 0, &e), -ERR_UPSTREAM);
    assert_int_equal(atomic_load(&seen_puts), 3);
    assert_string_equal(e.reason, "The result could not be stored (SlowDown)");
    assert_int_equal(atomic_load(&seen_deletes), 0);
}

static void test_a_refusal_is_final(void **state)
{
    struct error e;
    atomic_store(&refusal, 403);
    atomic_store(&refuse, 100);
    assert_int_equal(put(*state, 0, &e), -ERR_UPSTREAM);
    assert_int_equal(atomic_load(&seen_puts), 1);
    assert_string_equal(e.reason, "The result could not be stored (AccessDenied)");
}

static void test_full(void **state)
{
    struct error e;
    atomic_store(&refusal, 507);
    atomic_store(&refuse, 100);
    assert_int_equal(put(*state, 0, &e), -ERR_STORAGE_FULL);
    assert_int_equal(atomic_load(&seen_puts), 1);
}

/* What may have arrived is removed. */
static void test_cancel_while_sending(void **state)
{
    struct error e;
    atomic_store(&hang, true);
    assert_int_equal(put(*state, 200, &e), -ERR_CLIENT_GONE);
    assert_int_equal(e.code, ERR_CLIENT_GONE);
    atomic_store(&hang, false);
    run_for(*state, 300);
    assert_int_equal(atomic_load(&seen_deletes), 1);
}

static void test_cancel_at_once(void **state)
{
    struct rig *rig = *state;
    BLOB_ON_EXIT struct blob *body = blob_copy("bytes", 5);
    struct store_put p = {.key = "k/a.png", .content_type = "image/png", .body = body};
    p.op.owner = rig;
    store_put_start(rig->store, &p, on_done);
    op_cancel(&p.op);
    op_cancel(&p.op);
    run_for(rig, 5000);
    assert_int_equal(rig->done, 1);
    assert_int_equal(p.op.result, -ERR_CLIENT_GONE);
    assert_int_equal(atomic_load(&seen_puts), 0);
}

/* The store is freed while a removal is on its way. */
static void test_remove(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig->store->ops->remove(rig->store, "../k"), -ERR_NOT_FOUND);
    assert_int_equal(rig->store->ops->remove(rig->store, "k/a.png"), 0);
    run_for(rig, 300);
    assert_int_equal(atomic_load(&seen_deletes), 1);
    assert_int_equal(rig->store->ops->remove(rig->store, "k/a.png"), 0);
}

static void test_links(void **state)
{
    struct rig *rig = *state;
    char start[128];
    BUF_ON_EXIT struct buf url;
    buf_init(&url, 4096);
    snprintf(start, sizeof(start), "http://127.0.0.1:%u/b/k/a.png", server.port);
    assert_int_equal(rig->store->ops->link(rig->store, "k/a.png", 0, &url), 0);
    assert_string_equal(buf_text(&url), start);
    buf_release(&url);
    assert_int_equal(rig->store->ops->link(rig->store, "k/a.png", 60, &url), 0);
    assert_memory_equal(buf_text(&url), start, strlen(start));
    assert_non_null(strstr(buf_text(&url), "X-Amz-Expires=60"));
    assert_non_null(strstr(buf_text(&url), "X-Amz-Signature="));
    assert_null(strstr(buf_text(&url), "secret"));
    buf_release(&url);
    assert_int_equal(rig->store->ops->link(rig->store, "k/a.png", 604801, &url), -ERR_INTERNAL);
    assert_int_equal(url.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_may_pass_is_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_gives_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_refusal_is_final, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_while_sending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
