#include "cli/comic_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "scratch.h"

enum { LEAST = 2, MOST = 12, LINES = 4, CHARACTERS = 20 };

static char *root; /* a new folder for each test, and the working folder */
static int before_fd;

static int set_up(void **state)
{
    before_fd = open(".", O_RDONLY | O_DIRECTORY);
    root = scratch_new();
    return chdir(root);
}

static int tear_down(void **state)
{
    int r = fchdir(before_fd);
    close(before_fd);
    scratch_free(root);
    return r;
}

static void put(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

/* ---- the order of names ---- */

static void names_are_ordered_as_people_number_them(void **state)
{
    static const char *const ordered[] = {
        "",
        "2.jpg",
        "02.jpg.x",
        "10.jpg",
        "IMG_9.jpg",
        "img_10.jpg",
        "IMG_11.jpg",
        "page 1b2",
        "page 1b10",
        "photo.jpg",
        "photo1.jpg",
        "photo02.jpg",
        "photo2.jpg",
        "Photo3.jpg",
        "photo10.jpg",
        "photo100000000000000000000000001.jpg",
        "photo100000000000000000000000002.jpg",
    };
    for (size_t i = 0; i < ARRAY_LEN(ordered); i++)
        for (size_t j = 0; j < ARRAY_LEN(ordered); j++) {
            int order = comic_name_order(ordered[i], ordered[j]);
            if ((i > j) - (i < j) != (order > 0) - (order < 0))
                fail_msg("%s and %s: %d", ordered[i], ordered[j], order);
        }
}

/* ---- photos ---- */

static struct comic_photos read_photos(const char *folder)
{
    struct comic_photos photos;
    struct error e;
    if (comic_photos_read(folder, LEAST, MOST, &photos, &e) < 0)
        fail_msg("%s", e.reason);
    return photos;
}

static void photos_are_found_in_their_order(void **state)
{
    static const char *const expected[] = {"p/photo1.png", "p/Photo2.JPG", "p/photo9.webp", "p/photo10.jpg",
                                           "p/photo11.avif"};
    assert_int_equal(mkdir("p", 0755), 0);
    assert_int_equal(mkdir("p/photo3.jpg", 0755), 0); /* a folder */
    put("p/photo10.jpg", "x", 1);
    put("p/photo9.webp", "x", 1);
    put("p/Photo2.JPG", "x", 1);
    put("p/notes.txt", "x", 1);
    put("p/.photo1.jpg", "x", 1);
    put("elsewhere.png", "x", 1);
    put("p/photo11.avif", "x", 1);
    assert_int_equal(symlink("../elsewhere.png", "p/photo1.png"), 0);
    assert_int_equal(symlink("gone.png", "p/photo4.png"), 0);
    struct comic_photos photos = read_photos("p/");
    assert_int_equal(photos.count, ARRAY_LEN(expected));
    for (size_t i = 0; i < photos.count; i++)
        assert_string_equal(photos.path[i], expected[i]);
    comic_photos_release(&photos);
    assert_int_equal(photos.count, 0);
}

static void photos_are_counted(void **state)
{
    struct comic_photos photos;
    struct error e;
    assert_int_equal(comic_photos_read("gone", LEAST, MOST, &photos, &e), -ERR_VALIDATION);
    assert_string_equal(e.reason, "gone: No such file or directory");
    assert_int_equal(mkdir("p", 0755), 0);
    assert_int_equal(comic_photos_read("p", LEAST, MOST, &photos, &e), -ERR_VALIDATION);
    assert_string_equal(e.reason, "There is no JPEG, PNG, WebP or AVIF picture in p");
    put("p/0.jpg", "x", 1);
    assert_int_equal(comic_photos_read("p", LEAST, MOST, &photos, &e), -ERR_VALIDATION);
    assert_string_equal(e.reason, "There is 1 picture in p, and a comic takes 2 at least");
    for (int i = 0; i <= MOST; i++) {
        char name[32];
        snprintf(name, sizeof(name), "p/%d.jpg", i);
        put(name, "x", 1);
    }
    assert_int_equal(comic_photos_read("p", LEAST, MOST, &photos, &e), -ERR_VALIDATION);
    assert_string_equal(e.reason, "There are 13 pictures in p, and a comic takes 12 at most");
    assert_int_equal(unlink("p/3.jpg"), 0);
    photos = read_photos("p");
    assert_int_equal(photos.count, MOST);
    comic_photos_release(&photos);
}

/* ---- texts ---- */

static void assert_lines(const char *file, size_t size, size_t count, const char *const *expected)
{
    struct comic_lines lines;
    struct error e;
    put("captions.txt", file, size);
    if (comic_lines_read("captions.txt", LINES, CHARACTERS, &lines, &e) < 0)
        fail_msg("%s", e.reason);
    assert_int_equal(lines.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(lines.text[i], expected[i]);
    comic_lines_release(&lines);
    assert_int_equal(lines.count, 0);
}

#define READS(file, ...)                                                                                     \
    assert_lines(file, sizeof(file) - 1, ARRAY_LEN(((const char *[]){__VA_ARGS__})),                         \
                 (const char *[]){__VA_ARGS__})
#define NHIET "nhi\xe1\xbb\x87t nhi\xe1\xbb\x87t nhi\xe1\xbb\x87t"

static void a_text_on_each_line(void **state)
{
    READS("one\n  two\twords \nthree", "one", "two words", "three");
    READS("\xef\xbb\xbfm\xe1\xbb\x99t\r\n\r\nba\r\n", "m\xe1\xbb\x99t", "", "ba");
    READS("one", "one");
    READS("\n\nthree\n\n \n\n\n", "", "", "three"); /* empty lines behind it all are nothing */
    READS("12345678901234567890", "12345678901234567890");
    READS(NHIET " 12\n", NHIET " 12"); /* characters count, not bytes */
    assert_lines("\n \n", 3, 0, NULL);
}

static void assert_refused(const char *file, size_t size, const char *reason)
{
    struct comic_lines lines = {0};
    struct error e;
    put("captions.txt", file, size);
    assert_int_equal(comic_lines_read("captions.txt", LINES, CHARACTERS, &lines, &e), -ERR_VALIDATION);
    assert_string_equal(e.reason, reason);
    assert_int_equal(lines.count, 0);
}

#define REFUSED(text, reason) assert_refused(text, sizeof(text) - 1, reason)

static void texts_that_cannot_be_meant(void **state)
{
    struct comic_lines lines;
    struct error e;
    REFUSED("1\n2\n3\n\n5\n", "captions.txt: line 5 is one too many: 4 are allowed");
    REFUSED("1\n123456789012345678901\n", "captions.txt: line 2 has 21 characters, and 20 are allowed");
    REFUSED("caf\xe9\n", "captions.txt: line 1 is no text in UTF-8");     /* Latin-1 */
    REFUSED("o\0n\0e\0\n\0", "captions.txt: line 1 is no text in UTF-8"); /* UTF-16 */
    REFUSED("1\n\x1b[31mred\n", "captions.txt: line 2 is no text in UTF-8");
    REFUSED("\xe1\xbb", "captions.txt: line 1 is no text in UTF-8"); /* cut */
    REFUSED("", "captions.txt: The file is empty");
    FREE_ON_EXIT char *large = mem_zalloc(300 << 10);
    assert_refused(large, 300 << 10, "captions.txt: it is too large for a line for each photo");
    assert_int_equal(comic_lines_read("gone.txt", LINES, CHARACTERS, &lines, &e), -ERR_VALIDATION);
    assert_string_equal(e.reason, "gone.txt: Cannot be opened: No such file or directory");
}

/* ---- where it goes ---- */

static struct comic_out find_out(const char *output, const char *said, struct comic_parts parts)
{
    struct comic_out out;
    struct error e;
    if (comic_out_find(output, said, &parts, &out, &e) < 0)
        fail_msg("%s: %s", output, e.reason);
    return out;
}

/* Of three pages without a cover. */
static void assert_out(const char *output, const char *said, const char *format, enum image_type type,
                       const char *path)
{
    struct comic_out out = find_out(output, said, (struct comic_parts){.pages = 3});
    assert_string_equal(out.format, format);
    assert_int_equal(out.type, type);
    assert_string_equal(out.path, path);
    assert_null(out.cover);
    assert_int_equal(out.count, type == IMAGE_UNKNOWN ? 1 : 3);
    comic_out_release(&out);
}

static void the_extension_decides(void **state)
{
    assert_out("story.pdf", "", "pdf", IMAGE_UNKNOWN, "story.pdf");
    assert_out("a/b.c/Story.CBZ", "cbz", "cbz", IMAGE_UNKNOWN, "a/b.c/Story.CBZ");
    assert_out("story.png", "png", "png", IMAGE_PNG, "story.png");
    assert_out("story.jpeg", "", "png", IMAGE_JPEG, "story.jpeg");
    assert_out("-", "pdf", "pdf", IMAGE_UNKNOWN, "-");
}

static void a_folder_takes_pages(void **state)
{
    assert_int_equal(mkdir("there.pdf", 0755), 0);
    put("file", "x", 1);
    assert_out("new", "", "png", IMAGE_PNG, "new/page.png");
    assert_out("new.pdf/", "", "png", IMAGE_PNG, "new.pdf/page.png");
    assert_out("there.pdf", "", "png", IMAGE_PNG, "there.pdf/page.png");
    assert_out("new/", "cbz", "cbz", IMAGE_UNKNOWN, "new/comic.cbz");
    assert_out("file", "pdf", "pdf", IMAGE_UNKNOWN, "file"); /* it is there, and no folder */
}

static void assert_page(const char *output, struct comic_parts parts, const char *path, const char *cover)
{
    struct comic_out out = find_out(output, "", parts);
    assert_string_equal(out.path, path);
    if (cover)
        assert_string_equal(out.cover, cover);
    else
        assert_null(out.cover);
    comic_out_release(&out);
}

static void a_cover_has_its_own_place(void **state)
{
    const struct comic_parts both = {.pages = 2, .cover = true};
    assert_page("new", both, "new/page.png", "new/cover.png");
    assert_page("a.b/story.jpg", both, "a.b/story.jpg", "a.b/story-cover.jpg");
    assert_page("story.pdf", both, "story.pdf", NULL);
    assert_page("new", (struct comic_parts){.pages = 1}, "new/page-1.png", NULL);
    assert_page("new", (struct comic_parts){.pages = 1, .cover = true}, "new/page.png", "new/cover.png");
    assert_page("one.png", (struct comic_parts){.pages = 1}, "one.png", NULL);
}

static void what_is_stored_is_a_result_or_none(void **state)
{
    struct comic_out pages = find_out("new", "", (struct comic_parts){.pages = 2, .cover = true});
    struct comic_out bare = find_out("new", "", (struct comic_parts){.pages = 2});
    struct comic_out book = find_out("new.pdf", "", (struct comic_parts){.pages = 2, .cover = true});
    static const struct {
        const char *key;
        unsigned pages, bare, book;
    } cases[] = {
        {"comics/page-9/page-1.png", 1, 1, 0},    {"comics/a/page-2.png", 2, 2, 0},
        {"comics/a/page-3.png", 0, 0, 0},         {"comics/a/page-0.png", 0, 0, 0},
        {"comics/a/cover.png", 3, 0, 0},          {"comics/a/book.pdf", 0, 0, 1},
        {"comics/cover.png/story.json", 0, 0, 0}, {"comics/a/page-x.png", 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(comic_out_number(&pages, cases[i].key), cases[i].pages);
        assert_int_equal(comic_out_number(&bare, cases[i].key), cases[i].bare);
        assert_int_equal(comic_out_number(&book, cases[i].key), cases[i].book);
    }
    comic_out_release(&pages);
    comic_out_release(&bare);
    comic_out_release(&book);
}

static void a_book_is_known_by_its_beginning(void **state)
{
    static const char *const begin[] = {"%PDF-1.4", "PK\3\4zip", "<html>", "%PD"};
    struct comic_out pdf = find_out("a.pdf", "", (struct comic_parts){.pages = 2});
    struct comic_out cbz = find_out("a.cbz", "", (struct comic_parts){.pages = 2});
    for (size_t i = 0; i < ARRAY_LEN(begin); i++) {
        BLOB_ON_EXIT struct blob *bytes = blob_copy(begin[i], strlen(begin[i]));
        struct error e;
        assert_int_equal(comic_book_check(&pdf, bytes, &e), i == 0 ? 0 : -ERR_VALIDATION);
        assert_int_equal(comic_book_check(&cbz, bytes, &e), i == 1 ? 0 : -ERR_VALIDATION);
        assert_string_equal(i == 1 ? "" : e.reason, i == 1 ? "" : "What came is no .cbz file");
    }
    comic_out_release(&pdf);
    comic_out_release(&cbz);
}

static void places_that_cannot_be_meant(void **state)
{
    static const char *const cases[][3] = {
        {"", "", "the path after -o is empty"},
        {"-", "", "standard output takes one file: say --format pdf or --format cbz"},
        {"-", "png", "standard output takes one file: say --format pdf or --format cbz"},
        {"story.pdf", "cbz", "--format cbz and -o story.pdf do not go together"},
        {"story.png", "pdf", "--format pdf and -o story.png do not go together"},
        {"story.cbr", "", "a comic is written as .pdf, .cbz, .png, .jpg or .webp, not as .cbr"},
        {"story.avif", "", "a comic is written as .pdf, .cbz, .png, .jpg or .webp, not as .avif"},
        {"file", "",
         "a comic is written as .pdf, .cbz, .png, .jpg or .webp, not as a file without an extension"},
    };
    put("file", "x", 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct comic_parts parts = {.pages = 2};
        struct comic_out out = {0};
        struct error e;
        assert_int_equal(comic_out_find(cases[i][0], cases[i][1], &parts, &out, &e), -ERR_VALIDATION);
        assert_string_equal(e.reason, cases[i][2]);
        assert_null(out.path);
    }
}

static void pages_do_not_go_among_the_photos(void **state)
{
    static const struct {
        const char *output, *photos;
        bool refused;
    } cases[] = {
        {"p", "p", true},        {"p/", "./p", true}, {"p/one.png", "p", true}, {"link/", "p", true},
        {"one.jpg", ".", true},  {".", ".", true},    {"new/", "p", false},     {"p/in/", "p", false},
        {"one.png", "p", false}, {"p", ".", false},   {"p/a.pdf", "p", false},
    };
    assert_int_equal(mkdir("p", 0755), 0);
    assert_int_equal(mkdir("p/in", 0755), 0);
    assert_int_equal(symlink("p", "link"), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct comic_out out = find_out(cases[i].output, "", (struct comic_parts){.pages = 2});
        struct error e = {0};
        bool refused = comic_out_check_place(&out, cases[i].photos, &e) == -ERR_VALIDATION;
        if (refused != cases[i].refused || refused != (strstr(e.reason, "among the photos") != NULL))
            fail_msg("-o %s, photos in %s: %s", cases[i].output, cases[i].photos, e.reason);
        comic_out_release(&out);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_are_ordered_as_people_number_them),
        TEST(photos_are_found_in_their_order),
        TEST(photos_are_counted),
        TEST(a_text_on_each_line),
        TEST(texts_that_cannot_be_meant),
        TEST(the_extension_decides),
        TEST(a_folder_takes_pages),
        TEST(a_cover_has_its_own_place),
        TEST(what_is_stored_is_a_result_or_none),
        TEST(a_book_is_known_by_its_beginning),
        TEST(places_that_cannot_be_meant),
        TEST(pages_do_not_go_among_the_photos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
