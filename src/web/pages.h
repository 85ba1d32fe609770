/* pages.h: answers that need a file of their own. Front threads; each answers before it returns. */
#pragma once

#include "http/server/http.h"
#include "web/web.h"

/* GET /files/{key}?expires&signature: the stored bytes, with ranges and validators. */
void page_file(struct web *w, struct exchange *x);

/* One range of a Range header (RFC 9110 §14): 0 and the bytes meant; 1: no usable range, send all of it;
 * -ERR_RANGE_NOT_SATISFIABLE. */
int range_parse(const char *header, uint64_t size, uint64_t *ret_offset, uint64_t *ret_length);
