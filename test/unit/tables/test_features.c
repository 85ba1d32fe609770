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
    assert_int_equal(r, -(int)features[id].refusal);
    assert_int_equal(g.err.code, features[id].refusal);
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
    assert_ptr_equal(feature_by_route("/api/clarity/"), &features[FEATURE_CLARITY]);
    assert_null(feature_by_route("/api/clarity//"));
    assert_null(feature_by_route("/api/clarityy"));
    assert_null(feature_by_route("/"));
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
            if (row[i].initial)
                accepts((enum feature_id)id, row[i].name, row[i].initial, row[i].initial);
        }
    }
}

/* On the command line a key's prefix tells a result from what a step of the work stores. */
static void test_steps_have_prefixes_of_their_own(void **state)
{
    unsigned steps = 0;
    for (unsigned id = 0; id < FEATURE_COUNT; id++) {
        if (features[id].step == FEATURE_NONE)
            continue;
        steps++;
        assert_string_not_equal(features[id].prefix, features[features[id].step].prefix);
    }
    assert_true(steps > 0);
}

/* A picture that only a parameter's value asks for says what that is without it, or no command could tell. */
static void test_pictures_that_may_be_missing(void **state)
{
    for (unsigned id = 0; id < FEATURE_COUNT; id++) {
        size_t count;
        const struct image_row *row = feature_images(&features[id], &count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(row[i].when == NULL, row[i].without == NULL);
            if (!row[i].when)
                continue;
            struct given g = begin((enum feature_id)id);
            size_t name = strcspn(row[i].without, "=");
            char *param = arena_strndup(&g.arena, row[i].without, name);
            assert_int_equal(strncmp(row[i].when, row[i].without, name + 1), 0);
            assert_int_equal(params_set(&g.params, &g.arena, param, row[i].without + name + 1, &g.err), 0);
            assert_false(params_match(&g.params, row[i].when));
            arena_release(&g.arena);
        }
    }
}

static void test_choices_for_people(void **state)
{
    size_t count;
    const struct param_row *row = feature_params(&features[FEATURE_RELIGHT], &count);
    char words[64], cut[8];
    while (strcmp(row->name, "output_format") != 0)
        row++;
    param_choices(row, words, sizeof(words));
    assert_string_equal(words, "webp, jpg, jpeg, png");
    param_choices(row, cut, sizeof(cut));
    assert_string_equal(cut, "webp, j");
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
    static const char *const bad[] = {"3",  "24",  "2|4", "|",   "02", "2.5", "2.",  " 2",  ".0",
                                      "2 ", "abc", "NaN", "1e9", "-1", "4=2", "2=4", "\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses(FEATURE_CLARITY, "scale", bad[i], "scale", "is not one of 2, 4");
    accepts(FEATURE_CLARITY, "scale", "", "2"); /* a form's empty box */
    accepts(FEATURE_CLARITY, "scale", "4.0", "4");
    accepts(FEATURE_UPSCALE, "version", "", "v1.4");
    accepts(FEATURE_UPSCALE, "scale", "4.00", "4");
    accepts(FEATURE_RELIGHT, "light_source", "", "None");
    accepts(FEATURE_RELIGHT, "output_format", "", "webp");
    accepts(FEATURE_RELIGHT, "output_quality", "0", "0");
    refuses(FEATURE_STYLE, "style", "", "style", "is not one of"); /* it has no default */
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
    accepts(FEATURE_ENHANCE, "model", "", "real-esrgan");
}

static void test_integers(void **state)
{
    accepts(FEATURE_BEAUTIFY, "scale", "2", "2");
    accepts(FEATURE_BEAUTIFY, "scale", "3", "3");
    accepts(FEATURE_BEAUTIFY, "scale", "4", "4");
    accepts(FEATURE_BEAUTIFY, "scale", "003", "3");
    accepts(FEATURE_BEAUTIFY, "scale", "3.0", "3");
    static const char *const bad[] = {"1",
                                      "5",
                                      "-1",
                                      "-",
                                      "--3",
                                      "+3",
                                      " 3",
                                      "3 ",
                                      "3.5",
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
    accepts(FEATURE_BEAUTIFY, "scale", "", "2"); /* a form's empty box */
}

static void test_numbers(void **state)
{
    accepts(FEATURE_RELIGHT, "cfg", "2", "2");
    accepts(FEATURE_RELIGHT, "cfg", "02.50", "2.5");
    accepts(FEATURE_RELIGHT, "cfg", "32.0", "32");
    accepts(FEATURE_RELIGHT, "cfg", "", "2");
    static const char *const bad[] = {"0.9", "32.1", "-2", "1e1", "nan", "inf", "2,5", "2.5.1", "0x2", "."};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses(FEATURE_RELIGHT, "cfg", bad[i], "cfg", "");
    accepts(FEATURE_RELIGHT, "width", "1024", "1024");
    refuses(FEATURE_RELIGHT, "width", "1000", "width", "in steps of 64");
    accepts(FEATURE_UPSCALE, "scale", "4", "4");
    accepts(FEATURE_UPSCALE, "scale", "3", "2"); /* anything else counts as 2 */
    accepts(FEATURE_UPSCALE, "scale", "much", "2");
    accepts(FEATURE_RELIGHT, "seed", "", "");
    accepts(FEATURE_RELIGHT, "seed", "7", "7");
}

static void test_texts(void **state)
{
    accepts(FEATURE_RELIGHT, "prompt", "Ánh nắng\n\"chiều\"", "Ánh nắng\n\"chiều\"");
    refuses(FEATURE_RELIGHT, "prompt", "", "prompt", "at least 1");
    refuses(FEATURE_RELIGHT, "prompt", "  \n", "prompt", "at least 1");
    refuses(FEATURE_RELIGHT, "prompt", "a\x01", "prompt", "control");
    refuses(FEATURE_RELIGHT, "prompt", "a\xff", "prompt", "UTF-8");
    char longest[1002];
    memset(longest, 'x', sizeof(longest));
    longest[1001] = '\0';
    refuses(FEATURE_RELIGHT, "prompt", longest, "prompt", "at most 1000");
    longest[1000] = '\0';
    accepts(FEATURE_RELIGHT, "prompt", longest, longest);
}

/* Passed over: nothing changes. */
static void ignores(enum feature_id id, const char *name)
{
    struct given g = begin(id);
    char *before = params_canonical(&g.params, &g.arena);
    assert_int_equal(params_set(&g.params, &g.arena, name, "2", &g.err), 0);
    assert_string_equal(params_canonical(&g.params, &g.arena), before);
    arena_release(&g.arena);
}

/* Blanks around a prompt are no part of it, and alone they are none. */
static void test_prompts(void **state)
{
    accepts(FEATURE_STORY_COMIC, "prompt", "a dragon", "a dragon");
    accepts(FEATURE_STORY_COMIC, "prompt", " \n\u3000a  dragon\u00a0\u200b\t", "a  dragon");
    accepts(FEATURE_STORY_COMIC, "prompt", "Cô bé và Rồng", "Cô bé và Rồng");
    accepts(FEATURE_STORY_COMIC, "prompt", "龍と少女の物語だ", "龍と少女の物語だ"); /* eight characters */
    static const char *const few[] = {"",
                                      "        ",
                                      "7 chars",
                                      "  7 chars      ",
                                      "\u3000\u3000\u3000\u3000\u3000\u3000\u3000\u3000\u3000",
                                      "a       \u200b",
                                      "龍と少女の物語"};
    for (size_t i = 0; i < ARRAY_LEN(few); i++)
        refuses(FEATURE_STORY_COMIC, "prompt", few[i], "prompt", "from 8 to 4000 characters");
    refuses(FEATURE_STORY_COMIC, "prompt", "a dragon\x01", "prompt", "control");
    refuses(FEATURE_STORY_COMIC, "prompt", "a dragon\xc3", "prompt", "UTF-8");
    char longest[4012];
    memset(longest, 'x', sizeof(longest));
    longest[4001] = '\0';
    refuses(FEATURE_STORY_COMIC, "prompt", longest, "prompt", "from 8 to 4000 characters");
    memset(longest + 4000, ' ', 10);
    longest[4010] = '\0';
    struct given g = begin(FEATURE_STORY_COMIC);
    assert_int_equal(params_check(&g.params, &g.err), -ERR_VALIDATION);
    assert_string_equal(g.err.field, "prompt");
    assert_non_null(strstr(g.err.reason, "from 8 to 4000 characters"));
    assert_int_equal(params_set(&g.params, &g.arena, "prompt", longest, &g.err), 0);
    assert_int_equal(strlen(params_text(&g.params, "prompt")), 4000);
    assert_int_equal(params_check(&g.params, &g.err), 0);
    arena_release(&g.arena);
}

/* A feature without a picture is asked for by texts alone. */
static void test_no_pictures(void **state)
{
    const struct feature *f = &features[FEATURE_COMIC];
    size_t count;
    const struct image_row *row = feature_images(f, &count);
    assert_null(row);
    assert_int_equal(count, 0);
    assert_int_equal(feature_pictures(f), 0);
    assert_null(feature_picture_list(f));
    assert_int_equal(feature_file_of(f, "image"), -1);
    assert_int_equal(feature_address_of(f, "_url"), -1);
    assert_false(feature_has_field(f, "image_url"));
    ignores(FEATURE_COMIC, "image_url"); /* an app's own */
    refuses(FEATURE_COMIC, "promt", "x", "promt", "is \"prompt\" meant");
    assert_int_equal(feature_pictures(&features[FEATURE_REPLACE_BG]), 2);
    assert_string_equal(feature_picture(&features[FEATURE_REPLACE_BG], 1)->field, "bg");
    assert_int_equal(feature_file_of(&features[FEATURE_REPLACE_BG], "bg"), 1);
    assert_int_equal(feature_file_of(&features[FEATURE_REPLACE_BG], "bg[]"), -1);
}

static void test_lists(void **state)
{
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "", "[]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "[]", "[]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", " [ \"a\" , null, \" b \\\" \"] ", "[\"a\",\"\",\"b \\\"\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "a\n\n<b>\n\n", "[\"a\",\"\",\"<b>\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "[sighs]", "[\"[sighs]\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "[nods] Hi\n[", "[\"[nods] Hi\",\"[\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "[", "[\"[\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "[ ", "[\"[\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "[nullified]", "[\"[nullified]\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "[null and void]", "[\"[null and void]\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "[ null , \"a\"]", "[\"\",\"a\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "[null\n]", "[]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues[]", "a", "[\"a\"]");
    accepts(FEATURE_COMIC_PHOTOS, "dialogues", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n\n",
            "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\"]");
    refuses(FEATURE_COMIC_PHOTOS, "dialogues", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13", "dialogues",
            "at most 12");
    refuses(FEATURE_COMIC_PHOTOS, "dialogues", "[\"a\"", "dialogues", "JSON array");
    refuses(FEATURE_COMIC_PHOTOS, "dialogues", "[null", "dialogues", "JSON array");
    refuses(FEATURE_COMIC_PHOTOS, "dialogues", "[\"a\",1]", "dialogues", "JSON array");
    refuses(FEATURE_COMIC_PHOTOS, "dialogues", "a\nb\x01", "dialogues", "Text 2");
    refuses(FEATURE_COMIC_PHOTOS, "dialogues", "a\xff", "dialogues", "UTF-8");
    char longest[160] = "  ";
    memset(longest + 2, 'x', 141);
    refuses(FEATURE_COMIC_PHOTOS, "dialogues", longest, "dialogues", "at most 140");
    longest[142] = ' '; /* blanks around it are no part of it */
    struct given g = begin(FEATURE_COMIC_PHOTOS);
    assert_int_equal(params_set(&g.params, &g.arena, "dialogues", longest, &g.err), 0);
    static const char *const items[] = {"", "two\nlines", "[\"x\"]", " "};
    assert_int_equal(params_set_items(&g.params, &g.arena, "captions", items, 4, &g.err), 0);
    size_t count;
    const char **list = params_list(&g.params, "captions", &g.arena, &count);
    assert_int_equal(count, 3);
    assert_string_equal(list[0], "");
    assert_string_equal(list[1], "two\nlines");
    assert_string_equal(list[2], "[\"x\"]");
    list = params_list(&g.params, "emotions", &g.arena, &count);
    assert_non_null(list);
    assert_int_equal(count, 0);
    assert_non_null(strstr(params_canonical(&g.params, &g.arena), ";emotions:2=[];captions:"));
    arena_release(&g.arena);
}

static void test_lists_of_pictures(void **state)
{
    const struct feature *f = &features[FEATURE_COMIC_PHOTOS];
    assert_int_equal(feature_pictures(f), 12);
    assert_ptr_equal(feature_picture(f, 11), feature_picture_list(f));
    static const char *const files[] = {"photos", "photos[]", "photo1", "photo12"};
    static const char *const others[] = {"photo",     "photo0", "photo123", "photos1",
                                         "photos[0]", "image",  "photo1x"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_int_equal(feature_file_of(f, files[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(feature_file_of(f, others[i]), -1);
    assert_int_equal(feature_address_of(f, "photos_url"), 0);
    assert_int_equal(feature_address_of(f, "photos_url[]"), 0);
    assert_int_equal(feature_digest_of(f, "photos_digest[]"), 0);
    assert_int_equal(feature_digest_of(f, "photos_url"), -1);
    refuses(FEATURE_COMIC_PHOTOS, "photos", "x", "photos", "\"photos_url\"");
    refuses(FEATURE_COMIC_PHOTOS, "photo2", "x", "photo2", "\"photos_url\"");
    refuses(FEATURE_COMIC_PHOTOS, "photo", "x", "photo", "is \"photos\" meant");
    struct error e;
    error_set_field(&e, ERR_VALIDATION, "image", "The image is cut off");
    feature_blame_picture(f, 2, &e);
    assert_string_equal(e.field, "photos");
    assert_string_equal(e.reason, "Picture 3: The image is cut off");
    error_set_field(&e, ERR_VALIDATION, "image", "The image is cut off");
    feature_blame_picture(&features[FEATURE_REPLACE_BG], 1, &e);
    assert_string_equal(e.field, "bg");
    assert_string_equal(e.reason, "The image is cut off");
}

/* What must be given, is; texts that look like the next parameter are not; prefixes hold values. */
static void test_the_rest_of_a_feature(void **state)
{
    struct given g = begin(FEATURE_RELIGHT), other = begin(FEATURE_RELIGHT);
    assert_int_equal(params_check(&g.params, &g.err), -ERR_PROCESSING);
    assert_string_equal(g.err.field, "prompt");
    assert_false(params_keep(&g.params));
    assert_int_equal(params_set(&g.params, &g.arena, "prompt", "a;appended_prompt=b", &g.err), 0);
    assert_int_equal(params_set(&g.params, &g.arena, "appended_prompt", "c", &g.err), 0);
    assert_int_equal(params_set(&g.params, &g.arena, "seed", "7", &g.err), 0);
    assert_int_equal(params_check(&g.params, &g.err), 0);
    assert_true(params_keep(&g.params));
    assert_int_equal(params_set(&other.params, &other.arena, "prompt", "a", &other.err), 0);
    assert_int_equal(
        params_set(&other.params, &other.arena, "appended_prompt", "b;appended_prompt=c", &other.err), 0);
    assert_int_equal(params_set(&other.params, &other.arena, "seed", "7", &other.err), 0);
    assert_string_not_equal(params_canonical(&g.params, &g.arena),
                            params_canonical(&other.params, &other.arena));
    assert_string_equal(params_prefix(&g.params, &g.arena), "portraits/iclight");
    arena_release(&g.arena);
    arena_release(&other.arena);
    g = begin(FEATURE_UPSCALE);
    assert_string_equal(params_prefix(&g.params, &g.arena), "gfpgan/s2-v1.4");
    arena_release(&g.arena);
    g = begin(FEATURE_REPLACE_BG);
    assert_true(params_match(&g.params, "mode=replace") && !params_match(&g.params, "mode=remove"));
    assert_null(strstr(params_canonical(&g.params, &g.arena), "signTtl")); /* it changes links only */
    arena_release(&g.arena);
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
    refuses(FEATURE_CLARITY, "face_enhance", "on", "face_enhance", "is \"faceEnhance\" meant");
    struct given g = begin(FEATURE_ENHANCE);
    assert_int_equal(params_set(&g.params, &g.arena, "faceEnhance", "1", &g.err), 0);
    assert_true(params_bool(&g.params, "face_enhance")); /* the same parameter by either name */
    assert_true(params_bool(&g.params, "faceEnhance"));
    arena_release(&g.arena);
}

static void test_unknown_names(void **state)
{
    static const char *const others[] = {"userId",     "",  "model", "faceEnhance",
                                         "sc\xff\nle", "x", "s",     "escalate"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        ignores(FEATURE_BEAUTIFY, others[i]);
    static const char *const slips[] = {"Scale", "scal", "scalee", "sclae", "sale", "scape", "s_cale"};
    for (size_t i = 0; i < ARRAY_LEN(slips); i++)
        refuses(FEATURE_BEAUTIFY, slips[i], "2", slips[i], "no such field here; is \"scale\" meant");
    refuses(FEATURE_BEAUTIFY, "image_ur", "2", "image_ur", "\"image_url\"");
    refuses(FEATURE_BEAUTIFY, "images", "2", "images", "\"image\"");
    refuses(FEATURE_BEAUTIFY, "image", "data:", "image", "\"image_url\"");
    refuses(FEATURE_REPLACE_BG, "imageUrl", "2", "imageUrl", "\"fg_url\"");
    ignores(FEATURE_REPLACE_BG, "bug"); /* too short to tell */
    refuses(FEATURE_REPLACE_BG, "BG", "2", "BG", "\"bg\"");
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

static void knows_what_a_model_reads(void **state)
{
    const struct feature *f = &features[FEATURE_STYLE];
    assert_true(feature_takes(f, "jpg"));
    assert_true(feature_takes(f, "webp"));
    assert_false(feature_takes(f, "avif"));
    assert_false(feature_takes(f, "jp"));
    assert_false(feature_takes(f, ""));
    assert_false(feature_takes(&features[FEATURE_REPLACE_BG], "jpg")); /* it runs none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_a_model_reads),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_defaults_are_canonical),
        cmocka_unit_test(test_steps_have_prefixes_of_their_own),
        cmocka_unit_test(test_pictures_that_may_be_missing),
        cmocka_unit_test(test_choices_for_people),
        cmocka_unit_test(test_max_side),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_renamed_choices),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_no_pictures),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_lists_of_pictures),
        cmocka_unit_test(test_the_rest_of_a_feature),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
