/* The reader of archives, with good ones of the library's own writer and hostile ones made of them. */
#include "jobs/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "scratch.h"

enum { ROOM = 8 << 20, PICTURES_MAX = 1000, PICTURE_MAX = 1 << 20 };

static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR and more of it";

struct maker {
    struct archive *to;
    uint8_t *bytes;
    size_t size;
};

/* options: of libarchive's zip writer; NULL: none. */
static void make(struct maker *m, const char *options)
{
    *m = (struct maker){.to = archive_write_new(), .bytes = mem_alloc(ROOM)};
    archive_write_set_format_zip(m->to);
    if (options) {
        archive_write_set_passphrase(m->to, "open sesame");
        assert_int_equal(archive_write_set_options(m->to, options), ARCHIVE_OK);
    }
    archive_write_set_bytes_per_block(m->to, 0);
    assert_int_equal(archive_write_open_memory(m->to, m->bytes, ROOM, &m->size), ARCHIVE_OK);
}

static void put(struct maker *m, const char *name, unsigned type, const void *data, size_t size)
{
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)size);
    if (type == AE_IFLNK)
        archive_entry_set_symlink(entry, "/etc/passwd");
    assert_true(archive_write_header(m->to, entry) >= ARCHIVE_WARN);
    if (size > 0)
        assert_int_equal(archive_write_data(m->to, data, size), (la_ssize_t)size);
    archive_entry_free(entry);
}

static void put_png(struct maker *m, const char *name)
{
    put(m, name, AE_IFREG, png, sizeof(png));
}

/* A picture's first bytes, and zeros. */
static void put_zeros(struct maker *m, const char *name, size_t size)
{
    FREE_ON_EXIT uint8_t *data = mem_zalloc(size);
    memcpy(data, png, sizeof(png));
    put(m, name, AE_IFREG, data, size);
}

static struct blob *made(struct maker *m)
{
    assert_int_equal(archive_write_close(m->to), ARCHIVE_OK);
    archive_write_free(m->to);
    return blob_take(m->bytes, m->size, free);
}

static const struct zip_limits limits = {PICTURES_MAX, PICTURE_MAX};

static struct zip *opened(struct blob *b)
{
    struct error e;
    struct zip *z = NULL;
    assert_int_equal(zip_open(b, &limits, &z, &e), 0);
    blob_unref(b);
    return z;
}

static int list(struct zip *z, struct zip_list *ret, struct error *e)
{
    *ret = (struct zip_list){0};
    *e = (struct error){0};
    return zip_list(z, ret, e);
}

static struct zip_list listed(struct zip *z)
{
    struct error e;
    struct zip_list l;
    assert_int_equal(list(z, &l, &e), 0);
    return l;
}

/* Opened, or at the latest listed, it is refused. b's reference is taken. */
static void refused(struct blob *b, enum err code, const char *says)
{
    struct error e = {0};
    struct zip *z = NULL;
    struct zip_list l;
    int r = zip_open(b, &limits, &z, &e);
    if (r == 0)
        r = list(z, &l, &e);
    assert_int_equal(r, -(int)code);
    assert_int_equal(e.code, code);
    if (!strstr(e.reason, says))
        fail_msg("it says %s, not %s", e.reason, says);
    zip_free(z);
    blob_unref(b);
}

struct taken {
    uint8_t bytes[256];
    size_t size;
};

static int take(void *ctx, const void *data, size_t size, struct error *e)
{
    struct taken *t = ctx;
    if (t->size + size <= sizeof(t->bytes))
        memcpy(t->bytes + t->size, data, size);
    t->size += size;
    return 0;
}

static void assert_png(struct zip *z, unsigned at)
{
    struct error e;
    struct taken t = {.size = 0};
    assert_int_equal(zip_read(z, at, take, &t, &e), 0);
    assert_int_equal(t.size, sizeof(png));
    assert_memory_equal(t.bytes, png, sizeof(png));
}

static int read_fails(struct zip *z, unsigned at)
{
    struct error e = {0};
    struct taken t = {.size = 0};
    int r = zip_read(z, at, take, &t, &e);
    assert_true(r < 0 && t.size <= PICTURE_MAX + (256 << 10));
    assert_int_equal(r, -(int)e.code);
    return r;
}

/* Where the nth record of the directory begins. */
static uint8_t *record(struct blob *b, unsigned n)
{
    uint8_t *at = (uint8_t *)(uintptr_t)b->data, *end = at + b->size;
    for (;; at += 4) {
        at = memmem(at, (size_t)(end - at), "PK\1\2", 4);
        assert_non_null(at);
        if (n-- == 0)
            return at;
    }
}

/* ---- good ones ---- */

static void pictures_are_found_and_the_rest_is_passed_over(void **state)
{
    struct maker m;
    make(&m, NULL);
    put(&m, "a", AE_IFDIR, NULL, 0);
    put_png(&m, "a/one.png");
    put(&m, "a/notes.txt", AE_IFREG, "hello", 5);
    put(&m, "a/empty.png", AE_IFREG, NULL, 0);
    put_png(&m, ".hidden.png");
    put_png(&m, "a/.git/two.png");
    put_png(&m, "__MACOSX/a/._one.png");
    put(&m, "link.png", AE_IFLNK, NULL, 0);
    put_png(&m, "two");
    struct zip *z = opened(made(&m));
    struct zip_list l = listed(z);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.passed_over, 7);
    assert_string_equal(l.picture[0].name, "a/one.png");
    assert_string_equal(l.picture[1].name, "two");
    assert_png(z, l.picture[0].at);
    assert_png(z, l.picture[1].at);
    assert_png(z, l.picture[0].at); /* backwards */
    assert_png(z, l.picture[0].at);
    assert_int_equal(read_fails(z, 9), -ERR_VALIDATION);
    assert_png(z, l.picture[1].at);
    zip_list_release(&l);
    zip_free(z);
}

static void names_are_text_and_lead_nowhere(void **state)
{
    static const char *const names[][2] = {
        {"../../etc/passwd", "etc/passwd"},
        {"/root/x.png", "root/x.png"},
        {"a/./b//c.png", "a/b/c.png"},
        {"..\\..\\win\\x.png", "win/x.png"},
        {"f\xc3\xbcnf.png", "f\xc3\xbcnf.png"},
        {"x\xff\xfey.png", "x??y.png"},
        {"line\nfeed\x1b[0m.png", "line?feed?[0m.png"},
    };
    struct maker m;
    make(&m, NULL);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        put_png(&m, names[i][0]);
    char text[1001] = "";
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xbc", 3);
    put_png(&m, text);
    struct zip *z = opened(made(&m));
    struct zip_list l = listed(z);
    assert_int_equal(l.count, ARRAY_LEN(names) + 1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_string_equal(l.picture[i].name, names[i][1]);
    const char *last = l.picture[l.count - 1].name;
    assert_int_equal(strlen(last), ZIP_NAME_MAX - 1);
    assert_int_equal(utf8_char(last), 2);
    zip_list_release(&l);
    zip_free(z);
}

static void two_thousand_entries(void **state)
{
    struct maker m;
    make(&m, NULL);
    char name[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "%d.png", i);
        if (i % 2)
            put_png(&m, name);
        else
            put(&m, name, AE_IFREG, "no", 2);
    }
    struct zip *z = opened(made(&m));
    struct zip_list l = listed(z);
    assert_int_equal(l.count, 1000);
    assert_int_equal(l.passed_over, 1000);
    for (size_t i = 0; i < l.count; i++)
        assert_png(z, l.picture[i].at);
    zip_list_release(&l);
    zip_free(z);
}

static void zip64(void **state)
{
    struct maker m;
    make(&m, "zip:zip64");
    put_png(&m, "one.png");
    put_png(&m, "two.png");
    struct blob *b = made(&m);
    assert_non_null(memmem(b->data, b->size, "PK\6\6", 4));
    struct zip *z = opened(b);
    struct zip_list l = listed(z);
    assert_int_equal(l.count, 2);
    assert_png(z, l.picture[1].at);
    zip_list_release(&l);
    zip_free(z);
}

/* ---- hostile ones ---- */

static void too_many(void **state)
{
    struct maker m;
    make(&m, NULL);
    char name[32];
    for (int i = 0; i <= PICTURES_MAX; i++) {
        snprintf(name, sizeof(name), "%d.png", i);
        put_png(&m, name);
    }
    refused(made(&m), ERR_PAYLOAD_TOO_LARGE, "more than 1000 pictures");
}

/* The library would keep something for each record before the first is seen. */
static void a_directory_without_end(void **state)
{
    enum { RECORDS = PICTURES_MAX + ZIP_OTHERS_MAX + 1, BYTES = 46 };
    uint8_t *bytes = mem_zalloc((size_t)RECORDS * BYTES);
    for (size_t i = 0; i < RECORDS; i++)
        memcpy(bytes + i * BYTES, "PK\1\2", 4);
    refused(blob_take(bytes, (size_t)RECORDS * BYTES, free), ERR_PAYLOAD_TOO_LARGE, "too many files");
}

static void a_bomb_of_many(void **state)
{
    struct maker m;
    make(&m, NULL);
    char name[32];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "%d.png", i);
        put_zeros(&m, name, PICTURE_MAX);
    }
    refused(made(&m), ERR_PAYLOAD_TOO_LARGE, "more than 50 times");
}

static void a_large_one_fails_alone(void **state)
{
    struct maker m;
    make(&m, NULL);
    put_zeros(&m, "large.png", 3 * PICTURE_MAX);
    put_png(&m, "small.png");
    struct zip *z = opened(made(&m));
    struct zip_list l = listed(z);
    assert_int_equal(l.count, 2);
    assert_int_equal(read_fails(z, l.picture[0].at), -ERR_PAYLOAD_TOO_LARGE);
    assert_png(z, l.picture[1].at);
    zip_list_release(&l);
    zip_free(z);
}

/* Both of its headers say 100 bytes, and three million come. */
static void one_that_lies_about_its_size(void **state)
{
    struct maker m;
    make(&m, NULL);
    put_zeros(&m, "liar.png", 3 * PICTURE_MAX);
    struct blob *b = made(&m);
    memcpy(record(b, 0) + 24, "\x64\0\0\0", 4);
    memcpy((uint8_t *)(uintptr_t)b->data + 22, "\x64\0\0\0", 4);
    struct zip *z = opened(b);
    struct zip_list l = listed(z);
    assert_int_equal(l.count, 1);
    assert_int_equal(read_fails(z, l.picture[0].at), -ERR_VALIDATION);
    zip_list_release(&l);
    zip_free(z);
}

static void encrypted(void **state)
{
    struct maker m;
    make(&m, "zip:encryption=traditional");
    put_png(&m, "one.png");
    refused(made(&m), ERR_VALIDATION, "encrypted");
}

static void cut_anywhere(void **state)
{
    struct maker m;
    make(&m, NULL);
    put_png(&m, "one.png");
    put_png(&m, "two.png");
    struct blob *b = made(&m);
    for (size_t size = 0; size < b->size; size++)
        refused(blob_copy(b->data, size), ERR_VALIDATION, "damaged");
    blob_unref(b);
}

static void one_that_is_damaged_fails_alone(void **state)
{
    struct maker m;
    make(&m, "zip:compression=store");
    put_png(&m, "one.png");
    put_png(&m, "two.png");
    struct blob *b = made(&m);
    uint8_t *at = memmem(b->data, b->size, "and more", 8);
    assert_non_null(at);
    *at ^= 1;
    struct zip *z = opened(b);
    struct zip_list l = listed(z);
    assert_int_equal(l.count, 2);
    assert_int_equal(read_fails(z, l.picture[0].at), -ERR_VALIDATION);
    assert_png(z, l.picture[1].at);
    zip_list_release(&l);
    zip_free(z);
}

static void not_one_picture(void **state)
{
    struct maker m;
    make(&m, NULL);
    put(&m, "a.txt", AE_IFREG, "a", 1);
    refused(made(&m), ERR_VALIDATION, "no picture");
    make(&m, NULL); /* nothing at all */
    refused(made(&m), ERR_VALIDATION, "no zip");
    refused(blob_static(png, sizeof(png)), ERR_VALIDATION, "no zip");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_found_and_the_rest_is_passed_over),
        cmocka_unit_test(names_are_text_and_lead_nowhere),
        cmocka_unit_test(two_thousand_entries),
        cmocka_unit_test(zip64),
        cmocka_unit_test(too_many),
        cmocka_unit_test(a_directory_without_end),
        cmocka_unit_test(a_bomb_of_many),
        cmocka_unit_test(a_large_one_fails_alone),
        cmocka_unit_test(one_that_lies_about_its_size),
        cmocka_unit_test(encrypted),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(one_that_is_damaged_fails_alone),
        cmocka_unit_test(not_one_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
