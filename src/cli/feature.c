/* limner clarity, enhance, beautify, upscale, style, replace-bg, relight, and the running of limner comic:
 * the pipeline without a gateway, or, with --server, and as limner batch, through one. */
#include "cli/feature.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "base/check.h"
#include "base/mem.h"
#include "cli/batch.h"
#include "cli/cli.h"
#include "cli/courier.h"
#include "cli/out_store.h"
#include "cli/solo.h"
#include "cli/text.h"
#include "imaging/page.h"
#include "local/local.h"

/* What one run of the command has beside its arguments. */
struct job {
    const struct config *config;
    const struct feature_args *args;
    struct inputs inputs;
    struct blob *picture[IMAGES_MAX]; /* further ones, for every input */
};

static void job_release(struct job *j)
{
    inputs_release(&j->inputs);
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        blob_unref(j->picture[i]);
}

/* ---- what every picture would fail for is said once, before the first ---- */

static int find_provider(struct app *app, const struct feature *f, struct error *e)
{
    const struct services *svc = app_services(app);
    struct error first = {0};
    for (unsigned i = 0; i < svc->provider_count; i++) {
        struct provider *p = svc->provider[i];
        struct error why = {0};
        if (p->ops->available(p, f, &why) == 0)
            return 0;
        if (first.code == ERR_NONE)
            first = why;
    }
    *e = first;
    return -(int)e->code;
}

static int check_story(struct app *app, struct error *e)
{
    static const enum feature_id needed[] = {FEATURE_COMIC_TEXT, FEATURE_COMIC_PANEL};
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (find_provider(app, &features[needed[i]], e) < 0)
            return error_set(
                e, ERR_PROVIDER_UNAVAILABLE,
                "a story needs models that write and draw: set REPLICATE_API_TOKEN (with replicate among "
                "PROVIDERS), or servers for comicText and comicPanel in COG_ENDPOINTS");
    return page_fonts_check(e);
}

static int check_provider(struct app *app, const struct feature *f, struct error *e)
{
    if (f->work == WORK_STORY)
        return check_story(app, e);
    return find_provider(app, f->step == FEATURE_NONE ? f : &features[f->step], e);
}

static int tell_problem(const char *path, const struct error *e)
{
    FREE_ON_EXIT char *name = input_shown_name(path, text_utf8_ok());
    fprintf(stderr, "limner: %s: %s\n", name, e->reason);
    return -(int)e->code;
}

static int read_pictures(struct job *j)
{
    for (unsigned i = 0; i < IMAGES_MAX; i++) {
        const char *path = j->args->picture[i];
        struct error e;
        if (path && input_read_path(path, &j->picture[i], &e) < 0)
            return tell_problem(path, &e);
    }
    return 0;
}

static int check_pictures(const struct job *j)
{
    const struct image_limits limits = image_limits_of(&j->config->opt);
    for (unsigned i = 0; i < IMAGES_MAX; i++) {
        struct image_info info;
        struct error e;
        if (j->picture[i] && image_probe(j->picture[i], &limits, &info, &e) < 0)
            return tell_problem(j->args->picture[i], &e);
    }
    return 0;
}

/* ---- the run ---- */

int feature_tell_usage(const struct feature *f, const char *what)
{
    fprintf(stderr, "limner: %s\nTry: limner %s --help\n", what, feature_command_name(f));
    return EXIT_USAGE;
}

static int run_app(struct app *app, struct store *store, const struct job *j)
{
    struct error e;
    if (check_provider(app, j->args->feature, &e) < 0) {
        fprintf(stderr, "limner: cannot start: %s\n", e.reason);
        return EXIT_FAILED;
    }
    if (check_pictures(j) < 0)
        return EXIT_FAILED;
    const struct batch_config batch = {app, store, j->args, &j->inputs, j->picture};
    out_store_begin(store, app_services(app)->loop);
    return batch_run(&batch);
}

static int run(const struct job *j)
{
    struct error e;
    struct app *app = NULL;
    struct app_wants wants = {.store = out_store_new()};
    if (app_new(j->config, &wants, &app, &e) < 0) {
        fprintf(stderr, "limner: cannot start: %s\n", e.reason);
        return EXIT_FAILED;
    }
    int code = run_app(app, wants.store, j);
    app_free(app);
    return code;
}

static int run_remote(const struct job *j)
{
    FREE_ON_EXIT char *url = cli_gateway_url(&j->config->opt, j->args->server);
    const struct courier_config courier = {&j->config->opt, url, j->args, &j->inputs, j->picture};
    return courier_run(&courier);
}

const char *feature_find_clash(const struct feature_args *args, bool remote)
{
    bool streams = strcmp(args->output, "-") == 0;
    if (streams && isatty(STDOUT_FILENO))
        return "a picture is nothing for a terminal: send standard output to a file or a pipe";
    if (args->json && !remote)
        return "--json goes with --server";
    if (args->json && streams)
        return "--json needs standard output for itself";
    return cli_is_web(args->server) ? NULL : "--server begins with http:// or https://";
}

int feature_run(const struct config *config, const struct feature_args *args, struct inputs *inputs,
                bool remote)
{
    struct job job = {.config = config, .args = args, .inputs = *inputs};
    *inputs = (struct inputs){0};
    int code = EXIT_FAILED;
    if (read_pictures(&job) == 0)
        code = remote ? run_remote(&job) : run(&job);
    job_release(&job);
    return code;
}

static int run_args(const struct config *config, const struct feature_args *args, bool remote)
{
    struct error e = {0};
    struct inputs inputs = {0};
    const char *clash = feature_find_clash(args, remote);
    if (clash)
        return feature_tell_usage(args->feature, clash);
    const struct inputs_wanted wanted = {
        .path = args->input,
        .count = args->input_count,
        .output = args->output,
        .usual = args->usual,
        .several = args->results > 1,
    };
    int r = inputs_expand(&wanted, &inputs, &e);
    if (r == -ERR_VALIDATION)
        return feature_tell_usage(args->feature, e.reason);
    if (r < 0) {
        fprintf(stderr, "limner: %s\n", e.reason);
        return EXIT_FAILED;
    }
    return feature_run(config, args, &inputs, remote);
}

int feature_command(const struct config *config, const struct feature *f, int argc, char **argv, bool remote)
{
    struct error e = {0};
    struct feature_args args;
    if (feature_args_parse(f, argc, argv, &args, &e) < 0)
        return feature_tell_usage(f, e.reason);
    int code = EXIT_DONE;
    if (args.help)
        feature_args_help(f);
    else
        code = run_args(config, &args, remote || args.server);
    feature_args_release(&args);
    return code;
}

int cli_feature(int argc, char **argv)
{
    const struct feature *f = feature_by_command(argv[0]);
    CHECK(f);
    struct config config;
    if (solo_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    signal(SIGPIPE, SIG_IGN);
    int code = feature_command(&config, f, argc, argv, false);
    config_release(&config);
    return code;
}
