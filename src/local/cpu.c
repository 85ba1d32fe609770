#include "local/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"

/* Fills buf with the start of a file, as text; "" when it cannot be read. */
static void read_text(const char *path, char *buf, size_t size)
{
    size_t n = 0;
    FILE *f = fopen(path, "re");
    if (f) {
        n = fread(buf, 1, size - 1, f);
        fclose(f);
    }
    buf[n] = '\0';
}

/* The value behind "key<tabs>: " at the start of a line; *ret_len characters. */
static const char *value_of(const char *text, const char *key, size_t *ret_len)
{
    size_t key_len = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, key_len) != 0 || !strchr("\t :", line[key_len]))
            continue;
        const char *v = line + strcspn(line, ":\n");
        if (*v == ':')
            v += 1 + strspn(v + 1, " \t");
        *ret_len = strcspn(v, "\n");
        return v;
    }
    return NULL;
}

static bool has_word(const char *list, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (const char *end = list + len; list < end; list += 1 + strcspn(list, " \n"))
        if (strncmp(list, word, n) == 0 && strchr(" \n", list[n]))
            return true;
    return false;
}

void cpu_parse_info(struct cpu *c, const char *cpuinfo)
{
    size_t len;
    const char *name = value_of(cpuinfo, "model name", &len);
    if (name)
        snprintf(c->name, sizeof(c->name), "%.*s", (int)MIN(len, sizeof(c->name) - 1), name);
    else
        snprintf(c->name, sizeof(c->name), "unknown");
    const char *flags = value_of(cpuinfo, "flags", &len);
    c->bf16 = flags && has_word(flags, len, "amx_bf16");
}

unsigned cpu_parse_quota(const char *cpu_max)
{
    unsigned long quota, period;
    if (sscanf(cpu_max, "%lu %lu", &quota, &period) != 2 || !period)
        return 0;
    return (unsigned)MIN(MAX((quota + period - 1) / period, 1ul), 4096ul);
}

void cpu_read(struct cpu *ret)
{
    char text[16384] = ""; /* one processor's entry is some 2 kB */
    read_text("/proc/cpuinfo", text, sizeof(text));
    cpu_parse_info(ret, text);

    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    ret->threads = (unsigned)MAX(count, 1);
    read_text("/sys/fs/cgroup/cpu.max", text, sizeof(text));
    unsigned quota = cpu_parse_quota(text);
    if (quota)
        ret->threads = MIN(ret->threads, quota);
}
