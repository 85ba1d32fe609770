/* Happy path: the running thread takes a network, which marks its slot, loads it if need be without holding
 * the lock, runs it and gives it back with the time; a housekeeping thread frees those that were given back
 * long ago. Failure modes: library or weights missing or wrong: the slot stays empty, and the next call tries
 * again. Invariants: the lock is held for moments only, never while something is loaded, run or freed; a
 * taken slot is touched by the running thread alone. */
#include "local/networks.h"

#include <malloc.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "local/estimate.h"
#include "tables/options.h"

static struct estimate_key key_of(const struct networks *n, enum model_id id)
{
    return (struct estimate_key){
        .network = models[id].name,
        .digest = models[id].sha256,
        .precision = n->bf16 ? "bf16" : "f32",
        .threads = n->threads,
        .cpu = n->cpu.name,
    };
}

void networks_init(struct networks *n, const struct networks_config *config)
{
    *n = (struct networks){0};
    CHECK(pthread_mutex_init(&n->lock, NULL) == 0);
    cpu_read(&n->cpu);
    n->bf16 = config->precision == PRECISION_BF16 || (config->precision == PRECISION_AUTO && n->cpu.bf16);
    n->threads = config->threads ? config->threads : n->cpu.threads;
    n->engine_dir = mem_strdup(config->engine_dir);
    n->models_dir = mem_strdup(config->models_dir);
    n->data_dir = mem_strdup(config->data_dir);
    n->cache_dir = mem_printf("%s/models", config->data_dir);
    n->rates_file = mem_printf("%s/models/speed.txt", config->data_dir);
    for (unsigned i = 0; i < MODEL_COUNT; i++) {
        n->path[i] = mem_printf("%s/%s", config->models_dir, models[i].file);
        struct estimate_key key = key_of(n, i);
        n->slot[i].rate = n->slot[i].stored_rate = estimate_load(n->rates_file, &key);
    }
}

void networks_release(struct networks *n)
{
    for (unsigned i = 0; i < MODEL_COUNT; i++) {
        CHECK(!n->slot[i].taken);
        network_free(n->slot[i].network);
        free(n->path[i]);
    }
    engine_close(n->engine);
    free(n->engine_dir);
    free(n->models_dir);
    free(n->data_dir);
    free(n->cache_dir);
    free(n->rates_file);
    pthread_mutex_destroy(&n->lock);
}

/* On the running thread, its slot taken. */
static int load(struct networks *n, enum model_id id, unsigned width, unsigned height, struct network **ret,
                struct error *e)
{
    int r = n->engine ? 0 : engine_open(n->engine_dir, &n->engine, e);
    if (r < 0)
        return r;
    if (!n->slot[id].verified) {
        r = model_verify(id, n->path[id], e);
        if (r < 0)
            return r;
        n->slot[id].verified = true;
    }
    /* The cache is a help only: without the folder the network is compiled anew each time. What is compiled
     * for one size of tile is not kept: there are too many sizes, at the size of the weights each. */
    (void)mkdir(n->data_dir, 0777);
    (void)mkdir(n->cache_dir, 0777);
    bool keep = !width && access(n->cache_dir, W_OK) == 0;
    const struct network_spec spec = {
        .file = n->path[id],
        .cache_dir = keep ? n->cache_dir : NULL,
        .bf16 = n->bf16,
        .threads = n->threads,
        .interleaved = models[id].kind == MODEL_FACES, /* as TensorFlow has it */
        .width = width,
        .height = height,
    };
    return network_load(n->engine, &spec, ret, e);
}

int networks_take(struct networks *n, enum model_id id, unsigned width, unsigned height, struct network **ret,
                  struct error *e)
{
    struct network_slot *s = &n->slot[id];
    pthread_mutex_lock(&n->lock);
    CHECK(!s->taken);
    s->taken = true;
    bool fits = s->network && s->width == width && s->height == height;
    struct network *network = s->network;
    if (!fits)
        s->network = NULL;
    pthread_mutex_unlock(&n->lock);

    int r = 0;
    if (!fits) {
        network_free(network); /* first: two of them at once may not fit into memory */
        network = NULL;
        r = load(n, id, width, height, &network, e);
    }
    pthread_mutex_lock(&n->lock);
    s->network = network;
    s->width = width;
    s->height = height;
    s->taken = r == 0;
    pthread_mutex_unlock(&n->lock);
    if (r == 0)
        *ret = network;
    return r;
}

void networks_give_back(struct networks *n, enum model_id id)
{
    pthread_mutex_lock(&n->lock);
    n->slot[id].used_ns = clock_mono_ns();
    n->slot[id].taken = false;
    pthread_mutex_unlock(&n->lock);
}

void networks_release_idle(struct networks *n, uint64_t now_ns, uint64_t idle_ns)
{
    struct network *idle[MODEL_COUNT] = {NULL};
    bool any = false;
    pthread_mutex_lock(&n->lock);
    for (unsigned i = 0; i < MODEL_COUNT; i++) {
        struct network_slot *s = &n->slot[i];
        if (!s->network || s->taken || now_ns < s->used_ns || now_ns - s->used_ns < idle_ns)
            continue;
        idle[i] = TAKE(s->network);
        any = true;
    }
    pthread_mutex_unlock(&n->lock);
    for (unsigned i = 0; i < MODEL_COUNT; i++)
        network_free(idle[i]);
    if (any)
        malloc_trim(0); /* else the C library keeps what the network had */
}

bool networks_loaded(struct networks *n, enum model_id id)
{
    pthread_mutex_lock(&n->lock);
    bool loaded = n->slot[id].network != NULL;
    pthread_mutex_unlock(&n->lock);
    return loaded;
}

double networks_rate(struct networks *n, enum model_id id)
{
    pthread_mutex_lock(&n->lock);
    double rate = n->slot[id].rate;
    pthread_mutex_unlock(&n->lock);
    return rate;
}

void networks_measured(struct networks *n, enum model_id id, double seconds_per_megapixel)
{
    struct network_slot *s = &n->slot[id];
    pthread_mutex_lock(&n->lock);
    double rate = s->rate = estimate_mix(s->rate, seconds_per_megapixel), stored = s->stored_rate;
    pthread_mutex_unlock(&n->lock);
    if (rate > 0.95 * stored && rate < 1.05 * stored)
        return;
    struct estimate_key key = key_of(n, id);
    if (estimate_store(n->rates_file, &key, rate) == 0)
        s->stored_rate = rate; /* the running thread's alone */
}
