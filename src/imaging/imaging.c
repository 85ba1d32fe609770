#include "imaging/imaging.h"

#include <vips/vips.h>

#include "base/check.h"

static const struct {
    const char *mime, *extension;
} types[IMAGE_TYPE_COUNT] = {
    [IMAGE_UNKNOWN] = {"application/octet-stream", "bin"},
    [IMAGE_JPEG] = {"image/jpeg", "jpg"},
    [IMAGE_PNG] = {"image/png", "png"},
    [IMAGE_WEBP] = {"image/webp", "webp"},
    [IMAGE_AVIF] = {"image/avif", "avif"},
};

const char *image_mime(enum image_type t)
{
    CHECK((unsigned)t < IMAGE_TYPE_COUNT);
    return types[t].mime;
}

const char *image_extension(enum image_type t)
{
    CHECK((unsigned)t < IMAGE_TYPE_COUNT);
    return types[t].extension;
}

static void drop_message(const char *domain, GLogLevelFlags level, const char *text, void *unused)
{
    (void)domain;
    (void)level;
    (void)text;
    (void)unused;
}

int imaging_start(struct error *e)
{
    if (vips_init("limner")) {
        vips_error_clear();
        return error_set(e, ERR_INTERNAL, "The image library (libvips) does not start");
    }
    /* Warnings would go to standard error, past our log; what matters of them comes back as a failure. */
    g_log_set_handler("VIPS",
                      G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG,
                      drop_message, NULL);
    vips_block_untrusted_set(TRUE);
    vips_concurrency_set(1); /* the lanes are the parallelism */
    vips_cache_set_max(0);   /* no upload is seen twice, and a cached operation would keep its bytes */
    vips_cache_set_max_mem(0);
    vips_cache_set_max_files(0);
    return 0;
}

void imaging_stop(void)
{
    vips_shutdown();
}

void imaging_memory(struct imaging_memory *ret)
{
    ret->bytes = vips_tracked_get_mem();
    ret->peak_bytes = vips_tracked_get_mem_highwater();
    ret->blocks = (uint64_t)vips_tracked_get_allocs();
}

void imaging_thread_stop(void)
{
    vips_thread_shutdown();
}
