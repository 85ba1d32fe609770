#include "base/buf.h"

#include <errno.h>
#include <string.h>

#include "scratch.h"

static void test_empty(void **state)
{
    struct buf b;
    buf_init(&b, 10);
    assert_string_equal(buf_text(&b), "");
    assert_null(b.data);
    assert_int_equal(buf_append(&b, NULL, 0), 0);
    assert_string_equal(buf_text(&b), "");
    buf_release(&b);
    buf_release(&b);
    assert_int_equal(b.cap, 10);
}

static void test_appends(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 1000);
    assert_int_equal(buf_puts(&b, "one"), 0);
    assert_int_equal(buf_append(&b, "\0two", 4), 0);
    assert_int_equal(buf_printf(&b, "-%05d-%s", 42, "three"), 0);
    assert_int_equal(b.len, 3 + 4 + 12);
    assert_memory_equal(b.data, "one\0two-00042-three", b.len + 1); /* with the NUL behind */
    assert_int_equal(buf_printf(&b, "%s", ""), 0);
    assert_int_equal(b.len, 19);
}

/* Every length of a printf around the room that is left. */
static void test_printf_at_each_room(void **state)
{
    for (unsigned before = 0; before < 300; before++) {
        BUF_ON_EXIT struct buf b;
        buf_init(&b, 4096);
        for (unsigned i = 0; i < before; i++)
            assert_int_equal(buf_puts(&b, "."), 0);
        assert_int_equal(buf_printf(&b, "%s=%d", "a value", 123456), 0);
        assert_int_equal(b.len, before + 14);
        assert_string_equal(b.data + before, "a value=123456");
        assert_true(b.len < b.room);
    }
}

static void test_cap_is_exact(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 8);
    assert_int_equal(buf_puts(&b, "12345678"), 0);
    assert_int_equal(b.len, 8);
    assert_true(b.room <= 9);
    assert_int_equal(buf_append(&b, "", 0), 0);
    assert_false(b.failed);
    assert_int_equal(buf_puts(&b, "9"), -EMSGSIZE);
    assert_string_equal(buf_text(&b), "12345678");
}

static void test_failure_leaves_it_as_it_was(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 10);
    assert_int_equal(buf_puts(&b, "abc"), 0);
    assert_int_equal(buf_printf(&b, "%s", "12345678"), -EMSGSIZE);
    assert_string_equal(buf_text(&b), "abc");
    assert_int_equal(b.len, 3);
    assert_true(b.failed);
    assert_int_equal(buf_puts(&b, "d"), -EMSGSIZE); /* it stays failed: a chain is checked once at its end */
    assert_int_equal(buf_printf(&b, "d"), -EMSGSIZE);
    assert_string_equal(buf_text(&b), "abc");
    buf_release(&b);
    assert_false(b.failed);
    assert_int_equal(buf_puts(&b, "again"), 0);
}

static void test_cap_of_nothing(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 0);
    assert_int_equal(buf_puts(&b, ""), 0);
    assert_int_equal(buf_puts(&b, "x"), -EMSGSIZE);
    assert_string_equal(buf_text(&b), "");
}

static void test_large(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < 1 << 16; i++)
        assert_int_equal(buf_append(&b, "0123456789abcdef", 16), 0);
    assert_int_equal(b.len, 1 << 20);
    for (size_t i = 0; i < b.len; i += 16)
        assert_memory_equal(b.data + i, "0123456789abcdef", 16);
    assert_int_equal(buf_puts(&b, "x"), -EMSGSIZE);
}

static void test_take_blob(void **state)
{
    struct buf b;
    buf_init(&b, 100);
    buf_puts(&b, "bytes");
    const char *data = b.data;
    struct blob *blob = buf_take_blob(&b);
    assert_ptr_equal(blob->data, data); /* handed over, not copied */
    assert_int_equal(blob->size, 5);
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.cap, 100);
    blob_unref(blob);
    blob = buf_take_blob(&b);
    assert_int_equal(blob->size, 0);
    blob_unref(blob);
    assert_int_equal(blob_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_printf_at_each_room),
        cmocka_unit_test(test_cap_is_exact),
        cmocka_unit_test(test_failure_leaves_it_as_it_was),
        cmocka_unit_test(test_cap_of_nothing),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_take_blob),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
