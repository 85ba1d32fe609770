/* limner warm: asks a running gateway for results that will be wanted later, so that they are there then. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/text.h"
#include "cli/warm_run.h"

struct warm_args {
    const struct config *config;
    const char *features; /* "clarity,enhance" */
    const char *url;      /* NULL: the gateway of this machine */
    bool help;
    struct warm_feature feature[WARM_FEATURES_MAX];
    unsigned count;
};

void warm_help(void)
{
    puts(
        "limner warm INPUT… --feature NAME: has a running gateway make and remember results, before somebody "
        "asks for them\n\n"
        "INPUT is a picture (JPEG, PNG, WebP, AVIF), a folder of them, or - for standard input.\n"
        "What the gateway remembers already is counted and not made again, so an interrupted run is begun "
        "anew by the same command.\n\n"
        "      --feature NAME,…       clarity, enhance, … as the commands are called; several with commas\n"
        "      --url URL              of the gateway; usual: this machine's, by HOST and PORT\n"
        "      --PARAMETER VALUE      those of the feature: limner clarity --help\n"
        "  -q, --quiet                no progress, errors only\n\n"
        "GATEWAY_API_KEY is the key that the gateway wants, WARM_PARALLEL how many requests run at once.\n"
        "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 some inputs failed or are not kept, 130 "
        "interrupted.");
}

static int tell_usage(const char *what)
{
    fprintf(stderr, "limner: %s\nTry: limner help warm\n", what);
    return EXIT_USAGE;
}

/* Our own flags; what is left is the feature's. NULL, or what is wrong. */
static const char *take_flags(struct warm_args *w, int *argc, char **argv)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (cli_take_flag(*argc, argv, &i, "--feature", &w->features)) {
            if (!w->features)
                return "--feature needs a name";
        } else if (cli_take_flag(*argc, argv, &i, "--url", &w->url)) {
            if (!w->url)
                return "--url needs an address";
        } else {
            w->help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    if (!w->features && !w->help)
        return "which results? Say --feature clarity, or another command's name";
    return cli_is_web(w->url) ? NULL : "--url begins with http:// or https://";
}

static int parse_feature(struct warm_args *w, const char *name, int argc, char **argv, struct error *e)
{
    const struct feature *f = feature_by_command(name);
    if (!f)
        return error_set(e, ERR_VALIDATION, "there is no feature \"%.40s\"; limner help lists them", name);
    if (w->count == WARM_FEATURES_MAX)
        return error_set(e, ERR_VALIDATION, "at most %d features at once", WARM_FEATURES_MAX);
    int r = feature_args_parse_question(f, argc, argv, &w->feature[w->count].args, e);
    w->count += r == 0;
    return r;
}

static int parse_features(struct warm_args *w, int argc, char **argv, struct error *e)
{
    FREE_ON_EXIT char *names = mem_strdup(w->features);
    char *rest = NULL;
    int r = 0;
    for (char *name = strtok_r(names, ", ", &rest); name && r == 0; name = strtok_r(NULL, ", ", &rest))
        r = parse_feature(w, name, argc, argv, e);
    if (r == 0 && w->count == 0)
        r = error_set(e, ERR_VALIDATION, "--feature names none");
    return r;
}

static int read_pictures(struct warm_feature *f)
{
    struct error e;
    for (unsigned i = 1; i < IMAGES_MAX; i++) {
        const char *path = f->args.picture[i];
        if (!path || input_read_path(path, &f->picture[i], &e) == 0)
            continue;
        FREE_ON_EXIT char *name = input_shown_name(path, text_utf8_ok());
        fprintf(stderr, "limner: %s: %s\n", name, e.reason);
        return -(int)e.code;
    }
    return 0;
}

static int run(struct warm_args *w)
{
    const struct feature_args *args = &w->feature[0].args;
    struct inputs inputs = {0};
    struct error e = {0};
    const struct inputs_wanted wanted = {.path = args->input, .count = args->input_count};
    if (inputs_expand(&wanted, &inputs, &e) < 0)
        return tell_usage(e.reason);
    int r = 0;
    for (unsigned i = 0; i < w->count && r == 0; i++)
        r = read_pictures(&w->feature[i]);
    FREE_ON_EXIT char *url = cli_gateway_url(&w->config->opt, w->url);
    const struct warm_config config = {
        .opt = &w->config->opt,
        .url = url,
        .inputs = &inputs,
        .feature = w->feature,
        .feature_count = w->count,
        .quiet = args->quiet,
    };
    int code = r == 0 ? warm_run(&config) : EXIT_FAILED;
    inputs_release(&inputs);
    return code;
}

static int run_args(struct warm_args *w, int argc, char **argv)
{
    struct error e = {0};
    const char *wrong = take_flags(w, &argc, argv);
    if (wrong)
        return tell_usage(wrong);
    if (w->help) {
        warm_help();
        return EXIT_DONE;
    }
    int code = parse_features(w, argc, argv, &e) == 0 ? run(w) : tell_usage(e.reason);
    for (unsigned i = 0; i < w->count; i++) {
        feature_args_release(&w->feature[i].args);
        for (unsigned n = 0; n < IMAGES_MAX; n++)
            blob_unref(w->feature[i].picture[n]);
    }
    return code;
}

int cli_warm(int argc, char **argv)
{
    struct config config;
    if (cli_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    signal(SIGPIPE, SIG_IGN);
    struct warm_args args = {.config = &config};
    int code = run_args(&args, argc, argv);
    config_release(&config);
    return code;
}
