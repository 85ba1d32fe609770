/* What is the S3 driver's own: tries, cancelling, links and what it says at the start. A real server with
 * signatures is in test/e2e/test_s3.py. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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
static atomic_uint delay_ms;       /* of each put */
static atomic_uint waiting, crowd; /* crowd: no put is answered before so many are here; 0: none waits */
static _Atomic(bool) hang;

static const char SLOW_DOWN[] = "<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>";
static const char DENIED[] = "<Error><Code>AccessDenied</Code></Error>";

/* ---- a bucket that tells one object a page ---- */

static const char *const
    *pages; /* "key" or "key>token of the next page"; the token is the number of a page */
static atomic_uint seen_lists;
static _Atomic(bool) slow_lists; /* each page is refused once */
static char asked[8][256];       /* queries */

static bool answer_list(int fd, const struct tiny_request *r)
{
    unsigned nth = atomic_fetch_add(&seen_lists, 1);
    const char *token = strstr(r->path, "continuation-token=");
    const char *page = pages[token ? atoi(token + 19) : strstr(r->path, "start-after=") ? 1 : 0];
    size_t key = strcspn(page, ">");
    assert_non_null(strstr(r->path, "list-type=2"));
    assert_non_null(strstr(r->path, "encoding-type=url"));
    snprintf(asked[nth % ARRAY_LEN(asked)], sizeof(asked[0]), "%.255s", r->path);
    if (atomic_load(&slow_lists) && nth % 2 == 0)
        return tiny_answer(fd, 503, "", SLOW_DOWN);
    FREE_ON_EXIT char *more = page[key]
                                  ? mem_printf("<IsTruncated>true</IsTruncated><NextContinuationToken>%s"
                                               "</NextContinuationToken>",
                                               page + key + 1)
                                  : mem_strdup("");
    FREE_ON_EXIT char *xml = mem_printf(
        "<ListBucketResult>%s<Contents><Key>%.*s</Key><Size>1</Size></Contents></ListBucketResult>", more,
        (int)key, page);
    return tiny_answer(fd, 200, "", xml);
}

static bool answer(struct tiny_server *s, int fd, const struct tiny_request *r)
{
    if (strncmp(r->path, "/b?", 3) == 0)
        return answer_list(fd, r);
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
    atomic_fetch_add(&waiting, 1);
    while (atomic_load(&waiting) < atomic_load(&crowd) && !atomic_load(&s->stopping))
        tiny_sleep_ms(1);
    if (atomic_load(&delay_ms))
        tiny_sleep_ms(atomic_load(&delay_ms));
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
        .ca_file = "",
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
        lane_new(&(struct lane_config){.name = "hash", .threads = 1, .queue_max = 20}, loop_uv_loop(rig->uv));
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

static uint32_t limit_ms; /* of the puts */

/* cancel_after_ms 0: not cancelled */
static int put(struct rig *rig, unsigned cancel_after_ms, struct error *ret)
{
    BLOB_ON_EXIT struct blob *body = blob_copy("bytes", 5);
    struct store_put p = {.key = "k/a.png", .content_type = "image/png", .body = body, .limit_ms = limit_ms};
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
    assert_int_equal(put(*state, 0, &e), -ERR_STORAGE_FAILED);
    assert_int_equal(atomic_load(&seen_puts), 3);
    assert_string_equal(e.reason, "The result could not be stored (SlowDown)");
    assert_int_equal(atomic_load(&seen_deletes), 0);
}

/* A result that was paid for outlives an outage, as long as its stage has time. */
static void test_a_result_is_not_given_up(void **state)
{
    struct error e;
    limit_ms = 30000;
    atomic_store(&refusal, 503);
    atomic_store(&refuse, 6);
    assert_int_equal(put(*state, 0, &e), 0);
    assert_int_equal(atomic_load(&seen_puts), 7);
    limit_ms = 600;
    atomic_store(&refuse, 100);
    uint64_t begun = clock_mono_ns();
    assert_int_equal(put(*state, 0, &e), -ERR_STORAGE_FAILED);
    assert_true(clock_mono_ns() - begun >= 525 * NS_PER_MS); /* the last try is near its end */
    atomic_store(&seen_puts, 0);
    atomic_store(&refusal, 403);
    assert_int_equal(put(*state, 0, &e), -ERR_STORAGE_FAILED);
    assert_int_equal(atomic_load(&seen_puts), 1); /* a refusal is final all the same */
    limit_ms = 0;
}

static void test_a_refusal_is_final(void **state)
{
    struct error e;
    atomic_store(&refusal, 403);
    atomic_store(&refuse, 100);
    assert_int_equal(put(*state, 0, &e), -ERR_STORAGE_FAILED);
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

enum { TOGETHER = 12 };

/* So many puts at once: how long until the last has been answered, in ms. */
static double put_together(struct rig *rig, unsigned count)
{
    BLOB_ON_EXIT struct blob *body = blob_copy("bytes", 5);
    struct store_put p[TOGETHER];
    unsigned ended = 0;
    uint64_t begun = clock_mono_ns();
    rig->done = 0;
    for (unsigned i = 0; i < count; i++) {
        p[i] = (struct store_put){.key = "k/a.png", .content_type = "image/png", .body = body};
        p[i].op.owner = rig;
        store_put_start(rig->store, &p[i], on_done);
    }
    while (rig->done < count && ended++ < count)
        run_for(rig, 20000);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(p[i].op.result, 0);
    return (double)(clock_mono_ns() - begun) / NS_PER_MS;
}

/* The server answers none before all have arrived, so they are under way together; then each takes 200 ms,
 * and the figures are told, not judged. */
static void test_puts_run_together(void **state)
{
    atomic_store(&waiting, 0);
    atomic_store(&crowd, TOGETHER);
    put_together(*state, TOGETHER);
    assert_int_equal(atomic_load(&seen_puts), TOGETHER);
    atomic_store(&crowd, 0);
    atomic_store(&delay_ms, 200);
    double one = put_together(*state, 1), twelve = put_together(*state, TOGETHER);
    print_message("one put: %.0f ms, %d together: %.0f ms, ratio %.2f\n", one, TOGETHER, twelve,
                  twelve / one);
    atomic_store(&delay_ms, 0);
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

static struct store_list list(struct rig *rig, const char *const *bucket, bool skip_dated)
{
    struct store_list l = {.prefix = "", .objects_max = 100, .skip_dated = skip_dated};
    l.op.owner = rig;
    rig->done = 0;
    pages = bucket;
    atomic_store(&seen_lists, 0);
    store_list_start(rig->store, &l, on_done);
    run_for(rig, 20000);
    assert_int_equal(rig->done, 1);
    return l;
}

static void test_list_goes_on(void **state)
{
    static const char *const bucket[] = {"a>1", "b>2", "c"};
    atomic_store(&slow_lists, true); /* and each page has tries of its own */
    struct store_list l = list(*state, bucket, false);
    atomic_store(&slow_lists, false);
    assert_int_equal(l.op.result, 0);
    assert_int_equal(l.listing.count, 3);
    assert_string_equal(l.listing.object[2].name, "c");
    assert_int_equal(atomic_load(&seen_lists), 6);
    store_listing_release(&l.listing);
}

static void test_list_in_circles(void **state)
{
    static const char *const bucket[] = {"a>1", "b>2", "c>1"};
    struct store_list l = list(*state, bucket, false);
    assert_int_equal(l.op.result, -ERR_STORAGE_FAILED);
    assert_non_null(strstr(l.err.reason, "could not be listed"));
    assert_null(strstr(l.err.reason, "127.0.0.1")); /* how we are set up is for operators */
    assert_int_equal(l.listing.count, 0);
    assert_int_equal(atomic_load(&seen_lists), 3);
}

static void test_list_jumps_over_results(void **state)
{
    static const char *const bucket[] = {"clarity/2026-11-23/x.png>2", "dog>2", "elk"};
    struct store_list l = list(*state, bucket, true);
    assert_int_equal(l.op.result, 0);
    assert_int_equal(l.listing.count, 2);
    assert_string_equal(l.listing.object[0].name, "dog");
    assert_non_null(strstr(asked[1], "start-after=clarity%2F20%3A"));
    assert_null(strstr(asked[1], "continuation-token"));
    assert_non_null(strstr(asked[2], "continuation-token=2"));
    store_listing_release(&l.listing);
    l = list(*state, bucket, false);
    assert_int_equal(l.listing.count, 2);
    assert_string_equal(l.listing.object[0].name, "clarity/2026-11-23/x.png");
    store_listing_release(&l.listing);
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
        cmocka_unit_test_setup_teardown(test_a_result_is_not_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_refusal_is_final, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_while_sending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_puts_run_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_in_circles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_jumps_over_results, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
