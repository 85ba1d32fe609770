/* cpu.h: what this machine's processor is and may be used for. Any thread; reads a few small files of the
 * kernel. */
#pragma once

#include <stdbool.h>

struct cpu {
    char name[80];    /* "Intel(R) Xeon(R) Processor"; "unknown" */
    bool bf16;        /* computes faster in bfloat16: has AMX; avx512_bf16 alone was slower than float32 */
    unsigned threads; /* this process may use: affinity, and the cgroup's quota */
};

void cpu_read(struct cpu *ret);

/* The parts, for tests. */
void cpu_parse_info(struct cpu *c, const char *cpuinfo); /* name and bf16 from the text of /proc/cpuinfo */
unsigned cpu_parse_quota(const char *cpu_max);           /* "200000 100000" → 2; 0: no limit */
