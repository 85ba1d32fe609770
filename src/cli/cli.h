/* cli.h: the commands. One file each; rows in tables/commands.def.
 *
 * A command gets the arguments from its own name on, and returns the exit code:
 *   0 done · 1 something failed · 2 wrong arguments or options · 3 some of the inputs failed · 130
 * interrupted */
#pragma once

#include "config/config.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PARTIAL = 3, EXIT_INTERRUPTED = 130 };

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *about;
};

extern const struct command commands[];
extern const unsigned command_count;

#define COMMAND(name, function, arguments, about) int function(int argc, char **argv);
#include "tables/commands.def"
#undef COMMAND

const struct command *cli_find(const char *name); /* NULL: there is none */

/* Options from .env, the environment and the flags in argv[1…]; what is no option's flag stays in argv, in
 * order, and *argc counts it. Says what is wrong on standard error and returns a negative code. */
int cli_config_load(struct config *c, int *argc, char **argv) MUST_CHECK;
/* Where a gateway that listens on host is reached from here. */
const char *cli_reach(const char *host);
/* The gateway that was named, or this machine's (HOST, PORT); without a slash at its end. To be freed. */
char *cli_gateway_url(const struct options *opt, const char *given) MUST_CHECK;
bool cli_is_web(const char *url); /* http or https; NULL, which is nobody's word, too */
/* Takes --name VALUE or --name=VALUE at *i; true, with *ret NULL, if the value is missing. */
bool cli_take_flag(int argc, char **argv, int *i, const char *name, const char **ret);
int cli_usage(const char *fmt, ...) PRINTF(1, 2); /* prints, returns EXIT_USAGE */
