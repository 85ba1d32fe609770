/* app_store.h: the store that the options name. */
#pragma once

#include "base/macros.h"
#include "loop/lane.h"
#include "loop/loop_uv.h"
#include "store/store.h"
#include "tables/options.h"

/* In the bucket, if one is named, else on the disk; a store that does not work is not made, and e says what
 * to repair. Before the loop runs: the bucket is asked. */
int app_store_new(const struct options *opt, struct loop_uv *uv, struct lane *disk, struct store **ret,
                  struct error *e) MUST_CHECK;

/* A name for the place where the options store: a result's links can be opened by those only who store in the
 * same one. Of a folder it is an id that is made there once. */
enum { STORE_SPACE_MAX = 17 };
int app_store_space(const struct options *opt, char ret[static STORE_SPACE_MAX], struct error *e) MUST_CHECK;
