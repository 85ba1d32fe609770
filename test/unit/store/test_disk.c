/* What is the disk driver's own; the rest is in contract/store_contract.c. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/lane.h"
#include "scratch.h"
#include "store/store.h"
#include "waiting_loop.h"

struct rig {
    char *folder;
    struct waiting_loop loop;
    struct lane *lane; /* manual: the test runs the jobs */
    struct store *store;
};

static void open_store(struct rig *rig, size_t queue_max)
{
    struct error e;
    const struct lane_config config = {.name = "store", .threads = 0, .queue_max = queue_max};
    waiting_loop_init(&rig->loop);
    rig->lane = lane_new(&config, &rig->loop.loop);
    assert_int_equal(store_disk_new(rig->folder, &rig->loop.loop, rig->lane, &rig->store, &e), 0);
}

static void close_store(struct rig *rig)
{
    store_free(rig->store);
    lane_free(rig->lane);
    waiting_loop_release(&rig->loop);
}

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    rig->folder = scratch_new();
    open_store(rig, 2);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    close_store(rig);
    scratch_free(rig->folder);
    free(rig);
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

static unsigned done;

static void on_done(struct op *op)
{
    done++;
}

static void start(struct rig *rig, struct store_put *p, const char *key, struct blob *body)
{
    *p = (struct store_put){.key = key, .content_type = "image/png", .body = body};
    store_put_start(rig->store, p, on_done);
}

static int put(struct rig *rig, const char *key, const char *text)
{
    struct store_put p;
    BLOB_ON_EXIT struct blob *body = blob_copy(text, strlen(text));
    done = 0;
    start(rig, &p, key, body);
    lane_run_one(rig->lane, 0);
    waiting_loop_run(&rig->loop, &done, 1);
    return p.op.result;
}

static int open_object(struct rig *rig, const char *key)
{
    struct store_info info;
    int fd = -1;
    int r = rig->store->ops->open(rig->store, key, &fd, &info);
    if (fd >= 0)
        close(fd);
    return r;
}

static char *path_of(const struct rig *rig, const char *below)
{
    return mem_printf("%s/objects/%s", rig->folder, below);
}

static void test_layout_and_modes(void **state)
{
    struct rig *rig = *state;
    umask(022);
    assert_int_equal(put(rig, "clarity/2026-11-23/x.png", "hello"), 0);
    FREE_ON_EXIT char *file = path_of(rig, "clarity/2026-11-23/x.png");
    FREE_ON_EXIT char *folder = path_of(rig, "clarity/2026-11-23");
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0644);
    assert_int_equal(st.st_size, 5);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0755);
    assert_int_equal(scratch_count(rig->folder, "objects/.tmp"), 0);
}

static void test_full_lane_refuses(void **state)
{
    struct rig *rig = *state;
    BLOB_ON_EXIT struct blob *body = blob_copy("x", 1);
    struct store_put p[3];
    done = 0;
    start(rig, &p[0], "a/0.png", body);
    start(rig, &p[1], "a/1.png", body);
    start(rig, &p[2], "a/2.png", body);
    assert_int_equal(done, 0); /* the refusal too comes later */
    op_cancel(&p[2].op);       /* harmless */
    waiting_loop_run(&rig->loop, &done, 1);
    assert_int_equal(p[2].op.result, -ERR_QUEUE_FULL);
    assert_int_equal(p[2].err.code, ERR_QUEUE_FULL);
    assert_true(lane_run_one(rig->lane, 1));
    assert_true(lane_run_one(rig->lane, 0));
    waiting_loop_run(&rig->loop, &done, 3);
    assert_int_equal(p[0].op.result, 0);
    assert_int_equal(p[1].op.result, 0);
    assert_int_equal(open_object(rig, "a/2.png"), -ERR_NOT_FOUND);
}

static void test_cancel_queued(void **state)
{
    struct rig *rig = *state;
    BLOB_ON_EXIT struct blob *body = blob_copy("x", 1);
    struct store_put p;
    done = 0;
    start(rig, &p, "a/0.png", body);
    op_cancel(&p.op);
    assert_int_equal(done, 0);
    waiting_loop_run(&rig->loop, &done, 1);
    assert_int_equal(p.op.result, -ERR_CLIENT_GONE);
    assert_int_equal(p.err.code, ERR_CLIENT_GONE);
    assert_false(lane_run_one(rig->lane, 0)); /* it has left the queue */
    assert_int_equal(open_object(rig, "a/0.png"), -ERR_NOT_FOUND);
}

static void touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    assert_true(fd >= 0);
    close(fd);
}

static void test_start_sweeps_what_was_left(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(put(rig, "a/kept.png", "kept"), 0);
    FREE_ON_EXIT char *left = path_of(rig, ".tmp/9b2d");
    touch(left);
    close_store(rig);
    open_store(rig, 2);
    assert_int_equal(scratch_count(rig->folder, "objects/.tmp"), 0);
    assert_int_equal(open_object(rig, "a/kept.png"), 0);
}

/* A second process on the same folder must not take away what the first is writing. */
static void test_start_spares_a_neighbour(void **state)
{
    struct rig *rig = *state, second = {.folder = rig->folder};
    FREE_ON_EXIT char *writing = path_of(rig, ".tmp/9b2d");
    touch(writing);
    open_store(&second, 2);
    assert_int_equal(access(writing, F_OK), 0);
    close_store(&second);
    assert_int_equal(unlink(writing), 0);
}

static void check_links_refused(struct rig *rig)
{
    FREE_ON_EXIT char *file_link = path_of(rig, "a/link.png");
    FREE_ON_EXIT char *folder_link = path_of(rig, "out");
    FREE_ON_EXIT char *inner_link = path_of(rig, "in");
    FREE_ON_EXIT char *outside = mem_printf("%s/outside", rig->folder);
    FREE_ON_EXIT char *secret = mem_printf("%s/secret.png", outside);
    assert_int_equal(mkdir(outside, 0755), 0);
    touch(secret);
    assert_int_equal(symlink(secret, file_link), 0);
    assert_int_equal(symlink(outside, folder_link), 0);
    assert_int_equal(symlink("a", inner_link), 0);
    assert_int_equal(open_object(rig, "a/link.png"), -ERR_NOT_FOUND);
    assert_int_equal(open_object(rig, "out/secret.png"), -ERR_NOT_FOUND);
    assert_int_equal(open_object(rig, "in/real.png"), -ERR_NOT_FOUND);
    assert_int_equal(rig->store->ops->remove(rig->store, "out/secret.png"), -ERR_NOT_FOUND);
    assert_int_equal(put(rig, "out/new.png", "x"), -ERR_STORAGE_FAILED);
    assert_int_equal(scratch_count(rig->folder, "outside"), 1);
    assert_int_equal(put(rig, "a/link.png", "replaces the link"), 0); /* not what it points to */
    struct stat st;
    assert_int_equal(stat(secret, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(open_object(rig, "a/link.png"), 0);
    assert_int_equal(open_object(rig, "a/real.png"), 0);
    assert_int_equal(open_object(rig, "a"), -ERR_NOT_FOUND);
    assert_int_equal(open_object(rig, "a/real.png/x"), -ERR_NOT_FOUND);
    assert_int_equal(open_object(rig, "no/such.png"), -ERR_NOT_FOUND);
}

static void test_links_are_not_followed(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(put(rig, "a/real.png", "real"), 0);
    check_links_refused(rig);
}

static bool forbid_openat2(unsigned short errno_value)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errno_value),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* The same where the kernel has no openat2 (ENOSYS), or an old container runtime hides it (EPERM). */
static void test_without_openat2(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(put(rig, "a/real.png", "real"), 0);
    pid_t child = fork();
    if (child == 0) {
        if (!forbid_openat2(38 /* ENOSYS */))
            _exit(77);
        check_links_refused(rig);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_put_below_an_object(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(put(rig, "a/b", "file"), 0);
    assert_int_equal(put(rig, "a/b/c", "below a file"), -ERR_STORAGE_FAILED);
    assert_int_equal(put(rig, "a", "over a folder"), -ERR_STORAGE_FAILED);
    assert_int_equal(open_object(rig, "a/b"), 0);
    assert_int_equal(scratch_count(rig->folder, "objects/.tmp"), 0);
}

static void test_new_explains_itself(void **state)
{
    struct rig *rig = *state;
    FREE_ON_EXIT char *file = mem_printf("%s/a-file", rig->folder);
    touch(file);
    struct store *s = NULL;
    struct error e;
    assert_int_equal(store_disk_new(file, &rig->loop.loop, rig->lane, &s, &e), -ERR_INTERNAL);
    assert_null(s);
    assert_non_null(strstr(e.reason, file));
    assert_non_null(strstr(e.reason, "Not a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layout_and_modes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_lane_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_queued, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_start_sweeps_what_was_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_start_spares_a_neighbour, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_openat2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_put_below_an_object, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_new_explains_itself, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
