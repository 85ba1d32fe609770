/* batch.h: pictures run one after another through the pipeline of an app in this process. */
#pragma once

#include "app.h"
#include "cli/feature_args.h"
#include "cli/inputs.h"
#include "store/store.h"

struct batch_config {
    struct app *app;     /* new, not yet run; its store is out */
    struct store *store; /* of out_store_new; begun */
    const struct feature_args *args;
    const struct inputs *inputs;
    struct blob *const *picture; /* IMAGES_MAX: the further pictures, for every input; NULL: not given */
};

/* Runs the app until all is done or a signal came, and tells how each picture went: done and skipped ones on
 * standard output (on standard error if a picture goes there), failures on standard error. Returns the exit
 * code. */
int batch_run(const struct batch_config *config);
