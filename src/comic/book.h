/* book.h: pages bound into one file to read: PDF (libharu) or CBZ (libarchive: a zip of pictures).
 *
 * A PDF page is as large as its picture at 150 dpi, with the picture on the whole of it: a JPEG goes in as it
 * is, anything else is made one (or stays lossless if it has few colours). A CBZ has the pictures as they
 * are, stored, named 001.png …, and a ComicInfo.xml. Both carry title, author, language and a summary. The
 * same input gives the same bytes (the time is given).
 *
 * Any thread with the stack that imaging.h asks for; blocks. Errors: INTERNAL; VALIDATION for a page that is
 * damaged. */
#pragma once

#include <stdint.h>

#include "imaging/imaging.h"

enum { BOOK_PAGES_MAX = 16 };

enum book_format { BOOK_PDF, BOOK_CBZ };

struct book {
    const char *title, *author, *language, *summary; /* "": not said. UTF-8 */
    int64_t made_s;                                  /* since 1970 */
    const struct blob *page[BOOK_PAGES_MAX];         /* JPEG, PNG or WebP */
    struct image_info info[BOOK_PAGES_MAX];
    unsigned page_count;
    bool right_to_left;
};

int book_make(const struct book *book, enum book_format format, struct blob **ret,
              struct error *e) MUST_CHECK;
const char *book_mime(enum book_format format);      /* "application/pdf", "application/vnd.comicbook+zip" */
const char *book_extension(enum book_format format); /* "pdf" */
