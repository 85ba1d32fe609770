#include "history/spill.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "scratch.h"
#include "small_disk.h"

enum { ROOM = 65536 };

struct rig {
    char *folder;
    struct spill *spill;
    unsigned put, got; /* the number of the last one */
};

static void reopen(struct rig *rig, const char *name)
{
    spill_close(rig->spill);
    rig->spill = spill_open(rig->folder, name, ROOM);
}

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    rig->folder = scratch_new();
    reopen(rig, "a");
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    spill_close(rig->spill);
    scratch_free(rig->folder);
    free(rig);
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

static void put(struct rig *rig, size_t size)
{
    FREE_ON_EXIT char *text = mem_zalloc(size + 12);
    snprintf(text, size + 12, "%u", ++rig->put);
    BLOB_ON_EXIT struct blob *batch = blob_copy(text, size + 12);
    spill_append(rig->spill, batch);
}

/* The number in the oldest, which leaves; 0: there is none. */
static unsigned take(struct rig *rig)
{
    BLOB_ON_EXIT struct blob *batch = spill_peek(rig->spill);
    if (!batch)
        return 0;
    spill_pop(rig->spill);
    return (unsigned)atoi((const char *)batch->data);
}

static void take_all(struct rig *rig, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++)
        assert_int_equal(take(rig), i);
    assert_int_equal(take(rig), 0);
    assert_int_equal(spill_stats(rig->spill).batches, 0);
    assert_int_equal(spill_stats(rig->spill).bytes, 0);
}

static void test_first_in_first_out(void **state)
{
    struct rig *rig = *state;
    take_all(rig, 1, 0);
    for (unsigned i = 0; i < 40; i++)
        put(rig, 1000);
    assert_int_equal(spill_stats(rig->spill).batches, 40);
    assert_true(scratch_count(rig->folder, "a") > 3); /* several files */
    for (unsigned i = 1; i <= 10; i++)
        assert_int_equal(take(rig), i);
    put(rig, 10);
    take_all(rig, 11, 41);
    assert_int_equal(scratch_count(rig->folder, "a"), 0);
    put(rig, 10);
    take_all(rig, 42, 42);
}

static void test_survives_its_process(void **state)
{
    struct rig *rig = *state;
    for (unsigned i = 0; i < 30; i++)
        put(rig, 1000);
    reopen(rig, "b"); /* of another name: the next process */
    assert_int_equal(spill_stats(rig->spill).batches, 30);
    put(rig, 1000);
    reopen(rig, "c");
    take_all(rig, 1, 31);
    reopen(rig, "d");
    take_all(rig, 1, 0);
    assert_int_equal(scratch_count(rig->folder, ""), 1); /* no folder stays behind */
}

/* Another process that lives has a folder of its own; when it is killed it is taken over. */
static void test_two_processes(void **state)
{
    struct rig *rig = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        rig->spill = spill_open(rig->folder, "other", ROOM);
        put(rig, 100);
        put(rig, 100);
        if (write(ends[1], "!", 1) == 1)
            pause();
        _exit(0);
    }
    char ready;
    assert_int_equal(read(ends[0], &ready, 1), 1);
    reopen(rig, "b");
    assert_int_equal(take(rig), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    reopen(rig, "c");
    take_all(rig, 1, 2);
    close(ends[0]);
    close(ends[1]);
}

static void test_the_oldest_makes_room(void **state)
{
    struct rig *rig = *state;
    for (unsigned i = 0; i < 200; i++) {
        put(rig, 1000);
        assert_true(spill_stats(rig->spill).bytes <= ROOM);
    }
    struct spill_stats stats = spill_stats(rig->spill);
    assert_int_equal(stats.batches + stats.dropped, 200);
    assert_in_range(stats.batches, 45, 64); /* at most an eighth less than there is room for */
    take_all(rig, (unsigned)stats.dropped + 1, 200);
}

static char *only_file(const struct rig *rig)
{
    return mem_printf("%s/a/000000000001.batches", rig->folder);
}

/* What was half-written when the process died is cut off; what came before it is there. */
static void test_a_torn_end(void **state)
{
    struct rig *rig = *state;
    FREE_ON_EXIT char *path = only_file(rig);
    struct stat st;
    put(rig, 100);
    assert_int_equal(stat(path, &st), 0);
    for (off_t cut = 1; cut < st.st_size; cut += 7) {
        rig->put = 1;
        put(rig, 100);
        assert_int_equal(truncate(path, 2 * st.st_size - cut), 0);
        reopen(rig, "b");
        assert_int_equal(spill_stats(rig->spill).batches, 1);
        rig->put = 1;
        put(rig, 100);
        take_all(rig, 1, 2);
        reopen(rig, "a");
        rig->put = 0;
        put(rig, 100);
    }
}

static void test_damaged_and_removed_files(void **state)
{
    struct rig *rig = *state;
    FREE_ON_EXIT char *path = only_file(rig);
    put(rig, 100);
    put(rig, 100);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "?", 1, 60), 1);
    close(fd);
    put(rig, 10000); /* goes into the same file: what is damaged ends it */
    assert_int_equal(take(rig), 0);
    assert_int_equal(spill_stats(rig->spill).dropped, 3);
    put(rig, 100);
    FREE_ON_EXIT char *folder = mem_printf("%s/a", rig->folder);
    FREE_ON_EXIT char *second = mem_printf("%s/000000000002.batches", folder);
    assert_int_equal(unlink(second), 0);
    assert_int_equal(rmdir(folder), 0);
    put(rig, 100); /* the folder is made anew */
    assert_int_equal(take(rig), 5);
    assert_int_equal(take(rig), 0);
}

static void test_a_full_disk(void **state)
{
    struct rig *rig = *state;
    FREE_ON_EXIT char *filler = mem_printf("%s/filler", rig->folder);
    spill_close(TAKE(rig->spill));
    if (!small_disk_mount(rig->folder, 128 << 10))
        skip();
    reopen(rig, "a");
    put(rig, 1000);
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char block[4096] = {0};
    while (write(fd, block, sizeof(block)) > 0)
        ;
    for (unsigned i = 0; i < 10; i++)
        put(rig, 1000);
    assert_in_range(spill_stats(rig->spill).in_memory, 5, 10);
    assert_int_equal(spill_stats(rig->spill).batches, 11);
    assert_int_equal(take(rig), 1);
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    put(rig, 1000); /* and with it all that was in memory */
    assert_int_equal(spill_stats(rig->spill).in_memory, 0);
    reopen(rig, "b");
    take_all(rig, 1, 12); /* the first one too: its file was not done with */
    spill_close(TAKE(rig->spill));
    small_disk_unmount(rig->folder);
}

/* There is no folder and none can be made: memory alone, under the same bound. */
static void test_no_disk_at_all(void **state)
{
    struct rig *rig = *state;
    spill_close(rig->spill);
    rig->spill = spill_open("/proc/none", "a", ROOM);
    for (unsigned i = 0; i < 100; i++)
        put(rig, 1000);
    struct spill_stats stats = spill_stats(rig->spill);
    assert_int_equal(stats.in_memory, stats.batches);
    assert_int_equal(stats.batches + stats.dropped, 100);
    take_all(rig, (unsigned)stats.dropped + 1, 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_full_disk),
        TEST(test_first_in_first_out),
        TEST(test_survives_its_process),
        TEST(test_two_processes),
        TEST(test_the_oldest_makes_room),
        TEST(test_a_torn_end),
        TEST(test_damaged_and_removed_files),
        TEST(test_no_disk_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
