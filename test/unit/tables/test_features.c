#include "tables/features.h"

#include <string.h>

#include "scratch.h"

struct given {
    struct arena arena;
    struct params params;
    struct error err;
};

static struct given begin(enum feature_id id)
{
    struct given g = {0};
    params_init(&g.params, &features[id]);
    return g;
}

static void accepts(enum feature_id id, const char *name, const char *value, const char *canonical)
{
    struct given g = begin(id);
    g.err.code = ERR_GONE;
    int r = params_set(&g.params, &g.arena, name, value, &g.err);
    if (r < 0)
        print_error("%s=%s: %s\n", name, value, g.err.reason);
    assert_int_equal(r, 0);
    assert_int_equal(g.err.code, ERR_GONE); /* untouched */
    assert_string_equal(params_text(&g.params, name), canonical);
    arena_release(&g.arena);
}

/* Refused, with the field's own name and what is allowed; the value stays what it was. */
static void refuses(enum feature_id id, const char *name, const char *value, const char *field,
                    const char *why)
{
    struct given g = begin(id);
    char *before = params_canonical(&g.params, &g.arena);
    int r = params_set(&g.params, &g.arena, name, value, &g.err);
    if (r == 0)
        print_error("%s=%s was accepted\n", name, value);
    assert_int_equal(r, -ERR_VALIDATION);
    assert_int_equal(g.err.code, ERR_VALIDATION);
    assert_string_equal(g.err.field, field);
    if (!strstr(g.err.reason, why))
        print_error("%s=%s: \"%s\" does not say \"%s\"\n", name, value, g.err.reason, why);
    assert_non_null(strstr(g.err.reason, why));
    assert_string_equal(params_canonical(&g.params, &g.arena), before);
    arena_release(&g.arena);
}

static void test_lookup(void **state)
{
    assert_ptr_equal(feature_by_route("/api/clarity"), &features[FEATURE_CLARITY]);
    assert_ptr_equal(feature_by_route("/api/enhance"), &features[FEATURE_ENHANCE]);
    assert_ptr_equal(feature_by_route("/api/ai-beautify"), &features[FEATURE_BEAUTIFY]);
    assert_null(feature_by_route("/api/clarity/"));
    assert_null(feature_by_route("/api"));
    assert_null(feature_by_route(""));
    assert_ptr_equal(feature_by_command("beautify"), &features[FEATURE_BEAUTIFY]);
    assert_null(feature_by_command("/api/clarity"));
    assert_string_equal(class_name(CLASS_LIGHT), "light");
    assert_string_equal(class_name(CLASS_HEAVY), "heavy");
    assert_string_equal(class_name(CLASS_COMIC), "comic");
}

/* Names that existing apps and dashboards know. */
static void test_rows(void **state)
{
    const struct feature *f = &features[FEATURE_CLARITY];
    assert_string_equal(f->name, "improveClarity");
    assert_string_equal(f->model, "nightmareai/real-esrgan");
    assert_string_equal(f->prefix, "clarity");
    assert_int_equal(f->class, CLASS_LIGHT);
    f = &features[FEATURE_ENHANCE];
    assert_string_equal(f->name, "imageEnhance");
    assert_string_equal(f->prefix, "enhance/real-esrgan");
    f = &features[FEATURE_BEAUTIFY];
    assert_string_equal(f->name, "aiBeautify");
    assert_string_equal(f->model, "cjwbw/real-esrgan");
    assert_string_equal(f->version, "d0ee3d708c9b911f122a4ad90046c5d26a0293b99476d697f6bb7f2e251ce2d4");
    assert_string_equal(f->prefix, "aiBeautify");
}

/* Every default is a value that the row itself accepts, as it stands. */
static void test_defaults_are_canonical(void **state)
{
    for (unsigned id = 0; id < FEATURE_COUNT; id++) {
        assert_int_equal(features[id].id, id);
        size_t count;
        const struct param_row *row = feature_params(&features[id], &count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(row[i].feature, id);
            accepts((enum feature_id)id, row[i].name, row[i].initial, row[i].initial);
        }
    }
}

static void test_max_side(void **state)
{
    struct options opt = {.image_max_side_px = 2048, .enhance_max_side_px = 2560};
    assert_int_equal(feature_max_side(&features[FEATURE_CLARITY], &opt), 2048);
    assert_int_equal(feature_max_side(&features[FEATURE_ENHANCE], &opt), 2560);
    assert_int_equal(feature_max_side(&features[FEATURE_BEAUTIFY], &opt), 2048);
}

static void test_choices(void **state)
{
    accepts(FEATURE_CLARITY, "scale", "2", "2");
    accepts(FEATURE_CLARITY, "scale", "4", "4");
    static const char *const bad[] = {"",   "3",   "24",  "2|4", "|",  "02",  "2.0", " 2",
                                      "2 ", "abc", "NaN", "1e9", "-1", "4=2", "2=4", "\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses(FEATURE_CLARITY, "scale", bad[i], "scale", "is not one of 2, 4");
    accepts(FEATURE_CLARITY, "quality", "best", "best");
    accepts(FEATURE_CLARITY, "quality", "", ""); /* the server's choice, which is the default */
    refuses(FEATURE_CLARITY, "quality", "Best", "quality", "is not one of auto, fast, best");
    refuses(FEATURE_CLARITY, "quality", "bes", "quality", "\"bes\"");
    refuses(FEATURE_CLARITY, "quality", "bestt", "quality", "\"bestt\"");
}

static void test_renamed_choices(void **state)
{
    accepts(FEATURE_ENHANCE, "model", "real-esrgan", "real-esrgan");
    accepts(FEATURE_ENHANCE, "model", "nightmareai/real-esrgan", "real-esrgan");
    refuses(FEATURE_ENHANCE, "model", "nightmareai/real-esrgan=real-esrgan", "model", "is not one of");
    refuses(FEATURE_ENHANCE, "model", "nightmareai", "model",
            "is not one of real-esrgan, nightmareai/real-esrgan");
    refuses(FEATURE_ENHANCE, "model", "", "model", "is not one of");
}

static void test_integers(void **state)
{
    accepts(FEATURE_BEAUTIFY, "scale", "2", "2");
    accepts(FEATURE_BEAUTIFY, "scale", "3", "3");
    accepts(FEATURE_BEAUTIFY, "scale", "4", "4");
    accepts(FEATURE_BEAUTIFY, "scale", "003", "3");
    static const char *const bad[] = {"",
                                      "1",
                                      "5",
                                      "-1",
                                      "-",
                                      "--3",
                                      "+3",
                                      " 3",
                                      "3 ",
                                      "3.0",
                                      "0x3",
                                      "3e0",
                                      "1e9",
                                      "abc",
                                      "NaN",
                                      "inf",
                                      "\t3",
                                      "3\n",
                                      "2147483650",
                                      "99999999999999999999",
                                      "-99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses(FEATURE_BEAUTIFY, "scale", bad[i], "scale", "is not a whole number from 2 to 4");
}

static void test_booleans(void **state)
{
    static const char *const yes[] = {"1", "true", "yes", "on", "TRUE", "Yes", "On"};
    static const char *const no[] = {"0", "false", "no", "off", "", "False"};
    static const char *const bad[] = {"2", "tru", "truee", " true", "y", "n", "null", "01"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        accepts(FEATURE_CLARITY, "faceEnhance", yes[i], "true");
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        accepts(FEATURE_CLARITY, "faceEnhance", no[i], "false");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses(FEATURE_CLARITY, "faceEnhance", bad[i], "faceEnhance", "is not true or false");
}

static void test_other_names(void **state)
{
    accepts(FEATURE_ENHANCE, "face_enhance", "on", "true");
    accepts(FEATURE_ENHANCE, "faceEnhance", "on", "true");
    refuses(FEATURE_ENHANCE, "faceEnhance", "maybe", "face_enhance", "is not true or false");
    refuses(FEATURE_CLARITY, "face_enhance", "on", "face_enhance", "no such field");
    struct given g = begin(FEATURE_ENHANCE);
    assert_int_equal(params_set(&g.params, &g.arena, "faceEnhance", "1", &g.err), 0);
    assert_true(params_bool(&g.params, "face_enhance")); /* the same parameter by either name */
    assert_true(params_bool(&g.params, "faceEnhance"));
    arena_release(&g.arena);
}

static void test_unknown_names(void **state)
{
    refuses(FEATURE_CLARITY, "model", "real-esrgan", "model", "takes image, scale, faceEnhance, quality");
    refuses(FEATURE_BEAUTIFY, "faceEnhance", "1", "faceEnhance", "takes image, scale, quality");
    refuses(FEATURE_BEAUTIFY, "Scale", "2", "Scale", "no such field");
    refuses(FEATURE_BEAUTIFY, "", "2", "", "no such field");
    refuses(FEATURE_BEAUTIFY, "sc\xff\nle", "2", "sc??le", "no such field");
}

static void test_reading(void **state)
{
    struct given g = begin(FEATURE_BEAUTIFY);
    assert_int_equal(params_int(&g.params, "scale", 9), 2);
    assert_int_equal(params_int(&g.params, "steps", 9), 9);
    assert_int_equal(params_int(&g.params, "quality", 9), 9); /* empty */
    assert_string_equal(params_text(&g.params, "quality"), "");
    assert_string_equal(params_text(&g.params, "nothing"), "");
    assert_false(params_bool(&g.params, "nothing"));
    assert_int_equal(params_set(&g.params, &g.arena, "scale", "4", &g.err), 0);
    assert_int_equal(params_set(&g.params, &g.arena, "scale", "3", &g.err), 0); /* the last one counts */
    assert_int_equal(params_int(&g.params, "scale", 9), 3);
    arena_release(&g.arena);
}

static char *canonical(struct arena *a, enum feature_id id, const char *const *pairs, size_t count)
{
    struct params p;
    struct error e;
    params_init(&p, &features[id]);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(params_set(&p, a, pairs[2 * i], pairs[2 * i + 1], &e), 0);
    return params_canonical(&p, a);
}

/* The text enters the cache key: defaults are filled in, order and spelling do not matter. */
static void test_canonical(void **state)
{
    struct arena a;
    arena_init(&a);
    assert_string_equal(canonical(&a, FEATURE_CLARITY, NULL, 0), "scale=2;faceEnhance=false;quality=");
    assert_string_equal(canonical(&a, FEATURE_BEAUTIFY, NULL, 0), "scale=2;quality=");
    const char *right = "scale=4;face_enhance=true;model=real-esrgan;quality=fast";
    static const char *const one[] = {"scale", "4",           "face_enhance", "true",
                                      "model", "real-esrgan", "quality",      "fast"};
    static const char *const other[] = {"quality",     "fast", "model", "nightmareai/real-esrgan",
                                        "faceEnhance", "ON",   "scale", "4"};
    assert_string_equal(canonical(&a, FEATURE_ENHANCE, one, 4), right);
    assert_string_equal(canonical(&a, FEATURE_ENHANCE, other, 4), right);
    static const char *const defaults[] = {"scale", "2", "faceEnhance", ""};
    assert_string_equal(canonical(&a, FEATURE_CLARITY, defaults, 2), canonical(&a, FEATURE_CLARITY, NULL, 0));
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_defaults_are_canonical),
        cmocka_unit_test(test_max_side),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_renamed_choices),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
