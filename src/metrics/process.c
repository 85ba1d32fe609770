#include "metrics/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

void process_started(struct cells *c)
{
    cells_set(c, M_START, 0, (uint64_t)clock_wall_s() * NS_PER_S);
}

static void sample_memory(struct cells *c)
{
    FILE *f = fopen("/proc/self/statm", "re");
    unsigned long total, resident;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (!f)
        return;
    if (fscanf(f, "%lu %lu", &total, &resident) == 2) {
        cells_set(c, M_VIRTUAL, 0, total * page);
        cells_set(c, M_RESIDENT, 0, resident * page);
    }
    fclose(f);
}

static void sample_files(struct cells *c)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        cells_set(c, M_FILES_LIMIT, 0, files.rlim_cur);
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return;
    uint64_t open = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)))
        open += *entry->d_name != '.';
    closedir(dir);
    cells_set(c, M_FILES, 0, open - 1); /* but for the folder's own */
}

void process_sample(struct cells *c)
{
    struct timespec cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
        cells_set(c, M_CPU, 0, (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec);
    sample_memory(c);
    sample_files(c);
}
