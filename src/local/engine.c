#include "local/engine.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <openvino/c/openvino.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

/* Every function of OpenVINO that is used. */
#define OPENVINO_FUNCTIONS(X)                                                                                \
    X(ov_get_last_err_msg)                                                                                   \
    X(ov_free)                                                                                               \
    X(ov_core_create)                                                                                        \
    X(ov_core_free)                                                                                          \
    X(ov_core_read_model)                                                                                    \
    X(ov_core_compile_model_props)                                                                           \
    X(ov_model_reshape_single_input)                                                                         \
    X(ov_model_free)                                                                                         \
    X(ov_partial_shape_create_static)                                                                        \
    X(ov_partial_shape_free)                                                                                 \
    X(ov_compiled_model_create_infer_request)                                                                \
    X(ov_compiled_model_free)                                                                                \
    X(ov_infer_request_set_input_tensor)                                                                     \
    X(ov_infer_request_get_output_tensor_by_index)                                                           \
    X(ov_infer_request_infer)                                                                                \
    X(ov_infer_request_free)                                                                                 \
    X(ov_shape_create)                                                                                       \
    X(ov_shape_free)                                                                                         \
    X(ov_tensor_create)                                                                                      \
    X(ov_tensor_data)                                                                                        \
    X(ov_tensor_get_size)                                                                                    \
    X(ov_tensor_free)

struct engine {
#define MEMBER(name) __typeof__(&name) name;
    OPENVINO_FUNCTIONS(MEMBER)
#undef MEMBER
    ov_core_t *core;
};

static const struct {
    const char *name;
    size_t offset; /* of the pointer in struct engine */
} functions[] = {
#define ROW(name) {#name, offsetof(struct engine, name)},
    OPENVINO_FUNCTIONS(ROW)
#undef ROW
};

struct network {
    struct engine *engine;
    ov_compiled_model_t *compiled;
    ov_infer_request_t *request;
    ov_tensor_t *input;                       /* NULL before network_shape */
    float *in;                                /* its memory */
    ov_tensor_t *output[NETWORK_OUTPUTS_MAX]; /* of the last run; NULL: nobody asked */
    bool interleaved;
    unsigned fixed_width, fixed_height; /* 0: what the file allows */
    unsigned width, height;             /* of the input */
    char name[64];                      /* for messages */
};

/* The runtime's messages have many lines, of which the last one says what is wrong. */
static int failed(const struct engine *g, struct error *e, enum err code, const char *what, const char *which)
{
    const char *text = g->ov_get_last_err_msg();
    const char *line = text ? text : "";
    for (const char *p = line; (p = strchr(p, '\n')) && *++p;)
        if (*p != '\n')
            line = p;
    int r = error_set(e, code, "%s %s: %.*s", what, which, (int)strcspn(line, "\n"), line);
    if (text)
        g->ov_free(text);
    return r;
}

int engine_open(const char *dir, struct engine **ret, struct error *e)
{
    FREE_ON_EXIT char *path = mem_printf("%s/%s", dir, ENGINE_LIBRARY);
    if (access(path, R_OK) < 0)
        return error_set(e, ERR_PROVIDER_UNAVAILABLE,
                         "the OpenVINO runtime is not there: no %s; make deps fetches it", path);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(e, ERR_PROVIDER_UNAVAILABLE, "the OpenVINO runtime cannot be opened: %s", dlerror());

    /* The library is never closed again: its threads and exit handlers do not survive that. */
    FREE_ON_EXIT struct engine *g = NEW(struct engine);
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        void *function = dlsym(library, functions[i].name);
        if (!function)
            return error_set(e, ERR_PROVIDER_UNAVAILABLE, "%s is of another version: it has no %s", path,
                             functions[i].name);
        memcpy((char *)g + functions[i].offset, &function, sizeof(function));
    }
    if (g->ov_core_create(&g->core) != OK)
        return failed(g, e, ERR_PROVIDER_UNAVAILABLE, "OpenVINO does not start:", dir);
    *ret = TAKE(g);
    return 0;
}

void engine_close(struct engine *g)
{
    if (!g)
        return;
    g->ov_core_free(g->core);
    free(g);
}

enum { AXES = 4 };

static void input_size(bool interleaved, unsigned width, unsigned height, int64_t ret[AXES])
{
    const int64_t planes[AXES] = {1, 3, height, width}, points[AXES] = {1, height, width, 3};
    memcpy(ret, interleaved ? points : planes, sizeof(planes));
}

static ov_status_e fix_size(const struct engine *g, const struct network_spec *spec, const ov_model_t *model)
{
    int64_t size[AXES];
    input_size(spec->interleaved, spec->width, spec->height, size);
    ov_partial_shape_t shape = {0};
    ov_status_e r = g->ov_partial_shape_create_static(AXES, size, &shape);
    if (r == OK) {
        r = g->ov_model_reshape_single_input(model, shape);
        g->ov_partial_shape_free(&shape);
    }
    return r;
}

/* A cache that cannot be used is no reason to fail: then the network is compiled without it. */
static ov_status_e compile(const struct engine *g, const struct network_spec *spec, const ov_model_t *model,
                           ov_compiled_model_t **ret)
{
    char threads[16];
    snprintf(threads, sizeof(threads), "%u", spec->threads);
    const ov_property_t properties[] = {
        {"INFERENCE_PRECISION_HINT", spec->bf16 ? "bf16" : "f32"},
        {"PERFORMANCE_HINT", "LATENCY"},
        {"INFERENCE_NUM_THREADS", threads},
        {"NUM_STREAMS", "1"},
        {"ENABLE_CPU_PINNING", "NO"}, /* the cores are shared with the server's other threads */
        {"CACHE_DIR", spec->cache_dir},
    };
    ov_status_e r = GENERAL_ERROR;
    if (spec->cache_dir)
        r = g->ov_core_compile_model_props(g->core, model, "CPU", ARRAY_LEN(properties), properties, ret);
    if (r != OK)
        r = g->ov_core_compile_model_props(g->core, model, "CPU", ARRAY_LEN(properties) - 1, properties, ret);
    return r;
}

int network_load(struct engine *g, const struct network_spec *spec, struct network **ret, struct error *e)
{
    CHECK(spec->threads && !spec->width == !spec->height);
    const char *slash = strrchr(spec->file, '/'), *name = slash ? slash + 1 : spec->file;
    ov_model_t *model = NULL;
    if (g->ov_core_read_model(g->core, spec->file, NULL, &model) != OK)
        return failed(g, e, ERR_PROVIDER_UNAVAILABLE, "cannot read the network", name);

    struct network *n = NEW(struct network);
    *n = (struct network){.engine = g,
                          .interleaved = spec->interleaved,
                          .fixed_width = spec->width,
                          .fixed_height = spec->height};
    snprintf(n->name, sizeof(n->name), "%s", name);
    ov_status_e r = spec->width ? fix_size(g, spec, model) : OK;
    if (r == OK)
        r = compile(g, spec, model, &n->compiled);
    if (r == OK)
        r = g->ov_compiled_model_create_infer_request(n->compiled, &n->request);
    g->ov_model_free(model);
    if (r != OK) {
        int err = failed(g, e, ERR_PROVIDER_UNAVAILABLE, "cannot compile the network", name);
        network_free(n);
        return err;
    }
    *ret = n;
    return 0;
}

static void release_outputs(struct network *n)
{
    for (unsigned i = 0; i < NETWORK_OUTPUTS_MAX; i++) {
        if (n->output[i])
            n->engine->ov_tensor_free(n->output[i]);
        n->output[i] = NULL;
    }
}

static void release_tensors(struct network *n)
{
    release_outputs(n);
    if (n->input)
        n->engine->ov_tensor_free(n->input);
    n->input = NULL;
    n->width = n->height = 0;
}

void network_free(struct network *n)
{
    if (!n)
        return;
    if (n->request)
        n->engine->ov_infer_request_free(n->request);
    release_tensors(n);
    if (n->compiled)
        n->engine->ov_compiled_model_free(n->compiled);
    free(n);
}

static ov_status_e make_input(struct network *n, unsigned width, unsigned height, void **data)
{
    const struct engine *g = n->engine;
    int64_t size[AXES];
    input_size(n->interleaved, width, height, size);
    ov_shape_t shape = {0};
    ov_status_e r = g->ov_shape_create(AXES, size, &shape);
    if (r != OK)
        return r;
    r = g->ov_tensor_create(F32, shape, &n->input);
    g->ov_shape_free(&shape);
    return r == OK ? g->ov_tensor_data(n->input, data) : r;
}

int network_shape(struct network *n, unsigned width, unsigned height, float **ret_in, struct error *e)
{
    CHECK(width && height);
    CHECK(!n->fixed_width || (width == n->fixed_width && height == n->fixed_height));
    if (n->width != width || n->height != height) {
        void *in = NULL;
        release_tensors(n);
        ov_status_e r = make_input(n, width, height, &in);
        if (r == OK)
            r = n->engine->ov_infer_request_set_input_tensor(n->request, n->input);
        if (r != OK) {
            release_tensors(n);
            return failed(n->engine, e, ERR_INTERNAL, "no room for the input of", n->name);
        }
        n->in = in;
        n->width = width;
        n->height = height;
    }
    *ret_in = n->in;
    return 0;
}

int network_run(struct network *n, struct error *e)
{
    CHECK(n->input);
    release_outputs(n);
    if (n->engine->ov_infer_request_infer(n->request) != OK)
        return failed(n->engine, e, ERR_INTERNAL, "running the network failed:", n->name);
    return 0;
}

int network_output(struct network *n, unsigned i, struct network_output *ret, struct error *e)
{
    CHECK(i < NETWORK_OUTPUTS_MAX);
    const struct engine *g = n->engine;
    struct network_output out = {0};
    void *data = NULL;
    ov_status_e r = OK;
    if (!n->output[i])
        r = g->ov_infer_request_get_output_tensor_by_index(n->request, i, &n->output[i]);
    if (r == OK)
        r = g->ov_tensor_get_size(n->output[i], &out.count);
    if (r == OK)
        r = g->ov_tensor_data(n->output[i], &data);
    if (r != OK)
        return failed(g, e, ERR_INTERNAL, "the network gave no such output:", n->name);
    out.data = data;
    *ret = out;
    return 0;
}
