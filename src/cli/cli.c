#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "app.h"
#include "base/log.h"
#include "base/mem.h"

const struct command commands[] = {
#define COMMAND(name, function, arguments, about) {name, function, arguments, about},
#include "tables/commands.def"
#undef COMMAND
};

const unsigned command_count = ARRAY_LEN(commands);

const struct command *cli_find(const char *name)
{
    for (unsigned i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int cli_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("limner: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputs("\nTry: limner help\n", stderr);
    va_end(ap);
    return EXIT_USAGE;
}

static int take_flags(struct config *c, int *argc, char **argv, struct error *e)
{
    int kept = 1, i = 1;
    while (i < *argc) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < *argc)
                argv[kept++] = argv[i++];
            break;
        }
        int r = config_flag(c, *argc, argv, &i, e);
        if (r < 0)
            return r;
        if (r == 0)
            argv[kept++] = argv[i++];
    }
    *argc = kept;
    return 0;
}

/* The .env of the folder limner is started in, or else the one beside the program (or beside its build/). */
static void find_dotenv(char *ret, size_t size)
{
    static const char *const places[] = {"", "/.."};
    char program[PROGRAM_DIR_MAX];
    snprintf(ret, size, ".env");
    app_program_dir(program, sizeof(program));
    for (size_t i = 0; access(ret, F_OK) < 0 && i < ARRAY_LEN(places); i++)
        snprintf(ret, size, "%s%s/.env", program, places[i]);
}

int cli_config_load(struct config *c, int *argc, char **argv)
{
    struct error e = {0};
    char dotenv[PROGRAM_DIR_MAX + 16];
    find_dotenv(dotenv, sizeof(dotenv));
    int r = config_load(c, dotenv, &e);
    if (r == 0) {
        r = take_flags(c, argc, argv, &e);
        if (r < 0)
            config_release(c);
    }
    if (r < 0) {
        fprintf(stderr, "limner: %s\n", e.reason);
        return r;
    }
    log_setup((enum log_level)c->opt.log_level, strcasecmp(c->opt.node_env, "production") == 0);
    return 0;
}

const char *cli_reach(const char *host)
{
    if (strcmp(host, "0.0.0.0") == 0 || !*host)
        return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

char *cli_gateway_url(const struct options *opt, const char *given)
{
    const char *host = cli_reach(opt->host);
    bool v6 = strchr(host, ':');
    char *url = given ? mem_strdup(given)
                      : mem_printf("http://%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "", (int)opt->port);
    for (size_t len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
        url[len - 1] = '\0';
    return url;
}

bool cli_is_web(const char *url)
{
    return !url || strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

bool cli_take_flag(int argc, char **argv, int *i, const char *name, const char **ret)
{
    size_t len = strlen(name);
    if (strncmp(argv[*i], name, len) != 0 || (argv[*i][len] && argv[*i][len] != '='))
        return false;
    if (argv[*i][len])
        *ret = argv[*i] + len + 1;
    else
        *ret = ++*i < argc ? argv[*i] : NULL;
    return true;
}
