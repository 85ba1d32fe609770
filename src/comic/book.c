#include "comic/book.h"

#include "base/check.h"
#include "comic/book_parts.h"

static const struct {
    const char *mime, *extension;
    int (*make)(const struct book *book, struct buf *ret, struct error *e);
} formats[] = {
    [BOOK_PDF] = {"application/pdf", "pdf", book_pdf},
    [BOOK_CBZ] = {"application/vnd.comicbook+zip", "cbz", book_cbz},
};

const char *book_mime(enum book_format format)
{
    return formats[format].mime;
}

const char *book_extension(enum book_format format)
{
    return formats[format].extension;
}

int book_too_large(struct error *e)
{
    return error_set(e, ERR_INTERNAL, "The pages are too large to be bound into one file");
}

static int check_page(const struct book *book, unsigned i, struct error *e)
{
    const struct blob *page = book->page[i];
    const struct image_info *info = &book->info[i];
    bool binds = info->type == IMAGE_JPEG || info->type == IMAGE_PNG || info->type == IMAGE_WEBP;
    if (!binds || image_sniff(page->data, page->size) != info->type || !info->width || !info->height)
        return error_set_field(e, ERR_VALIDATION, "pages", "Page %u is not a JPEG, PNG or WebP picture",
                               i + 1);
    return 0;
}

int book_make(const struct book *book, enum book_format format, struct blob **ret, struct error *e)
{
    CHECK(book->page_count > 0 && book->page_count <= BOOK_PAGES_MAX && book->made_s >= 0);
    BUF_ON_EXIT struct buf out;
    buf_init(&out, BOOK_BYTES_MAX);
    int r = 0;
    for (unsigned i = 0; i < book->page_count && r == 0; i++)
        r = check_page(book, i, e);
    if (r == 0)
        r = formats[format].make(book, &out, e);
    if (r == 0)
        *ret = buf_take_blob(&out);
    return r;
}
