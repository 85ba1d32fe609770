/* json_out.h: JSON written straight into a buffer, for what is written often or is long.
 *
 * Order: json_out_begin for an object or a list, its members, json_out_end; a member of an object is a
 * json_out_key and its value. Commas come by themselves, from what the buffer ends with. What must be right
 * is the order of the calls; nothing else can come out wrong: texts are escaped, and what is no UTF-8 in them
 * is shown as the numbers of its bytes. For reading, and for what is built in several places at once, there
 * is Jansson. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

void json_out_begin(struct buf *b, char bracket); /* '{' or '[' */
void json_out_end(struct buf *b, char bracket);   /* '}' or ']' */
void json_out_key(struct buf *b, const char *key);

void json_out_put_text(struct buf *b, const char *s);
void json_out_put_int(struct buf *b, int64_t n);
void json_out_put_bool(struct buf *b, bool yes);
void json_out_put_fixed(struct buf *b, uint64_t n, unsigned decimals); /* n in units of the last decimal */

/* The text alone: quoted and escaped. Safe on a terminal too. */
void json_out_quote(struct buf *b, const char *s);
/* {"key": …} in one: */
void json_out_text(struct buf *b, const char *key, const char *s);
void json_out_int(struct buf *b, const char *key, int64_t n);
void json_out_bool(struct buf *b, const char *key, bool yes);
void json_out_fixed(struct buf *b, const char *key, uint64_t n, unsigned decimals);
