#include "predict/webhook.h"

#include <string.h>

#include "scratch.h"
#include "tables/error.h"

/* The published example of the scheme. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID     "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIME   "1614265330"
#define BODY   "{\"test\": 2432232314}"
#define RIGHT  "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define WRONG  "v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
enum { NOW = 1614265330 };

static int check_at(const char *secret, const char *id, const char *time, const char *signature,
                    int64_t now_s)
{
    const struct webhook_headers h = {id, time, signature};
    return webhook_check(secret, &h, BODY, strlen(BODY), now_s);
}

static int check(const char *signature)
{
    return check_at(SECRET, ID, TIME, signature, NOW);
}

static void test_vector(void **state)
{
    assert_int_equal(check(RIGHT), 0);
    assert_int_equal(check(WRONG), -ERR_UNAUTHORIZED);
    const struct webhook_headers h = {ID, TIME, RIGHT};
    assert_int_equal(webhook_check(SECRET, &h, BODY " ", strlen(BODY) + 1, NOW), -ERR_UNAUTHORIZED);
    assert_int_equal(webhook_check(SECRET, &h, NULL, 0, NOW), -ERR_UNAUTHORIZED);
    assert_int_equal(check_at(SECRET, "msg_other", TIME, RIGHT, NOW), -ERR_UNAUTHORIZED);
    assert_int_equal(check_at(SECRET, ID, "1614265331", RIGHT, NOW), -ERR_UNAUTHORIZED);
}

static void test_signatures(void **state) /* case 15 */
{
    assert_int_equal(check(WRONG " " RIGHT), 0);
    assert_int_equal(check(RIGHT " " WRONG), 0);
    assert_int_equal(check("  v2,aaaa  " RIGHT " "), 0);
    static const char *const bad[] = {"",
                                      " ",
                                      "v1",
                                      "v1,",
                                      "v1,v1,",
                                      "v1,!!!!===",
                                      "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                                      "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                                      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1A==",
                                      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OEAAAA=",
                                      "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(check(bad[i]), -ERR_UNAUTHORIZED);
    char huge[5000];
    memset(huge, 'v', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(check(huge), -ERR_UNAUTHORIZED);
    assert_int_equal(check(NULL), -ERR_UNAUTHORIZED);
    assert_int_equal(check_at(SECRET, NULL, TIME, RIGHT, NOW), -ERR_UNAUTHORIZED);
    assert_int_equal(check_at(SECRET, "", TIME, RIGHT, NOW), -ERR_UNAUTHORIZED);
    assert_int_equal(check_at(SECRET, ID, NULL, RIGHT, NOW), -ERR_UNAUTHORIZED);
}

static void test_time(void **state)
{
    assert_int_equal(check_at(SECRET, ID, TIME, RIGHT, NOW + 300), 0);
    assert_int_equal(check_at(SECRET, ID, TIME, RIGHT, NOW - 300), 0);
    assert_int_equal(check_at(SECRET, ID, TIME, RIGHT, NOW + 301), -ERR_UNAUTHORIZED);
    assert_int_equal(check_at(SECRET, ID, TIME, RIGHT, NOW - 301), -ERR_UNAUTHORIZED);
    static const char *const bad[] = {"", "-1", "1614265330.0", " 1614265330", "9999999999999999999", "x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(check_at(SECRET, ID, bad[i], RIGHT, NOW), -ERR_UNAUTHORIZED);
}

static void test_secrets(void **state)
{
    static const char *const bad[] = {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!",
                                      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSa"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(check_at(bad[i], ID, TIME, RIGHT, NOW), -ERR_UNAUTHORIZED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
