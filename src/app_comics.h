/* app_comics.h: what comics need of the program: the models by option, names in use, fonts. */
#pragma once

#include "base/macros.h"
#include "request/request.h"

/* Before there are other threads, and before metrics and providers are made, which know models by their
 * names. */
int app_prepare_comics(const struct options *opt, struct error *e) MUST_CHECK;
void app_make_comics(struct services *svc, bool serves);
void app_comics_free(struct services *svc);
