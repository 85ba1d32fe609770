#include "cli/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cli/inputs.h"
#include "cli/text.h"
#include "store/file.h"

enum { FILE_BLOCK = 1 << 20, STREAM_BLOCK = PIPE_BUF, STREAM_WAIT_MS = 100 };

/* ---- the bytes ---- */

/* JPEG has no transparency: the picture is put on white. */
static void flatten(struct pixels *p)
{
    if (p->bands != 4)
        return;
    size_t count = (size_t)p->width * p->height;
    for (size_t i = 0; i < count; i++) {
        unsigned alpha = p->data[4 * i + 3];
        for (size_t band = 0; band < 3; band++)
            p->data[3 * i + band] =
                (uint8_t)((p->data[4 * i + band] * alpha + 255u * (255u - alpha) + 127u) / 255u);
    }
    p->bands = 3;
}

static int convert(const struct blob *from, const struct out_file *w, struct blob **ret, struct error *e)
{
    const struct image_limits any = {UINT64_MAX, UINT64_MAX};
    struct image_info info;
    struct pixels pixels = {0};
    int r = image_probe(from, &any, &info, e);
    if (r == 0)
        r = image_decode(from, &info, &pixels, e);
    if (r < 0)
        return r;
    if (w->type == IMAGE_JPEG)
        flatten(&pixels);
    r = image_encode(&pixels, w->type, w->quality, ret, e);
    pixels_release(&pixels);
    return r;
}

/* ---- writing ---- */

static bool is_cancelled(const struct lane_job *job)
{
    return atomic_load_explicit(&job->cancelled, memory_order_relaxed);
}

/* Blocks of a size that a ready pipe takes whole, so that a reader who does not read cannot hold us. */
static int write_stream(int fd, const struct blob *b, const struct lane_job *job)
{
    size_t at = 0;
    while (at < b->size) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        int n = poll(&ready, 1, STREAM_WAIT_MS);
        if (is_cancelled(job))
            return -ECANCELED;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n <= 0)
            continue;
        ssize_t done = write(fd, b->data + at, MIN(b->size - at, (size_t)STREAM_BLOCK));
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        at += (size_t)MAX(done, 0);
    }
    return 0;
}

static int write_temp(const struct out_file *w, const struct blob *b, const struct lane_job *job)
{
    CLOSE_ON_EXIT int fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < b->size; at += FILE_BLOCK) {
        if (is_cancelled(job))
            return -ECANCELED;
        int r = file_write(fd, b->data + at, MIN(b->size - at, (size_t)FILE_BLOCK), at);
        if (r < 0)
            return r;
    }
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int make_folder_of(const char *path)
{
    FREE_ON_EXIT char *folder = mem_strdup(path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return file_make_folders(folder);
}

static int write_file(const struct out_file *w, const struct blob *b, const struct lane_job *job)
{
    int r = make_folder_of(w->place);
    if (r == 0)
        r = write_temp(w, b, job);
    if (r == 0 && rename(w->temp, w->place) < 0)
        r = -errno;
    if (r < 0)
        unlink(w->temp);
    return r;
}

static int write_out(const struct out_file *w, const struct blob *b, const struct lane_job *job)
{
    if (w->place)
        return write_file(w, b, job);
    if (strcmp(w->path, "-") == 0)
        return write_stream(STDOUT_FILENO, b, job);
    CLOSE_ON_EXIT int fd = open(w->path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : write_stream(fd, b, job);
}

int out_file_write(const struct out_file *w, struct blob *body, const struct lane_job *job, struct error *e)
{
    BLOB_ON_EXIT struct blob *b = NULL;
    int r = 0;
    if (w->type == IMAGE_UNKNOWN || image_sniff(body->data, body->size) == w->type)
        b = blob_ref(body);
    else
        r = convert(body, w, &b, e);
    if (r < 0)
        return r;
    r = write_out(w, b, job);
    if (r == 0)
        return 0;
    if (r == -ECANCELED)
        return error_set(e, ERR_CLIENT_GONE, "Writing the result was cancelled");
    FREE_ON_EXIT char *what =
        mem_printf("write %.180s", strcmp(w->path, "-") ? w->path : "to standard output");
    return file_error(e, r, what);
}

/* ---- where to ---- */

char *out_path(const struct out_aim *aim, unsigned n)
{
    if (aim->comic && aim->comic->cover && n == aim->count)
        return mem_strdup(aim->comic->cover);
    if (aim->count <= 1 && n == 1)
        return mem_strdup(aim->path);
    bool named = input_type_of_name(aim->path) != IMAGE_UNKNOWN;
    const char *extension = named ? strrchr(aim->path, '.') : "";
    return mem_printf("%.*s-%u%s", (int)(strlen(aim->path) - strlen(extension)), aim->path, n, extension);
}

/* Where the bytes really go; NULL: not a file, but what takes a stream. */
static char *find_place(const char *path)
{
    struct stat st;
    if (strcmp(path, "-") == 0)
        return NULL;
    if (stat(path, &st) < 0)
        return mem_strdup(path);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return NULL;
    char *real = realpath(path, NULL);
    return real ? real : mem_strdup(path);
}

static char *hidden_name(const char *place)
{
    char id[UUID_TEXT];
    uuid_make(id);
    const char *slash = strrchr(place, '/');
    int folder = slash ? (int)(slash + 1 - place) : 0;
    return mem_printf("%.*s.limner-%s", folder, place, id);
}

bool out_is_stream(const char *path)
{
    FREE_ON_EXIT char *place = find_place(path);
    return !place;
}

unsigned out_count_there(const struct out_aim *aim, unsigned *ret_one)
{
    unsigned there = 0;
    for (unsigned n = 1; n <= aim->count && strcmp(aim->path, "-") != 0; n++) {
        FREE_ON_EXIT char *path = out_path(aim, n);
        struct stat st;
        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
            continue;
        there++;
        *ret_one = n;
    }
    return there;
}

char *out_shown(const char *path, bool utf8)
{
    return strcmp(path, "-") == 0 ? mem_strdup("-") : text_clean(path, utf8);
}

char *out_shown_all(const struct out_aim *aim, bool utf8)
{
    FREE_ON_EXIT char *first_path = out_path(aim, 1), *last_path = out_path(aim, aim->count);
    FREE_ON_EXIT char *first = out_shown(first_path, utf8), *last = out_shown(last_path, utf8);
    return aim->count > 1 ? mem_printf("%s %s %s", first, utf8 ? "…" : "...", last) : TAKE(first);
}

void out_file_init(struct out_file *w, const struct out_aim *aim, unsigned n)
{
    *w = (struct out_file){.path = out_path(aim, n), .type = aim->type, .quality = aim->quality};
    w->place = find_place(w->path);
    w->temp = w->place ? hidden_name(w->place) : NULL;
}

void out_file_release(struct out_file *w)
{
    free(w->path);
    free(w->place);
    free(w->temp);
    *w = (struct out_file){0};
}

void out_file_abandon(const struct out_file *w)
{
    if (w->temp)
        unlink(w->temp);
}
