/* book.h: pages bound into one file to read: PDF (libharu) or CBZ (a zip of pictures).
 *
 * A PDF page is as large as its picture at 150 dpi, with the picture on the whole of it. A JPEG goes in as it
 * is, unless its colours or its direction would be shown wrong; anything else becomes one of quality 92 with
 * colours at full resolution, on white where it was transparent. A CBZ has the pictures as they are, stored,
 * named 001.png …, behind a ComicInfo.xml. Both carry title, author, language and a summary, and the
 * direction of reading. The same book gives the same bytes, on every machine.
 *
 * Any thread with the stack that imaging.h asks for; blocks: 12 pages of 2.5 MB take less than 0.1 s, and 50
 * ms more for each page that becomes a JPEG. Beside the pages themselves there are twice their bytes while a
 * PDF is made (60 MB for those 12), once while a CBZ is (30 MB), and one page's pixels. Errors: INTERNAL;
 * VALIDATION on field "pages" for one that is damaged, or not what its info says. */
#pragma once

#include <stdint.h>

#include "imaging/imaging.h"

enum { BOOK_PAGES_MAX = 16 };

enum book_format { BOOK_PDF, BOOK_CBZ };

struct book {
    const char *title, *author, *language, *summary; /* "": not said. UTF-8; language a tag as "vi" */
    int64_t made_s;                                  /* since 1970 */
    const struct blob *page[BOOK_PAGES_MAX];         /* JPEG, PNG or WebP */
    struct image_info info[BOOK_PAGES_MAX];          /* of them, as image_probe gives it */
    unsigned page_count;                             /* 1…BOOK_PAGES_MAX */
    bool right_to_left;                              /* is read from its right side */
};

int book_make(const struct book *book, enum book_format format, struct blob **ret,
              struct error *e) MUST_CHECK;
const char *book_mime(enum book_format format);      /* "application/pdf", "application/vnd.comicbook+zip" */
const char *book_extension(enum book_format format); /* "pdf" */
