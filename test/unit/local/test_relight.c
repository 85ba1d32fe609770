#include "fixture.h"

#include "local/relight.h"
#include "local/relight_mood.h"

enum { SIDE = 160, RADIUS = 56 };

static bool on_ball(uint32_t x, uint32_t y)
{
    double dx = x - (SIDE - 1) / 2.0, dy = y - (SIDE - 1) / 2.0;
    return dx * dx + dy * dy < RADIUS * RADIUS;
}

/* A grey ball before a background of another grey. */
static struct pixels ball(uint8_t grey, uint8_t behind)
{
    struct pixels p = pixels_new(SIDE, SIDE, 3);
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        memset(p.data + (size_t)3 * i, on_ball(i % SIDE, i / SIDE) ? grey : behind, 3);
    return p;
}

static struct pixels cut_out(void)
{
    struct pixels p = pixels_new(SIDE, SIDE, 1);
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        p.data[i] = on_ball(i % SIDE, i / SIDE) ? 255 : 0;
    return p;
}

static struct pixels relit(const struct pixels *in, const struct pixels *alpha,
                           const struct relight_rule *rule)
{
    struct pixels out;
    struct error e;
    if (relight_render(in, alpha, rule, &out, &e) < 0)
        fail_msg("%s", e.reason);
    assert_int_equal(out.bands, 3);
    return out;
}

static struct pixels lit_from(enum relight_side side, const char *prompt)
{
    struct pixels p = ball(128, 110), alpha = cut_out();
    struct pixels out =
        relit(&p, &alpha, &(struct relight_rule){.side = side, .prompt = prompt, .threads = 2});
    pixels_release(&p);
    pixels_release(&alpha);
    return out;
}

/* Of band `band` (3: all) over the ball or what lies behind, in the rectangle. */
static double mean(const struct pixels *p, bool ball_part, unsigned band, uint32_t left, uint32_t top,
                   uint32_t right, uint32_t bottom)
{
    double sum = 0, count = 0;
    for (uint32_t y = top; y < bottom; y++) {
        for (uint32_t x = left; x < right; x++) {
            if (on_ball(x, y) != ball_part)
                continue;
            const uint8_t *c = p->data + ((size_t)y * p->width + x) * 3;
            sum += band < 3 ? c[band] : (c[0] + c[1] + c[2]) / 3.0;
            count++;
        }
    }
    return sum / count;
}

static void test_the_lit_side_is_brighter(void **state)
{
    struct pixels left = lit_from(RELIGHT_LEFT, NULL), top = lit_from(RELIGHT_TOP, NULL),
                  bottom = lit_from(RELIGHT_BOTTOM, NULL), none = lit_from(RELIGHT_NONE, NULL);
    for (int behind = 0; behind < 2; behind++) {
        double margin = behind ? 10 : 40;
        assert_true(mean(&left, !behind, 3, 0, 0, SIDE / 2, SIDE) >
                    mean(&left, !behind, 3, SIDE / 2, 0, SIDE, SIDE) + margin);
        assert_true(mean(&top, !behind, 3, 0, 0, SIDE, SIDE / 2) >
                    mean(&top, !behind, 3, 0, SIDE / 2, SIDE, SIDE) + margin);
        assert_true(mean(&bottom, !behind, 3, 0, SIDE / 2, SIDE, SIDE) >
                    mean(&bottom, !behind, 3, 0, 0, SIDE, SIDE / 2) + margin);
    }
    double difference =
        mean(&none, true, 3, 0, 0, SIDE / 2, SIDE) - mean(&none, true, 3, SIDE / 2, 0, SIDE, SIDE);
    assert_true(fabs(difference) < 6);
    pixels_release(&left);
    pixels_release(&top);
    pixels_release(&bottom);
    pixels_release(&none);
}

static void test_left_mirrors_right(void **state)
{
    struct pixels left = lit_from(RELIGHT_LEFT, "golden"), right = lit_from(RELIGHT_RIGHT, "golden");
    for (uint32_t y = 0; y < SIDE; y++) {
        for (uint32_t x = 0; x < SIDE; x++) {
            const uint8_t *a = left.data + ((size_t)y * SIDE + x) * 3;
            const uint8_t *b = right.data + ((size_t)y * SIDE + SIDE - 1 - x) * 3;
            for (unsigned i = 0; i < 3; i++)
                assert_true(abs(a[i] - b[i]) <= 3); /* grain and rounding */
        }
    }
    pixels_release(&left);
    pixels_release(&right);
}

/* No seam at the ball's edge darker or lighter than both sides of it, where the light is level. */
static void test_no_halo(void **state)
{
    struct pixels p = ball(128, 128), alpha = cut_out();
    struct pixels out = relit(&p, &alpha, &(struct relight_rule){.side = RELIGHT_NONE});
    uint32_t y = SIDE / 2, edge = SIDE / 2 + RADIUS;
    for (uint32_t x = edge - 4; x < edge + 4; x++) {
        int here = out.data[((size_t)y * SIDE + x) * 3], in = out.data[((size_t)y * SIDE + edge - 8) * 3],
            outside = out.data[((size_t)y * SIDE + edge + 8) * 3];
        assert_true(here >= MIN(in, outside) - 40 && here <= MAX(in, outside) + 40);
    }
    pixels_release(&p);
    pixels_release(&alpha);
    pixels_release(&out);
}

/* A bright picture under a strong light keeps its shades: nothing is burnt out over an area. */
static void test_nothing_clips(void **state)
{
    struct pixels p = ball(250, 245), alpha = cut_out();
    struct pixels out = relit(&p, &alpha, &(struct relight_rule){.side = RELIGHT_LEFT, .prompt = "sunny"});
    unsigned white = 0;
    for (size_t i = 0; i < bytes_of(&out); i++)
        white += out.data[i] == 255;
    assert_true(white < bytes_of(&out) / 50);
    pixels_release(&p);
    pixels_release(&alpha);
    pixels_release(&out);
}

static void test_words_set_the_colour(void **state)
{
    struct pixels warm = lit_from(RELIGHT_LEFT, "At SUNSET, by the sea"),
                  cold = lit_from(RELIGHT_LEFT, "moonlight");
    struct pixels noir = lit_from(RELIGHT_LEFT, "film noir"), plain = lit_from(RELIGHT_LEFT, "a nice photo");
    assert_true(mean(&warm, true, 0, 0, 0, SIDE, SIDE) > mean(&warm, true, 2, 0, 0, SIDE, SIDE) + 30);
    assert_true(mean(&cold, true, 2, 0, 0, SIDE, SIDE) > mean(&cold, true, 0, 0, 0, SIDE, SIDE) + 20);
    assert_true(fabs(mean(&noir, true, 2, 0, 0, SIDE, SIDE) - mean(&noir, true, 0, 0, 0, SIDE, SIDE)) < 3);
    assert_true(mean(&noir, false, 3, 0, 0, SIDE, SIDE) < mean(&plain, false, 3, 0, 0, SIDE, SIDE) - 15);
    pixels_release(&warm);
    pixels_release(&cold);
    pixels_release(&noir);
    pixels_release(&plain);
}

static bool same_key(const char *a, const char *b)
{
    struct relight_mood x = relight_mood(a), y = relight_mood(b);
    return fabsf(x.key[0] - y.key[0]) + fabsf(x.key[1] - y.key[1]) + fabsf(x.key[2] - y.key[2]) < 1e-5f;
}

static void test_words_are_found_whole(void **state)
{
    assert_true(same_key(NULL, ""));
    assert_true(
        same_key(NULL, "a hundred spices in the reddish firm")); /* red, ice, fire are no words here */
    assert_false(same_key(NULL, "red"));
    assert_true(same_key("Neon lights", "cyberpunk"));
    assert_true(same_key("candlelit", "candle"));
    struct relight_mood both = relight_mood("golden, studio"), gold = relight_mood("golden"),
                        studio = relight_mood("studio");
    assert_true(fabsf(both.wrap - (gold.wrap + studio.wrap) / 2) < 1e-5f);
}

/* Cover: the result has the size asked for, and the subject, far to the right, is in it. */
static void test_fits_around_the_subject(void **state)
{
    struct pixels p = pixels_new(300, 100, 4), alpha = pixels_new(300, 100, 1);
    for (uint32_t i = 0; i < 300 * 100; i++) {
        bool subject = i % 300 >= 220 && i % 300 < 280;
        memcpy(p.data + (size_t)4 * i,
               subject ? (uint8_t[]){220, 30, 30, 255} : (uint8_t[]){30, 30, 220, 255}, 4);
        alpha.data[i] = subject ? 255 : 0;
    }
    struct pixels out = relit(&p, &alpha, &(struct relight_rule){.width = 256, .height = 320});
    assert_int_equal(out.width, 256);
    assert_int_equal(out.height, 320);
    unsigned red = 0;
    for (size_t i = 0; i < bytes_of(&out); i += 3)
        red += out.data[i] > out.data[i + 2] + 40;
    assert_true(red > 256 * 320 / 2);
    pixels_release(&p);
    pixels_release(&alpha);
    pixels_release(&out);
}

static void test_repeats_and_varies(void **state)
{
    struct pixels p = sample("samples/portrait-small.jpg");
    struct relight_rule rule = {.side = RELIGHT_LEFT, .seed = 5, .threads = 1};
    struct pixels first = relit(&p, NULL, &rule);
    rule.threads = 3;
    struct pixels again = relit(&p, NULL, &rule);
    assert_memory_equal(first.data, again.data, bytes_of(&first));
    struct pixels before = first;
    for (rule.variant = 1; rule.variant < 12; rule.variant++) {
        struct pixels other = relit(&p, NULL, &rule);
        double likeness = psnr(&before, &other);
        assert_true(likeness > 15 && likeness < 45);
        pixels_release(&before);
        before = other;
    }
    pixels_release(&before);
    pixels_release(&again);
    pixels_release(&p);
}

static void test_any_size_and_alpha(void **state)
{
    static const uint32_t sides[][2] = {{1, 1}, {3, 5}, {1, 70}, {64, 2}};
    for (unsigned n = 0; n < ARRAY_LEN(sides); n++) {
        for (int cover = 0; cover < 3; cover++) {
            struct pixels p = pixels_new(sides[n][0], sides[n][1], 3),
                          alpha = pixels_new(sides[n][0], sides[n][1], 1);
            memset(p.data, 90, bytes_of(&p));
            memset(alpha.data, cover == 1 ? 255 : 0, bytes_of(&alpha)); /* all subject, or none at all */
            struct pixels out =
                relit(&p, cover < 2 ? &alpha : NULL, &(struct relight_rule){.side = RELIGHT_TOP});
            assert_int_equal(out.width, p.width);
            assert_int_equal(out.height, p.height);
            pixels_release(&p);
            pixels_release(&alpha);
            pixels_release(&out);
        }
    }
}

static void test_cancelled(void **state)
{
    struct pixels p = ball(128, 110), out = {0};
    atomic_bool gone = true;
    struct error e;
    assert_int_equal(relight_render(&p, NULL, &(struct relight_rule){.cancelled = &gone}, &out, &e),
                     -ERR_CLIENT_GONE);
    assert_null(out.data);
    pixels_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_lit_side_is_brighter),
        cmocka_unit_test(test_left_mirrors_right),
        cmocka_unit_test(test_no_halo),
        cmocka_unit_test(test_nothing_clips),
        cmocka_unit_test(test_words_set_the_colour),
        cmocka_unit_test(test_words_are_found_whole),
        cmocka_unit_test(test_fits_around_the_subject),
        cmocka_unit_test(test_repeats_and_varies),
        cmocka_unit_test(test_any_size_and_alpha),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, imaging_group_start, imaging_group_stop);
}
