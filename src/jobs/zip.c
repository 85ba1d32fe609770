#include "jobs/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "imaging/imaging.h"

enum { SNIFF_BYTES = 32, RECORD_MIN = 46 /* bytes in the directory */ };

struct zip {
    struct blob *bytes;
    struct zip_limits limits;
    locale_t utf8; /* the library tells names in the thread's character set */
    struct archive *archive;
    struct archive_entry *entry; /* the one we stand at */
    unsigned next;               /* place of the one behind it */
};

static int damaged(const struct zip *z, struct error *e)
{
    const char *why = z->archive ? archive_error_string(z->archive) : NULL;
    return error_set(e, ERR_VALIDATION, "The archive is damaged, or no zip: %.150s",
                     why ? why : "it cannot be read");
}

/* ---- going through it ---- */

static int begin(struct zip *z, struct error *e)
{
    archive_read_free(z->archive);
    z->archive = archive_read_new();
    z->next = 0;
    archive_read_support_format_zip_seekable(z->archive);
    if (archive_read_open_memory(z->archive, z->bytes->data, z->bytes->size) != ARCHIVE_OK)
        return damaged(z, e);
    return 0;
}

/* 1: there is a next entry; 0: there is none. */
static int step(struct zip *z, struct error *e)
{
    int r = archive_read_next_header(z->archive, &z->entry);
    if (r == ARCHIVE_EOF)
        return 0;
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
        return damaged(z, e);
    z->next++;
    return 1;
}

/* Each record begins like this, so there are no more of them; the library would keep them all. */
static size_t records_at_most(const struct blob *b)
{
    static const char start[] = "PK\1\2";
    const uint8_t *at = b->data, *end = b->data + b->size;
    size_t n = 0;
    while ((at = memmem(at, (size_t)(end - at), start, strlen(start)))) {
        n++;
        at += MIN((ptrdiff_t)RECORD_MIN, end - at);
    }
    return n;
}

int zip_open(struct blob *bytes, const struct zip_limits *limits, struct zip **ret, struct error *e)
{
    if (records_at_most(bytes) > limits->pictures_max + ZIP_OTHERS_MAX)
        return error_set(e, ERR_PAYLOAD_TOO_LARGE, "The archive holds too many files");
    struct zip *z = NEW(struct zip);
    z->bytes = blob_ref(bytes);
    z->limits = *limits;
    z->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    int r = begin(z, e);
    if (r < 0)
        zip_free(z);
    else
        *ret = z;
    return r;
}

void zip_free(struct zip *z)
{
    if (!z)
        return;
    archive_read_free(z->archive);
    if (z->utf8)
        freelocale(z->utf8);
    blob_unref(z->bytes);
    free(z);
}

/* ---- names ---- */

static bool component_is(const char *at, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(at, text, len) == 0;
}

/* Takes empty components, "." and ".." out of a path, in place. */
static void straighten(char *path)
{
    char *out = path;
    for (const char *at = path; *at;) {
        size_t len = strcspn(at, "/");
        bool counts = len > 0 && !component_is(at, len, ".") && !component_is(at, len, "..");
        const char *next = at + len + (at[len] == '/');
        if (counts) {
            if (out > path)
                *out++ = '/';
            memmove(out, at, len);
            out += len;
        }
        at = next;
    }
    *out = '\0';
}

static char *clean_name(const char *raw)
{
    char *name = mem_strdup(raw ? raw : "?");
    for (char *at = name; (at = strchr(at, '\\'));)
        *at = '/';
    utf8_clean(name);
    straighten(name);
    size_t len = strlen(name);
    const char *from = name + (len > ZIP_NAME_MAX ? len - ZIP_NAME_MAX : 0);
    while (((unsigned char)*from & 0xc0) == 0x80) /* the middle of a character */
        from++;
    memmove(name, from, strlen(from) + 1);
    return name;
}

static bool is_hidden(const char *name)
{
    for (const char *at = name; *at;) {
        size_t len = strcspn(at, "/");
        if (*at == '.' || component_is(at, len, "__MACOSX"))
            return true;
        at += len + (at[len] == '/');
    }
    return false;
}

/* ---- what there is ---- */

struct listing {
    struct zip_list list;
    size_t room;
    uint64_t unpacked; /* of all that may be read */
};

static uint64_t declared_bytes(const struct zip *z)
{
    int64_t bytes = archive_entry_size_is_set(z->entry) ? archive_entry_size(z->entry) : -1;
    return bytes < 0 ? UINT64_MAX : (uint64_t)bytes;
}

/* What comes out before an error counts, too: then it is one picture that fails, and not the whole. */
static int read_head(struct zip *z, uint8_t head[static SNIFF_BYTES])
{
    size_t got = 0;
    int r = ARCHIVE_OK;
    while (got < SNIFF_BYTES && r == ARCHIVE_OK) {
        const void *data = NULL;
        size_t n = 0;
        la_int64_t offset;
        r = archive_read_data_block(z->archive, &data, &n, &offset);
        n = data ? MIN(n, SNIFF_BYTES - got) : 0;
        if (n > 0)
            memcpy(head + got, data, n);
        got += n;
    }
    return r;
}

/* 1: its first bytes are a picture's. */
static int is_picture(struct zip *z, const char *name, struct error *e)
{
    uint8_t head[SNIFF_BYTES] = {0};
    if (archive_entry_filetype(z->entry) != AE_IFREG || is_hidden(name))
        return 0;
    if (archive_entry_is_encrypted(z->entry))
        return error_set(e, ERR_VALIDATION, "The archive is encrypted: send one without a password");
    int r = read_head(z, head);
    if (image_sniff(head, sizeof(head)) != IMAGE_UNKNOWN)
        return 1;
    return r == ARCHIVE_OK || r == ARCHIVE_EOF ? 0 : damaged(z, e);
}

static int count_bytes(const struct zip *z, struct listing *l, struct error *e)
{
    uint64_t bytes = declared_bytes(z);
    uint64_t most = MAX((uint64_t)ZIP_RATIO_MAX * z->bytes->size, z->limits.picture_max_bytes);
    if (bytes <= z->limits.picture_max_bytes)
        l->unpacked += bytes;
    if (l->unpacked > most)
        return error_set(e, ERR_PAYLOAD_TOO_LARGE,
                         "The archive unpacks to more than %d times its size: no pictures do that",
                         ZIP_RATIO_MAX);
    return 0;
}

static void add(struct listing *l, unsigned at, char *name)
{
    if (l->list.count == l->room) {
        l->room = MAX(2 * l->room, (size_t)64);
        l->list.picture = mem_realloc(l->list.picture, l->room * sizeof(*l->list.picture));
    }
    l->list.picture[l->list.count++] = (struct zip_picture){at, name};
}

static int look_at(struct zip *z, struct listing *l, struct error *e)
{
    FREE_ON_EXIT char *name = clean_name(archive_entry_pathname(z->entry));
    int r = is_picture(z, name, e);
    if (r == 0)
        l->list.passed_over++;
    if (r <= 0)
        return r;
    if (l->list.count == z->limits.pictures_max)
        return error_set(e, ERR_PAYLOAD_TOO_LARGE, "The archive holds more than %zu pictures",
                         z->limits.pictures_max);
    r = count_bytes(z, l, e);
    if (r == 0)
        add(l, z->next - 1, TAKE(name));
    return r;
}

static int look_at_all(struct zip *z, struct listing *l, struct error *e)
{
    int r = begin(z, e);
    while (r == 0 && (r = step(z, e)) > 0)
        r = look_at(z, l, e);
    if (r == 0 && l->list.count == 0)
        r = error_set(e, ERR_VALIDATION, "There is no picture in the archive; it holds %zu other files",
                      l->list.passed_over);
    return r;
}

int zip_list(struct zip *z, struct zip_list *ret, struct error *e)
{
    struct listing l = {0};
    locale_t before = z->utf8 ? uselocale(z->utf8) : (locale_t)0;
    int r = look_at_all(z, &l, e);
    if (before)
        uselocale(before);
    if (r < 0)
        zip_list_release(&l.list);
    else
        *ret = l.list;
    return r;
}

void zip_list_release(struct zip_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->picture[i].name);
    free(l->picture);
    *l = (struct zip_list){0};
}

/* ---- one of them ---- */

static int go_to(struct zip *z, unsigned at, struct error *e)
{
    int r = at < z->next ? begin(z, e) : 0;
    while (r == 0 && z->next <= at) {
        r = step(z, e);
        if (r == 0)
            return error_set(e, ERR_VALIDATION, "The archive ends before this picture");
        r = MIN(r, 0);
    }
    return r;
}

static int read_all(struct zip *z, zip_take_fn *take, void *ctx, struct error *e)
{
    uint64_t most = declared_bytes(z), size = 0;
    for (;;) {
        const void *data;
        size_t n;
        la_int64_t offset;
        int r = archive_read_data_block(z->archive, &data, &n, &offset);
        if (r == ARCHIVE_EOF)
            return size == most ? 0 : error_set(e, ERR_VALIDATION, "The picture in the archive is cut");
        if (r != ARCHIVE_OK)
            return damaged(z, e);
        size += n;
        if (size > most)
            return error_set(e, ERR_VALIDATION, "The picture unpacks to more than the archive says");
        r = n > 0 ? take(ctx, data, n, e) : 0;
        if (r < 0)
            return r;
    }
}

static int read_one(struct zip *z, unsigned at, zip_take_fn *take, void *ctx, struct error *e)
{
    int r = go_to(z, at, e);
    if (r < 0)
        return r;
    if (declared_bytes(z) > z->limits.picture_max_bytes)
        return error_set(e, ERR_PAYLOAD_TOO_LARGE, "The picture has more than %" PRIu64 " bytes",
                         z->limits.picture_max_bytes);
    return read_all(z, take, ctx, e);
}

int zip_read(struct zip *z, unsigned at, zip_take_fn *take, void *ctx, struct error *e)
{
    locale_t before = z->utf8 ? uselocale(z->utf8) : (locale_t)0;
    int r = read_one(z, at, take, ctx, e);
    if (before)
        uselocale(before);
    return r;
}
