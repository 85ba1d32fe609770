/* book_parts.h: inside of src/comic. The two ways to bind a book; pages have been checked by book_make. */
#pragma once

#include "base/buf.h"
#include "comic/book.h"

enum { BOOK_BYTES_MAX = 512 << 20 };

/* Append the whole file to ret, which has a cap of BOOK_BYTES_MAX. */
int book_pdf(const struct book *book, struct buf *ret, struct error *e) MUST_CHECK;
int book_cbz(const struct book *book, struct buf *ret, struct error *e) MUST_CHECK;

int book_too_large(struct error *e); /* fills e; -ERR_INTERNAL */
