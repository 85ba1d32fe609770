/* libharu keeps the first error in the document and goes on doing nothing, if it is given no handler: so
 * calls are made one after the other, and the error is looked at where it matters. What it has no call for
 * (texts in UTF-16 with characters of any plane, the language, the direction of reading, writing to memory of
 * ours) is put into its dictionaries directly; those are in its headers, too. */
#include <hpdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "comic/book_parts.h"

enum {
    DPI = 150,
    POINTS_PER_INCH = 72,
    JPEG_SIDE_MAX = 65500,
    JPEG_QUALITY = 92,       /* libvips keeps colours at full resolution from 90 on */
    TEXT_BYTES_MAX = 65000,  /* libharu takes 65,535 */
    FRAME_BYTES = 512 << 10, /* more than everything but pictures takes: texts are in hexadecimal */
    RECORDS_BYTES = 2 << 10, /* likewise, of each page */
};

static void cleanup_doc(HPDF_Doc *pdf)
{
    HPDF_Free(*pdf);
}
#define DOC_ON_EXIT CLEANUP(cleanup_doc)

static int failed(HPDF_Doc pdf, struct error *e)
{
    return error_set(e, ERR_INTERNAL, "The PDF could not be made (libharu's error %04lx)",
                     pdf ? (unsigned long)HPDF_GetError(pdf) : 0ul);
}

static void about_page(unsigned i, struct error *e)
{
    error_set_field(e, ERR_VALIDATION, "pages", "Page %u is damaged and cannot be read in full", i + 1);
}

/* libharu itself crashes in places where it gets no memory; what it asks for is bounded by the pages. */
static void *get_memory(HPDF_UINT size)
{
    return mem_alloc(size);
}

/* ---- what it says about itself ---- */

/* The character at *at, which is moved behind it; what is none counts as U+FFFD. */
static uint32_t next_character(const char **at)
{
    const uint8_t *s = (const uint8_t *)*at;
    size_t len = utf8_char(*at);
    *at += MAX(len, 1u);
    if (len <= 1)
        return len ? *s : 0xfffd;
    uint32_t c = *s & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (s[i] & 0x3fu);
    return c;
}

static void put_unit(struct buf *to, uint32_t unit)
{
    const uint8_t bytes[] = {(uint8_t)(unit >> 8), (uint8_t)unit};
    buf_append(to, bytes, sizeof(bytes));
}

/* UTF-16, the high byte first, with a mark in front: readers know the text by that. A longer text is cut
 * between characters. */
static void to_utf16(const char *text, struct buf *ret)
{
    put_unit(ret, 0xfeff);
    while (*text && ret->len + 4 <= TEXT_BYTES_MAX) {
        uint32_t c = next_character(&text);
        if (c >= 0x10000) {
            put_unit(ret, 0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        put_unit(ret, c);
    }
}

/* libharu frees what it takes; what is NULL becomes its error. */
static void add_text(HPDF_Doc pdf, HPDF_Dict to, const char *key, const char *text)
{
    BUF_ON_EXIT struct buf wide;
    buf_init(&wide, TEXT_BYTES_MAX);
    if (!*text)
        return;
    to_utf16(text, &wide);
    HPDF_Dict_Add(to, key, HPDF_Binary_New(pdf->mmgr, (HPDF_BYTE *)wide.data, (HPDF_UINT)wide.len));
}

static void add_date(HPDF_Doc pdf, int64_t made_s)
{
    time_t s = (time_t)made_s;
    struct tm tm;
    CHECK(gmtime_r(&s, &tm));
    HPDF_Date date = {.year = tm.tm_year + 1900,
                      .month = tm.tm_mon + 1,
                      .day = tm.tm_mday,
                      .hour = tm.tm_hour,
                      .minutes = tm.tm_min,
                      .seconds = tm.tm_sec,
                      .ind = 'Z'};
    HPDF_SetInfoDateAttr(pdf, HPDF_INFO_CREATION_DATE, date);
}

static int describe(HPDF_Doc pdf, const struct book *book, struct error *e)
{
    pdf->pdf_version = HPDF_VER_14;
    HPDF_SetInfoAttr(pdf, HPDF_INFO_CREATOR, "limner");
    HPDF_SetInfoAttr(pdf, HPDF_INFO_KEYWORDS, "comic");
    add_date(pdf, book->made_s);
    HPDF_Dict preferences = HPDF_Dict_New(pdf->mmgr);
    if (!preferences || !pdf->info)
        return failed(pdf, e);
    HPDF_Dict_Add(pdf->catalog, "ViewerPreferences", preferences);
    HPDF_Dict_AddName(preferences, "Direction", book->right_to_left ? "R2L" : "L2R");
    HPDF_Dict_AddBoolean(preferences, "DisplayDocTitle", *book->title ? HPDF_TRUE : HPDF_FALSE);
    add_text(pdf, pdf->info, "Title", book->title);
    add_text(pdf, pdf->info, "Author", book->author);
    add_text(pdf, pdf->info, "Subject", book->summary);
    add_text(pdf, pdf->catalog, "Lang", book->language);
    return HPDF_GetError(pdf) == HPDF_OK ? 0 : failed(pdf, e);
}

/* ---- pages ---- */

/* PDF has no EXIF, takes three bands for sRGB, and does not know who wrote four of them which way round. */
static bool is_shown_right(const struct image_info *info)
{
    return info->type == IMAGE_JPEG && info->orientation <= 1 && !info->is_cmyk && !info->has_profile;
}

/* NULL: e says why. */
static struct blob *as_plain_jpeg(const struct book *book, unsigned i, struct error *e)
{
    const struct prescale_rule rule = {.max_pixels = (uint64_t)UINT32_MAX * UINT32_MAX,
                                       .max_side = JPEG_SIDE_MAX,
                                       .format = PRESCALE_JPEG,
                                       .quality = JPEG_QUALITY,
                                       .convert = true};
    struct prescaled out = {0};
    struct blob *in = (struct blob *)(uintptr_t)book->page[i]; /* it only takes a reference */
    if (image_prescale(in, &book->info[i], &rule, &out, e) == -ERR_VALIDATION)
        about_page(i, e);
    return out.image;
}

static HPDF_Image load(HPDF_Doc pdf, const struct blob *jpeg)
{
    return HPDF_LoadJpegImageFromMem(pdf, jpeg->data, (HPDF_UINT)jpeg->size);
}

/* A JPEG whose head libharu cannot read is written anew, too. NULL: e says why. */
static HPDF_Image load_page(HPDF_Doc pdf, const struct book *book, unsigned i, struct error *e)
{
    HPDF_Image image = is_shown_right(&book->info[i]) ? load(pdf, book->page[i]) : NULL;
    if (image)
        return image;
    HPDF_ResetError(pdf);
    BLOB_ON_EXIT struct blob *plain = as_plain_jpeg(book, i, e);
    if (!plain)
        return NULL;
    image = load(pdf, plain);
    if (!image)
        failed(pdf, e);
    return image;
}

/* In points. A page may be 3 to 14,400 long: what is longer keeps its shape. Rounded down, as readers round
 * up: one pixel more than the picture has would be white. */
static void page_size(const struct image_info *info, float *ret_width, float *ret_height)
{
    float width = (float)info->width * POINTS_PER_INCH / DPI;
    float height = (float)info->height * POINTS_PER_INCH / DPI;
    float shrink = MIN(1.0f, HPDF_MAX_PAGE_SIZE / MAX(width, height));
    *ret_width = MAX((float)HPDF_MIN_PAGE_SIZE, nextafterf(width * shrink, 0));
    *ret_height = MAX((float)HPDF_MIN_PAGE_SIZE, nextafterf(height * shrink, 0));
}

static int add_page(HPDF_Doc pdf, const struct book *book, unsigned i, size_t *bytes, struct error *e)
{
    float width, height;
    HPDF_Image image = load_page(pdf, book, i, e);
    if (!image)
        return -(int)e->code;
    HPDF_Page page = HPDF_AddPage(pdf);
    if (!page)
        return failed(pdf, e);
    *bytes += image->stream->size + RECORDS_BYTES;
    page_size(&book->info[i], &width, &height);
    HPDF_Page_SetWidth(page, width);
    HPDF_Page_SetHeight(page, height);
    HPDF_Page_DrawImage(page, image, 0, 0, width, height);
    return HPDF_GetError(pdf) == HPDF_OK ? 0 : failed(pdf, e);
}

/* ---- the file ---- */

static HPDF_STATUS take(HPDF_Stream stream, const HPDF_BYTE *data, HPDF_UINT size)
{
    return buf_append(stream->attr, data, size) == 0 ? HPDF_OK : HPDF_STREAM_EOF;
}

/* Its own stream for this would be one more copy of everything. */
static int save(HPDF_Doc pdf, struct buf *ret, struct error *e)
{
    pdf->stream = HPDF_CallbackWriter_New(pdf->mmgr, take, ret);
    HPDF_STATUS status = HPDF_SaveToStream(pdf);
    if (ret->failed)
        return book_too_large(e);
    return status == HPDF_OK && HPDF_GetError(pdf) == HPDF_OK ? 0 : failed(pdf, e);
}

int book_pdf(const struct book *book, struct buf *ret, struct error *e)
{
    DOC_ON_EXIT HPDF_Doc pdf = HPDF_NewEx(NULL, get_memory, free, 0, NULL);
    if (!pdf)
        return failed(pdf, e);
    size_t bytes = FRAME_BYTES;
    int r = describe(pdf, book, e);
    for (unsigned i = 0; i < book->page_count && r == 0; i++)
        r = add_page(pdf, book, i, &bytes, e);
    if (r < 0)
        return r;
    return buf_reserve(ret, bytes) == 0 ? save(pdf, ret, e) : book_too_large(e);
}
