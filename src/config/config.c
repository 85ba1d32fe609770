#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

enum { DOTENV_LINE_MAX = 4096 };

static void *field_of(struct options *opt, const struct option_row *row)
{
    return (char *)opt + row->offset;
}

static int refuse(const struct option_row *row, const char *value, struct error *e)
{
    if (row->type == OPTION_SIZE)
        return error_set_field(e, ERR_VALIDATION, row->name,
                               "%s=\"%.64s\": a size like 10mb is allowed, from %" PRId64 " to %" PRId64
                               " bytes",
                               row->name, value, row->least, row->most);
    if (row->type == OPTION_NUM)
        return error_set_field(e, ERR_VALIDATION, row->name,
                               "%s=\"%.64s\": a number from %" PRId64 " to %" PRId64 " is allowed", row->name,
                               value, row->least, row->most);
    if (row->type == OPTION_INT)
        return error_set_field(e, ERR_VALIDATION, row->name,
                               "%s=\"%.64s\": a whole number from %" PRId64 " to %" PRId64 "%s%s is allowed",
                               row->name, value, row->least, row->most, *row->unit ? " " : "", row->unit);
    if (row->type == OPTION_SECRET)
        return error_set_field(e, ERR_VALIDATION, row->name,
                               "%s has %zu characters; %" PRId64 " or more are allowed", row->name,
                               strlen(value), row->least);
    if (row->type == OPTION_URL)
        return error_set_field(e, ERR_VALIDATION, row->name,
                               "%s=\"%.64s\": an address like https://images.example.com is allowed",
                               row->name, value);
    return error_set_field(e, ERR_VALIDATION, row->name, "%s=\"%.64s\": one of %s is allowed", row->name,
                           value, row->allowed);
}

/* Index of word in "a|b|c", ignoring case; -1 if it is not there. */
static int choice_index(const char *allowed, const char *word)
{
    size_t len = strlen(word);
    int index = 0;
    for (const char *at = allowed;; index++) {
        size_t item = strcspn(at, "|");
        if (item == len && strncasecmp(at, word, len) == 0)
            return index;
        if (!at[item])
            return -1;
        at += item + 1;
    }
}

static int parse_bool(const char *value, bool *ret)
{
    static const char *const words[] = {"off", "on", "0", "1", "false", "true", "no", "yes"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(value, words[i]) == 0) {
            *ret = i % 2 == 1;
            return 0;
        }
    }
    return -EINVAL;
}

/* The start of links. They go on with a slash of their own, so none is kept at the end. */
static int parse_url(struct arena *a, const char *value, const char **ret)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]@!$&'()*+,;=%";
    size_t len = strlen(value);
    size_t scheme = strncmp(value, "https://", 8) == 0 ? 8 : strncmp(value, "http://", 7) == 0 ? 7 : 0;
    while (len > scheme && value[len - 1] == '/')
        len--;
    bool ok = scheme && len > scheme && value[scheme] != '/' && strspn(value, allowed) >= len;
    if (*value && !ok)
        return -EINVAL;
    *ret = arena_strndup(a, value, len);
    return 0;
}

/* "2", "1.5"; no exponents, signs or words. end: behind it. */
static int parse_decimal(const char *value, double *ret, const char **end)
{
    size_t len = strspn(value, "0123456789.");
    char *stop;
    double n = strtod(value, &stop);
    if (len == 0 || stop != value + len || !(n < 1e18))
        return -EINVAL;
    *ret = n;
    *end = stop;
    return 0;
}

/* "10mb", "1.5 MB", "10485760": what Express takes for the same option. */
static int parse_size(const char *value, int64_t *ret)
{
    static const char *const units[] = {"", "kb", "mb", "gb"};
    const char *end;
    double n;
    if (parse_decimal(value, &n, &end) < 0)
        return -EINVAL;
    end += strspn(end, " ");
    if (strcasecmp(end, "b") == 0)
        end++;
    for (unsigned i = 0; i < ARRAY_LEN(units); i++)
        if (strcasecmp(end, units[i]) == 0) {
            double bytes = n * (double)((int64_t)1 << 10 * i);
            *ret = bytes < 1e18 ? (int64_t)bytes : INT64_MAX;
            return 0;
        }
    return -EINVAL;
}

static int parse_int(const char *value, int64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoll(value, &end, 10);
    return errno || end == value || *end ? -EINVAL : 0;
}

static int parse_number(const struct option_row *row, const char *value, void *field)
{
    const char *after;
    double decimal;
    if (row->type == OPTION_NUM) {
        if (parse_decimal(value, &decimal, &after) < 0 || *after || decimal < (double)row->least ||
            decimal > (double)row->most)
            return -EINVAL;
        *(double *)field = decimal;
        return 0;
    }
    int64_t n;
    int r = row->type == OPTION_SIZE ? parse_size(value, &n) : parse_int(value, &n);
    if (r < 0 || n < row->least || n > row->most)
        return -EINVAL;
    *(int64_t *)field = n;
    return 0;
}

/* Choices are kept by their index. */
static int parse_choice(const char *allowed, const char *value, int *ret)
{
    int choice = choice_index(allowed, value);
    if (choice < 0)
        return -EINVAL;
    *ret = choice;
    return 0;
}

static int set(struct config *c, unsigned i, const char *value, enum config_source from, struct error *e)
{
    const struct option_row *row = &option_rows[i];
    void *field = field_of(&c->opt, row);
    int r = 0;
    switch (row->type) {
    case OPTION_SECTION:
        return 0;
    case OPTION_INT:
    case OPTION_NUM:
    case OPTION_SIZE:
        r = parse_number(row, value, field);
        break;
    case OPTION_BOOL:
        r = parse_bool(value, field);
        break;
    case OPTION_URL:
        r = parse_url(&c->arena, value, field);
        break;
    case OPTION_SECRET:
        r = *value && strlen(value) < (size_t)row->least ? -EINVAL : 0;
        if (r == 0)
            *(const char **)field = arena_strdup(&c->arena, value);
        break;
    case OPTION_TEXT:
        *(const char **)field = arena_strdup(&c->arena, value);
        break;
    case OPTION_CHOICE:
        r = parse_choice(row->allowed, value, field);
        break;
    }
    if (r < 0)
        return refuse(row, value, e);
    c->source[i] = from;
    return 0;
}

static int find_row(const char *name)
{
    for (unsigned i = 0; i < option_row_count; i++)
        if (option_rows[i].type != OPTION_SECTION && strcmp(option_rows[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* NAME=value, with optional quotes around the value; other lines are comments or not ours. */
static int dotenv_line(struct config *c, char *line, struct error *e)
{
    char *name = line + strspn(line, " \t");
    if (strncmp(name, "export ", 7) == 0)
        name += 7;
    char *equals = strchr(name, '=');
    if (*name == '#' || !equals)
        return 0;
    char *value = equals + 1;
    value[strcspn(value, "\r\n")] = '\0';
    while (equals > name && isspace((unsigned char)equals[-1]))
        equals--;
    *equals = '\0';
    size_t blanks = strspn(value, " \t");
    value += blanks;
    if (blanks > 0 && *value == '#')
        return 0; /* nothing but a comment */
    if (*value == '"' || *value == '\'') {
        char *close = strchr(value + 1, *value);
        if (close)
            *close = '\0';
        value++;
    } else {
        char *comment = strstr(value, " #");
        char *end = comment ? comment : value + strlen(value);
        while (end > value && isspace((unsigned char)end[-1]))
            end--;
        *end = '\0';
    }
    int i = find_row(name);
    return i < 0 || !*value ? 0 : set(c, (unsigned)i, value, FROM_DOTENV, e);
}

static int load_dotenv(struct config *c, const char *path, struct error *e)
{
    FILE *f = fopen(path, "re");
    if (!f && errno == ENOENT)
        return 0; /* it is optional */
    if (!f)
        return error_set(e, ERR_VALIDATION, "%s cannot be read: %s", path, strerror(errno));
    char line[DOTENV_LINE_MAX];
    int r = 0;
    while (r == 0 && fgets(line, sizeof(line), f))
        r = dotenv_line(c, line, e);
    fclose(f);
    return r;
}

int config_load(struct config *c, const char *dotenv, struct error *e)
{
    *c = (struct config){0};
    CHECK(option_row_count <= ARRAY_LEN(c->source));
    arena_init(&c->arena);
    for (unsigned i = 0; i < option_row_count; i++)
        CHECK(option_rows[i].type == OPTION_SECTION ||
              set(c, i, option_rows[i].initial, FROM_DEFAULT, e) == 0);
    int r = dotenv ? load_dotenv(c, dotenv, e) : 0;
    for (unsigned i = 0; r == 0 && i < option_row_count; i++) {
        const char *value = option_rows[i].type == OPTION_SECTION ? NULL : getenv(option_rows[i].name);
        if (value && *value)
            r = set(c, i, value, FROM_ENVIRONMENT, e);
    }
    if (r < 0)
        config_release(c);
    return r;
}

void config_release(struct config *c)
{
    arena_release(&c->arena);
}

/* Does "data-dir" name DATA_DIR? len characters of flag count. */
static bool same_name(const char *flag, size_t len, const char *name)
{
    if (strlen(name) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char ch = flag[i] == '-' ? '_' : (char)toupper((unsigned char)flag[i]);
        if (ch != name[i])
            return false;
    }
    return true;
}

int config_flag(struct config *c, int argc, char *const *argv, int *i, struct error *e)
{
    const char *flag = argv[*i];
    if (strncmp(flag, "--", 2) != 0)
        return 0;
    flag += 2;
    size_t len = strcspn(flag, "=");
    for (unsigned row = 0; row < option_row_count; row++) {
        if (option_rows[row].type == OPTION_SECTION || !same_name(flag, len, option_rows[row].name))
            continue;
        const char *value = flag[len] ? flag + len + 1 : NULL;
        int used = 1;
        if (!value && option_rows[row].type == OPTION_BOOL) {
            value = "on";
        } else if (!value) {
            if (*i + 1 >= argc)
                return error_set_field(e, ERR_VALIDATION, option_rows[row].name, "--%s needs a value", flag);
            value = argv[*i + 1];
            used = 2;
        }
        int r = set(c, row, value, FROM_FLAG, e);
        if (r < 0)
            return r;
        *i += used;
        return 1;
    }
    return 0;
}
