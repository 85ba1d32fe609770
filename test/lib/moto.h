/* moto.h: a real S3 server (moto, of deps/venv) for tests, in a process of its own that dies with the test.
 * Order: moto_start, moto_bucket and moto_place as needed, moto_stop. It checks no signatures. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool moto_start(void); /* false: tools/deps --dev has not brought it */
void moto_stop(void);  /* accepts one that does not run */
const char *moto_url(void);

void moto_bucket(const char *name); /* makes it */
/* Puts an object without the driver under test. */
void moto_place(const char *bucket, const char *name, const void *data, size_t size);
