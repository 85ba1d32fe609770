#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "imaging/imaging.h"
#include "sim.h"

static struct blob *paint(struct sim *sim, uint32_t width, uint32_t height, enum image_type type)
{
    size_t size = (size_t)width * height * 3;
    struct pixels p = {mem_alloc(size), width, height, 3};
    for (size_t i = 0; i < size; i++)
        p.data[i] = (uint8_t)sim_below(sim, 256);
    struct blob *blob;
    struct error e;
    SIM_CHECK(sim, image_encode(&p, type, 80, &blob, &e) == 0);
    free(p.data); /* made here, by malloc */
    return blob;
}

/* A picture that begins well and ends in the middle. */
static struct blob *cut(struct sim *sim, enum image_type type)
{
    struct blob *whole = paint(sim, 8, 8, type);
    struct blob *part = blob_copy(whole->data, whole->size * 2 / 3);
    blob_unref(whole);
    return part;
}

void sim_pictures_make(struct sim *sim)
{
    for (unsigned i = 0; i < SIM_BROKEN_FIRST; i++) {
        uint32_t side = i % 4 == 3 ? 40 : 8; /* every fourth must be shrunk */
        sim->picture[i] = paint(sim, side, side - i % 2, i % 2 ? IMAGE_JPEG : IMAGE_PNG);
    }
    for (unsigned i = SIM_BROKEN_FIRST; i < SIM_NO_PICTURE; i++)
        sim->picture[i] = cut(sim, i % 2 ? IMAGE_JPEG : IMAGE_PNG);
    sim->picture[SIM_NO_PICTURE] = blob_copy("words, not a picture", 20);
    sim->picture[SIM_EMPTY_PICTURE] = blob_copy("", 0);
}

void sim_pictures_free(struct sim *sim)
{
    for (unsigned i = 0; i < SIM_PICTURES; i++)
        blob_unref(TAKE(sim->picture[i]));
}
