#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "scratch.h"

/* Options must not come from the shell that runs the tests. */
static int clean_environment(void **state)
{
    for (unsigned i = 0; i < option_row_count; i++)
        if (option_rows[i].type != OPTION_SECTION)
            unsetenv(option_rows[i].name);
    return 0;
}

static char *dotenv_with(const char *text)
{
    char *path = mem_strdup("/tmp/limner-dotenv-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static int load(struct config *c, const char *text, struct error *e)
{
    char *path = text ? dotenv_with(text) : NULL;
    int r = config_load(c, path, e);
    if (path)
        unlink(path);
    free(path);
    return r;
}

static enum config_source source_of(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < option_row_count; i++)
        if (strcmp(option_rows[i].name, name) == 0)
            return c->source[i];
    fail_msg("no option %s", name);
    return FROM_DEFAULT;
}

static void test_defaults(void **state)
{
    struct config c;
    struct error e;
    assert_int_equal(config_load(&c, NULL, &e), 0);
    assert_int_equal(c.opt.port, 3000);
    assert_string_equal(c.opt.host, "0.0.0.0");
    assert_int_equal(c.opt.upload_max_bytes, 10485760);
    assert_int_equal(c.opt.cache_ttl_ms, 300000);
    assert_int_equal(c.opt.cache_max_size, 100);
    assert_true(c.opt.rate_limits);
    assert_int_equal(c.opt.prescale_format, PRESCALE_JPEG);
    assert_string_equal(c.opt.url_signing_key, "");
    assert_int_equal(source_of(&c, "PORT"), FROM_DEFAULT);
    config_release(&c);
    assert_int_equal(config_load(&c, "/nowhere/.env", &e), 0); /* it is optional */
    config_release(&c);
}

/* Each default is allowed by its own row, and each edge too, but nothing past it. */
static void test_every_number_knows_its_edges(void **state)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->type != OPTION_INT)
            continue;
        const int64_t inside[] = {row->least, row->most}, outside[] = {row->least - 1, row->most + 1};
        for (int k = 0; k < 2; k++) {
            struct config c;
            struct error e;
            char text[32];
            snprintf(text, sizeof(text), "%lld", (long long)inside[k]);
            setenv(row->name, text, 1);
            assert_int_equal(config_load(&c, NULL, &e), 0);
            assert_int_equal(*(int64_t *)(void *)((char *)&c.opt + row->offset), inside[k]);
            config_release(&c);
            snprintf(text, sizeof(text), "%lld", (long long)outside[k]);
            setenv(row->name, text, 1);
            assert_int_equal(config_load(&c, NULL, &e), -ERR_VALIDATION);
            assert_string_equal(e.field, row->name);
            assert_non_null(strstr(e.reason, text));
        }
        unsetenv(row->name);
    }
}

static void test_later_sources_win(void **state)
{
    struct config c;
    struct error e;
    assert_int_equal(load(&c, "PORT=1\nHOST=a\nDATA_DIR=d\n", &e), 0);
    assert_int_equal(c.opt.port, 1);
    assert_int_equal(source_of(&c, "PORT"), FROM_DOTENV);
    config_release(&c);
    setenv("PORT", "2", 1);
    setenv("HOST", "", 1); /* empty: as if it were not there */
    assert_int_equal(load(&c, "PORT=1\nHOST=a\nDATA_DIR=d\n", &e), 0);
    assert_int_equal(c.opt.port, 2);
    assert_string_equal(c.opt.host, "a");
    assert_int_equal(source_of(&c, "PORT"), FROM_ENVIRONMENT);
    char *argv[] = {(char *)"limner", (char *)"--port=3"};
    int i = 1;
    assert_int_equal(config_flag(&c, 2, argv, &i, &e), 1);
    assert_int_equal(i, 2);
    assert_int_equal(c.opt.port, 3);
    assert_string_equal(c.opt.data_dir, "d");
    assert_int_equal(source_of(&c, "PORT"), FROM_FLAG);
    config_release(&c);
    unsetenv("PORT");
    unsetenv("HOST");
}

static const struct {
    const char *line, *host; /* what HOST is after it; NULL: its default */
} dotenv_lines[] = {
    {"HOST=plain", "plain"},
    {"HOST = spaced ", "spaced"},
    {"  export HOST=exported", "exported"},
    {"HOST=\"quoted # no comment\"", "quoted # no comment"},
    {"HOST='single' # a comment", "single"},
    {"HOST=\"unclosed", "unclosed"},
    {"HOST=value # a comment", "value"},
    {"HOST=has#no#comment", "has#no#comment"},
    {"HOST=a=b", "a=b"},
    {"HOST=crlf\r", "crlf"},
    {"HOST=", NULL},
    {"HOST=   ", NULL},
    {"HOST= # a comment alone", NULL},
    {"HOST=\"\"", NULL},
    {"# HOST=commented", NULL},
    {"#HOST=commented", NULL},
    {"HOST", NULL},
    {"host=lower case is another name", NULL},
    {"NOT_OURS=x", NULL},
    {"=x", NULL},
    {"", NULL},
};

static void test_dotenv_lines(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(dotenv_lines); i++) {
        struct config c;
        struct error e;
        FREE_ON_EXIT char *text = mem_printf("\n%s\nPORT=77", dotenv_lines[i].line);
        assert_int_equal(load(&c, text, &e), 0);
        assert_string_equal(c.opt.host, dotenv_lines[i].host ? dotenv_lines[i].host : "0.0.0.0");
        assert_int_equal(c.opt.port, 77); /* the last line, without its end */
        config_release(&c);
    }
}

static void test_dotenv_errors_are_told(void **state)
{
    struct config c;
    struct error e;
    assert_int_equal(load(&c, "PORT=many\n", &e), -ERR_VALIDATION);
    assert_string_equal(e.field, "PORT");
    assert_string_equal(e.reason, "PORT=\"many\": a whole number from 0 to 65535 is allowed");
    assert_int_equal(load(&c, "BODY_TIMEOUT_MS=1\n", &e), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, "from 100 to 3600000 ms"));
    assert_int_equal(load(&c, "LOG_LEVEL=loud\n", &e), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, "debug|info|warn|error"));
}

static void test_a_dotenv_that_cannot_be_read_is_told(void **state)
{
    char path[] = "/tmp/limner-loop-XXXXXX";
    struct config c;
    struct error e;
    assert_non_null(mkdtemp(path));
    FREE_ON_EXIT char *loop = mem_printf("%s/.env", path);
    assert_int_equal(config_load(&c, loop, &e), 0); /* there is none */
    config_release(&c);
    assert_int_equal(symlink(".env", loop), 0);
    assert_int_equal(config_load(&c, loop, &e), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, "/.env cannot be read"));
    unlink(loop);
    rmdir(path);
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } rows[] = {{"JSON_LIMIT=10mb", 10 << 20},    {"JSON_LIMIT=512 KB", 512 << 10},
                {"JSON_LIMIT=1gb", 1 << 30},      {"JSON_LIMIT=1048576", 1 << 20},
                {"JSON_LIMIT=2048b", 2048},       {"JSON_LIMIT=10m", -1},
                {"JSON_LIMIT=1.5mb", 3 << 19},    {"JSON_LIMIT=1.5.2mb", -1},
                {"JSON_LIMIT=1e3kb", -1},         {"JSON_LIMIT=mb", -1},
                {"JSON_LIMIT=-1mb", -1},          {"JSON_LIMIT=2gb", -1},
                {"JSON_LIMIT=99999999999gb", -1}, {"JSON_LIMIT=1kbx", -1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config c;
        struct error e = {0};
        int r = load(&c, rows[i].text, &e);
        assert_int_equal(r, rows[i].bytes < 0 ? -ERR_VALIDATION : 0);
        if (r < 0) {
            assert_string_equal(e.field, "JSON_LIMIT");
            assert_non_null(strstr(e.reason, "like 10mb"));
            continue;
        }
        assert_int_equal(c.opt.json_limit, rows[i].bytes);
        config_release(&c);
    }
}

static void test_addresses(void **state)
{
    static const struct {
        const char *given, *kept; /* kept NULL: refused */
    } rows[] = {
        {"https://img.example", "https://img.example"},
        {"http://10.0.0.1:8080/", "http://10.0.0.1:8080"},
        {"https://cdn.example/a/b//", "https://cdn.example/a/b"},
        {"http://[::1]:3000", "http://[::1]:3000"},
        {"img.example", NULL},
        {"ftp://img.example", NULL},
        {"https://", NULL},
        {"https:///", NULL},
        {"/", NULL},
        {"https://img.example/?x", NULL},
        {"https://img example", NULL},
        {"https://im\xff.example", NULL},
        {"https://img.example\r\nX: y", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config c;
        struct error e;
        setenv("PUBLIC_BASE_URL", rows[i].given, 1);
        int r = config_load(&c, NULL, &e);
        assert_int_equal(r, rows[i].kept ? 0 : -ERR_VALIDATION);
        if (rows[i].kept)
            assert_string_equal(c.opt.public_base_url, rows[i].kept);
        else
            assert_string_equal(e.field, "PUBLIC_BASE_URL");
        if (r == 0)
            config_release(&c);
    }
    unsetenv("PUBLIC_BASE_URL");
}

static void test_a_short_secret_is_refused_and_not_repeated(void **state)
{
    struct config c;
    struct error e;
    setenv("URL_SIGNING_KEY", "hunter2", 1);
    assert_int_equal(config_load(&c, NULL, &e), -ERR_VALIDATION);
    assert_string_equal(e.reason, "URL_SIGNING_KEY has 7 characters; 16 or more are allowed");
    unsetenv("URL_SIGNING_KEY");
}

static void test_words_of_choices_and_switches(void **state)
{
    static const char *const on[] = {"on", "1", "true", "YES"}, *const off[] = {"off", "0", "False", "no"};
    struct config c;
    struct error e;
    for (int i = 0; i < 4; i++) {
        setenv("RATE_LIMITS", on[i], 1);
        assert_int_equal(config_load(&c, NULL, &e), 0);
        assert_true(c.opt.rate_limits);
        config_release(&c);
        setenv("RATE_LIMITS", off[i], 1);
        assert_int_equal(config_load(&c, NULL, &e), 0);
        assert_false(c.opt.rate_limits);
        config_release(&c);
    }
    setenv("RATE_LIMITS", "maybe", 1);
    assert_int_equal(config_load(&c, NULL, &e), -ERR_VALIDATION);
    unsetenv("RATE_LIMITS");
    setenv("PRESCALE_FORMAT", "WebP", 1);
    assert_int_equal(config_load(&c, NULL, &e), 0);
    assert_int_equal(c.opt.prescale_format, PRESCALE_WEBP);
    config_release(&c);
    setenv("PRESCALE_FORMAT", "jpe", 1); /* the start of a word is not the word */
    assert_int_equal(config_load(&c, NULL, &e), -ERR_VALIDATION);
    unsetenv("PRESCALE_FORMAT");
}

static void test_flags(void **state)
{
    struct config c;
    struct error e;
    assert_int_equal(config_load(&c, NULL, &e), 0);
    char *argv[] = {
        (char *)"limner",        (char *)"--data-dir", (char *)"/x",          (char *)"--rate-limits=off",
        (char *)"--rate-limits", (char *)"--output",   (char *)"picture.png", (char *)"--cache-ttl-ms=-1",
        (char *)"--port"};
    int argc = (int)ARRAY_LEN(argv), i = 1;
    assert_int_equal(config_flag(&c, argc, argv, &i, &e), 1);
    assert_int_equal(i, 3);
    assert_string_equal(c.opt.data_dir, "/x");
    assert_int_equal(config_flag(&c, argc, argv, &i, &e), 1);
    assert_false(c.opt.rate_limits);
    assert_int_equal(config_flag(&c, argc, argv, &i, &e), 1); /* alone: on */
    assert_true(c.opt.rate_limits);
    assert_int_equal(i, 5);
    assert_int_equal(config_flag(&c, argc, argv, &i, &e), 0); /* not an option's */
    assert_int_equal(i, 5);
    i = 6;
    assert_int_equal(config_flag(&c, argc, argv, &i, &e), 0); /* not a flag */
    i = 7;
    assert_int_equal(config_flag(&c, argc, argv, &i, &e), -ERR_VALIDATION);
    assert_string_equal(e.field, "CACHE_TTL_MS");
    i = 8;
    assert_int_equal(config_flag(&c, argc, argv, &i, &e), -ERR_VALIDATION);
    assert_non_null(strstr(e.reason, "--port needs a value"));
    config_release(&c);
}

static char *printed(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    print(out);
    fclose(out);
    return text;
}

static struct config shown;

static void print_shown(FILE *out)
{
    config_print(&shown, out);
}

static void test_printing_shows_sources_and_no_secrets(void **state)
{
    struct error e;
    setenv("URL_SIGNING_KEY", "hunter2-hunter2-hunter2", 1);
    setenv("PRESCALE_FORMAT", "png", 1);
    assert_int_equal(load(&shown, "PORT=81\n", &e), 0);
    FREE_ON_EXIT char *text = printed(print_shown);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "URL_SIGNING_KEY=(set)  (environment)\n"));
    assert_non_null(strstr(text, "PRESCALE_FORMAT=png  (environment)\n"));
    assert_non_null(strstr(text, "PORT=81  (.env)\n"));
    assert_non_null(strstr(text, "RATE_LIMITS=on  (default)\n"));
    config_release(&shown);
    unsetenv("URL_SIGNING_KEY");
    unsetenv("PRESCALE_FORMAT");
}

/* The example, with its options uncommented, is read back as the defaults. */
static void test_the_example_is_the_defaults(void **state)
{
    struct error e;
    struct config c, defaults;
    FREE_ON_EXIT char *text = printed(config_print_env_example);
    for (char *at = text; (at = strstr(at, "\n#")); at++)
        if (at[2] >= 'A' && at[2] <= 'Z' && strcspn(at + 2, "=") < strcspn(at + 2, " \n"))
            at[1] = ' ';
    assert_int_equal(load(&c, text, &e), 0);
    assert_int_equal(config_load(&defaults, NULL, &e), 0);
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        const char *a = (const char *)&c.opt + row->offset, *b = (const char *)&defaults.opt + row->offset;
        if (row->type == OPTION_INT)
            assert_memory_equal(a, b, sizeof(int64_t));
        if (row->type == OPTION_TEXT)
            assert_string_equal(*(const char *const *)(const void *)a, *(const char *const *)(const void *)b);
        if (row->type != OPTION_SECTION && *row->initial)
            assert_int_equal(c.source[i], FROM_DOTENV);
    }
    config_release(&c);
    config_release(&defaults);
    FREE_ON_EXIT char *table = printed(config_print_markdown);
    assert_non_null(strstr(table, "| `PORT` | `3000` |"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_number_knows_its_edges),
        cmocka_unit_test(test_later_sources_win),
        cmocka_unit_test(test_dotenv_lines),
        cmocka_unit_test(test_dotenv_errors_are_told),
        cmocka_unit_test(test_a_dotenv_that_cannot_be_read_is_told),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_a_short_secret_is_refused_and_not_repeated),
        cmocka_unit_test(test_words_of_choices_and_switches),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_printing_shows_sources_and_no_secrets),
        cmocka_unit_test(test_the_example_is_the_defaults),
    };
    return cmocka_run_group_tests(tests, clean_environment, NULL);
}
