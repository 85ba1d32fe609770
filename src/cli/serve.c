/* limner serve: the gateway. */
#include <signal.h>
#include <stdio.h>

#include "app.h"
#include "cli/cli.h"

int cli_serve(int argc, char **argv)
{
    struct config config;
    if (cli_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    if (argc > 1) {
        config_release(&config);
        return cli_usage("serve takes options only, not \"%s\"", argv[1]);
    }
    signal(SIGPIPE, SIG_IGN);
    struct error e = {0};
    struct app *app = NULL;
    struct app_wants wants = {.serve = true};
    int r = app_new(&config, &wants, &app, &e);
    if (r == 0)
        r = app_listen(app, &e);
    if (r == 0)
        app_run(app);
    else
        fprintf(stderr, "limner: cannot start: %s\n", e.reason);
    app_free(app);
    config_release(&config);
    return r == 0 ? EXIT_DONE : EXIT_FAILED;
}
