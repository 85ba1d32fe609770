#include "local/estimate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* A line: network, precision, threads, digest, seconds per megapixel, processor; tabs between. */
enum { FILE_MAX = 8192 };

static char *line_head(const struct estimate_key *k)
{
    return mem_printf("%s\t%s\t%u\t", k->network, k->precision, k->threads);
}

/* The whole file, "" when there is none. */
static char *read_file(const char *path)
{
    char *text = mem_zalloc(FILE_MAX + 1);
    FILE *f = fopen(path, "re");
    if (f) {
        text[fread(text, 1, FILE_MAX, f)] = '\0';
        fclose(f);
    }
    return text;
}

double estimate_load(const char *path, const struct estimate_key *key)
{
    FREE_ON_EXIT char *text = read_file(path), *head = line_head(key);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (strncmp(line, head, strlen(head)) != 0)
            continue;
        char *fields = line + strlen(head), *digest = strsep(&fields, "\t"), *number = strsep(&fields, "\t");
        if (!number || !fields || strcmp(digest, key->digest) != 0 || strcmp(fields, key->cpu) != 0)
            continue;
        char *end;
        double seconds = strtod(number, &end);
        if (*end == '\0' && seconds > 0 && seconds < 1e6)
            return seconds;
    }
    return 0;
}

static int replace_file(const char *path, const char *text)
{
    FREE_ON_EXIT char *next = mem_printf("%s.%d", path, (int)getpid());
    FILE *f = fopen(next, "we");
    if (!f)
        return -errno;
    bool ok = fputs(text, f) >= 0;
    ok = fclose(f) == 0 && ok;
    if (ok && rename(next, path) == 0)
        return 0;
    int r = errno ? -errno : -EIO;
    unlink(next);
    return r;
}

int estimate_store(const char *path, const struct estimate_key *key, double seconds_per_megapixel)
{
    BUF_ON_EXIT struct buf out;
    buf_init(&out, FILE_MAX);
    FREE_ON_EXIT char *text = read_file(path), *head = line_head(key);
    (void)buf_printf(&out, "%s%s\t%.4f\t%s\n", head, key->digest, seconds_per_megapixel, key->cpu);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line && strncmp(line, head, strlen(head)) != 0)
            (void)buf_printf(&out, "%s\n", line); /* what does not fit any more is the oldest */
    return replace_file(path, buf_text(&out));
}

double estimate_mix(double old, double measured)
{
    return old > 0 ? 0.7 * old + 0.3 * measured : measured;
}
