/* config.h: reads the options from defaults, .env, the environment and flags; the later wins.
 *
 * Order: config_load (defaults, .env, environment), config_flag for each flag of the command line, then read
 * config->opt; config_release at the end. Texts in opt live as long as the config. Errors name the option,
 * the value and what is allowed. Start-up, one thread. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/macros.h"
#include "tables/error.h"
#include "tables/options.h"

enum config_source { FROM_DEFAULT, FROM_DOTENV, FROM_ENVIRONMENT, FROM_FLAG };

struct config {
    struct options opt;
    struct arena arena;
    enum config_source source[256]; /* by row */
};

/* dotenv: path of a .env file; NULL or absent: none. */
int config_load(struct config *c, const char *dotenv, struct error *e) MUST_CHECK;
void config_release(struct config *c);

/* argv[*i] is "--data-dir=x", "--data-dir x" or "--rate-limits": returns 1 and moves *i past it; 0 if it is
 * no option's flag; negative with e filled. */
int config_flag(struct config *c, int argc, char *const *argv, int *i, struct error *e) MUST_CHECK;

void config_print(const struct config *c, FILE *out); /* name, value, source */
void config_print_env_example(FILE *out);             /* the whole .env.example */
void config_print_markdown(FILE *out);                /* the option tables of the documents */
