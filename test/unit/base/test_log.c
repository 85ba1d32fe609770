#include "base/log.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"

static int real_stderr;
static FILE *caught;

static int catch (void **state)
{
    real_stderr = dup(STDERR_FILENO);
    caught = tmpfile();
    dup2(fileno(caught), STDERR_FILENO);
    return 0;
}

/* What was written since catch. */
static const char *text(void)
{
    static char all[1 << 20];
    size_t n = (size_t)pread(STDERR_FILENO, all, sizeof(all) - 1, 0);
    all[n] = '\0';
    return all;
}

static int release(void **state)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    fclose(caught);
    log_setup(LOG_INFO, false);
    return 0;
}

/* The text behind the time, without the line end. */
static const char *line(void)
{
    static char cut[16384];
    const char *t = text();
    int year, end = 0;
    assert_int_equal(sscanf(t, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ %n", &year, &end), 1);
    assert_in_range(year, 2024, 2999);
    assert_int_equal(end, 25);
    snprintf(cut, sizeof(cut), "%s", t + end);
    assert_int_equal(cut[strlen(cut) - 1], '\n');
    cut[strlen(cut) - 1] = '\0';
    assert_null(strchr(cut, '\n')); /* one event, one line */
    return cut;
}

static json_t *object(void)
{
    json_error_t e;
    const char *t = text();
    assert_int_equal(t[strlen(t) - 1], '\n');
    json_t *o = json_loads(t, JSON_REJECT_DUPLICATES, &e);
    assert_non_null(o);
    return o;
}

static const char *member(json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static void test_text_line(void **state)
{
    log_setup(LOG_INFO, false);
    LOG(LOG_INFO, "listening", F_STR("address", "0.0.0.0:3000"), F_INT("connections", -12),
        F_NUM("ms", 1.23456));
    assert_string_equal(line(), "info  listening address=0.0.0.0:3000 connections=-12 ms=1.235");
}

static void test_no_fields_and_absent_ones(void **state)
{
    log_setup(LOG_INFO, false);
    LOG(LOG_WARN, "alone");
    assert_string_equal(line(), "warn  alone");
}

static void test_absent_field(void **state)
{
    log_setup(LOG_INFO, false);
    LOG(LOG_ERROR, "e", F_STR("a", NULL), F_STR("b", ""), F_STR("c", "x"));
    assert_string_equal(line(), "error e b=\"\" c=x");
}

/* Nothing a peer sends can forge a field, start a line or reach the terminal. */
static void test_text_is_quoted(void **state)
{
    log_setup(LOG_INFO, false);
    LOG(LOG_INFO, "e", F_STR("a", "two words"), F_STR("b", "x=y"), F_STR("c", "q\"uo\\te"),
        F_STR("d", "line\nend\r\t"), F_STR("e", "\x1b[31m\x07\x7f"),
        F_STR("f", "\xc2\x9b"
                   "31m"),
        F_STR("g", "\xff\xfe"), F_STR("h", "d\xc3\xa9j\xc3\xa0"));
    assert_string_equal(line(), "info  e a=\"two words\" b=\"x=y\" c=\"q\\\"uo\\\\te\" "
                                "d=\"line\\u000aend\\u000d\\u0009\" e=\"\\u001b[31m\\u0007\\u007f\" "
                                "f=\"\\u009b31m\" g=\"\\u00ff\\u00fe\" h=\"d\xc3\xa9j\xc3\xa0\"");
}

static void test_json(void **state)
{
    log_setup(LOG_INFO, true);
    LOG(LOG_INFO, "request", F_STR("path", "/a\"b\\c\n\x01\x7f"), F_INT("status", 200), F_NUM("ms", 0.5),
        F_STR("bytes", "\x80\xc3(\xed\xa0\x80\xf8"), F_STR("vi", "ti\xe1\xba\xbfng Vi\xe1\xbb\x87t"),
        F_NUM("nan", NAN), F_NUM("inf", -INFINITY), F_STR("gone", NULL));
    json_t *o = object();
    assert_string_equal(member(o, "level"), "info");
    assert_string_equal(member(o, "event"), "request");
    assert_int_equal(strlen(member(o, "time")), 24);
    assert_string_equal(member(o, "path"), "/a\"b\\c\n\x01\x7f");
    assert_int_equal(json_integer_value(json_object_get(o, "status")), 200);
    assert_true(json_real_value(json_object_get(o, "ms")) > 0.499);
    assert_non_null(member(o, "bytes"));
    assert_string_equal(member(o, "vi"), "ti\xe1\xba\xbfng Vi\xe1\xbb\x87t");
    assert_true(json_is_null(json_object_get(o, "nan")));
    assert_true(json_is_null(json_object_get(o, "inf")));
    assert_null(json_object_get(o, "gone"));
    json_decref(o);
}

/* A long value is cut; fields for which there is no room are left out; the line stays valid. */
static void test_long_values(void **state)
{
    char value[20000];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    log_setup(LOG_INFO, true);
    LOG(LOG_INFO, "long", F_STR("a", value), F_STR("b", value), F_STR("c", value), F_STR("d", value),
        F_STR("e", value), F_INT("n", 7));
    assert_true(strlen(text()) <= 8192);
    json_t *o = object();
    assert_int_equal(strlen(member(o, "a")), 2048);
    assert_int_equal(strlen(member(o, "c")), 2048);
    assert_null(member(o, "e"));
    assert_int_equal(json_integer_value(json_object_get(o, "n")), 7);
    json_decref(o);
}

static void test_worst_escapes(void **state)
{
    char value[9000];
    memset(value, '\x01', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    log_setup(LOG_INFO, true);
    LOG(LOG_INFO, "long", F_STR("a", value), F_INT("n", 7));
    json_t *o = object();
    assert_int_equal(json_integer_value(json_object_get(o, "n")), 7);
    json_decref(o);
}

static void test_levels(void **state)
{
    log_setup(LOG_WARN, false);
    assert_false(log_enabled(LOG_DEBUG));
    assert_false(log_enabled(LOG_INFO));
    assert_true(log_enabled(LOG_WARN));
    assert_true(log_enabled(LOG_ERROR));
    LOG(LOG_INFO, "no");
    LOG(LOG_DEBUG, "no");
    assert_string_equal(text(), "");
    LOG(LOG_ERROR, "yes");
    assert_string_equal(line(), "error yes");
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 500; i++)
        LOG(LOG_INFO, "thread", F_INT("i", i),
            F_STR("pad", "................................................"));
    return NULL;
}

/* Lines of several threads do not mix. */
static void test_threads(void **state)
{
    log_setup(LOG_INFO, true);
    pthread_t thread[4];
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, write_many, NULL), 0);
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        pthread_join(thread[i], NULL);
    unsigned lines = 0;
    for (const char *t = text(), *end; (end = strchr(t, '\n')); t = end + 1) {
        json_error_t e;
        json_t *o = json_loadb(t, (size_t)(end - t), 0, &e);
        assert_non_null(o);
        json_decref(o);
        lines++;
    }
    assert_int_equal(lines, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_line, catch, release),
        cmocka_unit_test_setup_teardown(test_no_fields_and_absent_ones, catch, release),
        cmocka_unit_test_setup_teardown(test_absent_field, catch, release),
        cmocka_unit_test_setup_teardown(test_text_is_quoted, catch, release),
        cmocka_unit_test_setup_teardown(test_json, catch, release),
        cmocka_unit_test_setup_teardown(test_long_values, catch, release),
        cmocka_unit_test_setup_teardown(test_worst_escapes, catch, release),
        cmocka_unit_test_setup_teardown(test_levels, catch, release),
        cmocka_unit_test_setup_teardown(test_threads, catch, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
