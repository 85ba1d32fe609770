#include "jobs/inputs.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "scratch.h"
#include "waiting_loop.h"

struct place {
    char *folder;
    struct waiting_loop loop;
    struct spool *spool;
    struct lane *lane;
    struct inputs *inputs;
};

static struct place p;

static void open_inputs(void)
{
    struct error e;
    FREE_ON_EXIT char *root = mem_printf("%s/jobs", p.folder);
    const struct inputs_config config = {root, "ours", p.spool, p.lane, &p.loop.loop, true};
    assert_int_equal(inputs_new(&config, &p.inputs, &e), 0);
}

static int begin(void **state)
{
    struct error e;
    p.folder = scratch_new();
    waiting_loop_init(&p.loop);
    int r = spool_new(p.folder, 1 << 20, 1 << 20, &p.spool, &e);
    p.lane = lane_new(&(struct lane_config){"disk", 1, 2, NULL}, &p.loop.loop);
    open_inputs();
    (void)inputs_sweep(p.inputs); /* the rows have been read */
    return r;
}

static int end(void **state)
{
    inputs_free(p.inputs);
    lane_free(p.lane);
    spool_free(p.spool);
    waiting_loop_release(&p.loop);
    scratch_free(p.folder);
    return 0;
}

static struct body *body_of(const char *text)
{
    struct error e;
    struct body *b = body_new(p.spool, 0);
    assert_int_equal(body_append(b, text, strlen(text), &e), 0);
    body_finish(b);
    return b;
}

static size_t files(void)
{
    return scratch_count(p.folder, "jobs/ours");
}

static unsigned done;

static void count(struct op *op)
{
    done++;
}

static void wait_for(unsigned more)
{
    done = 0;
    waiting_loop_run(&p.loop, &done, more);
}

static void keep(const char *text)
{
    struct body *b = body_of(text);
    struct input_keep k = {0};
    inputs_keep(p.inputs, &k, b, count);
    wait_for(1);
    assert_int_equal(k.op.result, 0);
    body_unref(b);
}

static void drop(const char *text)
{
    uint8_t digest[DIGEST_BYTES];
    digest_of(text, strlen(text), digest);
    inputs_drop(p.inputs, digest);
}

static void read_back(const char *text)
{
    uint8_t digest[DIGEST_BYTES];
    struct error e;
    struct body *b;
    BLOB_ON_EXIT struct blob *bytes = NULL;
    digest_of(text, strlen(text), digest);
    assert_int_equal(inputs_open(p.inputs, digest, &b, &e), 0);
    assert_int_equal(body_blob(b, &bytes, &e), 0);
    assert_int_equal(bytes->size, strlen(text));
    assert_memory_equal(bytes->data, text, bytes->size);
    assert_memory_equal(body_digest(b), digest, DIGEST_BYTES);
    body_unref(b);
}

static void test_one_file_for_the_same_picture(void **state)
{
    keep("one");
    keep("two");
    keep("one");
    assert_int_equal(files(), 2);
    read_back("one");
    drop("one");
    read_back("one");
    drop("one");
    drop("two");
    assert_int_equal(files(), 0);
}

static void test_who_comes_while_it_is_written_waits_for_the_same(void **state)
{
    struct body *b = body_of("many");
    struct input_keep k[5] = {0};
    for (int i = 0; i < 5; i++)
        inputs_keep(p.inputs, &k[i], b, count);
    wait_for(5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(k[i].op.result, 0);
    body_unref(b);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(files(), 1);
        drop("many");
    }
    assert_int_equal(files(), 0);
}

/* A half file may be one that is being written right now. */
static void test_a_sweep_beside_a_write(void **state)
{
    FREE_ON_EXIT char *half = mem_printf("%s/jobs/ours/" BODY_KEEP_PREFIX "x", p.folder);
    FILE *f = fopen(half, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    struct body *b = body_of("new");
    struct input_keep k = {0};
    inputs_keep(p.inputs, &k, b, count);
    assert_int_equal(inputs_sweep(p.inputs), 0);
    wait_for(1);
    assert_int_equal(k.op.result, 0);
    body_unref(b);
    assert_int_equal(inputs_sweep(p.inputs), 1);
    read_back("new");
    drop("new");
    assert_int_equal(files(), 0);
}

/* While there are two processes neither removes what the other may need. */
static void test_a_folder_of_two(void **state)
{
    inputs_share(p.inputs, true);
    keep("one");
    drop("one");
    assert_int_equal(inputs_sweep(p.inputs), 0);
    assert_int_equal(files(), 1);
    inputs_share(p.inputs, false);
    assert_int_equal(inputs_sweep(p.inputs), 1);
    assert_int_equal(files(), 0);
}

/* Both write the same picture at once: neither meets the other's half file. */
static void test_two_write_the_same(void **state)
{
    enum { TIMES = 200 };
    FREE_ON_EXIT char *path = mem_printf("%s/jobs/ours/same", p.folder);
    struct error e;
    int status;
    struct body *b = body_of("same");
    (void)body_digest(b);
    pid_t pid = fork();
    assert_true(pid >= 0);
    for (int i = 0; i < TIMES; i++) {
        int r = body_keep(b, path, false, &e);
        if (pid == 0 && r < 0)
            _exit(1);
        assert_int_equal(r, 0);
    }
    if (pid == 0)
        _exit(0);
    body_unref(b);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(files(), 1);
}

static void test_what_a_restart_finds(void **state)
{
    keep("needed");
    keep("nobody's");
    FREE_ON_EXIT char *half = mem_printf("%s/jobs/ours/" BODY_KEEP_PREFIX "x", p.folder);
    FILE *f = fopen(half, "w");
    assert_non_null(f);
    fclose(f);
    inputs_free(p.inputs);
    open_inputs();
    uint8_t digest[DIGEST_BYTES];
    digest_of("needed", 6, digest);
    inputs_adopt(p.inputs, digest);
    assert_int_equal(inputs_sweep(p.inputs), 2);
    assert_int_equal(files(), 1);
    read_back("needed");
    drop("needed");
    assert_int_equal(files(), 0);
}

/* A row that has not been read yet may need the same picture. */
static void test_until_all_rows_are_read_nothing_goes(void **state)
{
    inputs_wait(p.inputs);
    keep("one");
    drop("one");
    assert_int_equal(files(), 1);
    assert_int_equal(inputs_sweep(p.inputs), 1);
    keep("one");
    drop("one");
    assert_int_equal(files(), 0);
}

static void test_another_gateways_picture(void **state)
{
    keep("theirs");
    FREE_ON_EXIT char *ours = mem_printf("%s/jobs/ours", p.folder);
    FREE_ON_EXIT char *theirs = mem_printf("%s/jobs/theirs", p.folder);
    inputs_free(p.inputs);
    assert_int_equal(rename(ours, theirs), 0);
    open_inputs();
    assert_int_equal(files(), 0);
    uint8_t digest[DIGEST_BYTES];
    digest_of("theirs", 6, digest);
    inputs_adopt(p.inputs, digest);
    assert_int_equal(inputs_sweep(p.inputs), 0);
    read_back("theirs");
    drop("theirs");
    assert_int_equal(files(), 0);
    assert_int_equal(scratch_count(p.folder, "jobs/theirs"), 1);
}

static void test_what_is_not_there(void **state)
{
    uint8_t digest[DIGEST_BYTES] = {1};
    struct error e;
    struct body *b;
    assert_int_equal(inputs_open(p.inputs, digest, &b, &e), -ERR_NOT_FOUND);
}

static void test_a_folder_that_cannot_be_written(void **state)
{
    FREE_ON_EXIT char *path = mem_printf("%s/jobs/ours", p.folder);
    FREE_ON_EXIT char *gone = mem_printf("%s/gone", p.folder);
    assert_int_equal(rename(path, gone), 0);
    struct body *b = body_of("lost");
    struct input_keep k = {0};
    inputs_keep(p.inputs, &k, b, count);
    wait_for(1);
    assert_true(k.op.result < 0);
    assert_int_equal(k.op.result, -(int)k.err.code);
    body_unref(b);
    assert_int_equal(rename(gone, path), 0);
    keep("lost"); /* and can be tried again */
    drop("lost");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_file_for_the_same_picture, begin, end),
        cmocka_unit_test_setup_teardown(test_who_comes_while_it_is_written_waits_for_the_same, begin, end),
        cmocka_unit_test_setup_teardown(test_a_sweep_beside_a_write, begin, end),
        cmocka_unit_test_setup_teardown(test_a_folder_of_two, begin, end),
        cmocka_unit_test_setup_teardown(test_two_write_the_same, begin, end),
        cmocka_unit_test_setup_teardown(test_until_all_rows_are_read_nothing_goes, begin, end),
        cmocka_unit_test_setup_teardown(test_what_a_restart_finds, begin, end),
        cmocka_unit_test_setup_teardown(test_another_gateways_picture, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, begin, end),
        cmocka_unit_test_setup_teardown(test_a_folder_that_cannot_be_written, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
