#include "request/job_wish.h"

#include "scratch.h"

static void expect(const char *header, bool async, int64_t wait_s)
{
    bool is_async = false;
    int64_t s = -1;
    job_prefer_parse(header, &is_async, &s);
    assert_int_equal(is_async, async);
    assert_int_equal(s, wait_s);
}

static void test_the_two_preferences(void **state)
{
    expect("respond-async", true, -1);
    expect("wait=10", false, 10);
    expect("respond-async, wait=10", true, 10);
    expect("Respond-Async,WAIT=0", true, 0);
    expect("wait=\"7\"", false, 7);
    expect(" wait = 5 ; q=1 , respond-async ; x=\"y\" ", true, 5);
}

static void test_what_is_not_known_means_nothing(void **state)
{
    expect("", false, -1);
    expect(",,;=,", false, -1);
    expect("return=minimal, handling=lenient, respond-asynchronously", false, -1);
    expect("respond-async=1", true, -1);
}

static void test_waits_that_are_none(void **state)
{
    expect("wait", false, -1);
    expect("wait=", false, -1);
    expect("wait=-1", false, -1);
    expect("wait=1.5", false, -1);
    expect("wait=\"", false, -1);
    expect("wait=\"\"", false, -1);
    expect("wait=9999999999999999999", false, -1);
    expect("wait=soon", false, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_two_preferences),
        cmocka_unit_test(test_what_is_not_known_means_nothing),
        cmocka_unit_test(test_waits_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
