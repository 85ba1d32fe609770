#include "metrics/process.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scratch.h"

enum { FILES = 20, MEMORY = 64 << 20 };

static void samples_are_of_this_process(void **state)
{
    struct cells *c = cells_new();
    process_started(c);
    process_sample(c);
    uint64_t now = (uint64_t)clock_wall_s() * NS_PER_S, files = cells_value(c, M_FILES, 0);
    assert_true(cells_value(c, M_START, 0) <= now && cells_value(c, M_START, 0) + 60 * NS_PER_S > now);
    assert_true(cells_value(c, M_CPU, 0) > 0);
    assert_true(cells_value(c, M_VIRTUAL, 0) >= cells_value(c, M_RESIDENT, 0));
    assert_in_range(files, 3, cells_value(c, M_FILES_LIMIT, 0));

    uint64_t resident = cells_value(c, M_RESIDENT, 0);
    int fd[FILES];
    FREE_ON_EXIT char *memory = mem_alloc(MEMORY);
    for (size_t i = 0; i < MEMORY; i += 4096)
        ((volatile char *)memory)[i] = 1;
    for (unsigned i = 0; i < FILES; i++)
        fd[i] = open("/dev/null", O_RDONLY);
    process_sample(c);
    assert_int_equal(cells_value(c, M_FILES, 0), files + FILES);
    assert_true(cells_value(c, M_RESIDENT, 0) >= resident + MEMORY / 2);
    for (unsigned i = 0; i < FILES; i++)
        close(fd[i]);
    process_sample(c);
    assert_int_equal(cells_value(c, M_FILES, 0), files);
    cells_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(samples_are_of_this_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
