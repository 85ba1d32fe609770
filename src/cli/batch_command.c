/* limner batch: the features through a running gateway. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/courier.h"
#include "cli/feature.h"

void batch_help(void)
{
    puts("limner batch INPUT… --feature NAME -o OUT: has a running gateway do pictures, as jobs, and fetches "
         "the results\n\n"
         "INPUT and OUT are those of the feature's command: limner clarity --help.\n"
         "What is there already is skipped. A command that was interrupted is begun again by the same "
         "words: the jobs\n"
         "that the gateway has are gone on with, and nothing is paid twice. Ctrl-C leaves them to it.\n\n"
         "      --feature NAME         clarity, enhance, … as the commands are called\n"
         "      --server URL           of the gateway; usual: this machine's, by HOST and PORT\n"
         "      --PARAMETER VALUE      those of the feature: limner clarity --help\n"
         "  -o, --output PATH          where the result goes; folders are made\n"
         "  -f, --force                write again what is there already; what the gateway remembers is not "
         "run again\n"
         "  -q, --quiet                no progress, errors only\n"
         "      --json                 what happens, as JSON on standard output, a line each\n\n"
         "GATEWAY_API_KEY is the key that the gateway wants, BATCH_PARALLEL how many pictures are under way "
         "at once.\n"
         "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 some inputs failed, 130 interrupted.");
}

/* Takes --feature out of the arguments; NULL: it is not there. */
static const char *take_feature(int *argc, char **argv)
{
    const char *name = NULL;
    int kept = 1;
    for (int i = 1; i < *argc; i++)
        if (!cli_take_flag(*argc, argv, &i, "--feature", &name))
            argv[kept++] = argv[i];
    *argc = kept;
    return name;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run_batch(const struct config *config, int argc, char **argv)
{
    const char *name = take_feature(&argc, argv);
    if (asks_for_help(argc, argv)) {
        batch_help();
        return EXIT_DONE;
    }
    if (!name)
        return cli_usage("which feature? Say --feature clarity, or another command's name");
    const struct feature *f = feature_by_command(name);
    const struct command *command = cli_find(name);
    if (command && command->run == cli_comic)
        return cli_usage("a comic is no batch of pictures: limner comic has a --server of its own");
    if (!f)
        return cli_usage("there is no feature \"%.40s\"; limner help lists them", name);
    return feature_command(config, f, argc, argv, true);
}

int cli_batch(int argc, char **argv)
{
    struct config config;
    if (cli_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    signal(SIGPIPE, SIG_IGN);
    int code = run_batch(&config, argc, argv);
    config_release(&config);
    return code;
}
