/* Books as bytes, and as readers see them: poppler for PDF, libarchive and Python for CBZ. */
#include "comic/book.h"

#include <archive.h>
#include <archive_entry.h>
#include <time.h>

#include "base/buf.h"
#include "scratch.h"
#include "unit/imaging/samples.h"

enum { MADE_S = 1764151445 /* 2025-11-26 10:04:05 UTC */, ANSWER_MAX = 1 << 20 };

static void add(struct book *book, struct blob *page)
{
    book->info[book->page_count] = sample_info(page);
    book->page[book->page_count++] = page;
}

static struct book book_of(struct blob *page)
{
    struct book book = {.title = "", .author = "", .language = "", .summary = "", .made_s = MADE_S};
    if (page)
        add(&book, page);
    return book;
}

static struct blob *made(const struct book *book, enum book_format format)
{
    struct blob *b = NULL;
    struct error e = {0};
    if (book_make(book, format, &b, &e) < 0)
        fail_msg("%s", e.reason);
    return b;
}

/* Drops the pages. */
static void book_drop(struct book *book)
{
    for (unsigned i = 0; i < book->page_count; i++)
        blob_unref((struct blob *)(uintptr_t)book->page[i]);
}

static const uint8_t *find(const struct blob *b, const void *what, size_t size)
{
    return memmem(b->data, b->size, what, size);
}

static bool says(const struct blob *b, const char *text)
{
    return find(b, text, strlen(text)) != NULL;
}

static void assert_same_bytes(const struct blob *a, const struct blob *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
}

static struct book one_of_each(void)
{
    struct book book = book_of(sample_blob(sample_photo(300, 200, 3), IMAGE_JPEG));
    add(&book, sample_blob(sample_pixels(64, 48, 4), IMAGE_PNG));
    add(&book, sample_blob(sample_pixels(64, 48, 3), IMAGE_WEBP));
    book.title = "Tom & <Jerry>";
    book.author = "Ann \"A\"";
    book.language = "vi";
    book.summary = "One\ntwo";
    return book;
}

/* ---- both ---- */

static void formats_have_names(void **state)
{
    assert_string_equal(book_mime(BOOK_PDF), "application/pdf");
    assert_string_equal(book_mime(BOOK_CBZ), "application/vnd.comicbook+zip");
    assert_string_equal(book_extension(BOOK_PDF), "pdf");
    assert_string_equal(book_extension(BOOK_CBZ), "cbz");
}

static void same_book_same_bytes_in_every_time_zone(void **state)
{
    struct book book = one_of_each();
    for (enum book_format f = BOOK_PDF; f <= BOOK_CBZ; f++) {
        BLOB_ON_EXIT struct blob *here = made(&book, f);
        setenv("TZ", "Asia/Ho_Chi_Minh", 1);
        tzset();
        BLOB_ON_EXIT struct blob *there = made(&book, f);
        unsetenv("TZ");
        tzset();
        assert_same_bytes(here, there);
        book.made_s += 86400;
        BLOB_ON_EXIT struct blob *later = made(&book, f);
        assert_true(here->size != later->size || memcmp(here->data, later->data, here->size) != 0);
        book.made_s = MADE_S;
    }
    book_drop(&book);
}

static void assert_refused(const struct book *book, enum book_format format, const char *reason)
{
    struct blob *b = NULL;
    struct error e = {0};
    assert_int_equal(book_make(book, format, &b, &e), -ERR_VALIDATION);
    assert_null(b);
    assert_string_equal(e.field, "pages");
    assert_string_equal(e.reason, reason);
}

static void what_is_no_picture_is_refused(void **state)
{
    struct book book = one_of_each();
    book.info[1].type = IMAGE_WEBP; /* a PNG */
    for (enum book_format f = BOOK_PDF; f <= BOOK_CBZ; f++)
        assert_refused(&book, f, "Page 2 is not a JPEG, PNG or WebP picture");
    book.info[1].type = IMAGE_PNG;
    book.info[2].type = IMAGE_AVIF;
    for (enum book_format f = BOOK_PDF; f <= BOOK_CBZ; f++)
        assert_refused(&book, f, "Page 3 is not a JPEG, PNG or WebP picture");
    book_drop(&book);
}

/* ---- PDF: bytes ---- */

/* The nth page's size in points; pages come in their order. */
static void assert_page_size(const struct blob *pdf, unsigned n, float width, float height)
{
    static const char box[] = "/MediaBox [ 0 0 ";
    const uint8_t *at = pdf->data, *end = at + pdf->size;
    float w, h;
    for (unsigned i = 0; i < n; i++) {
        at = memmem(at, (size_t)(end - at), box, strlen(box));
        assert_non_null(at);
        at += strlen(box);
    }
    assert_int_equal(sscanf((const char *)at, "%f %f ]", &w, &h), 2);
    assert_float_equal(w, width, 0.002);
    assert_float_equal(h, height, 0.002);
}

static void pdf_takes_a_jpeg_as_it_is(void **state)
{
    struct book book = book_of(sample_blob(sample_photo(1080, 1620, 3), IMAGE_JPEG));
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
    assert_memory_equal(pdf->data, "%PDF-1.4\n", 9);
    assert_non_null(find(pdf, book.page[0]->data, book.page[0]->size));
    assert_true(pdf->size < book.page[0]->size + 2000);
    assert_page_size(pdf, 1, 518.4f, 777.6f);
    book_drop(&book);
}

/* The only picture of a PDF, decoded. */
static struct pixels picture_in(const struct blob *pdf, unsigned *ret_quality)
{
    const uint8_t *at = find(pdf, "\xff\xd8\xff", 3);
    assert_non_null(at);
    const uint8_t *end = memmem(at, pdf->size - (size_t)(at - pdf->data), "\nendstream", 10);
    assert_non_null(end);
    BLOB_ON_EXIT struct blob *jpeg = blob_copy(at, (size_t)(end - at));
    const uint8_t *table = find(jpeg, "\xff\xdb\0\x43\0", 5);
    assert_non_null(table);
    *ret_quality = table[5]; /* the first step of brightness: 3 at quality 92 */
    struct image_info info = sample_info(jpeg);
    struct pixels p = {0};
    struct error e;
    assert_int_equal(image_decode(jpeg, &info, &p, &e), 0);
    return p;
}

static void pdf_makes_jpegs_of_others(void **state)
{
    static const enum image_type types[] = {IMAGE_PNG, IMAGE_WEBP};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        for (uint8_t bands = 3; bands <= 4; bands++) {
            unsigned step;
            struct book book = book_of(sample_blob(sample_pixels(64, 48, bands), types[i]));
            BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
            struct pixels p = picture_in(pdf, &step);
            assert_int_equal(step, 3);
            if (bands == 4) /* clear on the left: white */
                sample_assert_colour(sample_at(&p, 0, 3), 255, 255, 255, 6);
            else
                sample_assert_colour(sample_at(&p, 0, 3), 220, 20, 20, 8);
            sample_assert_colour(sample_at(&p, 63, 3), 20, 200, 20, 8);
            sample_assert_colour(sample_at(&p, 33, 3), bands == 4 ? 135 : 20, bands == 4 ? 227 : 200,
                                 bands == 4 ? 135 : 20, bands == 4 ? 20 : 30);
            pixels_release(&p);
            book_drop(&book);
        }
}

/* PDF readers do not look at EXIF. */
static void pdf_turns_pages_upright(void **state)
{
    unsigned step;
    struct book book =
        book_of(sample_oriented(sample_blob(sample_pixels(64, 48, 3), IMAGE_JPEG), IMAGE_JPEG, 6));
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
    struct pixels p = picture_in(pdf, &step);
    assert_int_equal(p.width, 48);
    assert_int_equal(p.height, 64);
    sample_assert_colour(sample_at(&p, 3, 3), 20, 20, 220, 10); /* what lay below at the left */
    assert_page_size(pdf, 1, 23.04f, 30.72f);
    pixels_release(&p);
    book_drop(&book);
}

/* libharu does not know fill bytes before a marker; decoders do. */
static void pdf_takes_jpegs_with_odd_heads(void **state)
{
    unsigned step;
    struct blob *plain = sample_blob(sample_pixels(64, 48, 3), IMAGE_JPEG);
    struct book book = book_of(sample_inserted(plain, 2, (const uint8_t *)"\xff\xff\xff", 3));
    blob_unref(plain);
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
    assert_null(find(pdf, book.page[0]->data, book.page[0]->size));
    struct pixels p = picture_in(pdf, &step);
    assert_int_equal(step, 3);
    sample_assert_colour(sample_at(&p, 3, 3), 220, 20, 20, 8);
    pixels_release(&p);
    book_drop(&book);
}

static void pdf_refuses_damaged_pages(void **state)
{
    struct book book = one_of_each();
    BLOB_ON_EXIT struct blob *cut = blob_copy(book.page[2]->data, book.page[2]->size / 2);
    const struct blob *whole = book.page[2];
    book.page[2] = cut;
    assert_refused(&book, BOOK_PDF, "Page 3 is damaged and cannot be read in full");
    book.page[2] = whole;
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF); /* nothing stays behind */
    assert_non_null(pdf);
    book_drop(&book);
}

/* libharu reads heads itself, so each of their bytes is overwritten in turn: a book, or a word on the page.
 */
static void pdf_survives_damaged_heads(void **state)
{
    BLOB_ON_EXIT struct blob *in = sample_blob(sample_photo(40, 30, 3), IMAGE_JPEG);
    static const uint8_t flips[] = {0x01, 0x5a, 0xff};
    unsigned refused = 0;
    for (size_t at = 3; at < 700; at++) {
        uint8_t *copy = mem_alloc(in->size);
        memcpy(copy, in->data, in->size);
        copy[at] ^= flips[at % ARRAY_LEN(flips)];
        struct book book = book_of(NULL);
        BLOB_ON_EXIT struct blob *bad = blob_take(copy, in->size, free), *pdf = NULL;
        book.page[0] = bad;
        book.info[0] = sample_info(in);
        book.page_count = 1;
        struct error e = {0};
        int r = book_make(&book, BOOK_PDF, &pdf, &e);
        assert_true(r == 0 || r == -ERR_VALIDATION);
        assert_int_equal(r == 0, pdf != NULL);
        refused += r < 0;
    }
    assert_in_range(refused, 3, 100); /* most are mended by writing the page anew, or only change colours */
}

static void pdf_pages_keep_within_what_readers_take(void **state)
{
    struct book book = book_of(sample_blob(sample_pixels(32000, 640, 3), IMAGE_JPEG));
    add(&book, sample_blob(sample_pixels(3, 3, 3), IMAGE_JPEG));
    add(&book, sample_blob(sample_pixels(2, 66000, 1), IMAGE_PNG)); /* too long for a JPEG */
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
    assert_page_size(pdf, 1, 14400, 288);
    assert_page_size(pdf, 2, 3, 3);
    assert_page_size(pdf, 3, 3, 14400);
    book_drop(&book);
}

static void pdf_texts_are_utf16(void **state)
{
    struct book book = book_of(sample_blob(sample_pixels(64, 48, 3), IMAGE_JPEG));
    book.title = "R\xe1\xbb\x93ng \xf0\x9f\x90\x89"; /* Rồng, and a dragon beyond the first plane */
    book.author = "A\xff"
                  "B";
    book.language = "vi";
    book.summary = "()\\";
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
    assert_true(says(pdf, "/Title <FEFF00521ED3006E00670020D83DDC09>"));
    assert_true(says(pdf, "/Author <FEFF0041FFFD0042>"));
    assert_true(says(pdf, "/Subject <FEFF00280029005C>"));
    assert_true(says(pdf, "/Lang <FEFF00760069>"));
    assert_true(says(pdf, "/CreationDate (D:20251126100405Z"));
    book_drop(&book);
}

static void pdf_says_nothing_of_what_is_not_said(void **state)
{
    struct book book = book_of(sample_blob(sample_pixels(64, 48, 3), IMAGE_JPEG));
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
    static const char *const keys[] = {"/Title", "/Author", "/Subject", "/Lang", "R2L"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_false(says(pdf, keys[i]));
    assert_true(says(pdf, "/Direction /L2R"));
    book.right_to_left = true;
    BLOB_ON_EXIT struct blob *other = made(&book, BOOK_PDF);
    assert_true(says(other, "/Direction /R2L"));
    book_drop(&book);
}

/* A text of any length is cut, and between characters. */
static void pdf_cuts_long_texts(void **state)
{
    struct book book = book_of(sample_blob(sample_pixels(64, 48, 3), IMAGE_JPEG));
    enum { COUNT = 50000 };
    FREE_ON_EXIT char *text = mem_zalloc(4 * COUNT + 1);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(text + 4 * i, "\xf0\x9f\x90\x89", 4);
    book.title = book.author = book.summary = text;
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
    assert_true(says(pdf, "D83DDC09>"));
    assert_false(says(pdf, "D83D>"));
    assert_in_range(pdf->size, 3 * 129000, 3 * 131000 + 10000);
    book_drop(&book);
}

/* ---- PDF: as a reader sees it ---- */

static void put_file(const char *folder, const char *name, const struct blob *b)
{
    FREE_ON_EXIT char *path = mem_printf("%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->size, f), b->size);
    assert_int_equal(fclose(f), 0);
}

/* What a command says in this folder, errors too; it must succeed. */
static struct blob *told(const char *folder, const char *command)
{
    FREE_ON_EXIT char *line = mem_printf("cd '%s' && %s 2>&1", folder, command);
    BUF_ON_EXIT struct buf answer;
    buf_init(&answer, ANSWER_MAX);
    FILE *f = popen(line, "r");
    assert_non_null(f);
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_append(&answer, piece, n);
    if (pclose(f) != 0)
        fail_msg("%s: %s (tools/deps --dev brings what is missing)", command, buf_text(&answer));
    return answer.len ? buf_take_blob(&answer) : blob_static("", 0);
}

static void poppler_reads_the_texts(void **state)
{
    char *folder = scratch_new();
    struct book book = one_of_each();
    book.title = "C\xc3\xb4 b\xc3\xa9 v\xc3\xa0 R\xe1\xbb\x93ng \xf0\x9f\x90\x89";
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
    put_file(folder, "book.pdf", pdf);
    BLOB_ON_EXIT struct blob *info = told(folder, "TZ=UTC pdfinfo -enc UTF-8 -l 3 book.pdf");
    static const char *const lines[] = {
        "Title:           C\xc3\xb4 b\xc3\xa9 v\xc3\xa0 R\xe1\xbb\x93ng \xf0\x9f\x90\x89\n",
        "Author:          Ann \"A\"\n",
        "Keywords:        comic\n",
        "Creator:         limner\n",
        "CreationDate:    Wed Nov 26 10:04:05 2025 UTC\n",
        "Pages:           3\n",
        "Page    1 size:  144 x 96 pts\n",
        "Page    3 size:  30.72 x 23.04 pts\n",
        "PDF version:     1.4\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (!says(info, lines[i]))
            fail_msg("not there: %s in\n%.*s", lines[i], (int)info->size, (const char *)info->data);
    assert_false(says(info, "Error"));
    scratch_free(folder);
    book_drop(&book);
}

static struct pixels drawn(const char *folder, const char *name)
{
    FREE_ON_EXIT char *command = mem_printf("cat %s", name);
    BLOB_ON_EXIT struct blob *png = told(folder, command);
    struct image_info info = sample_info(png);
    struct pixels p = {0};
    struct error e;
    assert_int_equal(image_decode(png, &info, &p, &e), 0);
    return p;
}

/* At 150 dpi each page has its picture's size, and shows it to its edges. */
static void poppler_draws_the_pages(void **state)
{
    char *folder = scratch_new();
    struct book book = book_of(sample_blob(sample_pixels(64, 48, 3), IMAGE_JPEG));
    add(&book, sample_blob(sample_pixels(64, 48, 3), IMAGE_PNG));
    add(&book, sample_blob(sample_pixels(64, 48, 3), IMAGE_WEBP));
    add(&book, sample_blob(sample_pixels(64, 48, 1), IMAGE_PNG)); /* grey */
    add(&book, sample_blob(sample_pixels(451, 299, 3), IMAGE_JPEG));
    BLOB_ON_EXIT struct blob *pdf = made(&book, BOOK_PDF);
    put_file(folder, "book.pdf", pdf);
    BLOB_ON_EXIT struct blob *answer = told(folder, "pdftoppm -r 150 -png book.pdf page");
    assert_int_equal(answer->size, 0);
    struct pixels odd = drawn(folder, "page-5.png"); /* a size that is no round number of points */
    assert_int_equal(odd.width, 451);
    assert_int_equal(odd.height, 299);
    sample_assert_colour(sample_at(&odd, 450, 298), 250, 250, 250, 10);
    pixels_release(&odd);
    for (unsigned i = 1; i <= 4; i++) {
        char name[16];
        snprintf(name, sizeof(name), "page-%u.png", i);
        struct pixels p = drawn(folder, name);
        assert_int_equal(p.width, 64);
        assert_int_equal(p.height, 48);
        if (i < 4) {
            sample_assert_colour(sample_at(&p, 0, 0), 220, 20, 20, 10);
            sample_assert_colour(sample_at(&p, 63, 0), 20, 200, 20, 10);
            sample_assert_colour(sample_at(&p, 0, 47), 20, 20, 220, 10);
            sample_assert_colour(sample_at(&p, 63, 47), 250, 250, 250, 10);
        } else {
            sample_assert_colour(sample_at(&p, 1, 24), 4, 4, 4, 8);
            sample_assert_colour(sample_at(&p, 62, 24), 251, 251, 251, 8);
        }
        pixels_release(&p);
    }
    scratch_free(folder);
    book_drop(&book);
}

/* ---- CBZ ---- */

static struct archive *opened(const struct blob *zip)
{
    struct archive *a = archive_read_new();
    archive_read_support_format_zip_streamable(a); /* from front to back, as readers on telephones do */
    assert_int_equal(archive_read_open_memory(a, zip->data, zip->size), ARCHIVE_OK);
    return a;
}

/* The next entry's data; its name must be this. */
static struct blob *next_in(struct archive *a, const char *name)
{
    struct archive_entry *entry;
    assert_int_equal(archive_read_next_header(a, &entry), ARCHIVE_OK);
    assert_string_equal(archive_entry_pathname(entry), name);
    assert_true(archive_entry_size_is_set(entry)); /* so it is said before the data */
    size_t size = (size_t)archive_entry_size(entry);
    uint8_t *data = mem_alloc(size);
    assert_int_equal(archive_read_data(a, data, size), (la_ssize_t)size);
    return blob_take(data, size, free);
}

static void cbz_has_the_pages_as_they_are(void **state)
{
    static const char *const names[] = {"001.jpg", "002.png", "003.webp"};
    struct book book = one_of_each();
    BLOB_ON_EXIT struct blob *cbz = made(&book, BOOK_CBZ);
    struct archive *a = opened(cbz);
    struct archive_entry *entry;
    BLOB_ON_EXIT struct blob *info = next_in(a, "ComicInfo.xml");
    assert_non_null(find(cbz, info->data, info->size));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        BLOB_ON_EXIT struct blob *page = next_in(a, names[i]);
        assert_same_bytes(page, book.page[i]);
        assert_non_null(find(cbz, page->data, page->size)); /* stored */
    }
    assert_int_equal(archive_read_next_header(a, &entry), ARCHIVE_EOF);
    archive_read_free(a);
    book_drop(&book);
}

static void cbz_heads_say_it_all(void **state)
{
    struct book book = one_of_each();
    BLOB_ON_EXIT struct blob *cbz = made(&book, BOOK_CBZ);
    /* UTF-8, no sums behind the data; stored; 10:04:04, 2025-11-26 */
    static const uint8_t head[] = {'P', 'K', 3, 4, 20, 0, 0, 8, 0, 0, 0x82, 0x50, 0x7a, 0x5b};
    static const uint8_t record[] = {'P', 'K', 1, 2, 20, 0, 20, 0, 0, 8, 0, 0, 0x82, 0x50, 0x7a, 0x5b};
    assert_memory_equal(cbz->data, head, sizeof(head));
    assert_non_null(find(cbz, record, sizeof(record)));
    book.made_s = 0; /* a zip knows no time before 1980 */
    BLOB_ON_EXIT struct blob *early = made(&book, BOOK_CBZ);
    assert_memory_equal(early->data + 10, "\0\0\x21\0", 4);
    book_drop(&book);
}

static void cbz_describes_itself(void **state)
{
    struct book book = one_of_each();
    book.summary = "a\x01"
                   "b\xff"
                   "c\xef\xbf\xbf\r\n\xf0\x9f\x90\x89";
    book.right_to_left = true;
    BLOB_ON_EXIT struct blob *cbz = made(&book, BOOK_CBZ);
    struct archive *a = opened(cbz);
    BLOB_ON_EXIT struct blob *info = next_in(a, "ComicInfo.xml");
    static const char expected[] = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                                   "<ComicInfo xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
                                   " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\n"
                                   "  <Title>Tom &amp; &lt;Jerry&gt;</Title>\n"
                                   "  <Summary>a?b?c?&#13;\n\xf0\x9f\x90\x89</Summary>\n"
                                   "  <Year>2025</Year>\n"
                                   "  <Month>11</Month>\n"
                                   "  <Day>26</Day>\n"
                                   "  <Writer>Ann &quot;A&quot;</Writer>\n"
                                   "  <PageCount>3</PageCount>\n"
                                   "  <LanguageISO>vi</LanguageISO>\n"
                                   "  <Manga>YesAndRightToLeft</Manga>\n"
                                   "</ComicInfo>\n";
    assert_int_equal(info->size, strlen(expected));
    assert_memory_equal(info->data, expected, info->size);
    archive_read_free(a);
    book_drop(&book);
}

static void cbz_says_nothing_of_what_is_not_said(void **state)
{
    struct book book = book_of(sample_blob(sample_pixels(64, 48, 3), IMAGE_JPEG));
    BLOB_ON_EXIT struct blob *cbz = made(&book, BOOK_CBZ);
    static const char *const elements[] = {"<Title", "<Summary", "<Writer", "<LanguageISO", "<Manga"};
    for (size_t i = 0; i < ARRAY_LEN(elements); i++)
        assert_false(says(cbz, elements[i]));
    assert_true(says(cbz, "<PageCount>1</PageCount>"));
    book_drop(&book);
}

/* Python checks the sums, and reads the XML. */
static void python_reads_it(void **state)
{
    static const char script[] =
        "import zipfile, xml.etree.ElementTree as tree\n"
        "z = zipfile.ZipFile('book.cbz')\n"
        "assert z.testzip() is None\n"
        "print([(i.filename, i.date_time, i.compress_type) for i in z.infolist()][1])\n"
        "print(tree.fromstring(z.read('ComicInfo.xml')).findtext('Title'), len(z.namelist()))\n";
    char *folder = scratch_new();
    struct book book = one_of_each();
    while (book.page_count < BOOK_PAGES_MAX)
        add(&book, sample_blob(sample_photo(30, 20, 3), IMAGE_JPEG));
    BLOB_ON_EXIT struct blob *cbz = made(&book, BOOK_CBZ);
    BLOB_ON_EXIT struct blob *program = blob_static(script, strlen(script));
    put_file(folder, "book.cbz", cbz);
    put_file(folder, "look.py", program);
    BLOB_ON_EXIT struct blob *answer = told(folder, "python3 look.py");
    static const char expected[] = "('001.jpg', (2025, 11, 26, 10, 4, 4), 0)\nTom & <Jerry> 17\n";
    assert_int_equal(answer->size, strlen(expected));
    assert_memory_equal(answer->data, expected, answer->size);
    scratch_free(folder);
    book_drop(&book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_have_names),
        cmocka_unit_test(same_book_same_bytes_in_every_time_zone),
        cmocka_unit_test(what_is_no_picture_is_refused),
        cmocka_unit_test(pdf_takes_a_jpeg_as_it_is),
        cmocka_unit_test(pdf_makes_jpegs_of_others),
        cmocka_unit_test(pdf_turns_pages_upright),
        cmocka_unit_test(pdf_takes_jpegs_with_odd_heads),
        cmocka_unit_test(pdf_refuses_damaged_pages),
        cmocka_unit_test(pdf_survives_damaged_heads),
        cmocka_unit_test(pdf_pages_keep_within_what_readers_take),
        cmocka_unit_test(pdf_texts_are_utf16),
        cmocka_unit_test(pdf_says_nothing_of_what_is_not_said),
        cmocka_unit_test(pdf_cuts_long_texts),
        cmocka_unit_test(poppler_reads_the_texts),
        cmocka_unit_test(poppler_draws_the_pages),
        cmocka_unit_test(cbz_has_the_pages_as_they_are),
        cmocka_unit_test(cbz_heads_say_it_all),
        cmocka_unit_test(cbz_describes_itself),
        cmocka_unit_test(cbz_says_nothing_of_what_is_not_said),
        cmocka_unit_test(python_reads_it),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, sample_group_stop);
}
