#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/inputs.h"
#include "scratch.h"

static const uint8_t jpeg[] = {0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F',
                               0,    1,    1,    0,    0, 1,  0,   1,   0,   0};
static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0,
                              0,    0,   13,  'I', 'H',  'D',  'R',  0,    0};

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

static void put_jpeg(const char *path)
{
    put(path, jpeg, sizeof(jpeg));
}

static void put_png(const char *path)
{
    put(path, png, sizeof(png));
}

static void make(const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
}

#define EXPAND_WANTED(in, e, to, type, many, ...)                                                            \
    inputs_expand(                                                                                           \
        &(struct inputs_wanted){                                                                             \
            .path = (const char *[]){__VA_ARGS__},                                                           \
            .count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                                 \
            .output = (to),                                                                                  \
            .usual = (type),                                                                                 \
            .several = (many),                                                                               \
        },                                                                                                   \
        (in), (e))
#define EXPAND(in, e, output, ...) EXPAND_WANTED(in, e, output, IMAGE_UNKNOWN, false, __VA_ARGS__)

/* "path>output" of each, joined by blanks; problems as "path!". */
static void assert_list(struct inputs *in, const char *expected)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < in->count; i++) {
        buf_printf(&b, "%s%s", i ? " " : "", in->item[i].path);
        if (in->item[i].problem)
            buf_puts(&b, "!");
        else
            buf_printf(&b, ">%s", in->item[i].output);
    }
    assert_string_equal(buf_text(&b), expected);
    inputs_release(in);
}

static void one_file(void **state)
{
    struct inputs in;
    struct error e;
    put_jpeg("a.jpg");
    put_png("b.PNG");
    make("there");
    assert_int_equal(EXPAND(&in, &e, "out.jpg", "a.jpg"), 0);
    assert_int_equal(in.item[0].type, IMAGE_JPEG);
    assert_list(&in, "a.jpg>out.jpg");
    assert_int_equal(EXPAND(&in, &e, "out.webp", "a.jpg"), 0);
    assert_int_equal(in.item[0].type, IMAGE_WEBP);
    assert_list(&in, "a.jpg>out.webp");
    assert_int_equal(EXPAND(&in, &e, "plain", "b.PNG"), 0);
    assert_int_equal(in.item[0].type, IMAGE_PNG);
    assert_list(&in, "b.PNG>plain");
    assert_int_equal(EXPAND(&in, &e, "there", "b.PNG"), 0);
    assert_list(&in, "b.PNG>there/b.PNG");
    assert_int_equal(EXPAND(&in, &e, "new/", "a.jpg"), 0);
    assert_list(&in, "a.jpg>new/a.jpg");
    assert_int_equal(EXPAND(&in, &e, "-", "a.jpg"), 0);
    assert_int_equal(in.item[0].type, IMAGE_JPEG);
    assert_list(&in, "a.jpg>-");
}

static void names_follow_the_bytes(void **state)
{
    struct inputs in;
    struct error e;
    put_png("says.jpg"); /* a PNG all the same */
    put_jpeg("photo.JPEG");
    put_jpeg("IMG_1");
    put_jpeg("v1.2");
    assert_int_equal(EXPAND(&in, &e, "o", "says.jpg", "photo.JPEG", "IMG_1", "v1.2"), 0);
    assert_int_equal(in.item[0].type, IMAGE_PNG);
    assert_list(&in, "says.jpg>o/says.png photo.JPEG>o/photo.JPEG IMG_1>o/IMG_1.jpg v1.2>o/v1.2.jpg");
}

static void a_usual_type_is_for_what_says_nothing(void **state)
{
    struct inputs in;
    struct error e;
    put_jpeg("a.jpg");
    put_jpeg("b.jpeg");
    assert_int_equal(EXPAND_WANTED(&in, &e, "o", IMAGE_PNG, false, "a.jpg", "b.jpeg"), 0);
    assert_int_equal(in.item[0].type, IMAGE_PNG);
    assert_list(&in, "a.jpg>o/a.png b.jpeg>o/b.png");
    assert_int_equal(EXPAND_WANTED(&in, &e, "plain", IMAGE_PNG, false, "a.jpg"), 0);
    assert_int_equal(in.item[0].type, IMAGE_PNG);
    assert_list(&in, "a.jpg>plain");
    assert_int_equal(EXPAND_WANTED(&in, &e, "-", IMAGE_WEBP, false, "a.jpg"), 0);
    assert_int_equal(in.item[0].type, IMAGE_WEBP);
    assert_list(&in, "a.jpg>-");
    assert_int_equal(EXPAND_WANTED(&in, &e, "out.jpg", IMAGE_PNG, false, "a.jpg"), 0);
    assert_int_equal(in.item[0].type, IMAGE_JPEG);
    assert_list(&in, "a.jpg>out.jpg");
}

static void several_results_need_files(void **state)
{
    struct inputs in;
    struct error e;
    put_jpeg("a.jpg");
    assert_int_equal(EXPAND_WANTED(&in, &e, "-", IMAGE_UNKNOWN, true, "a.jpg"), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, "standard output takes one picture"));
    assert_int_equal(EXPAND_WANTED(&in, &e, "/dev/null", IMAGE_UNKNOWN, true, "a.jpg"), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, "/dev/null takes one picture"));
    assert_int_equal(EXPAND_WANTED(&in, &e, "o.jpg", IMAGE_UNKNOWN, true, "a.jpg"), 0);
    assert_list(&in, "a.jpg>o.jpg");
    assert_int_equal(EXPAND_WANTED(&in, &e, "o/", IMAGE_UNKNOWN, true, "a.jpg"), 0);
    assert_list(&in, "a.jpg>o/a.jpg");
}

static void folders_are_sorted_and_mirrored(void **state)
{
    struct inputs in;
    struct error e;
    make("p");
    make("p/sub");
    make("p/.hidden");
    put_jpeg("p/b.jpg");
    put_jpeg("p/a.jpeg");
    put_png("p/sub/c.png");
    put_jpeg("p/.hidden/x.jpg");
    put_jpeg("p/._b.jpg");
    put("p/notes.txt", "x", 1);
    put_png("p/sub/d.webp");
    assert_int_equal(symlink("..", "p/sub/loop"), 0);
    assert_int_equal(symlink("../b.jpg", "p/sub/link.jpg"), 0);
    assert_int_equal(symlink("nowhere", "p/sub/dead.jpg"), 0);
    assert_int_equal(EXPAND(&in, &e, "out", "p"), 0);
    assert_list(&in, "p/a.jpeg>out/a.jpeg p/b.jpg>out/b.jpg p/sub/c.png>out/sub/c.png "
                     "p/sub/d.webp>out/sub/d.png p/sub/link.jpg>out/sub/link.jpg");
}

static void several_folders_keep_their_names(void **state)
{
    struct inputs in;
    struct error e;
    make("x");
    make("y");
    put_jpeg("x/a.jpg");
    put_jpeg("y/a.jpg");
    assert_int_equal(EXPAND(&in, &e, "o", "x/", "./y"), 0);
    assert_list(&in, "x/a.jpg>o/x/a.jpg ./y/a.jpg>o/y/a.jpg");
}

static void no_two_results_get_the_same_name(void **state)
{
    struct inputs in;
    struct error e;
    make("x");
    make("y");
    put_jpeg("x/a.jpg");
    put_jpeg("y/a.jpg");
    put_png("x/b.png");
    put_png("x/b.webp");
    assert_int_equal(EXPAND(&in, &e, "o", "x/a.jpg", "y/a.jpg", "x/a.jpg"), 0);
    assert_list(&in, "x/a.jpg>o/a.jpg y/a.jpg>o/a-2.jpg x/a.jpg>o/a-3.jpg");
    assert_int_equal(EXPAND(&in, &e, "o", "x"), 0);
    assert_list(&in, "x/a.jpg>o/a.jpg x/b.png>o/b.png x/b.webp>o/b-2.png");
}

static void the_output_folder_is_no_input(void **state)
{
    struct inputs in;
    struct error e;
    make("p");
    make("p/out");
    put_jpeg("p/a.jpg");
    put_jpeg("p/out/a.jpg");
    assert_int_equal(EXPAND(&in, &e, "p/out", "p"), 0);
    assert_list(&in, "p/a.jpg>p/out/a.jpg");
    assert_int_equal(EXPAND(&in, &e, "p", "p"), 0); /* in place: itself is walked */
    assert_list(&in, "p/a.jpg>p/a.jpg p/out/a.jpg>p/out/a.jpg");
}

static void what_is_wrong_with_one_stops_no_other(void **state)
{
    struct inputs in;
    struct error e;
    make("empty");
    put_jpeg("a.jpg");
    assert_int_equal(EXPAND(&in, &e, "o", "gone.jpg", "empty", "a.jpg"), 0);
    assert_string_equal(in.item[0].problem, "No such file or directory");
    assert_non_null(strstr(in.item[1].problem, "no JPEG"));
    assert_list(&in, "gone.jpg! empty! a.jpg>o/a.jpg");
}

static void arguments_that_do_not_go_together(void **state)
{
    struct inputs in;
    struct error e;
    put_jpeg("a.jpg");
    put_jpeg("b.jpg");
    make("p");
    assert_int_equal(EXPAND(&in, &e, "b.jpg", "a.jpg", "b.jpg"), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, "b.jpg is a file"));
    assert_int_equal(EXPAND(&in, &e, "b.jpg", "p"), -ERR_VALIDATION);
    assert_int_equal(EXPAND(&in, &e, "out.gif", "a.jpg"), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, ".gif"));
    assert_int_equal(EXPAND(&in, &e, "out.avif", "a.jpg"), -ERR_VALIDATION);
    assert_int_equal(EXPAND(&in, &e, "-", "a.jpg", "b.jpg"), -ERR_VALIDATION);
    assert_int_equal(EXPAND(&in, &e, "-", "p"), -ERR_VALIDATION);
    assert_int_equal(EXPAND(&in, &e, "o", "-", "-"), -ERR_VALIDATION);
    assert_int_equal(EXPAND(&in, &e, "", "a.jpg"), -ERR_VALIDATION);
    assert_int_equal(EXPAND(&in, &e, "a.jpg/x.jpg", "b.jpg"), -ERR_INTERNAL);
    assert_non_null(strstr(e.reason, "a.jpg is not a folder"));
}

static void devices_and_pipes(void **state)
{
    struct inputs in;
    struct error e;
    put_jpeg("a.jpg");
    assert_int_equal(EXPAND(&in, &e, "/dev/null", "a.jpg"), 0);
    assert_list(&in, "a.jpg>/dev/null");
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    assert_int_equal(write(fd[1], jpeg, sizeof(jpeg)), sizeof(jpeg));
    close(fd[1]);
    FREE_ON_EXIT char *path = mem_printf("/dev/fd/%d", fd[0]);
    assert_int_equal(EXPAND(&in, &e, "o.jpg", path), 0);
    assert_non_null(in.item[0].bytes);
    struct blob *bytes;
    assert_int_equal(input_read(&in.item[0], &bytes, &e), 0);
    assert_int_equal(bytes->size, sizeof(jpeg));
    assert_memory_equal(bytes->data, jpeg, sizeof(jpeg));
    blob_unref(bytes);
    inputs_release(&in);
    close(fd[0]);
    assert_int_equal(blob_live_count(), 0);
}

static void reading(void **state)
{
    struct error e;
    struct blob *bytes;
    put("empty.jpg", "", 0);
    put_jpeg("a.jpg");
    struct input in = {.path = (char *)"a.jpg"};
    assert_int_equal(input_read(&in, &bytes, &e), 0);
    assert_int_equal(bytes->size, sizeof(jpeg));
    blob_unref(bytes);
    in.path = (char *)"empty.jpg";
    assert_int_equal(input_read(&in, &bytes, &e), -ERR_VALIDATION);
    assert_string_equal(e.reason, "The file is empty");
    in.path = (char *)"gone.jpg";
    assert_int_equal(input_read(&in, &bytes, &e), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, "No such file"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_file),
        TEST(names_follow_the_bytes),
        TEST(a_usual_type_is_for_what_says_nothing),
        TEST(several_results_need_files),
        TEST(folders_are_sorted_and_mirrored),
        TEST(several_folders_keep_their_names),
        TEST(no_two_results_get_the_same_name),
        TEST(the_output_folder_is_no_input),
        TEST(what_is_wrong_with_one_stops_no_other),
        TEST(arguments_that_do_not_go_together),
        TEST(devices_and_pipes),
        TEST(reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
