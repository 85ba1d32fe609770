/* answer_comic.h: inside of the answer. What is said of a comic besides data and meta: its pages, who says
 * what on them, and the cover and the book if there are such. A result is a comic if it has a detail
 * (comic/comic.h). */
#pragma once

#include "request/answer.h"

/* Members of the answer, and of its data and meta objects, which are open. */
void answer_comic_members(struct buf *b, const struct services *svc, const struct result *r,
                          const struct answer_links *how, const char *base_url);
void answer_comic_data(struct buf *b, const struct services *svc, const struct result *r,
                       const struct answer_links *how, const char *base_url);
void answer_comic_meta(struct buf *b, const struct result *r);
/* The output that is this page (0…), or called so ("cover", "book"); NULL: there is none. */
const struct result_output *answer_comic_page(const struct result *r, unsigned page);
const struct result_output *answer_comic_part(const struct result *r, const char *name);
