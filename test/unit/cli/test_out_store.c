#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cli/out_store.h"
#include "imaging_group.h"
#include "scratch.h"
#include "small_disk.h"
#include "waiting_loop.h"

static struct waiting_loop loop;
static struct store *store;
static char *root;
static unsigned completed;

static int set_up(void **state)
{
    completed = 0;
    root = scratch_new();
    waiting_loop_init(&loop);
    store = out_store_new();
    out_store_begin(store, &loop.loop);
    return 0;
}

static int tear_down(void **state)
{
    store_free(store);
    waiting_loop_release(&loop);
    scratch_free(root);
    return 0;
}

static void on_done(struct op *op)
{
    completed++;
}

static struct blob *picture(enum image_type type, uint32_t side, uint8_t bands)
{
    size_t size = (size_t)side * side * bands;
    struct pixels p = {mem_alloc(size), side, side, bands};
    struct rng rng;
    rng_seed(&rng, 1); /* noise, which stays large */
    for (size_t i = 0; i < size; i++)
        p.data[i] = bands == 4 && i % 4 == 3 ? 0 : (uint8_t)rng_next(&rng); /* alpha: nothing to be seen */
    struct blob *b;
    struct error e;
    assert_int_equal(image_encode(&p, type, 90, &b, &e), 0);
    pixels_release(&p);
    return b;
}

static const char *const a_key = "clarity/2026-11-23/a.png", *const b_key = "clarity/2026-11-23/b.png";

static void aim(const char *path, enum image_type type, unsigned count)
{
    out_store_aim(store, &(struct out_aim){path, "clarity", type, 90, count, NULL});
}

static struct store_put begin(const char *key, struct blob *body)
{
    return (struct store_put){.key = key, .content_type = "image/png", .body = body};
}

/* Waits for what was started. */
static void finish(unsigned puts)
{
    waiting_loop_run(&loop, &completed, completed + puts);
}

/* Puts it and returns the result; *ret_error is filled on failure. */
static int put(const char *path, enum image_type type, struct blob *body, bool cancel,
               struct error *ret_error)
{
    struct store_put p = begin(a_key, body);
    unsigned before = completed;
    aim(path, type, 1);
    store_put_start(store, &p, on_done);
    assert_int_equal(completed, before); /* never inside its start */
    if (cancel)
        op_cancel(&p.op);
    finish(1);
    *ret_error = p.err;
    return p.op.result;
}

static char *in_root(const char *name)
{
    return mem_printf("%s/%s", root, name);
}

static struct blob *read_file(const char *path)
{
    CLOSE_ON_EXIT int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    struct blob *b;
    assert_int_equal(blob_map(fd, (size_t)st.st_size, &b), 0);
    return b;
}

static void a_result_is_written_whole(void **state)
{
    struct error e;
    BLOB_ON_EXIT struct blob *b = picture(IMAGE_PNG, 600, 3);
    FREE_ON_EXIT char *path = in_root("new/deep/a.png");
    umask(022);
    assert_int_equal(put(path, IMAGE_PNG, b, false, &e), 0);
    BLOB_ON_EXIT struct blob *there = read_file(path);
    assert_int_equal(there->size, b->size);
    assert_memory_equal(there->data, b->data, b->size);
    assert_int_equal(scratch_count(root, "new/deep"), 1);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
}

static void an_old_file_is_replaced_through_its_link(void **state)
{
    struct error e;
    BLOB_ON_EXIT struct blob *first = picture(IMAGE_PNG, 20, 3);
    BLOB_ON_EXIT struct blob *second = picture(IMAGE_PNG, 40, 3);
    FREE_ON_EXIT char *path = in_root("a.png");
    FREE_ON_EXIT char *link = in_root("link.png");
    assert_int_equal(put(path, IMAGE_PNG, first, false, &e), 0);
    assert_int_equal(symlink("a.png", link), 0);
    assert_int_equal(put(link, IMAGE_PNG, second, false, &e), 0);
    struct stat st;
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    BLOB_ON_EXIT struct blob *there = read_file(path);
    assert_int_equal(there->size, second->size);
    assert_int_equal(scratch_count(root, ""), 2);
}

static void another_type_is_converted(void **state)
{
    struct error e;
    BLOB_ON_EXIT struct blob *b = picture(IMAGE_PNG, 64, 4);
    FREE_ON_EXIT char *path = in_root("a.jpg");
    assert_int_equal(put(path, IMAGE_JPEG, b, false, &e), 0);
    BLOB_ON_EXIT struct blob *there = read_file(path);
    const struct image_limits any = {UINT64_MAX, UINT64_MAX};
    struct image_info info;
    struct pixels p;
    assert_int_equal(image_probe(there, &any, &info, &e), 0);
    assert_int_equal(info.type, IMAGE_JPEG);
    assert_int_equal(info.width, 64);
    assert_int_equal(image_decode(there, &info, &p, &e), 0);
    for (size_t i = 0; i < (size_t)p.width * p.height * p.bands; i++)
        assert_true(p.data[i] > 250); /* what cannot be seen is white */
    pixels_release(&p);
}

static void failures_leave_nothing(void **state)
{
    struct error e;
    BLOB_ON_EXIT struct blob *b = picture(IMAGE_PNG, 600, 3);
    FREE_ON_EXIT char *file = in_root("file");
    FREE_ON_EXIT char *below = in_root("file/a.png");
    FREE_ON_EXIT char *folder = in_root("folder.png");
    close(open(file, O_CREAT | O_WRONLY, 0644));
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(put(below, IMAGE_PNG, b, false, &e), -ERR_INTERNAL);
    assert_non_null(strstr(e.reason, "file/a.png"));
    assert_int_equal(put(folder, IMAGE_PNG, b, false, &e), -ERR_INTERNAL);
    assert_int_equal(scratch_count(root, ""), 2);
    assert_int_equal(scratch_count(root, "folder.png"), 0);
}

static void a_full_disk_is_told_and_left_clean(void **state)
{
    if (!*(bool *)*state)
        skip(); /* jumps out: nothing may be held yet */
    struct error e;
    BLOB_ON_EXIT struct blob *b = picture(IMAGE_PNG, 600, 3);
    FREE_ON_EXIT char *small = in_root("small");
    FREE_ON_EXIT char *path = in_root("small/a.png");
    assert_int_equal(mkdir(small, 0755), 0);
    assert_true(b->size > 65536);
    assert_true(small_disk_mount(small, 65536));
    assert_int_equal(put(path, IMAGE_PNG, b, false, &e), -ERR_STORAGE_FULL);
    assert_int_equal(scratch_count(root, "small"), 0);
    small_disk_unmount(small);
}

static void a_cancelled_put_leaves_nothing_or_all(void **state)
{
    struct error e;
    BLOB_ON_EXIT struct blob *b = picture(IMAGE_PNG, 1200, 3);
    FREE_ON_EXIT char *path = in_root("a.png");
    int r = put(path, IMAGE_PNG, b, true, &e);
    if (r == 0) {
        assert_int_equal(scratch_count(root, ""), 1);
        return;
    }
    assert_int_equal(r, -ERR_CLIENT_GONE);
    assert_int_equal(e.code, ERR_CLIENT_GONE);
    assert_int_equal(scratch_count(root, ""), 0);
}

static void a_reader_who_does_not_read_can_be_left(void **state)
{
    struct error e;
    BLOB_ON_EXIT struct blob *b = picture(IMAGE_PNG, 1200, 3);
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    FREE_ON_EXIT char *path = mem_printf("/dev/fd/%d", fd[1]);
    assert_true(b->size > 65536);
    assert_int_equal(put(path, IMAGE_PNG, b, true, &e), -ERR_CLIENT_GONE);
    close(fd[0]);
    close(fd[1]);
    assert_int_equal(put("/dev/null", IMAGE_PNG, b, false, &e), 0);
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode)); /* written to, not replaced */
}

static void removing_goes_by_the_key(void **state)
{
    struct error e;
    BLOB_ON_EXIT struct blob *b = picture(IMAGE_PNG, 20, 3);
    FREE_ON_EXIT char *path = in_root("a.png");
    assert_int_equal(put(path, IMAGE_PNG, b, false, &e), 0);
    assert_int_equal(store->ops->remove(store, b_key), -ERR_NOT_FOUND);
    assert_int_equal(scratch_count(root, ""), 1);
    assert_int_equal(store->ops->remove(store, a_key), 0);
    assert_int_equal(scratch_count(root, ""), 0);
    assert_int_equal(store->ops->remove(store, a_key), -ERR_NOT_FOUND);
}

static void assert_out_path(const char *path, unsigned count, unsigned n, const char *expected)
{
    const struct out_aim a = {.path = path, .count = count};
    FREE_ON_EXIT char *got = out_path(&a, n);
    assert_string_equal(got, expected);
}

static void numbers_stand_before_the_extension(void **state)
{
    assert_out_path("o/a.jpg", 1, 1, "o/a.jpg");
    assert_out_path("-", 1, 1, "-");
    assert_out_path("o/a.jpg", 2, 1, "o/a-1.jpg");
    assert_out_path("o/a.JPEG", 12, 12, "o/a-12.JPEG");
    assert_out_path("o.d/plain", 3, 2, "o.d/plain-2");
    assert_out_path("v1.2", 3, 2, "v1.2-2");
    assert_out_path("a.png", 1, 2, "a-2.png"); /* more came than were asked for */
}

static void several_results_are_numbered_as_they_begin(void **state)
{
    BLOB_ON_EXIT struct blob *first = picture(IMAGE_PNG, 20, 3), *second = picture(IMAGE_PNG, 40, 3);
    FREE_ON_EXIT char *path = in_root("a.png");
    FREE_ON_EXIT char *one = in_root("a-1.png"), *two = in_root("a-2.png");
    struct store_put p[] = {begin(a_key, first), begin(b_key, second)};
    aim(path, IMAGE_PNG, 2);
    store_put_start(store, &p[0], on_done);
    store_put_start(store, &p[1], on_done);
    finish(2);
    assert_int_equal(p[0].op.result, 0);
    assert_int_equal(p[1].op.result, 0);
    BLOB_ON_EXIT struct blob *there_one = read_file(one), *there_two = read_file(two);
    assert_int_equal(there_one->size, first->size);
    assert_int_equal(there_two->size, second->size);
    assert_int_equal(scratch_count(root, ""), 2);
    assert_int_equal(store->ops->remove(store, b_key), 0); /* as its request does when another one failed */
    assert_int_equal(access(two, F_OK), -1);
    assert_int_equal(access(one, F_OK), 0);
}

static void several_that_are_cancelled_leave_nothing_half_written(void **state)
{
    BLOB_ON_EXIT struct blob *b = picture(IMAGE_PNG, 600, 3);
    FREE_ON_EXIT char *path = in_root("a.png");
    struct store_put p[] = {begin(a_key, b), begin(b_key, b)};
    aim(path, IMAGE_PNG, 2);
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        store_put_start(store, &p[i], on_done);
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        op_cancel(&p[i].op);
    finish(2);
    int whole = 0;
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        whole += p[i].op.result == 0;
        assert_int_equal(p[i].op.result, p[i].op.result ? -ERR_CLIENT_GONE : 0);
    }
    assert_int_equal(scratch_count(root, ""), whole);
}

static void a_stream_takes_one_result(void **state)
{
    BLOB_ON_EXIT struct blob *b = picture(IMAGE_PNG, 20, 3);
    struct store_put p[] = {begin(a_key, b), begin(b_key, b)};
    aim("/dev/null", IMAGE_PNG, 1); /* as one was asked for; the model gave two */
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        store_put_start(store, &p[i], on_done);
    finish(2);
    assert_int_equal(p[0].op.result, 0);
    assert_int_equal(p[1].op.result, -ERR_INTERNAL);
    assert_non_null(strstr(p[1].err.reason, "several pictures"));
}

/* What a request stores for a step of its work, before its own result. */
static void what_a_step_stores_goes_nowhere(void **state)
{
    BLOB_ON_EXIT struct blob *cutout = picture(IMAGE_PNG, 20, 4), *result = picture(IMAGE_PNG, 40, 3);
    FREE_ON_EXIT char *path = in_root("a.png");
    static const char *const others[] = {"cutouts/2026-11-23/a.png", "clarity-2/2026-11-23/a.png"};
    aim(path, IMAGE_PNG, 1);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct store_put step = begin(others[i], cutout);
        unsigned before = completed;
        store_put_start(store, &step, on_done);
        assert_int_equal(completed, before); /* never inside its start */
        finish(1);
        assert_int_equal(step.op.result, 0);
        assert_int_equal(scratch_count(root, ""), 0);
        assert_int_equal(store->ops->remove(store, others[i]), -ERR_NOT_FOUND);
    }
    struct store_put p = begin(a_key, result);
    store_put_start(store, &p, on_done);
    finish(1);
    BLOB_ON_EXIT struct blob *there = read_file(path); /* without a number: it is the first result */
    assert_int_equal(there->size, result->size);
    assert_int_equal(scratch_count(root, ""), 1);
}

/* ---- comics ---- */

static struct comic_out aim_at_comic(const char *name, unsigned pages, bool cover)
{
    FREE_ON_EXIT char *path = in_root(name);
    const struct comic_parts parts = {pages, cover};
    struct comic_out out;
    struct error e;
    assert_int_equal(comic_out_find(path, "", &parts, &out, &e), 0);
    return out;
}

/* All at once, in this order, as they are done in any; each must go well. */
static void put_comic(const struct comic_out *out, const char *const *file, struct blob *const *body,
                      size_t count)
{
    struct store_put p[8];
    char key[8][64];
    out_store_aim(store, &(struct out_aim){out->path, "comics", out->type, 90, out->count, out});
    for (size_t i = 0; i < count; i++) {
        snprintf(key[i], sizeof(key[i]), "comics/a-story/%s", file[i]);
        p[i] = begin(key[i], body[i]);
        store_put_start(store, &p[i], on_done);
    }
    finish((unsigned)count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(p[i].op.result, 0);
}

static size_t size_of(const char *name)
{
    FREE_ON_EXIT char *path = in_root(name);
    BLOB_ON_EXIT struct blob *there = read_file(path);
    return there->size;
}

static void pages_of_a_comic_have_the_numbers_of_their_keys(void **state)
{
    static const char *const file[] = {"page-2.png", "story.json", "cover.png", "page-1.png"};
    BLOB_ON_EXIT struct blob *one = picture(IMAGE_PNG, 20, 3), *two = picture(IMAGE_PNG, 40, 3);
    BLOB_ON_EXIT struct blob *cover = picture(IMAGE_PNG, 30, 3), *note = blob_copy("{}", 2);
    struct comic_out out = aim_at_comic("pages/", 2, true);
    put_comic(&out, file, (struct blob *[]){two, note, cover, one}, ARRAY_LEN(file));
    assert_int_equal(size_of("pages/page-1.png"), one->size);
    assert_int_equal(size_of("pages/page-2.png"), two->size);
    assert_int_equal(size_of("pages/cover.png"), cover->size);
    assert_int_equal(scratch_count(root, "pages"), 3);
    assert_int_equal(store->ops->remove(store, "comics/a-story/cover.png"), 0);
    assert_int_equal(scratch_count(root, "pages"), 2);
    comic_out_release(&out);
}

static void of_a_book_only_the_book_is_kept_and_as_it_is(void **state)
{
    static const char *const file[] = {"story.json", "page-1.png", "cover.png", "book.pdf"};
    BLOB_ON_EXIT struct blob *page = picture(IMAGE_PNG, 20, 3), *book = blob_copy("%PDF-1.4 …", 12);
    struct comic_out out = aim_at_comic("story.pdf", 2, true);
    put_comic(&out, file, (struct blob *[]){book, page, page, book}, ARRAY_LEN(file));
    assert_int_equal(size_of("story.pdf"), book->size);
    assert_int_equal(scratch_count(root, ""), 1);
    comic_out_release(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    /* Mounts of our own can be had only before there are threads. */
    char *probe = mem_strdup("/tmp/limner-test-XXXXXX");
    bool mounts = mkdtemp(probe) && small_disk_mount(probe, 4096);
    small_disk_unmount(probe);
    rmdir(probe);
    free(probe);
    const struct CMUnitTest tests[] = {
        TEST(a_result_is_written_whole),
        TEST(an_old_file_is_replaced_through_its_link),
        TEST(another_type_is_converted),
        TEST(failures_leave_nothing),
        cmocka_unit_test_prestate_setup_teardown(a_full_disk_is_told_and_left_clean, set_up, tear_down,
                                                 &mounts),
        TEST(a_cancelled_put_leaves_nothing_or_all),
        TEST(a_reader_who_does_not_read_can_be_left),
        TEST(removing_goes_by_the_key),
        TEST(numbers_stand_before_the_extension),
        TEST(several_results_are_numbered_as_they_begin),
        TEST(several_that_are_cancelled_leave_nothing_half_written),
        TEST(a_stream_takes_one_result),
        TEST(what_a_step_stores_goes_nowhere),
        TEST(pages_of_a_comic_have_the_numbers_of_their_keys),
        TEST(of_a_book_only_the_book_is_kept_and_as_it_is),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
