/* file.h: small helpers about files, for this folder and for start-up. Blocking, any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "tables/error.h"

/* Makes the folder and those above it. 0 or -errno. */
int file_make_folders(const char *path) MUST_CHECK;

/* Writes all of it at that offset. 0 or -errno; what was written before a failure stays. */
int file_write(int fd, const void *data, size_t size, uint64_t at) MUST_CHECK;

/* Fills e with "Could not <what>: <why>" and returns its code: STORAGE_FULL for a full disk or quota,
 * OVERLOADED when no more files can be open, else INTERNAL. negative_errno: as the functions above return it.
 */
int file_error(struct error *e, int negative_errno, const char *what);
