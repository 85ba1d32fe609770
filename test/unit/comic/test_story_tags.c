#include <stdlib.h>

#include "story_rig.h"

#define REQUIRED                                                                                             \
    "masterpiece, best quality, anime style, vibrant colors, high quality, detailed background, no text, "   \
    "no speech bubble"
#define HEAD REQUIRED ", anime coloring, clean cel shading"

static const struct story_outline outline = {
    .character = {{"Lan", "1girl, black hair, yellow coat"},
                  {"An", "1girl, red hair, solo"},
                  {"Minh", "1boy, cap, manga, black and white scarf"},
                  {"ミカ", "cat, blue ribbon"}},
    .character_count = 4,
};

static void assert_tags(const char *tags, const char *said_of, const char *made)
{
    struct arena a;
    arena_init(&a);
    assert_string_equal(story_tags(tags, &outline, said_of, "anime_color", &a), made);
    arena_release(&a);
}

static void test_order_and_shape(void **state)
{
    assert_tags("", "", HEAD);
    assert_tags("tree", "", HEAD ", tree");
    assert_tags(" Tree ,, RIVER\n\tbank ; tree,hill.\nsky | sea ", "",
                HEAD ", tree, river, bank, hill, sky, sea");
    assert_tags("Masterpiece, no text, best quality, tree", "", HEAD ", tree");
    assert_tags("(tree:1.2), [river], {{hill}}, ((sky)):1.5, 10:30 clock", "",
                HEAD ", tree, river, hill, sky, 10:30 clock");
    assert_tags("cô gái, cây, 1girl, ângulo", "", HEAD ", 1girl");
    assert_tags("<lora:x>, \"tree\", `river`", "", HEAD ", lora:x, tree, river");
}

static void test_banned(void **state)
{
    static const char *const bad[] = {
        "manga",
        "manga style",
        "Mangaka",
        "comic",
        "comic panel",
        "screentone",
        "screentones",
        "black and white",
        "BLACK AND WHITE",
        "black_and_white",
        "monochrome",
        "monochromatic",
        "greyscale",
        "grayscale",
        "lineart",
        "line art",
        "text",
        "english text",
        "text: hello",
        "no manga",
        "watermark",
        "watermarked",
        "signature",
        "logo",
        "speech bubble",
        "speech_bubble",
        "speech bubbles",
        "empty speech bubble",
        "no watermark",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_tags(bad[i], "", HEAD);
        assert_false(story_tags_usable(bad[i]));
    }
    assert_tags("textbook, black and white cat, texture, logos of stars, monologue", "",
                HEAD ", textbook, two-tone cat, texture, monologue");
    assert_false(story_tags_usable(REQUIRED));
    assert_false(story_tags_usable("cô gái, , ."));
    assert_true(story_tags_usable(REQUIRED ", manga, tree"));
}

static void test_characters(void **state)
{
    assert_tags("running, 1girl", "Lan", HEAD ", 1girl, solo, black hair, yellow coat, running");
    assert_tags("running, 1girl, solo", "Lan và An",
                HEAD ", 2girls, black hair, yellow coat, red hair, running");
    assert_tags("3girls, dog", "An, Minh", HEAD ", 1girl, 1boy, red hair, cap, two-tone scarf, dog");
    assert_tags("1girl, sea", "Lang thang, lan, Ân, Anh, XAn, Minh2", HEAD ", 1girl, sea");
    assert_tags("sea", "今日はミカが来た", HEAD ", cat, blue ribbon, sea");
    assert_tags("sea", "(Lan)", HEAD ", 1girl, solo, black hair, yellow coat, sea");
    struct arena a;
    arena_init(&a);
    assert_string_equal(story_tags("sea", NULL, "Lan", "anime_color", &a), HEAD ", sea");
    arena_release(&a);
}

static void test_styles(void **state)
{
    static const struct {
        const char *style, *tags;
    } known[] = {
        {"watercolor", "watercolor painting, soft washes, paper texture"},
        {"pastel", "pastel colors, soft lighting, gentle shading"},
        {"cyberpunk", "cyberpunk, neon lights, futuristic"},
        {"chibi", "chibi, super deformed, cute proportions"},
        {"anime_color", "anime coloring, clean cel shading"},
        {"manga", "anime coloring, clean cel shading"},
        {"", "anime coloring, clean cel shading"},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        const char *made = story_tags("", NULL, "", known[i].style, &a);
        assert_int_equal(strncmp(made, REQUIRED ", ", sizeof(REQUIRED) + 1), 0);
        assert_string_equal(made + sizeof(REQUIRED) + 1, known[i].tags);
    }
    arena_release(&a);
}

static unsigned count_tags(const char *tags)
{
    unsigned n = 1;
    for (; *tags; tags++)
        n += *tags == ',';
    return n;
}

static void test_bounds(void **state)
{
    struct arena a;
    arena_init(&a);
    FREE_ON_EXIT char *many = rig_rows("", "t%u", 10000, "");
    const char *made = story_tags(many, NULL, "", "anime_color", &a);
    assert_int_equal(count_tags(made), 75);
    assert_string_equal(made + strlen(made) - 5, ", t65");
    FREE_ON_EXIT char *longer = rig_rows("", "a tag of a good length, with number %u", 1000, "");
    made = story_tags(longer, NULL, "", "anime_color", &a);
    assert_true(strlen(made) <= 1000 && strlen(made) > 900);
    FREE_ON_EXIT char *prose = calloc(1, 1 << 20);
    memset(prose, 'a', (1 << 20) - 1);
    assert_string_equal(story_tags(prose, NULL, "", "anime_color", &a), HEAD); /* no tag is so long */
    FREE_ON_EXIT char *look = rig_rows("", "look number %u of one", 30, "");
    struct story_outline vain = {.character = {{"Lan", look}}, .character_count = 1};
    made = story_tags("sea", &vain, "Lan", "anime_color", &a);
    assert_string_equal(made + strlen(made) - 5, ", sea"); /* looks leave room for what happens */
    arena_release(&a);
}

static void test_negative(void **state)
{
    static const char *const against[] = {"text",        "speech bubble", "watermark",    "signature",
                                          "logo",        "manga",         "screentone",   "monochrome",
                                          "bad anatomy", "bad hands",     "extra fingers"};
    for (size_t i = 0; i < ARRAY_LEN(against); i++)
        assert_non_null(strstr(story_negative(), against[i]));
    assert_true(strlen(story_negative()) < STORY_TAGS_BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_shape), cmocka_unit_test(test_banned),
        cmocka_unit_test(test_characters),      cmocka_unit_test(test_styles),
        cmocka_unit_test(test_bounds),          cmocka_unit_test(test_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
