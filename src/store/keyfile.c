#include "store/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/file.h"

/* 64 hex characters and a line end. */
enum { KEY_TEXT = DIGEST_HEX + 1 };

/* 0; -errno; -EBADMSG for a file that is not such a key, -EACCES for one that anybody may read. */
static int read_key(const char *path, uint8_t ret[static DIGEST_BYTES])
{
    CLOSE_ON_EXIT int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EBADMSG;
    if (st.st_mode & S_IRWXO)
        return -EACCES;
    char text[KEY_TEXT + 2];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n < 0)
        return -errno;
    text[n] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    return hex_decode(text, ret, DIGEST_BYTES) < 0 ? -EBADMSG : 0;
}

static int write_key(const char *path)
{
    uint8_t bytes[DIGEST_BYTES];
    char text[KEY_TEXT + 1];
    rng_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), text);
    text[DIGEST_HEX] = '\n';
    CLOSE_ON_EXIT int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = file_write(fd, text, KEY_TEXT, 0);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

/* Makes the key's file whole or not at all. Of several processes that start at once one wins; the others find
 * its file there, which is as good. 0 or -errno. */
static int make_key(const char *path)
{
    char id[UUID_TEXT];
    uuid_make(id);
    FREE_ON_EXIT char *temp = mem_printf("%s.%s", path, id);
    int r = write_key(temp);
    if (r == 0 && link(temp, path) < 0 && errno != EEXIST)
        r = -errno;
    unlink(temp);
    return r;
}

int keyfile_load(const char *data_dir, const char *name, const char *loss, uint8_t ret[static DIGEST_BYTES],
                 struct error *e)
{
    FREE_ON_EXIT char *path = mem_printf("%s/%s", data_dir, name);
    int r = read_key(path, ret);
    if (r == -ENOENT) {
        r = file_make_folders(data_dir);
        if (r == 0)
            r = make_key(path);
        if (r == 0)
            r = read_key(path, ret);
    }
    if (r == -EBADMSG)
        return error_set(e, ERR_INTERNAL, "%s is damaged; remove it to have a new one made (%s)", path, loss);
    if (r == -EACCES)
        return error_set(e, ERR_INTERNAL, "%s can be read by other users or not by this one; chmod 600 it",
                         path);
    if (r < 0) {
        FREE_ON_EXIT char *what = mem_printf("read or make %s", path);
        return file_error(e, r, what);
    }
    return 0;
}
