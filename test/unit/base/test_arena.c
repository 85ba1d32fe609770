#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "scratch.h"

static void test_cleared_and_aligned(void **state)
{
    struct arena a;
    arena_init(&a);
    for (size_t size = 1; size < 3000; size += 7) {
        uint8_t *p = arena_alloc(&a, size);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
    arena_release(&a);
}

static void test_pieces_do_not_overlap(void **state)
{
    struct arena a;
    uint8_t *piece[300];
    arena_init(&a);
    for (unsigned i = 0; i < ARRAY_LEN(piece); i++) {
        piece[i] = arena_alloc(&a, i + 1);
        memset(piece[i], (int)(i & 0xff), i + 1);
    }
    for (unsigned i = 0; i < ARRAY_LEN(piece); i++)
        for (unsigned k = 0; k <= i; k++)
            assert_int_equal(piece[i][k], i & 0xff);
    arena_release(&a);
}

static void test_strings(void **state)
{
    struct arena a;
    arena_init(&a);
    assert_string_equal(arena_strdup(&a, ""), "");
    assert_string_equal(arena_strdup(&a, "abc"), "abc");
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(&a, "ab", 10), "ab");
    const char open_end[3] = {'x', 'y', 'z'}; /* no NUL: n bounds it */
    assert_string_equal(arena_strndup(&a, open_end, 3), "xyz");
    assert_string_equal(arena_printf(&a, "%d-%s", 12, "q"), "12-q");
    char long_text[5000];
    memset(long_text, 'l', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_string_equal(arena_printf(&a, "%s", long_text), long_text);
    arena_release(&a);
}

static void test_bytes_and_release(void **state)
{
    struct arena a;
    arena_init(&a);
    assert_int_equal(arena_bytes(&a), 0);
    assert_non_null(arena_alloc(&a, 10));
    size_t small = arena_bytes(&a);
    assert_in_range(small, 10, 1100);
    assert_non_null(arena_alloc(&a, 10));
    assert_int_equal(arena_bytes(&a), small); /* the same chunk */
    assert_non_null(arena_alloc(&a, 100000));
    assert_in_range(arena_bytes(&a), 100000, 102200);
    arena_release(&a);
    assert_int_equal(arena_bytes(&a), 0);
    arena_release(&a);                   /* again */
    assert_non_null(arena_alloc(&a, 1)); /* usable again */
    arena_release(&a);
    struct arena zeroed = {0};
    arena_release(&zeroed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cleared_and_aligned),
        cmocka_unit_test(test_pieces_do_not_overlap),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_bytes_and_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
