#include "request/uploads.h"

#include <string.h>

#include "base/clock.h"
#include "scratch.h"

static struct spool *spool;

static int make_spool(void **state)
{
    struct error e;
    *state = scratch_new();
    return spool_new(*state, 1 << 20, 1 << 20, &spool, &e);
}

static int free_spool(void **state)
{
    spool_free(spool); /* checks that no body is left */
    scratch_free(*state);
    return 0;
}

static struct body *body_of(const char *text)
{
    struct error e;
    struct body *b = body_new(spool, 0);
    assert_int_equal(body_append(b, text, strlen(text), &e), 0);
    body_finish(b);
    return b;
}

static void keep(struct uploads *u, const char *tenant, const char *text, uint64_t s)
{
    struct body *b = body_of(text);
    uploads_keep(u, tenant, b, s * NS_PER_S);
    body_unref(b);
}

static bool known(struct uploads *u, const char *tenant, const char *text, uint64_t s)
{
    uint8_t digest[DIGEST_BYTES];
    digest_of(text, strlen(text), digest);
    struct body *b = uploads_get(u, tenant, digest, s * NS_PER_S);
    bool found = b != NULL;
    if (found)
        assert_memory_equal(body_digest(b), digest, DIGEST_BYTES);
    body_unref(b);
    return found;
}

static struct uploads *make(uint64_t bytes, uint64_t count)
{
    return uploads_new(&(struct uploads_config){bytes, count, 10 * NS_PER_S});
}

static void test_kept(void **state)
{
    struct uploads *u = make(100, 10);
    keep(u, NULL, "one", 1);
    keep(u, NULL, "one", 1); /* once */
    assert_int_equal(uploads_count(u), 1);
    assert_int_equal(uploads_bytes(u), 3);
    assert_true(known(u, NULL, "one", 1));
    assert_false(known(u, NULL, "two", 1));
    uploads_free(u);
}

static void test_tenants(void **state)
{
    struct uploads *u = make(100, 10);
    keep(u, "a", "one", 1);
    assert_true(known(u, "a", "one", 1));
    assert_false(known(u, "b", "one", 1));
    assert_false(known(u, "", "one", 1));
    assert_false(known(u, NULL, "one", 1));
    keep(u, "b", "one", 1);
    assert_int_equal(uploads_count(u), 2);
    uploads_free(u);
}

static void test_time(void **state)
{
    struct uploads *u = make(100, 10);
    keep(u, NULL, "one", 1);
    keep(u, NULL, "two", 2);
    assert_true(known(u, NULL, "one", 10)); /* and so it is used anew */
    assert_false(known(u, NULL, "two", 12));
    assert_int_equal(uploads_count(u), 1);
    assert_true(known(u, NULL, "one", 19));
    uploads_expire(u, 28 * NS_PER_S);
    assert_int_equal(uploads_count(u), 1);
    uploads_expire(u, 29 * NS_PER_S);
    assert_int_equal(uploads_count(u), 0);
    assert_int_equal(uploads_bytes(u), 0);
    uploads_free(u);
}

static void test_a_clock_that_was_read_a_little_earlier(void **state)
{
    struct uploads *u = make(100, 10);
    keep(u, NULL, "one", 50);
    keep(u, NULL, "two", 49); /* another thread's */
    assert_true(known(u, NULL, "one", 49));
    assert_true(known(u, NULL, "two", 50));
    uploads_free(u);
}

static void test_bounds(void **state)
{
    struct uploads *u = make(10, 3);
    keep(u, NULL, "a", 1);
    keep(u, NULL, "b", 1);
    keep(u, NULL, "c", 1);
    keep(u, NULL, "d", 1);
    assert_false(known(u, NULL, "a", 1));
    assert_true(known(u, NULL, "b", 1)); /* now c is the oldest */
    keep(u, NULL, "eeeeeeee", 1);
    assert_int_equal(uploads_bytes(u), 10);
    assert_false(known(u, NULL, "c", 1));
    keep(u, NULL, "longer than all of it", 1);
    assert_int_equal(uploads_count(u), 3);
    keep(u, NULL, "ten bytes!", 1);
    assert_int_equal(uploads_count(u), 1);
    keep(u, NULL, "", 1); /* is no picture */
    assert_int_equal(uploads_count(u), 1);
    uploads_free(u);
}

static void test_nothing_is_kept(void **state)
{
    assert_null(make(0, 3));
    assert_null(make(3, 0));
    assert_null(uploads_new(&(struct uploads_config){3, 3, 0}));
    keep(NULL, NULL, "a", 1);
    assert_false(known(NULL, NULL, "a", 1));
    uploads_expire(NULL, 1);
    uploads_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),   cmocka_unit_test(test_tenants),
        cmocka_unit_test(test_time),   cmocka_unit_test(test_a_clock_that_was_read_a_little_earlier),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_nothing_is_kept),
    };
    return cmocka_run_group_tests(tests, make_spool, free_spool);
}
