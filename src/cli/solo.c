#include "cli/solo.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "store/file.h"

static bool is_default(const struct config *c, size_t offset)
{
    for (unsigned i = 0; i < option_row_count; i++)
        if (option_rows[i].type != OPTION_SECTION && option_rows[i].offset == offset)
            return c->source[i] == FROM_DEFAULT;
    return false;
}

/* $XDG_CACHE_HOME/limner or ~/.cache/limner; NULL: there is no place for it. */
static const char *cache_folder(struct config *c)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    if (cache && *cache == '/')
        path = arena_printf(&c->arena, "%s/limner", cache);
    else if (home && *home == '/')
        path = arena_printf(&c->arena, "%s/.cache/limner", home);
    return path && file_make_folders(path) == 0 && access(path, W_OK | X_OK) == 0 ? path : NULL;
}

static void set_data_dir(struct config *c)
{
    struct stat st;
    bool there =
        stat(c->opt.data_dir, &st) == 0 && S_ISDIR(st.st_mode) && access(c->opt.data_dir, W_OK | X_OK) == 0;
    const char *folder = there ? NULL : cache_folder(c);
    if (folder)
        c->opt.data_dir = folder;
}

static void set_limit(struct config *c, size_t offset)
{
    for (unsigned i = 0; i < option_row_count; i++)
        if (option_rows[i].type == OPTION_INT && option_rows[i].offset == offset)
            *(int64_t *)(void *)((char *)&c->opt + offset) = option_rows[i].most;
}

int solo_config_load(struct config *c, int *argc, char **argv)
{
    static const size_t limits[] = {
        offsetof(struct options, run_timeout_ms), offsetof(struct options, store_timeout_ms),
        offsetof(struct options, prescale_timeout_ms), offsetof(struct options, compose_max_megapixels)};
    int r = cli_config_load(c, argc, argv);
    if (r < 0)
        return r;
    if (is_default(c, offsetof(struct options, data_dir)))
        set_data_dir(c);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (is_default(c, limits[i]))
            set_limit(c, limits[i]);
    return 0;
}
