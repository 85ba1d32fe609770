/* base64.h: RFC 4648. Written with the usual alphabet and padding; read leniently: both alphabets, blanks are
 * passed over, padding may be missing. Any thread. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/macros.h"

/* Appends; -EMSGSIZE, and the buffer is as it was, if that is beyond its cap. */
int base64_append(struct buf *b, const void *data, size_t size);
size_t base64_length(size_t size); /* of the text for so many bytes */

/* ret: len bytes of room. How many there are; -1: it is none. */
ssize_t base64_decode(const char *s, size_t len, void *ret) MUST_CHECK;
