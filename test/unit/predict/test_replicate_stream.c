#include "predict/replicate_stream.h"

#include <string.h>

#include "scratch.h"

/* The events of a stream, one after the other, until the last one. */
static bool hear(struct replicate_stream *s, const struct sse_event *event, size_t count)
{
    bool last = false;
    replicate_stream_init(s, 64);
    for (size_t i = 0; i < count && !last; i++)
        last = replicate_stream_event(s, &event[i]);
    return last;
}
#define EVENT(type, text)                                                                                    \
    {                                                                                                        \
        type, text, sizeof(text) - 1                                                                         \
    }
#define HEAR(s, ...)                                                                                         \
    hear(s, (const struct sse_event[]){__VA_ARGS__},                                                         \
         sizeof((const struct sse_event[]){__VA_ARGS__}) / sizeof(struct sse_event))

static void test_a_text_in_pieces(void **state)
{
    struct replicate_stream s;
    assert_true(HEAR(&s, EVENT("", "hi"), EVENT("output", "Once "), EVENT("logs", "10%"),
                     EVENT("output", "upon"), EVENT("output", ""), EVENT("done", "{}"),
                     EVENT("output", "late")));
    assert_string_equal(buf_text(&s.text), "Once upon");
    assert_int_equal(s.pieces, 3);
    assert_int_equal(s.end, REPLICATE_STREAM_DONE);
    assert_int_equal(s.err.code, ERR_NONE);
    replicate_stream_release(&s);
}

static void test_how_it_ends(void **state)
{
    struct replicate_stream s;
    assert_true(HEAR(&s, EVENT("done", "{\"reason\":\"canceled\"}")));
    assert_int_equal(s.end, REPLICATE_STREAM_CANCELED);
    replicate_stream_release(&s);
    assert_true(
        HEAR(&s, EVENT("error", "{\"detail\":\"out of memory\"}"), EVENT("done", "{\"reason\":\"error\"}")));
    assert_int_equal(s.end, REPLICATE_STREAM_FAILED);
    assert_string_equal(s.err.reason, "out of memory");
    replicate_stream_release(&s);
    assert_true(HEAR(&s, EVENT("error", "plain \x01 words"), EVENT("done", "{}")));
    assert_int_equal(s.end, REPLICATE_STREAM_FAILED);
    assert_string_equal(s.err.reason, "plain ? words");
    replicate_stream_release(&s);
    assert_true(HEAR(&s, EVENT("done", "")));
    assert_int_equal(s.end, REPLICATE_STREAM_DONE);
    replicate_stream_release(&s);
}

static void test_no_end(void **state)
{
    struct replicate_stream s;
    assert_false(
        HEAR(&s, EVENT("output", "half"), EVENT("", "408: 408 Request Timeout"), EVENT("news", "?")));
    assert_int_equal(s.end, REPLICATE_STREAM_OPEN);
    assert_string_equal(buf_text(&s.text), "half");
    replicate_stream_release(&s);
}

static void test_the_text_is_bounded(void **state)
{
    static const char long_text[] = "0123456789012345678901234567890123456789";
    struct replicate_stream s;
    assert_true(HEAR(&s, EVENT("output", long_text), EVENT("output", long_text), EVENT("done", "{}")));
    assert_true(s.cut);
    assert_string_equal(buf_text(&s.text), long_text);
    assert_int_equal(s.end, REPLICATE_STREAM_DONE);
    replicate_stream_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_in_pieces),
        cmocka_unit_test(test_how_it_ends),
        cmocka_unit_test(test_no_end),
        cmocka_unit_test(test_the_text_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
