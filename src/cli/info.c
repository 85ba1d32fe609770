/* limner config, version, help: what limner says about itself. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "version.h"

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
    puts("limner: a gateway for AI image work\n\nUsage: limner COMMAND [ARGUMENTS] [--OPTION VALUE …]\n");
    for (unsigned i = 0; i < command_count; i++)
        if (!only || only == &commands[i])
            print_command(&commands[i]);
    if (!only || only->run == cli_feature)
        puts("\nclarity, enhance and beautify take:\n"
             "  -o, --output PATH   file, or folder for several inputs (it is made)\n"
             "      --scale N       how many times larger (2, 4; beautify also 3)\n"
             "      --quality Q     auto, fast or best network\n"
             "  -f, --force         do again what is there already\n"
             "  -q, --quiet         no progress, errors only");
    puts("\nEvery option of `limner config` is also a flag: DATA_DIR is --data-dir.\n"
         "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 some inputs failed, 130 interrupted.");
    return EXIT_DONE;
}
