/* app.h: start-up and tear-down order. app.c is the only file that knows all modules.
 *
 * Order: app_new (modules without a network: enough for the command line), app_listen (the HTTP side),
 * app_run on the main thread, which becomes the core thread, until app_stop or a signal; app_free. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "config/config.h"
#include "request/request.h"

struct app;

struct app_wants {
    bool serve;          /* cache, links, access log and signals as a server has them */
    struct store *store; /* where results go instead of DATA_DIR/objects; the app frees it; NULL: there */
};

/* config must outlive the app. */
int app_new(const struct config *config, const struct app_wants *wants, struct app **ret,
            struct error *e) MUST_CHECK;
void app_free(struct app *app); /* accepts NULL */

int app_listen(struct app *app, struct error *e) MUST_CHECK;
void app_run(struct app *app);
void app_stop(struct app *app); /* core thread: app_run returns when what runs is done */

/* The folder of the limner binary, no slash at its end. */
enum { PROGRAM_DIR_MAX = 4096 };
void app_program_dir(char *ret, size_t size);

struct services *app_services(struct app *app);
struct local *app_local(struct app *app);
