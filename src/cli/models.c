/* limner models: the networks on this machine. */
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/solo.h"
#include "cli/text.h"
#include "local/local.h"

enum { MODELS_MAX = 64, COLUMNS = 6, CELL_MAX = 4096 };

struct table {
    char *cell[MODELS_MAX + 1][COLUMNS];
    unsigned rows;
};

static void add_row(struct table *t, const struct local_model *m, bool utf8)
{
    char size[32] = "missing", speed[32] = "not measured";
    if (m->bytes)
        text_bytes(m->bytes, size, sizeof(size));
    if (m->seconds_per_megapixel > 0)
        snprintf(speed, sizeof(speed), m->seconds_per_megapixel < 10 ? "%.1f s/MP" : "%.0f s/MP",
                 m->seconds_per_megapixel);
    if (m->seconds > 0)
        snprintf(speed, sizeof(speed), m->seconds < 0.1 ? "%.3f s" : "%.1f s", m->seconds);
    char **row = t->cell[t->rows++];
    row[0] = mem_strdup(m->name);
    row[1] = mem_strdup(size);
    row[2] = mem_strdup(m->license);
    row[3] = mem_strdup(speed);
    row[4] = text_clean(m->use, utf8);
    row[5] = text_clean(m->path, utf8);
}

static void print_table(const struct table *t)
{
    size_t width[COLUMNS] = {0};
    for (unsigned i = 0; i < t->rows; i++)
        for (int c = 0; c < COLUMNS; c++)
            width[c] = MAX(width[c], text_columns(t->cell[i][c]));
    for (unsigned i = 0; i < t->rows; i++) {
        BUF_ON_EXIT struct buf line;
        buf_init(&line, COLUMNS * CELL_MAX);
        for (int c = 0; c + 1 < COLUMNS; c++)
            text_pad(&line, t->cell[i][c], width[c] + 2);
        buf_puts(&line, t->cell[i][COLUMNS - 1]);
        puts(buf_text(&line));
    }
}

static int list(const struct local *local)
{
    static const char *const head[COLUMNS] = {"NETWORK", "SIZE", "LICENCE", "SPEED", "USE", "FILE"};
    struct local_model rows[MODELS_MAX];
    unsigned count = MIN(local_describe(local, rows, MODELS_MAX), (unsigned)MODELS_MAX);
    struct table t = {.rows = 1};
    bool utf8 = text_utf8_ok();
    for (int c = 0; c < COLUMNS; c++)
        t.cell[0][c] = mem_strdup(head[c]);
    for (unsigned i = 0; i < count; i++)
        add_row(&t, &rows[i], utf8);
    print_table(&t);
    for (unsigned i = 0; i < t.rows; i++)
        for (int c = 0; c < COLUMNS; c++)
            free(t.cell[i][c]);
    return EXIT_DONE;
}

static int verify(const struct local *local)
{
    struct local_model rows[MODELS_MAX];
    unsigned count = MIN(local_describe(local, rows, MODELS_MAX), (unsigned)MODELS_MAX), wrong = 0;
    for (unsigned i = 0; i < count; i++) {
        struct error e = {0};
        bool ok = local_verify(local, i, &e) == 0;
        wrong += !ok;
        if (ok)
            printf("%s  ok\n", rows[i].name);
        else
            fprintf(stderr, "limner: %s: %s\n", rows[i].name, e.reason);
    }
    return wrong ? EXIT_FAILED : EXIT_DONE;
}

int cli_models(int argc, char **argv)
{
    struct config config;
    if (solo_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    const char *what = argc > 1 ? argv[1] : "list";
    bool known = argc <= 2 && (strcmp(what, "list") == 0 || strcmp(what, "verify") == 0);
    int code = EXIT_USAGE;
    if (known) {
        char program_dir[PROGRAM_DIR_MAX];
        app_program_dir(program_dir, sizeof(program_dir));
        struct local *local = local_new(&config.opt, program_dir);
        code = strcmp(what, "list") == 0 ? list(local) : verify(local);
        local_free(local);
    } else {
        code = cli_usage("models knows \"list\" and \"verify\", not \"%s\"", argv[argc - 1]);
    }
    config_release(&config);
    return code;
}
