#include "rig.h"

#include "local/faces.h"

enum { FACES_MAX = 32 };

static unsigned find(struct rig *g, const struct pixels *p, struct face_box faces[FACES_MAX])
{
    unsigned count;
    struct error e;
    if (faces_find(g->local, p, faces, FACES_MAX, &count, &e) < 0)
        fail_msg("%s", e.reason);
    for (unsigned i = 0; i < count; i++) {
        assert_true(faces[i].score > 0.5f && faces[i].score <= 1);
        assert_true(faces[i].right > faces[i].left && faces[i].bottom > faces[i].top);
        assert_true(i == 0 ||
                    faces[i].bottom - faces[i].top <= faces[i - 1].bottom - faces[i - 1].top + 0.01f);
    }
    return count;
}

/* The astronaut's face in samples/astronaut.jpg, by eye: brow to chin, cheek to cheek. */
static const struct face_box true_face = {.left = 178, .top = 78, .right = 268, .bottom = 174};
static const float true_eyes[2][2] = {{203, 101}, {246, 103}};

static struct face_box moved(struct face_box f, float scale, float x, float y)
{
    return (struct face_box){.left = f.left * scale + x,
                             .top = f.top * scale + y,
                             .right = f.right * scale + x,
                             .bottom = f.bottom * scale + y};
}

static void test_a_portrait(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    struct pixels photo = sample("samples/astronaut.jpg");
    struct face_box faces[FACES_MAX];
    assert_int_equal(find(&g, &photo, faces), 1);
    float overlap = face_overlap(&faces[0], &true_face);
    print_message("score %.2f, overlap %.2f\n", (double)faces[0].score, (double)overlap);
    assert_true(overlap > 0.7f);
    for (int eye = FACE_RIGHT_EYE; eye <= FACE_LEFT_EYE; eye++) {
        assert_true(fabsf(faces[0].point[eye].x - true_eyes[eye][0]) < 6);
        assert_true(fabsf(faces[0].point[eye].y - true_eyes[eye][1]) < 6);
    }
    assert_true(faces[0].point[FACE_MOUTH].y > faces[0].point[FACE_NOSE].y);
    assert_true(row_of(g.local, MODEL_FACES_FAR).seconds > 0);

    /* With transparency, and much larger. */
    struct pixels large = resized(&photo, 3000, 3000), four = pixels_new(512, 512, 4);
    for (size_t i = 0; i < 512 * 512; i++) {
        memcpy(four.data + 4 * i, photo.data + 3 * i, 3);
        four.data[4 * i + 3] = 255;
    }
    assert_int_equal(find(&g, &four, faces), 1);
    assert_true(face_overlap(&faces[0], &true_face) > 0.7f);
    assert_int_equal(find(&g, &large, faces), 1);
    struct face_box larger = moved(true_face, 3000 / 512.0f, 0, 0);
    assert_true(face_overlap(&faces[0], &larger) > 0.7f);
    pixels_release(&photo);
    pixels_release(&large);
    pixels_release(&four);
    rig_release(&g);
}

static void test_things_are_no_faces(void **state)
{
    static const char *const names[] = {"samples/coffee.jpg", "samples/chelsea.png"};
    struct rig g;
    rig_init(&g, 20);
    struct face_box faces[FACES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct pixels photo = sample(names[i]), large = resized(&photo, 4 * photo.width, 4 * photo.height);
        assert_int_equal(find(&g, &photo, faces), 0);
        assert_int_equal(find(&g, &large, faces), 0);
        pixels_release(&photo);
        pixels_release(&large);
    }
    static const uint32_t sizes[][2] = {{1, 1}, {3, 900}, {1700, 2}, {64, 64}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct pixels p = pixels_new(sizes[i][0], sizes[i][1], 3);
        memset(p.data, 128, bytes_of(&p));
        assert_int_equal(find(&g, &p, faces), 0);
        pixels_release(&p);
    }
    rig_release(&g);
}

/* Many small faces far apart in a large picture, each found once and in its place. */
static void test_a_group(void **state)
{
    enum { WIDE = 1600, HIGH = 1200, FACE = 130, ACROSS = 6, DOWN = 4 };
    struct rig g;
    rig_init(&g, 20);
    struct pixels photo = sample("samples/astronaut.jpg"), coffee = sample("samples/coffee.jpg"),
                  head = crop(&photo, 128, 4, 192, 192), small = resized(&head, FACE, FACE),
                  group = resized(&coffee, WIDE, HIGH);
    for (uint32_t i = 0; i < ACROSS * DOWN; i++) {
        uint32_t left = 60 + i % ACROSS * 260, top = 40 + i / ACROSS * 290;
        for (uint32_t y = 0; y < FACE; y++)
            memcpy(group.data + (size_t)3 * ((size_t)(top + y) * WIDE + left),
                   small.data + (size_t)3 * FACE * y, (size_t)3 * FACE);
    }
    struct face_box faces[FACES_MAX];
    unsigned count = find(&g, &group, faces);
    assert_int_equal(count, ACROSS * DOWN);
    for (uint32_t i = 0; i < ACROSS * DOWN; i++) {
        float scale = FACE / 192.0f, left = 60 + (float)(i % ACROSS) * 260,
              top = 40 + (float)(i / ACROSS) * 290;
        struct face_box want = moved(true_face, scale, left - 128 * scale, top - 4 * scale);
        unsigned found = 0;
        for (unsigned k = 0; k < count; k++)
            found += face_overlap(&faces[k], &want) > 0.5f;
        assert_int_equal(found, 1);
    }

    /* No more than there is room for: the rest is left out. */
    unsigned some;
    struct error e;
    assert_int_equal(faces_find(g.local, &group, faces, 3, &some, &e), 0);
    assert_int_equal(some, 3);
    struct pixels *all[] = {&photo, &coffee, &head, &small, &group};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        pixels_release(all[i]);
    rig_release(&g);
}

static void test_merging(void **state)
{
    struct face_box faces[] = {
        {.score = 0.6f, .left = 10, .top = 10, .right = 30, .bottom = 30, .point = {{10, 10}}},
        {.score = 0.7f, .left = 100, .top = 0, .right = 120, .bottom = 20},
        {.score = 0.9f, .left = 12, .top = 10, .right = 32, .bottom = 30, .point = {{20, 10}}},
        {.score = 0.8f, .left = 29, .top = 10, .right = 49, .bottom = 30},
        {.score = 0.65f, .left = 102, .top = 12, .right = 109, .bottom = 19}, /* in the second one */
    };
    assert_int_equal(faces_merge(faces, ARRAY_LEN(faces)), 3);
    assert_true(faces[0].score == 0.9f && faces[1].score == 0.8f && faces[2].score == 0.7f);
    assert_true(fabsf(faces[0].left - (10 * 0.6f + 12 * 0.9f) / 1.5f) < 1e-4f);
    assert_true(fabsf(faces[0].point[0].x - 16) < 1e-4f);
    assert_true(fabsf(faces[1].left - 29) < 1e-4f && fabsf(faces[2].left - 100) < 1e-4f);
    assert_int_equal(faces_merge(faces, 0), 0);
    assert_true(face_overlap(&faces[0], &faces[2]) == 0);
    assert_true(fabsf(face_overlap(&faces[0], &faces[0]) - 1) < 1e-6f);
}

static void test_missing_weights(void **state)
{
    struct rig g;
    rig_init(&g, 20);
    char *dir = scratch_new();
    rig_use_models(&g, dir);
    struct pixels p = pixels_new(20, 20, 3);
    memset(p.data, 0, bytes_of(&p));
    struct face_box face;
    unsigned count = 77;
    struct error e;
    assert_int_equal(local_available(g.local, MODEL_FACES, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_int_equal(faces_find(g.local, &p, &face, 1, &count, &e), -ERR_PROVIDER_UNAVAILABLE);
    assert_non_null(strstr(e.reason, "make models"));
    assert_int_equal(count, 77); /* untouched */
    pixels_release(&p);
    rig_release(&g);
    scratch_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_portrait),      cmocka_unit_test(test_things_are_no_faces),
        cmocka_unit_test(test_a_group),         cmocka_unit_test(test_merging),
        cmocka_unit_test(test_missing_weights),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
