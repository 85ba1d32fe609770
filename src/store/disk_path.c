#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "store/disk.h"
#include "store/file.h"

#define DIGEST_NAME "user.limner.sha256"

/* Opens the folder step by step, no step through a link; makes what is missing if asked. fd or -errno. */
static int walk(int root_fd, const char *folder, bool make)
{
    int at = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0 && *folder) {
        char part[256];
        size_t len = strcspn(folder, "/");
        CHECK(len > 0 && len < sizeof(part));
        memcpy(part, folder, len);
        part[len] = '\0';
        if (make && mkdirat(at, part, 0755) < 0 && errno != EEXIST) {
            int r = -errno;
            close(at);
            return r;
        }
        int next = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int r = -errno;
        close(at);
        if (next < 0)
            return r;
        at = next;
        folder += len + (folder[len] == '/');
    }
    return at >= 0 ? at : -errno;
}

int disk_open_folder(int root_fd, const char *name, bool make, const char **ret_last)
{
    char folder[STORE_NAME_MAX + 1] = "";
    const char *slash = strrchr(name, '/');
    if (slash)
        memcpy(folder, name, (size_t)(slash - name));
    int fd = walk(root_fd, folder, make);
    if (fd >= 0)
        *ret_last = slash ? slash + 1 : name;
    return fd;
}

/* fd or -errno. Kernels and sandboxes without openat2 get the walk. */
static int open_beneath(int root_fd, const char *name)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    long fd = syscall(SYS_openat2, root_fd, name, &how, sizeof(how));
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EAGAIN))
        return fd >= 0 ? (int)fd : -errno;
    const char *last;
    CLOSE_ON_EXIT int folder = disk_open_folder(root_fd, name, false, &last);
    if (folder < 0)
        return folder;
    int found = openat(folder, last, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    return found >= 0 ? found : -errno;
}

void disk_etag(const struct stat *st, char ret[static DISK_ETAG])
{
    uint64_t changed_ns = (uint64_t)st->st_mtim.tv_sec * NS_PER_S + (uint64_t)st->st_mtim.tv_nsec;
    snprintf(ret, DISK_ETAG, "%" PRIx64 "-%" PRIx64, changed_ns, (uint64_t)st->st_size);
}

void disk_set_digest(int fd, const struct blob *bytes)
{
    uint8_t sum[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    digest_of(bytes->data, bytes->size, sum);
    hex_encode(sum, sizeof(sum), hex);
    int r = fsetxattr(fd, DIGEST_NAME, hex, DIGEST_HEX, 0);
    (void)r; /* then the file goes by its time and size */
}

void disk_get_digest(int fd, char ret[static DIGEST_HEX + 1])
{
    uint8_t sum[DIGEST_BYTES];
    ssize_t n = fgetxattr(fd, DIGEST_NAME, ret, DIGEST_HEX);
    ret[n == DIGEST_HEX ? DIGEST_HEX : 0] = '\0';
    if (hex_decode(ret, sum, sizeof(sum)) < 0)
        *ret = '\0';
}

int disk_open_object(int root_fd, const char *name, struct store_info *ret)
{
    CLOSE_ON_EXIT int fd = open_beneath(root_fd, name);
    if (fd < 0)
        return fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -ENOENT;
    *ret = (struct store_info){.size = (uint64_t)st.st_size, .modified_s = st.st_mtim.tv_sec};
    disk_etag(&st, ret->etag);
    disk_get_digest(fd, ret->sha256);
    snprintf(ret->content_type, sizeof(ret->content_type), "%s", store_content_type(name));
    int given = fd;
    fd = -1; /* the caller's now */
    return given;
}

bool disk_means_absent(int negative_errno)
{
    int e = -negative_errno;
    return e == ENOENT || e == ENOTDIR || e == ELOOP || e == EXDEV || e == EISDIR || e == ENAMETOOLONG ||
           e == ENXIO;
}

int disk_error(struct error *e, int negative_errno, const char *what)
{
    int r = file_error(e, negative_errno, what);
    if (r != -ERR_INTERNAL)
        return r;
    struct error because = *e;
    return error_set(e, ERR_STORAGE_FAILED, "%s", because.reason);
}
