#include "store/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

int file_make_folders(const char *path)
{
    FREE_ON_EXIT char *part = mem_strdup(path);
    for (char *slash = part; *slash; slash++) {
        if (*slash != '/' || slash == part)
            continue;
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    if (mkdir(part, 0755) < 0 && errno != EEXIST)
        return -errno;
    return 0;
}

int file_write(int fd, const void *data, size_t size, uint64_t at)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = pwrite(fd, p, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        size -= (size_t)n;
        at += (uint64_t)n;
    }
    return 0;
}

int file_error(struct error *e, int negative_errno, const char *what)
{
    int err = -negative_errno;
    if (err == ENOSPC || err == EDQUOT)
        return error_set(e, ERR_STORAGE_FULL, "Could not %s: the disk is full", what);
    if (err == EMFILE || err == ENFILE) {
        int r = error_set(e, ERR_OVERLOADED, "Could not %s: too many files are open; ask again in a moment",
                          what);
        e->retry_after_s = 1;
        return r;
    }
    const char *why = strerrordesc_np(err);
    return error_set(e, ERR_INTERNAL, "Could not %s: %s", what, why ? why : "unknown error");
}
