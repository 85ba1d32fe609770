#include "samples.h"

#include <pthread.h>

#include "base/check.h"

/* All of it, again and again, and from several threads at once. */

static void work_through(struct blob *const inputs[IMAGE_TYPE_COUNT])
{
    const struct prescale_rule rule = {9000, 2048, PRESCALE_JPEG, 80, true, false};
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        struct image_info info;
        struct error e;
        struct prescaled out;
        struct pixels p;
        CHECK(image_probe(inputs[t], &sample_limits, &info, &e) == 0);
        CHECK(image_prescale(inputs[t], &info, &rule, &out, &e) == 0);
        CHECK(out.info.width == 120 && out.info.height == 75);
        CHECK(image_decode(out.image, &out.info, &p, &e) == 0);
        CHECK(p.bands == (t == IMAGE_PNG ? 4 : 3));
        pixels_release(&p);
        blob_unref(out.image);
    }
}

static void make_inputs(struct blob *inputs[IMAGE_TYPE_COUNT])
{
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++)
        inputs[t] = sample_blob(sample_photo(240, 150, t == IMAGE_PNG ? 4 : 3), t);
    inputs[IMAGE_WEBP] = sample_oriented(inputs[IMAGE_WEBP], IMAGE_WEBP, 3);
}

static void leaves_nothing_behind(void **state)
{
    (void)state;
    struct blob *inputs[IMAGE_TYPE_COUNT] = {0};
    make_inputs(inputs);
    work_through(inputs);
    size_t blobs = blob_live_count();
    for (int i = 0; i < 200; i++)
        work_through(inputs);
    assert_true(sample_idle());
    assert_int_equal(blob_live_count(), blobs);
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++)
        blob_unref(inputs[t]);
}

static void *lane(void *inputs)
{
    for (int i = 0; i < 25; i++)
        work_through(inputs);
    imaging_thread_stop();
    return NULL;
}

static void four_threads_do_not_meet(void **state)
{
    (void)state;
    struct blob *inputs[IMAGE_TYPE_COUNT] = {0};
    make_inputs(inputs);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, lane, inputs), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (enum image_type t = IMAGE_JPEG; t < IMAGE_TYPE_COUNT; t++) {
        assert_int_equal(inputs[t]->refs, 1);
        blob_unref(inputs[t]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaves_nothing_behind),
        cmocka_unit_test(four_threads_do_not_meet),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, sample_group_stop);
}
