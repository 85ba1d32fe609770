/* keyfile.h: a file of DATA_DIR that holds 32 random bytes, made when it is read first: the key of signed
 * links, the name of a store. Blocking, any thread. */
#pragma once

#include <stdint.h>

#include "base/digest.h"
#include "base/macros.h"
#include "tables/error.h"

/* Mode 0600; several processes that start at once end with the same bytes. loss: what ends if the file is
 * removed, for the message about a damaged one. 0, or as file_error. */
int keyfile_load(const char *data_dir, const char *name, const char *loss, uint8_t ret[static DIGEST_BYTES],
                 struct error *e) MUST_CHECK;
