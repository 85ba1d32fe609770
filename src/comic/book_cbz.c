/* The zip is written here and not by libarchive: that cannot know a checksum before it writes an entry's
 * head, and puts it behind the data, which readers that go through a stored file once refuse (Java's do); and
 * it writes times of the machine's time zone. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/utf8.h"
#include "comic/book_parts.h"

enum {
    NAME_MAX_BYTES = 16,
    INFO_BYTES_MAX = 256 << 10,
    ENTRIES_MAX = BOOK_PAGES_MAX + 1,
    HEAD_BYTES = 30,
    RECORD_BYTES = 46,
    END_BYTES = 22,
    VERSION = 20,
    NAMES_ARE_UTF8 = 1 << 11
};

/* ---- the zip ---- */

struct entry {
    char name[NAME_MAX_BYTES];
    uint32_t crc, size, at;
};

struct zip_out {
    struct buf *to;
    struct entry entry[ENTRIES_MAX];
    unsigned count;
    uint16_t dos_time, dos_date;
};

static uint32_t crc32_of(const uint8_t *data, size_t size)
{
    uint32_t table[256], crc = UINT32_MAX;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
    }
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
    return ~crc;
}

/* In UTC, to two seconds; a zip knows the years 1980 to 2107. */
static void set_time(struct zip_out *z, int64_t made_s)
{
    const int64_t first = 315532800, last = 4354819198;
    time_t s = (time_t)MAX(first, MIN(made_s, last));
    struct tm tm;
    CHECK(gmtime_r(&s, &tm));
    z->dos_time = (uint16_t)(tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2);
    z->dos_date = (uint16_t)((tm.tm_year - 80) << 9 | (tm.tm_mon + 1) << 5 | tm.tm_mday);
}

static void put16(struct buf *to, unsigned v)
{
    const uint8_t bytes[] = {(uint8_t)v, (uint8_t)(v >> 8)};
    buf_append(to, bytes, sizeof(bytes));
}

static void put32(struct buf *to, uint32_t v)
{
    put16(to, v & 0xffff);
    put16(to, v >> 16);
}

/* What an entry's head and its record in the directory have in common. */
static void put_common(const struct zip_out *z, const struct entry *at)
{
    put16(z->to, VERSION);
    put16(z->to, NAMES_ARE_UTF8);
    put16(z->to, 0); /* stored */
    put16(z->to, z->dos_time);
    put16(z->to, z->dos_date);
    put32(z->to, at->crc);
    put32(z->to, at->size);
    put32(z->to, at->size);
    put16(z->to, (unsigned)strlen(at->name));
    put16(z->to, 0); /* nothing extra */
}

/* The entry's name has been set. */
static void put_entry(struct zip_out *z, const void *data, size_t size)
{
    struct entry *at = &z->entry[z->count++];
    at->crc = crc32_of(data, size);
    at->size = (uint32_t)size;
    at->at = (uint32_t)z->to->len;
    buf_append(z->to, "PK\3\4", 4);
    put_common(z, at);
    buf_puts(z->to, at->name);
    buf_append(z->to, data, size);
}

static void put_directory(struct zip_out *z)
{
    uint32_t begin = (uint32_t)z->to->len;
    for (unsigned i = 0; i < z->count; i++) {
        buf_append(z->to, "PK\1\2", 4);
        put16(z->to, VERSION); /* made by: no system in particular */
        put_common(z, &z->entry[i]);
        put16(z->to, 0); /* no comment */
        put16(z->to, 0); /* one disk */
        put16(z->to, 0);
        put32(z->to, 0);
        put32(z->to, z->entry[i].at);
        buf_puts(z->to, z->entry[i].name);
    }
    uint32_t end = (uint32_t)z->to->len;
    buf_append(z->to, "PK\5\6\0\0\0\0", 8);
    put16(z->to, z->count);
    put16(z->to, z->count);
    put32(z->to, end - begin);
    put32(z->to, begin);
    put16(z->to, 0);
}

/* ---- ComicInfo.xml ---- */

static bool may_be_in_xml(const char *at, size_t len)
{
    bool blank = *at == '\t' || *at == '\n' || *at == '\r';
    bool noncharacter =
        len == 3 && (memcmp(at, "\xef\xbf\xbe", 3) == 0 || memcmp(at, "\xef\xbf\xbf", 3) == 0);
    return len > 0 && !noncharacter && (len > 1 || (uint8_t)*at >= 0x20 || blank);
}

static void put_escaped(struct buf *to, const char *text)
{
    static const struct {
        char c;
        const char *as;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\r', "&#13;"}};
    for (const char *at = text; *at;) {
        size_t len = utf8_char(at);
        const char *as = may_be_in_xml(at, len) ? NULL : "?";
        for (size_t i = 0; i < ARRAY_LEN(escapes) && !as; i++)
            as = *at == escapes[i].c ? escapes[i].as : NULL;
        if (as)
            buf_puts(to, as);
        else
            buf_append(to, at, len);
        at += MAX(len, 1u);
    }
}

static void put_element(struct buf *to, const char *name, const char *text)
{
    if (!*text)
        return;
    buf_printf(to, "  <%s>", name);
    put_escaped(to, text);
    buf_printf(to, "</%s>\n", name);
}

static void put_number(struct buf *to, const char *name, int n)
{
    buf_printf(to, "  <%s>%d</%s>\n", name, n, name);
}

/* In the order that ComicInfo's schema asks for. */
static void put_info(struct buf *to, const struct book *book)
{
    time_t s = (time_t)book->made_s;
    struct tm tm;
    CHECK(gmtime_r(&s, &tm));
    buf_puts(to, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                 "<ComicInfo xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
                 " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\n");
    put_element(to, "Title", book->title);
    put_element(to, "Summary", book->summary);
    put_number(to, "Year", tm.tm_year + 1900);
    put_number(to, "Month", tm.tm_mon + 1);
    put_number(to, "Day", tm.tm_mday);
    put_element(to, "Writer", book->author);
    put_number(to, "PageCount", (int)book->page_count);
    put_element(to, "LanguageISO", book->language);
    put_element(to, "Manga", book->right_to_left ? "YesAndRightToLeft" : "");
    buf_puts(to, "</ComicInfo>\n");
}

/* ---- the book ---- */

static const char info_name[] = "ComicInfo.xml";

static size_t bytes_at_most(const struct book *book, size_t info_bytes)
{
    size_t each = HEAD_BYTES + RECORD_BYTES + 2 * NAME_MAX_BYTES;
    size_t bytes = info_bytes + (book->page_count + 1) * each + END_BYTES;
    for (unsigned i = 0; i < book->page_count; i++)
        bytes += book->page[i]->size;
    return bytes;
}

int book_cbz(const struct book *book, struct buf *ret, struct error *e)
{
    struct zip_out z = {.to = ret};
    BUF_ON_EXIT struct buf info;
    buf_init(&info, INFO_BYTES_MAX);
    put_info(&info, book);
    if (info.failed || buf_reserve(ret, bytes_at_most(book, info.len)) < 0)
        return book_too_large(e);
    set_time(&z, book->made_s);
    memcpy(z.entry[0].name, info_name, sizeof(info_name));
    put_entry(&z, buf_text(&info), info.len);
    for (unsigned i = 0; i < book->page_count; i++) {
        snprintf(z.entry[z.count].name, NAME_MAX_BYTES, "%03u.%s", i + 1,
                 image_extension(book->info[i].type));
        put_entry(&z, book->page[i]->data, book->page[i]->size);
    }
    put_directory(&z);
    return ret->failed ? book_too_large(e) : 0;
}
