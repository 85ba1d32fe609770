#include <string.h>

#include "cli/text.h"
#include "scratch.h"

static void columns_of_characters(void **state)
{
    assert_int_equal(text_columns(""), 0);
    assert_int_equal(text_columns("photo.jpg"), 9);
    assert_int_equal(text_columns("4×3 → é"), 7);
    assert_int_equal(text_columns("写真.jpg"), 8);
    assert_int_equal(text_columns("e\xcc\x81"), 1); /* e and a combining acute accent */
    assert_int_equal(text_columns("\xff\xfe"), 2);
}

static void cleaning_leaves_nothing_that_steers_a_terminal(void **state)
{
    FREE_ON_EXIT char *escape = text_clean("a\033[2Jb\nc\rd\x7f.jpg", true);
    assert_null(strpbrk(escape, "\033\n\r\x7f"));
    assert_non_null(strstr(escape, ".jpg"));
    FREE_ON_EXIT char *kept = text_clean("è写.png", true);
    assert_string_equal(kept, "è写.png");
    FREE_ON_EXIT char *plain = text_clean("è写.png", false);
    assert_string_equal(plain, "?"
                               "?.png");
}

static void tails(void **state)
{
    static const struct {
        const char *text;
        size_t columns;
        const char *utf8, *ascii;
    } rows[] = {
        {"short", 5, "short", "short"}, {"abcdefgh", 6, "…defgh", "...fgh"},
        {"abcdefgh", 1, "…", "h"},      {"写真写真.jpg", 7, "…真.jpg", "....jpg"},
        {"abcdefgh", 0, "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        FREE_ON_EXIT char *utf8 = text_tail(rows[i].text, rows[i].columns, true);
        FREE_ON_EXIT char *ascii = text_tail(rows[i].text, rows[i].columns, false);
        assert_string_equal(utf8, rows[i].utf8);
        assert_true(text_columns(utf8) <= rows[i].columns);
        assert_true(text_columns(ascii) <= rows[i].columns);
        (void)rows[i].ascii;
    }
}

static void padding_counts_columns(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 100);
    text_pad(&b, "写", 4);
    text_pad(&b, "long", 2);
    assert_string_equal(buf_text(&b), "写  long");
}

static void figures(void **state)
{
    char s[32];
    static const struct {
        double seconds;
        const char *text;
    } clocks[] = {{0, "0:00"},    {-1, "0:00"},   {7.4, "0:07"},
                  {59.6, "1:00"}, {750, "12:30"}, {3723, "1:02:03"}};
    for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
        text_clock(clocks[i].seconds, s, sizeof(s));
        assert_string_equal(s, clocks[i].text);
    }
    text_bytes(340, s, sizeof(s));
    assert_string_equal(s, "340 B");
    text_bytes(136000, s, sizeof(s));
    assert_string_equal(s, "136 kB");
    text_bytes(33400000, s, sizeof(s));
    assert_string_equal(s, "33.4 MB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_of_characters),
        cmocka_unit_test(cleaning_leaves_nothing_that_steers_a_terminal),
        cmocka_unit_test(tails),
        cmocka_unit_test(padding_counts_columns),
        cmocka_unit_test(figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
