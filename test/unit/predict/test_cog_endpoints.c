#include "predict/cog_endpoints.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "scratch.h"

static void test_features_and_servers(void **state)
{
    struct cog_endpoints c;
    struct error e;
    assert_int_equal(cog_endpoints_parse(" clarity = http://gpu1:5000/ , http://gpu2:5000;"
                                         "replace-bg=https://gpu3/cog//;; enhance=http://gpu1:5000 ;",
                                         &c, &e),
                     0);
    assert_int_equal(c.count, 3);
    assert_string_equal(c.url[0], "http://gpu1:5000");
    assert_string_equal(c.url[1], "http://gpu2:5000");
    assert_string_equal(c.url[2], "https://gpu3/cog");
    assert_int_equal(c.serves[FEATURE_CLARITY], 3);
    assert_int_equal(c.serves[FEATURE_ENHANCE], 1); /* the same server, not another one */
    assert_int_equal(c.serves[FEATURE_CUTOUT], 4);  /* what replacing a background needs */
    assert_int_equal(c.serves[FEATURE_REPLACE_BG], 0);
    assert_int_equal(c.serves[FEATURE_STYLE], 0);
    assert_string_equal(cog_endpoint_name(c.url[2]), "gpu3/cog");
    cog_endpoints_release(&c);
    cog_endpoints_release(&c);
}

static void test_every_command_with_a_picture_is_a_feature(void **state)
{
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        if (!*features[i].command)
            continue;
        struct cog_endpoints c;
        struct error e;
        FREE_ON_EXIT char *text = mem_printf("%s=http://[::1]:5000", features[i].command);
        assert_int_equal(cog_endpoints_parse(text, &c, &e), 0);
        enum feature_id runs = features[i].step == FEATURE_NONE ? features[i].id : features[i].step;
        assert_int_equal(c.serves[runs], 1);
        cog_endpoints_release(&c);
    }
}

static void check_refused(const char *text, const char *says)
{
    struct cog_endpoints c;
    struct error e = {0};
    assert_int_equal(cog_endpoints_parse(text, &c, &e), -ERR_VALIDATION);
    assert_string_equal(e.field, "COG_ENDPOINTS");
    if (!strstr(e.reason, says))
        fail_msg("\"%s\" does not say \"%s\"", e.reason, says);
}

static void test_refusals(void **state)
{
    check_refused("", "names no server");
    check_refused(" ; ;", "names no server");
    check_refused("http://gpu1:5000", "is not feature=url");
    check_refused("sharpen=http://gpu1:5000", "\"sharpen\" is no feature; there are clarity, enhance");
    check_refused("=http://gpu1:5000", "is no feature");
    check_refused("clarity=", "\"clarity\" has no server");
    check_refused("clarity=,", "\"clarity\" has no server");
    check_refused("clarity=http://a;style=http://b;clarity=http://c", "\"clarity\" is named twice");
    check_refused("clarity=http://a,style=http://b", "features are separated by \";\"");
    check_refused("clarity=gpu1:5000", "\"gpu1:5000\" is no http://");
    check_refused("clarity=ftp://gpu1", "is no http://");
    check_refused("clarity=http://me:secret@gpu1", "without a user name");
    check_refused("clarity=http://a http://b", "holds a character");
    check_refused("clarity=http://a?x=1", "holds a character");
    check_refused("clarity=http://a/\"", "holds a character");
}

static void test_bounds(void **state)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, 1 << 16);
    buf_puts(&text, "clarity=");
    for (int i = 0; i < COG_SERVERS_MAX; i++)
        buf_printf(&text, "http://gpu%d,", i);
    struct cog_endpoints c;
    struct error e;
    assert_int_equal(cog_endpoints_parse(buf_text(&text), &c, &e), 0);
    assert_int_equal(c.count, COG_SERVERS_MAX);
    assert_true(c.serves[FEATURE_CLARITY] == UINT64_MAX);
    cog_endpoints_release(&c);
    buf_puts(&text, "http://one-more");
    check_refused(buf_text(&text), "one server too many");
    buf_release(&text);
    buf_printf(&text, "clarity=http://%0*d", COG_URL_MAX, 0);
    check_refused(buf_text(&text), "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_and_servers),
        cmocka_unit_test(test_every_command_with_a_picture_is_a_feature),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
