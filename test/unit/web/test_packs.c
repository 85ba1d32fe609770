#include "web/packs.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "scratch.h"

static struct packs *make(const char *const *names, size_t count, const char *prefix)
{
    struct store_listing l = {.object = mem_zalloc((count + 1) * sizeof(*l.object)), .count = count};
    for (size_t i = 0; i < count; i++)
        l.object[i] = (struct store_object){.name = names[i], .etag = "e", .size = i + 1};
    struct packs *p = packs_new(&l, prefix);
    free(l.object); /* the catalogue keeps nothing of it */
    return p;
}

static const struct packs_filter any;

/* The page as an array. */
static json_t *page_of(const struct packs *p, const struct packs_filter *filter, size_t page, size_t size,
                       size_t total)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, "[");
    assert_int_equal(packs_page(p, filter, page, size, &b), total);
    buf_puts(&b, "]");
    json_t *items = json_loads(buf_text(&b), 0, NULL);
    assert_non_null(items);
    return items;
}

static const char *text(json_t *items, size_t i, const char *name)
{
    return json_string_value(json_object_get(json_array_get(items, i), name));
}

static const char *const names[] = {
    "LUTs/Film Look/b.cube", "LUTs/Film Look/a.CUBE", "LUTs/Film Look/preview.webp",
    "Presets/warm_portrait/1.xmp", "LUTs/B&W/x.zip", "A-Z/t/i.tiff", "A/t/i.jpeg",
    /* what is none */
    "limner-check", "LUTs/loose.cube", "LUTs/Film Look/deeper/x.cube", "LUTs/Film Look/readme.txt",
    "LUTs/Film Look/cube", "clarity/2026-11-23/a.png", "enhance/real-esrgan/2026-11-23/a.png",
    "comics/a-story/page-1.png", "LUTs/Film Look/x.cube.exe"};

static void test_grouping(void **state)
{
    struct packs *p = make(names, ARRAY_LEN(names), "");
    assert_int_equal(packs_count(p), 5);
    json_t *items = page_of(p, &any, 1, 100, 5);
    static const char *const ids[] = {"a/t", "a-z/t", "luts/b-w", "luts/film-look", "presets/warm-portrait"};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_string_equal(text(items, i, "id"), ids[i]);
    json_t *item = json_array_get(items, 3);
    assert_int_equal(json_object_size(item), 6);
    assert_string_equal(text(items, 3, "category"), "LUTs");
    assert_string_equal(text(items, 3, "target"), "Film Look");
    assert_string_equal(text(items, 4, "title"), "warm portrait");
    assert_int_equal(json_integer_value(json_object_get(item, "count")), 3);
    json_t *files = json_object_get(item, "files");
    assert_int_equal(json_array_size(files), 3);
    json_t *first = json_array_get(files, 0), *last = json_array_get(files, 2);
    assert_string_equal(json_string_value(json_object_get(first, "key")), "LUTs/Film Look/a.CUBE");
    assert_int_equal(json_integer_value(json_object_get(first, "size")), 2);
    assert_string_equal(json_string_value(json_object_get(first, "etag")), "e");
    assert_string_equal(json_string_value(json_object_get(first, "content_type")),
                        "application/octet-stream");
    assert_string_equal(json_string_value(json_object_get(last, "content_type")), "image/webp");
    json_decref(items);
    packs_unref(p);
}

static void test_prefix(void **state)
{
    static const char *const below[] = {"packs/LUTs/Film/a.cube", "packs/a.cube", "LUTs/Film/a.cube",
                                        "packs2/x/y.cube", "packs/LUTs/2026-11-23/a.png"};
    struct packs *p = make(below, ARRAY_LEN(below), "packs/");
    assert_int_equal(packs_count(p), 1);
    assert_true(packs_has(p, "luts/film", "packs/LUTs/Film/a.cube"));
    packs_unref(p);
}

static void test_filters_and_pages(void **state)
{
    struct packs *p = make(names, ARRAY_LEN(names), "");
    struct packs_filter luts = {.category = "luts"}, film = {.category = "LUTS", .target = "film look"};
    struct packs_filter none = {.category = "LUT"}, t = {.target = "t"};
    json_t *items = page_of(p, &luts, 1, 1, 2);
    assert_string_equal(text(items, 0, "id"), "luts/b-w");
    assert_int_equal(json_array_size(items), 1);
    json_decref(items);
    items = page_of(p, &luts, 2, 1, 2);
    assert_string_equal(text(items, 0, "id"), "luts/film-look");
    json_decref(items);
    items = page_of(p, &luts, 3, 1, 2);
    assert_int_equal(json_array_size(items), 0);
    json_decref(items);
    json_decref(page_of(p, &film, 1, 50, 1));
    json_decref(page_of(p, &none, 1, 50, 0));
    json_decref(page_of(p, &t, 1, 50, 2));
    items = page_of(p, &any, 2, 3, 5);
    assert_int_equal(json_array_size(items), 2);
    json_decref(items);
    json_decref(page_of(p, &any, SIZE_MAX, 500, 5));
    packs_unref(p);
}

static void test_ids_are_single(void **state)
{
    static const char *const same[] = {"LUTs/Film Look/a.cube", "LUTs/Film-Look/b.cube",
                                       "luts/film look/c.cube", "LUTs/!!!/d.cube",
                                       "LUTs/$$$/e.cube",       "Màu Ấm/Đẹp/f.xmp"};
    struct packs *p = make(same, ARRAY_LEN(same), ""), *again = make(same, ARRAY_LEN(same), "");
    json_t *items = page_of(p, &any, 1, 100, 6), *twice = page_of(again, &any, 1, 100, 6);
    assert_true(json_equal(items, twice));
    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(text(items, i, "id"), text(items, k, "id"));
    assert_true(packs_has(p, "luts/film-look", "LUTs/Film Look/a.cube")); /* the first keeps the plain one */
    assert_false(packs_has(p, "luts/film-look", "LUTs/Film-Look/b.cube"));
    assert_true(packs_has(p, "luts/-", "LUTs/!!!/d.cube"));
    assert_true(packs_has(p, "màu-Ấm/Đẹp", "Màu Ấm/Đẹp/f.xmp"));
    assert_false(packs_has(p, "nothing", "LUTs/!!!/d.cube"));
    assert_false(packs_has(p, "", ""));
    json_decref(items);
    json_decref(twice);
    packs_unref(p);
    packs_unref(again);
}

static void test_version(void **state)
{
    struct packs *p = make(names, ARRAY_LEN(names), ""), *less = make(names, 6, "");
    struct packs *same = make(names, 7, ""); /* the others do not count */
    assert_int_equal(strlen(packs_version(p)), PACKS_VERSION - 1);
    assert_string_equal(packs_version(p), packs_version(same));
    assert_string_not_equal(packs_version(p), packs_version(less));
    struct store_object o = {.name = "A/b/c.png", .etag = "1", .size = 1};
    struct store_listing l = {.object = &o, .count = 1};
    struct packs *before = packs_new(&l, "");
    o.etag = "2";
    struct packs *after = packs_new(&l, "");
    assert_string_not_equal(packs_version(before), packs_version(after));
    struct packs *all[] = {p, less, same, before, after};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        packs_unref(all[i]);
}

static void test_empty(void **state)
{
    struct packs *p = make(NULL, 0, "");
    assert_int_equal(packs_count(p), 0);
    assert_false(packs_cut(p));
    json_decref(page_of(p, &any, 1, 50, 0));
    packs_unref(packs_ref(p));
    packs_unref(p);
    packs_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grouping),          cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_filters_and_pages), cmocka_unit_test(test_ids_are_single),
        cmocka_unit_test(test_version),           cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
