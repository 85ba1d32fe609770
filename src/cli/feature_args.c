#include "cli/feature_args.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/inputs.h"

struct reader {
    struct feature_args *args;
    bool writes; /* results, which go somewhere */
    int argc;
    char **argv;
    int at; /* the next argument */
    struct error *e;
    unsigned standard; /* how many arguments have named standard input */
};

/* ---- names ---- */

enum likeness { UNLIKE, BEGINS, SAME };

static const char *skip_joints(const char *at, const char *end)
{
    while (at < end && strchr("-_ ", *at))
        at++;
    return at;
}

/* By letters, whatever dashes, underlines, blanks and case: --face-enhance is faceEnhance. */
static enum likeness compare(const char *word, size_t len, const char *name, size_t name_len)
{
    const char *end = word + len, *name_end = name + name_len;
    for (;;) {
        word = skip_joints(word, end);
        name = skip_joints(name, name_end);
        if (word == end)
            return name == name_end ? SAME : BEGINS;
        if (name == name_end || tolower((unsigned char)*word++) != tolower((unsigned char)*name++))
            return UNLIKE;
    }
}

static bool same_name(const char *flag, size_t len, const char *name)
{
    return compare(flag, len, name, strlen(name)) == SAME;
}

void feature_flag_name(struct buf *out, const char *name)
{
    for (; *name; name++) {
        bool large = isupper((unsigned char)*name);
        char ch = *name == '_' ? '-' : (char)tolower((unsigned char)*name);
        buf_printf(out, "%s%c", large ? "-" : "", ch);
    }
}

/* The rest means nothing here: there are no links, and quality is an option, OUTPUT_QUALITY. */
bool feature_flag_wanted(const struct param_row *row)
{
    return !row->link_only && strcmp(row->name, "output_quality") != 0;
}

static const struct param_row *find_param(const struct feature *f, const char *flag, size_t len)
{
    size_t count;
    const struct param_row *rows = feature_params(f, &count);
    for (size_t i = 0; i < count; i++) {
        if (!feature_flag_wanted(&rows[i]))
            continue;
        if (same_name(flag, len, rows[i].name) ||
            (rows[i].other_name && same_name(flag, len, rows[i].other_name)))
            return &rows[i];
    }
    return NULL;
}

/* Its number; 0, which is an input's, if there is none. */
static size_t find_picture(const struct feature *f, const char *flag, size_t len)
{
    size_t count;
    const struct image_row *rows = feature_images(f, &count);
    for (size_t i = 1; i < count; i++)
        if (same_name(flag, len, rows[i].field))
            return i;
    return 0;
}

const char *feature_command_name(const struct feature *f)
{
    return *f->command ? f->command : "comic";
}

/* With the kind of comic, where that decides what is known. */
static char *full_name(const struct feature *f)
{
    return *f->command ? mem_strdup(f->command)
                       : mem_printf("%s, where it is to %c%s,", feature_command_name(f),
                                    tolower((unsigned char)f->about[0]), f->about + 1);
}

static int unknown_flag(const struct reader *r, const char *flag)
{
    const struct feature *f = r->args->feature;
    BUF_ON_EXIT struct buf known;
    buf_init(&known, 1024);
    size_t count;
    const struct image_row *images = feature_images(f, &count);
    for (size_t i = 1; i < count; i++)
        buf_printf(&known, ", --%s", images[i].field);
    const struct param_row *rows = feature_params(f, &count);
    for (size_t i = 0; i < count; i++) {
        if (!feature_flag_wanted(&rows[i]))
            continue;
        buf_puts(&known, ", --");
        feature_flag_name(&known, rows[i].name);
    }
    FREE_ON_EXIT char *who = full_name(f);
    return error_set(r->e, ERR_VALIDATION,
                     "%s does not know %.40s; it takes %s-q%s and the options of limner config", who, flag,
                     r->writes ? "-o, -f, --server, --json, " : "", buf_text(&known));
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

/* The whole word of a choice that this is, or is the beginning of; as it stands if it is none or several. */
static const char *whole_word(const struct param_row *row, const char *value, struct arena *a)
{
    const char *found = value;
    unsigned begun = 0;
    if (row->type != PARAM_TYPE_CHOICE)
        return value;
    for (const char *at = row->allowed; *at;) {
        size_t item = strcspn(at, "|"), name = strcspn(at, "|=");
        enum likeness like = compare(value, strlen(value), at, name);
        if (like == SAME)
            return arena_strndup(a, at, name);
        if (like == BEGINS) {
            begun++;
            found = arena_strndup(a, at, name);
        }
        at += item + (at[item] == '|');
    }
    return begun == 1 ? found : value;
}

static int refuse_param(struct reader *r, const char *name, const char *reason)
{
    BUF_ON_EXIT struct buf flag;
    buf_init(&flag, 128);
    feature_flag_name(&flag, name);
    return error_set(r->e, ERR_VALIDATION, "--%s: %s", buf_text(&flag), reason);
}

/* VALIDATION: something before it has taken standard input. */
static int take_standard(struct reader *r, const char *file)
{
    bool standard = strcmp(file, "-") == 0;
    if (standard && r->standard++ > 0)
        return error_set(r->e, ERR_VALIDATION, "standard input can be read only once");
    return 0;
}

static int read_list(struct reader *r, const struct param_row *row, const char *path)
{
    struct feature_args *args = r->args;
    struct comic_lines lines;
    struct error e;
    int result = take_standard(r, path);
    if (result < 0)
        return result;
    result = comic_lines_read(path, (size_t)row->items, (size_t)row->most, &lines, &e);
    if (result < 0)
        return refuse_param(r, row->name, e.reason);
    result = params_set_items(&args->params, &args->arena, row->name, (const char *const *)lines.text,
                              lines.count, &e);
    comic_lines_release(&lines);
    return result < 0 ? refuse_param(r, row->name, e.reason) : 0;
}

static int set_param(struct reader *r, const struct param_row *row, const char *flag, const char *value)
{
    struct feature_args *args = r->args;
    struct error e;
    size_t count;
    if (!value && row->type == PARAM_TYPE_BOOL)
        value = "true";
    const char *word = NULL;
    int result = take_value(r, flag, value, &word);
    if (!word)
        return result;
    args->given[row - feature_params(args->feature, &count)] = true;
    if (row->type == PARAM_TYPE_LIST)
        return read_list(r, row, word);
    word = whole_word(row, word, &args->arena);
    if (params_set(&args->params, &args->arena, row->name, word, &e) < 0)
        return refuse_param(r, row->name, e.reason);
    return 0;
}

static int long_flag(struct reader *r, const char *flag)
{
    struct feature_args *args = r->args;
    const char *name = flag + 2, *value = strchr(name, '=');
    size_t len = value ? (size_t)(value - name) : strlen(name);
    value = value ? value + 1 : NULL;
    const struct param_row *row = find_param(args->feature, name, len);
    size_t picture = find_picture(args->feature, name, len);
    if (row)
        return set_param(r, row, flag, value);
    if (picture > 0)
        return take_value(r, flag, value, &args->picture[picture]);
    if (r->writes && same_name(name, len, "output"))
        return take_value(r, flag, value, &args->output);
    if (r->writes && same_name(name, len, "server"))
        return take_value(r, flag, value, &args->server);
    if (r->writes && same_name(name, len, "force") && !value)
        args->force = true;
    else if (r->writes && same_name(name, len, "json") && !value)
        args->json = true;
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
        if (r->writes && *at == 'o')
            return take_value(r, "-o", at[1] ? at + 1 : NULL, &r->args->output);
        if (r->writes && *at == 'f')
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

/* ---- what the arguments mean together ---- */

static bool is_given(const struct feature_args *args, const char *name, size_t len)
{
    size_t count;
    const struct param_row *rows = feature_params(args->feature, &count);
    for (size_t i = 0; i < count; i++)
        if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
            return args->given[i];
    return false;
}

bool feature_args_given(const struct feature_args *args, const char *name)
{
    return is_given(args, name, strlen(name));
}

/* "mode=replace" */
static int set_pair(struct reader *r, const char *pair)
{
    struct arena *a = &r->args->arena;
    const char *name = arena_strndup(a, pair, strcspn(pair, "="));
    return params_set(&r->args->params, a, name, pair + strlen(name) + 1, r->e);
}

/* A further picture and the parameter that asks for it: one follows from the other, and both must agree. */
static int settle_picture(struct reader *r, const struct image_row *row, const char *file)
{
    size_t name = row->when ? strcspn(row->when, "=") : 0;
    bool said = name > 0 && is_given(r->args, row->when, name);
    if (!said && name > 0)
        return set_pair(r, file ? row->when : row->without);
    bool needed = params_match(&r->args->params, row->when);
    if (needed && !file)
        return error_set(r->e, ERR_VALIDATION, "%s is missing: say --%s FILE", row->about, row->field);
    if (!needed && file)
        return error_set(r->e, ERR_VALIDATION, "--%s goes with --%.*s %s only", row->field, (int)name,
                         row->when, row->when + name + 1);
    return 0;
}

static int settle_pictures(struct reader *r)
{
    size_t count;
    int result = 0;
    const struct image_row *rows = feature_images(r->args->feature, &count);
    for (size_t i = 1; i < count && result == 0; i++) {
        const char *file = r->args->picture[i];
        result = settle_picture(r, &rows[i], file);
        if (result == 0 && file)
            result = take_standard(r, file);
    }
    for (size_t i = 0; i < r->args->input_count && result == 0; i++)
        result = take_standard(r, r->args->input[i]);
    return result;
}

static enum image_type type_of_word(const char *word)
{
    for (int t = IMAGE_UNKNOWN + 1; t < IMAGE_TYPE_COUNT; t++)
        if (strcmp(word, image_extension((enum image_type)t)) == 0)
            return (enum image_type)t;
    return IMAGE_UNKNOWN;
}

/* What is transparent, and what a field says of the type, if the output's name says nothing. */
static int settle_type(struct reader *r)
{
    struct feature_args *args = r->args;
    enum image_type said = input_type_of_name(args->output);
    if (strcmp(params_text(&args->params, "mode"), "remove") == 0)
        args->usual = IMAGE_PNG;
    if (!is_given(args, "output_format", strlen("output_format")))
        return 0;
    args->usual = type_of_word(params_text(&args->params, "output_format"));
    if (said != IMAGE_UNKNOWN && said != args->usual)
        return error_set(r->e, ERR_VALIDATION, "--output-format %s and -o %.120s do not go together",
                         params_text(&args->params, "output_format"), args->output);
    return 0;
}

/* It stands where others have their pictures. */
static int settle_prompt(struct reader *r)
{
    struct feature_args *args = r->args;
    size_t words = args->input_count;
    bool said = feature_args_given(args, "prompt");
    const char *command = feature_command_name(args->feature);
    if (words + said == 0)
        return error_set(r->e, ERR_VALIDATION, "%s needs to know what happens: limner %s \"PROMPT\" -o OUT",
                         command, command);
    if (words + said > 1)
        return error_set(r->e, ERR_VALIDATION,
                         "there is more than one prompt; quotes make it one: limner %s "
                         "\"PROMPT\" -o OUT",
                         command);
    struct error e;
    args->input_count = 0;
    if (words == 1 && params_set(&args->params, &args->arena, "prompt", args->input[0], &e) < 0)
        return error_set(r->e, ERR_VALIDATION, "the prompt: %.200s", e.reason);
    return 0;
}

static int settle_inputs(struct reader *r)
{
    struct feature_args *args = r->args;
    const char *command = feature_command_name(args->feature);
    size_t rows;
    const struct image_row *images = feature_images(args->feature, &rows);
    if (rows == 0)
        return settle_prompt(r);
    if (feature_picture_list(args->feature) && args->input_count > 0)
        return error_set(r->e, ERR_VALIDATION, "\"%.60s\" means nothing beside --%s", args->input[0],
                         images[0].field);
    if (feature_picture_list(args->feature) || args->input_count > 0)
        return 0;
    if (!r->writes)
        return error_set(r->e, ERR_VALIDATION, "name a picture or a folder");
    return error_set(r->e, ERR_VALIDATION, "%s needs a picture or a folder: limner %s INPUT… -o OUT", command,
                     command);
}

static int settle(struct reader *r)
{
    struct feature_args *args = r->args;
    if (args->help)
        return 0;
    int inputs = settle_inputs(r);
    if (inputs < 0)
        return inputs;
    struct error missing;
    if (params_check(&args->params, &missing) < 0)
        return refuse_param(r, missing.field, missing.reason);
    if (r->writes && !args->output)
        return error_set(r->e, ERR_VALIDATION,
                         "where should the result go? Say -o FILE or -o FOLDER (-o - for standard output)");
    int result = settle_pictures(r);
    if (result == 0 && r->writes)
        result = settle_type(r);
    args->prefix = params_prefix(&args->params, &args->arena);
    args->results = (unsigned)params_int(&args->params, "number_of_images", 1);
    return result;
}

static int parse(const struct feature *f, bool writes, int argc, char **argv, struct feature_args *ret,
                 struct error *e)
{
    struct feature_args args = {.feature = f};
    struct reader r = {&args, writes, argc, argv, 1, e, 0};
    arena_init(&args.arena);
    params_init(&args.params, f);
    args.input = arena_alloc(&args.arena, (size_t)argc * sizeof(*args.input));
    int result = read_arguments(&r);
    if (result == 0)
        result = settle(&r);
    if (result < 0) {
        feature_args_release(&args);
        return result;
    }
    *ret = args;
    return 0;
}

int feature_args_parse(const struct feature *f, int argc, char **argv, struct feature_args *ret,
                       struct error *e)
{
    return parse(f, true, argc, argv, ret, e);
}

int feature_args_parse_question(const struct feature *f, int argc, char **argv, struct feature_args *ret,
                                struct error *e)
{
    return parse(f, false, argc, argv, ret, e);
}

void feature_args_release(struct feature_args *args)
{
    arena_release(&args->arena);
}
