/* limner repair: a damaged database of SQLite's is replaced by one with all that can still be read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "db/repair.h"

static void say_table(void *ctx, const char *name, int64_t saved, int64_t total)
{
    (void)ctx;
    if (total < 0)
        printf("%-16s %" PRId64 " rows saved, others cannot be read\n", name, saved);
    else if (total > saved)
        printf("%-16s %" PRId64 " of %" PRId64 " rows saved\n", name, saved, total);
    else
        printf("%-16s all %" PRId64 " rows saved\n", name, saved);
}

static int say_end(const struct db_repair *r, int result, const struct error *e)
{
    if (result < 0) {
        fprintf(stderr, "limner: %s\n", e->reason);
        return EXIT_FAILED;
    }
    if (r->whole) {
        printf("%s is whole: there is nothing to repair\n", r->path);
        return EXIT_DONE;
    }
    printf("%s is new, with what could be read; the damaged one is kept as %s\n", r->path, r->aside);
    return r->lost ? EXIT_PARTIAL : EXIT_DONE;
}

int cli_repair(int argc, char **argv)
{
    struct config config;
    struct error e = {0};
    if (cli_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    int code;
    if (argc > 1) {
        code = cli_usage("repair takes no arguments, only options: DATA_DIR says where the file is");
    } else if (*config.opt.database_url) {
        code = cli_usage(
            "DATABASE_URL is set: repair mends the file of SQLite; PostgreSQL has tools of its own");
    } else {
        FREE_ON_EXIT char *path = mem_printf("%s/limner.db", config.opt.data_dir);
        struct db_repair r = {.path = path, .table = say_table};
        int result = db_repair(&r, &e);
        code = say_end(&r, result, &e);
        free(r.aside);
    }
    config_release(&config);
    return code;
}
