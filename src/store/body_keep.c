/* Bodies as files that have a name: written beside it, and then renamed, so that whoever finds the name finds
 * all of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/body.h"
#include "store/file.h"

static int write_half(struct body *b, const char *half, bool to_disk, struct error *e)
{
    BLOB_ON_EXIT struct blob *bytes = NULL;
    int r = body_blob(b, &bytes, e);
    if (r < 0)
        return r;
    int fd = open(half, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_error(e, -errno, "keep the picture");
    r = file_write(fd, bytes->data, bytes->size, 0);
    if (r == 0 && to_disk && fdatasync(fd) < 0)
        r = -errno;
    close(fd);
    return r < 0 ? file_error(e, r, "keep the picture") : 0;
}

static int sync_folder(const char *path)
{
    FREE_ON_EXIT char *folder = mem_strdup(path);
    *strrchr(folder, '/') = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* Another one each time: two processes may keep the same picture at once, one that takes over and the one
 * that leaves. */
static char *half_of(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    uint64_t which;
    rng_bytes(&which, sizeof(which));
    return mem_printf("%.*s" BODY_KEEP_PREFIX "%016" PRIx64 "-%s", (int)(name - path), path, which, name);
}

int body_keep(struct body *b, const char *path, bool to_disk, struct error *e)
{
    FREE_ON_EXIT char *half = half_of(path);
    int r = write_half(b, half, to_disk, e);
    if (r == 0 && rename(half, path) < 0)
        r = file_error(e, -errno, "keep the picture");
    if (r == 0 && to_disk)
        r = sync_folder(path) < 0 ? file_error(e, -errno, "keep the picture") : 0;
    if (r < 0)
        unlink(half);
    return r;
}
