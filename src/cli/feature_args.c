#include "cli/feature_args.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct reader {
    struct feature_args *args;
    int argc;
    char **argv;
    int at; /* the next argument */
    struct error *e;
};

/* ---- names ---- */

/* Same letters, whatever dashes, underlines and case: --face-enhance is faceEnhance. */
static bool same_name(const char *flag, size_t len, const char *name)
{
    const char *end = flag + len;
    for (;;) {
        while (flag < end && (*flag == '-' || *flag == '_'))
            flag++;
        while (*name == '-' || *name == '_')
            name++;
        if (flag == end || !*name)
            return flag == end && !*name;
        if (tolower((unsigned char)*flag++) != tolower((unsigned char)*name++))
            return false;
    }
}

/* faceEnhance, face_enhance → face-enhance */
static void put_flag_name(struct buf *out, const char *name)
{
    for (; *name; name++) {
        bool large = isupper((unsigned char)*name);
        char ch = *name == '_' ? '-' : (char)tolower((unsigned char)*name);
        buf_printf(out, "%s%c", large ? "-" : "", ch);
    }
}

static const struct param_row *find_param(const struct feature *f, const char *flag, size_t len)
{
    size_t count;
    const struct param_row *rows = feature_params(f, &count);
    for (size_t i = 0; i < count; i++)
        if (same_name(flag, len, rows[i].name) ||
            (rows[i].other_name && same_name(flag, len, rows[i].other_name)))
            return &rows[i];
    return NULL;
}

static int unknown_flag(const struct reader *r, const char *flag)
{
    const struct feature *f = r->args->feature;
    BUF_ON_EXIT struct buf known;
    buf_init(&known, 512);
    size_t count;
    const struct param_row *rows = feature_params(f, &count);
    for (size_t i = 0; i < count; i++) {
        buf_puts(&known, ", --");
        put_flag_name(&known, rows[i].name);
    }
    return error_set(r->e, ERR_VALIDATION,
                     "%s does not know %.40s; it takes -o, -f, -q%s and the options of limner config",
                     f->command, flag, buf_text(&known));
}

/* ---- reading ---- */

/* What follows the flag, as the same argument's rest or as the next one. */
static int take_value(struct reader *r, const char *flag, const char *rest, const char **ret)
{
    if (!rest && r->at >= r->argc)
        return error_set(r->e, ERR_VALIDATION, "%.60s needs a value", flag);
    *ret = rest ? rest : r->argv[r->at++];
    return 0;
}

static int set_param(struct reader *r, const struct param_row *row, const char *flag, const char *value)
{
    struct feature_args *args = r->args;
    struct error e;
    if (!value && row->type == PARAM_TYPE_BOOL)
        value = "true";
    int result = take_value(r, flag, value, &value);
    if (result == 0 && params_set(&args->params, &args->arena, row->name, value, &e) < 0)
        result = error_set(r->e, ERR_VALIDATION, "--%s: %s", row->name, e.reason);
    return result;
}

static int long_flag(struct reader *r, const char *flag)
{
    struct feature_args *args = r->args;
    const char *name = flag + 2, *value = strchr(name, '=');
    size_t len = value ? (size_t)(value - name) : strlen(name);
    value = value ? value + 1 : NULL;
    const struct param_row *row = find_param(args->feature, name, len);
    if (row)
        return set_param(r, row, flag, value);
    if (same_name(name, len, "output"))
        return take_value(r, flag, value, &args->output);
    if (same_name(name, len, "force") && !value)
        args->force = true;
    else if (same_name(name, len, "quiet") && !value)
        args->quiet = true;
    else if (same_name(name, len, "help") && !value)
        args->help = true;
    else
        return unknown_flag(r, flag);
    return 0;
}

/* -f, -fq, -o out, -oout */
static int short_flags(struct reader *r, const char *flag)
{
    for (const char *at = flag + 1; *at; at++) {
        if (*at == 'o')
            return take_value(r, "-o", at[1] ? at + 1 : NULL, &r->args->output);
        if (*at == 'f')
            r->args->force = true;
        else if (*at == 'q')
            r->args->quiet = true;
        else if (*at == 'h')
            r->args->help = true;
        else
            return unknown_flag(r, flag);
    }
    return 0;
}

static int read_arguments(struct reader *r)
{
    bool only_inputs = false;
    while (r->at < r->argc) {
        const char *word = r->argv[r->at++];
        int result = 0;
        if (only_inputs || word[0] != '-' || !word[1])
            r->args->input[r->args->input_count++] = word;
        else if (strcmp(word, "--") == 0)
            only_inputs = true;
        else
            result = word[1] == '-' ? long_flag(r, word) : short_flags(r, word);
        if (result < 0)
            return result;
    }
    return 0;
}

int feature_args_parse(const struct feature *f, int argc, char **argv, struct feature_args *ret,
                       struct error *e)
{
    struct feature_args args = {.feature = f};
    struct reader r = {&args, argc, argv, 1, e};
    arena_init(&args.arena);
    params_init(&args.params, f);
    args.input = arena_alloc(&args.arena, (size_t)argc * sizeof(*args.input));
    int result = read_arguments(&r);
    if (result == 0 && !args.help && args.input_count == 0)
        result = error_set(e, ERR_VALIDATION, "%s needs a picture or a folder: limner %s INPUT… -o OUT",
                           f->command, f->command);
    if (result == 0 && !args.help && !args.output)
        result = error_set(e, ERR_VALIDATION,
                           "where should the result go? Say -o FILE or -o FOLDER (-o - for standard output)");
    if (result < 0) {
        feature_args_release(&args);
        return result;
    }
    *ret = args;
    return 0;
}

void feature_args_release(struct feature_args *args)
{
    arena_release(&args->arena);
}

/* ---- help ---- */

static void print_param(const struct param_row *row)
{
    BUF_ON_EXIT struct buf flag;
    buf_init(&flag, 128);
    buf_puts(&flag, "--");
    put_flag_name(&flag, row->name);
    FREE_ON_EXIT char *range = mem_printf("%d to %d", row->least, row->most);
    const char *allowed = row->type == PARAM_TYPE_CHOICE ? row->allowed
                          : row->type == PARAM_TYPE_INT  ? range
                                                         : "yes or no";
    bool tell = *row->initial && row->type != PARAM_TYPE_BOOL;
    printf("      %-20s %s (%s%s%s)\n", buf_text(&flag), row->about, allowed, tell ? "; usual: " : "",
           tell ? row->initial : "");
}

void feature_args_help(const struct feature *f)
{
    size_t count;
    const struct param_row *rows = feature_params(f, &count);
    printf(
        "limner %s INPUT… -o OUT: %s\n\n"
        "INPUT is a picture (JPEG, PNG, WebP, AVIF), a folder of them, or - for standard input.\n"
        "OUT is a file for one picture, a folder for several or for a folder, or - for standard output.\n"
        "A JPEG stays a JPEG, anything else becomes a PNG; -o name.jpg, .png or .webp decides otherwise.\n\n"
        "  -o, --output PATH        where the result goes; folders are made\n",
        f->command, f->about);
    for (size_t i = 0; i < count; i++)
        print_param(&rows[i]);
    puts("  -f, --force              do again what is there already\n"
         "  -q, --quiet              no progress, errors only\n"
         "\nEvery option of `limner config` is also a flag.\n"
         "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 some inputs failed, 130 interrupted.");
}
