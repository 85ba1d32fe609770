/* limner clarity, enhance, beautify: the pipeline without a gateway. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "base/check.h"
#include "cli/batch.h"
#include "cli/cli.h"
#include "cli/out_store.h"
#include "cli/solo.h"
#include "local/local.h"

/* What every picture would fail for is said once, before the first. */
static int check_provider(struct app *app, const struct config *config, struct error *e)
{
    if (config->opt.providers == PROVIDERS_INSTANT)
        return 0;
    return local_available(app_local(app), e);
}

static int run(const struct config *config, const struct feature_args *args, const struct inputs *inputs)
{
    struct error e = {0};
    struct app *app = NULL;
    struct app_wants wants = {.store = out_store_new()};
    int r = app_new(config, &wants, &app, &e);
    if (r == 0)
        r = check_provider(app, config, &e);
    int code = EXIT_FAILED;
    if (r == 0) {
        const struct batch_config batch = {app, wants.store, args, inputs};
        out_store_begin(wants.store, app_services(app)->loop);
        if (params_bool(&args->params, "faceEnhance") && !args->quiet)
            fputs("limner: the local networks do not treat faces apart; --face-enhance changes nothing\n",
                  stderr);
        code = batch_run(&batch);
    } else {
        fprintf(stderr, "limner: cannot start: %s\n", e.reason);
    }
    app_free(app);
    return code;
}

static int run_args(const struct config *config, const struct feature_args *args)
{
    struct error e = {0};
    struct inputs inputs;
    if (strcmp(args->output, "-") == 0 && isatty(STDOUT_FILENO))
        return cli_usage("a picture is nothing for a terminal: send standard output to a file or a pipe");
    int r = inputs_expand(args->input, args->input_count, args->output, &inputs, &e);
    if (r == -ERR_VALIDATION)
        return cli_usage("%s", e.reason);
    if (r < 0) {
        fprintf(stderr, "limner: %s\n", e.reason);
        return EXIT_FAILED;
    }
    int code = run(config, args, &inputs);
    inputs_release(&inputs);
    return code;
}

int cli_feature(int argc, char **argv)
{
    const struct feature *f = feature_by_command(argv[0]);
    CHECK(f);
    struct config config;
    if (solo_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    signal(SIGPIPE, SIG_IGN);
    struct error e = {0};
    struct feature_args args;
    int code = EXIT_DONE;
    if (feature_args_parse(f, argc, argv, &args, &e) < 0) {
        code = cli_usage("%s", e.reason);
    } else {
        if (args.help)
            feature_args_help(f);
        else
            code = run_args(&config, &args);
        feature_args_release(&args);
    }
    config_release(&config);
    return code;
}
