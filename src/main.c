/* limner: the command line's front door. */
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"

int main(int argc, char **argv)
{
    mem_start();
    if (argc < 2)
        return cli_help(1, argv);
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct command *command = cli_find(name);
    if (!command)
        return cli_usage("there is no command \"%s\"", name);
    return command->run(argc - 1, argv + 1);
}
