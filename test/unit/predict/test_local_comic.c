#include "predict/local_work.h"

#include "imaging/page.h"
#include "scratch.h"

/* No page is empty or too full, each photo is on one, in order, and none is alone beside fuller pages. */
static void test_pages_are_even(void **state)
{
    for (unsigned photos = 2; photos <= IMAGES_MAX; photos++)
        for (unsigned most = 1; most <= PAGE_PANELS_MAX; most++) {
            unsigned pages = local_comic_pages(photos, most), next = 0, least = IMAGES_MAX, fullest = 0;
            for (unsigned page = 0; page < pages; page++) {
                unsigned first, count;
                local_comic_share(photos, pages, page, &first, &count);
                assert_int_equal(first, next);
                next += count;
                least = count < least ? count : least;
                fullest = count > fullest ? count : fullest;
            }
            assert_int_equal(next, photos);
            assert_in_range(least, most == 1 ? 1 : 2, PAGE_PANELS_MAX);
            assert_in_range(fullest, least, least + 1);
            assert_in_range(fullest, 1, most == 2 ? 3 : most);
        }
}

static void test_known_shares(void **state)
{
    unsigned first, count;
    assert_int_equal(local_comic_pages(5, 4), 2);
    local_comic_share(5, 2, 0, &first, &count);
    assert_int_equal(count, 3);
    local_comic_share(5, 2, 1, &first, &count);
    assert_int_equal(first, 3);
    assert_int_equal(count, 2);
    assert_int_equal(local_comic_pages(12, 1), 12);
    assert_int_equal(local_comic_pages(3, 2), 1);
    assert_int_equal(local_comic_pages(7, 2), 3);
    assert_int_equal(local_comic_pages(7, 6), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_are_even),
        cmocka_unit_test(test_known_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
