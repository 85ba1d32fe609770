/* limner comic: a story told by models, or photos with texts, as pages or as one file to read.
 *
 * One page, several, and photos are three features. Which one it is, is found out first; then the words that
 * have decided are said anew as that feature's own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/comic_files.h"
#include "cli/feature.h"
#include "cli/solo.h"
#include "predict/local_work.h"

static const char command_name[] = "comic";

/* ---- which feature ---- */

enum { WORD_PAGES, WORD_PANELS, WORD_PHOTOS, WORDS };

static const char *const word_names[WORDS] = {"--pages", "--panels", "--photos"};

struct comic_words {
    enum feature_id feature;
    const char *value[WORDS]; /* NULL: not said */
    char **rest;              /* all other arguments, after the command's name */
    int rest_count;
    char **argv; /* the feature's */
    int argc;
};

/* True if it is one of those words; *ret_wrong: the one that has no value. */
static bool take_word(struct comic_words *w, int argc, char **argv, int *i, const char **ret_wrong)
{
    for (int n = 0; n < WORDS; n++) {
        if (!cli_take_flag(argc, argv, i, word_names[n], &w->value[n]))
            continue;
        if (!w->value[n])
            *ret_wrong = word_names[n];
        return true;
    }
    return false;
}

/* What comes after a "--" is no flag. */
static const char *take_words(struct comic_words *w, int argc, char **argv)
{
    const char *wrong = NULL;
    bool only_inputs = false;
    for (int i = 1; i < argc; i++) {
        only_inputs |= strcmp(argv[i], "--") == 0;
        if (only_inputs || !take_word(w, argc, argv, &i, &wrong))
            w->rest[w->rest_count++] = argv[i];
    }
    return wrong;
}

static enum feature_id choose(const struct comic_words *w)
{
    const char *pages = w->value[WORD_PAGES];
    if (w->value[WORD_PHOTOS])
        return FEATURE_COMIC_PHOTOS;
    if (pages ? strcmp(pages, "1") == 0 : w->value[WORD_PANELS] != NULL)
        return FEATURE_COMIC;
    return FEATURE_STORY_COMIC;
}

static void say(struct comic_words *w, const char *flag, const char *value)
{
    if (!value)
        return;
    w->argv[w->argc++] = (char *)(uintptr_t)flag;
    w->argv[w->argc++] = (char *)(uintptr_t)value;
}

static void say_anew(struct comic_words *w)
{
    bool page = w->feature == FEATURE_COMIC;
    w->argv[w->argc++] = (char *)(uintptr_t)command_name;
    say(w, "--pages", page ? NULL : w->value[WORD_PAGES]);
    say(w, page ? "--panels" : "--panels-per-page", w->value[WORD_PANELS]);
    for (int i = 0; i < w->rest_count; i++)
        w->argv[w->argc++] = w->rest[i];
}

static void words_release(struct comic_words *w)
{
    free(w->rest);
    free(w->argv);
}

/* ---- what is made ---- */

struct order {
    const char *name; /* for people */
    const char *folder;
    struct feature_args args;
    struct comic_photos photos; /* none: of a story */
    struct comic_out out;
};

/* A line too many means that others are at the wrong photo. */
static int check_texts(struct order *o, struct error *e)
{
    size_t rows, texts;
    const struct param_row *row = feature_params(o->args.feature, &rows);
    for (size_t i = 0; i < rows; i++) {
        if (row[i].type != PARAM_TYPE_LIST)
            continue;
        const char **text = params_list(&o->args.params, row[i].name, &o->args.arena, &texts);
        (void)text;
        if (texts > o->photos.count)
            return error_set(e, ERR_VALIDATION, "--%s has %zu lines, and there are %zu photos", row[i].name,
                             texts, o->photos.count);
    }
    return 0;
}

static int find_photos(struct order *o, struct error *e)
{
    const struct image_row *list = feature_picture_list(o->args.feature);
    if (!list)
        return 0;
    int r = comic_photos_read(o->folder, list->least, list->most, &o->photos, e);
    for (size_t i = 0; i < o->photos.count; i++)
        o->args.picture[i] = o->photos.path[i];
    return r < 0 ? r : check_texts(o, e);
}

static struct comic_parts parts_of(const struct order *o)
{
    const struct params *p = &o->args.params;
    struct comic_parts parts = {.pages = (unsigned)params_int(p, "pages", 1),
                                .cover = params_bool(p, "cover")};
    if (o->photos.count)
        parts.pages =
            local_comic_pages((unsigned)o->photos.count, (unsigned)params_int(p, "panels_per_page", 1));
    return parts;
}

static int find_out(struct order *o, struct error *e)
{
    struct feature_args *args = &o->args;
    const struct comic_parts parts = parts_of(o);
    bool said = feature_args_given(args, "format");
    const char *format = said ? params_text(&args->params, "format") : "";
    int r = comic_out_find(args->output, format, &parts, &o->out, e);
    if (r == 0 && o->folder)
        r = comic_out_check_place(&o->out, o->folder, e);
    if (r < 0)
        return r;
    args->comic = &o->out;
    args->results = o->out.count;
    return params_set(&args->params, &args->arena, "format", o->out.format, e);
}

static int run(const struct config *config, struct order *o)
{
    struct error e = {0};
    struct inputs inputs = {0};
    const struct feature *f = o->args.feature;
    bool remote = o->args.server;
    const char *clash = feature_find_clash(&o->args, remote);
    if (clash)
        return feature_tell_usage(f, clash);
    if (find_photos(o, &e) < 0 || find_out(o, &e) < 0)
        return feature_tell_usage(f, e.reason);
    if (inputs_unread(o->name, o->out.path, o->out.type, &inputs, &e) < 0) {
        fprintf(stderr, "limner: %s\n", e.reason);
        return EXIT_FAILED;
    }
    return feature_run(config, &o->args, &inputs, remote);
}

static int run_words(const struct config *config, const struct comic_words *w)
{
    struct error e = {0};
    const char *folder = w->value[WORD_PHOTOS];
    struct order o = {.name = folder ? folder : command_name, .folder = folder};
    const struct feature *f = &features[w->feature];
    if (feature_args_parse(f, w->argc, w->argv, &o.args, &e) < 0)
        return feature_tell_usage(f, e.reason);
    int code = EXIT_DONE;
    if (o.args.help)
        comic_help();
    else
        code = run(config, &o);
    comic_out_release(&o.out);
    comic_photos_release(&o.photos);
    feature_args_release(&o.args);
    return code;
}

/* ---- the command ---- */

void comic_help(void)
{
    puts(
        "limner comic \"PROMPT\" -o OUT: tell a story as a comic\n"
        "limner comic --photos FOLDER -o OUT: make a comic of photos\n\n"
        "PROMPT says what happens, in any language. Models at Replicate write and draw it, which costs money "
        "and takes\n"
        "REPLICATE_API_TOKEN; with --server the gateway has that. Photos are drawn on this machine, in the "
        "order of their\n"
        "numbers (photo2 before photo10).\n"
        "OUT is a file to read (.pdf or .cbz), pages (story.png becomes story-1.png, story-2.png … and\n"
        "story-cover.png; also .jpg and .webp), a folder of pages (page-1.png …, cover.png), or - for "
        "standard output,\n"
        "with --format.\n\n"
        "  -o, --output PATH          where it goes; folders are made\n"
        "\nA story of several pages:");
    feature_help_rows(&features[FEATURE_STORY_COMIC]);
    puts("      --panels N             the same as --panels-per-page\n"
         "\nA single page (--pages 1, or --panels without --pages):");
    feature_help_rows(&features[FEATURE_COMIC]);
    puts("\nPhotos:\n"
         "      --photos FOLDER        The pictures in it, a panel each");
    feature_help_rows(&features[FEATURE_COMIC_PHOTOS]);
    puts("      --panels N             the same as --panels-per-page\n"
         "\nAll of them:");
    feature_help_common();
}

int cli_comic(int argc, char **argv)
{
    struct config config;
    if (solo_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    signal(SIGPIPE, SIG_IGN);
    struct comic_words w = {0};
    w.rest = mem_zalloc((size_t)argc * sizeof(*w.rest));
    w.argv = mem_zalloc(((size_t)argc + 2 * WORDS) * sizeof(*w.argv));
    const char *wrong = take_words(&w, argc, argv);
    w.feature = choose(&w);
    say_anew(&w);
    int code = wrong ? cli_usage("%s needs a value", wrong) : run_words(&config, &w);
    words_release(&w);
    config_release(&config);
    return code;
}
