/* scratch.h: a folder for one test, and the cmocka headers in the order they want. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"

char *scratch_new(void) MUST_CHECK; /* a new empty folder; its path, to be freed by scratch_free */
void scratch_free(char *path);      /* removes it and all below it */
size_t scratch_count(const char *path, const char *below); /* entries in path/below, hidden ones too */
