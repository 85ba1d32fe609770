#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "scratch.h"

static void test_make_folders(void **state)
{
    char *folder = scratch_new();
    FREE_ON_EXIT char *deep = mem_printf("%s/a/b//c/", folder);
    FREE_ON_EXIT char *file = mem_printf("%s/a/file", folder);
    FREE_ON_EXIT char *below = mem_printf("%s/a/file/x", folder);
    struct stat st;
    assert_int_equal(file_make_folders(deep), 0);
    assert_int_equal(stat(deep, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(file_make_folders(deep), 0); /* again */
    close(open(file, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(file_make_folders(below), -ENOTDIR);
    scratch_free(folder);
}

static void test_write_at(void **state)
{
    char *folder = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/f", folder);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    assert_int_equal(file_write(fd, "world", 5, 6), 0);
    assert_int_equal(file_write(fd, "hello ", 6, 0), 0);
    assert_int_equal(file_write(fd, NULL, 0, 100), 0);
    char text[16] = "";
    assert_int_equal(read(fd, text, sizeof(text)), 11);
    assert_string_equal(text, "hello world");
    close(fd);
    fd = open(path, O_RDONLY);
    assert_int_equal(file_write(fd, "x", 1, 0), -EBADF);
    close(fd);
    scratch_free(folder);
    fd = open("/dev/full", O_WRONLY);
    if (fd >= 0)
        assert_int_equal(file_write(fd, "x", 1, 0), -ENOSPC);
    close(fd);
}

static void test_error(void **state)
{
    struct error e;
    assert_int_equal(file_error(&e, -ENOSPC, "store it"), -ERR_STORAGE_FULL);
    assert_string_equal(e.reason, "Could not store it: the disk is full");
    assert_int_equal(file_error(&e, -EDQUOT, "store it"), -ERR_STORAGE_FULL);
    assert_int_equal(file_error(&e, -EIO, "store it"), -ERR_INTERNAL);
    assert_string_equal(e.reason, "Could not store it: Input/output error");
    assert_int_equal(file_error(&e, -99999, "store it"), -ERR_INTERNAL);
    assert_string_equal(e.reason, "Could not store it: unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make_folders),
        cmocka_unit_test(test_write_at),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
