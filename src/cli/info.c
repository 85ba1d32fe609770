/* limner config, openapi, version, help: what limner says about itself. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/courier.h"
#include "cli/feature.h"
#include "cli/warm_run.h"
#include "version.h"
#include "web/openapi.h"

int cli_config(int argc, char **argv)
{
    struct config config;
    if (cli_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    int code = EXIT_DONE;
    if (argc == 1)
        config_print(&config, stdout);
    else if (argc == 2 && strcmp(argv[1], "--env-example") == 0)
        config_print_env_example(stdout);
    else if (argc == 2 && strcmp(argv[1], "--markdown") == 0)
        config_print_markdown(stdout);
    else
        code = cli_usage("config does not know \"%s\"", argv[1]);
    config_release(&config);
    return code;
}

int cli_openapi(int argc, char **argv)
{
    struct config config;
    if (cli_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    int code = EXIT_DONE;
    BLOB_ON_EXIT struct blob *document = openapi_render(&config.opt);
    if (argc > 1)
        code = cli_usage("openapi does not know \"%s\"", argv[1]);
    else if (fwrite(document->data, 1, document->size, stdout) != document->size || puts("") < 0)
        code = EXIT_FAILED;
    config_release(&config);
    return code;
}

int cli_version(int argc, char **argv)
{
    printf("limner %s\n", LIMNER_VERSION);
    return EXIT_DONE;
}

static void print_command(const struct command *c)
{
    char head[64];
    snprintf(head, sizeof(head), "%s %s", c->name, c->arguments);
    /* The ellipsis takes three bytes and one column. */
    int width = 36 + (strstr(head, "…") ? 2 : 0);
    printf("  %-*s %s\n", width, head, c->about);
}

int cli_help(int argc, char **argv)
{
    const struct command *only = argc > 1 ? cli_find(argv[1]) : NULL;
    if (argc > 1 && !only)
        return cli_usage("there is no command \"%s\"", argv[1]);
    if (only && only->run == cli_feature) {
        feature_args_help(feature_by_command(only->name));
        return EXIT_DONE;
    }
    if (only && only->run == cli_comic) {
        comic_help();
        return EXIT_DONE;
    }
    if (only && only->run == cli_warm) {
        warm_help();
        return EXIT_DONE;
    }
    if (only && only->run == cli_batch) {
        batch_help();
        return EXIT_DONE;
    }
    puts("limner: a gateway for AI image work\n\nUsage: limner COMMAND [ARGUMENTS] [--OPTION VALUE …]\n");
    for (unsigned i = 0; i < command_count; i++)
        if (!only || only == &commands[i])
            print_command(&commands[i]);
    if (!only)
        puts("\nWhere there are INPUT and OUT:\n"
             "  -o, --output PATH   file, or folder for several inputs (it is made)\n"
             "  -f, --force         do again what is there already\n"
             "  -q, --quiet         no progress, errors only\n"
             "      --help          what else the command takes: limner replace-bg --help");
    puts("\nEvery option of `limner config` is also a flag: DATA_DIR is --data-dir.\n"
         "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 some inputs failed, 130 interrupted.");
    return EXIT_DONE;
}
