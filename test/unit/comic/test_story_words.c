#include <stdlib.h>

#include "story_rig.h"

static void test_slugs(void **state)
{
    static const struct {
        const char *text, *slug;
    } known[] = {
        {"Cô bé và Rồng!", "co-be-va-rong"},
        {"ĐƯỜNG về nhà – phần 2", "duong-ve-nha-phan-2"},
        {"ăâđêôơư ĂÂĐÊÔƠƯ", "aadeoou-aadeoou"},
        {"Ngày nảy ngày nay: «Thằng Bờm»", "ngay-nay-ngay-nay-thang-bom"},
        {"Tie\xcc\x82\xcc\x81ng Vie\xcc\xa3\xcc\x82t", "tieng-viet"}, /* decomposed */
        {"Ærøskøbing, Straße, Łódź, Çeşme, Œuvre, Þórr", "aeroskobing-strasse-lodz-cesme-oeuvre-thorr"},
        {"ệ Ệ ữ Ữ ỵ Ỹ ị Ọ", "e-e-u-u-y-y-i-o"},
        {"  --a--b__c  ", "a-b-c"},
        {"../../etc/passwd", "etc-passwd"},
        {"a\nb\x01\x7f", "a-b"},
        {"3 × 4 ÷ 2", "3-4-2"},
        {"one 東京 two", "one-two"},
        {"one two three four five six seven eight nine ten eleven twelve thirteen",
         "one-two-three-four-five-six-seven-eight-nine-ten-eleven"},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_string_equal(story_slug(known[i].text, &a), known[i].slug);
    arena_release(&a);
}

static void test_other_scripts(void **state)
{
    static const char *const texts[] = {"東京の物語", "история", "", "!!!", "😀", "\xff\xfe", "a東京の物語"};
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *slug = story_slug(texts[i], &a);
        assert_int_equal(strncmp(slug, "story-", 6), 0);
        assert_int_equal(strlen(slug), 14);
        assert_int_equal(strspn(slug + 6, "0123456789abcdef"), 8);
        assert_string_equal(slug, story_slug(texts[i], &a));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(slug, story_slug(texts[k], &a));
    }
    arena_release(&a);
}

static void test_long_slugs(void **state)
{
    struct arena a;
    arena_init(&a);
    FREE_ON_EXIT char *word = calloc(1, 1 << 20);
    memset(word, 'a', (1 << 20) - 1);
    assert_int_equal(strlen(story_slug(word, &a)), STORY_SLUG_MAX);
    word[59] = ' ';
    assert_int_equal(strlen(story_slug(word, &a)), 59);
    word[59] = 'a';
    word[60] = ' ';
    assert_int_equal(strlen(story_slug(word, &a)), 60);
    arena_release(&a);
}

static void test_emotions(void **state)
{
    static const struct {
        const char *word;
        enum story_emotion emotion;
    } known[] = {
        {"happy", STORY_HAPPY},
        {"HAPPY", STORY_HAPPY},
        {" Happy! ", STORY_HAPPY},
        {"vui", STORY_HAPPY},
        {"Vui vẻ", STORY_HAPPY},
        {"hạnh phúc", STORY_HAPPY},
        {"very excited", STORY_HAPPY},
        {"so happy", STORY_HAPPY},
        {"sad", STORY_SAD},
        {"buồn bã", STORY_SAD},
        {"không vui", STORY_SAD},
        {"not happy", STORY_SAD},
        {"unhappy", STORY_SAD},
        {"furious", STORY_ANGRY},
        {"tức giận", STORY_ANGRY},
        {"giận dữ lắm", STORY_ANGRY},
        {"surprised", STORY_SURPRISED},
        {"ngạc nhiên", STORY_SURPRISED},
        {"shocked/scared", STORY_SURPRISED},
        {"sợ hãi", STORY_SURPRISED},
        {"neutral", STORY_NEUTRAL},
        {"bình tĩnh", STORY_NEUTRAL},
        {"thinking", STORY_THINKING},
        {"tò mò", STORY_THINKING},
        {"a bit worried", STORY_THINKING},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        enum story_emotion emotion = STORY_EMOTION_COUNT;
        assert_true(story_emotion_find(known[i].word, &emotion));
        assert_int_equal(emotion, known[i].emotion);
    }
    static const char *const unknown[] = {"", "banana", "42", "嬉しい", "happ", "\xff"};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        enum story_emotion emotion = STORY_EMOTION_COUNT;
        assert_false(story_emotion_find(unknown[i], &emotion));
        assert_int_equal(emotion, STORY_EMOTION_COUNT);
    }
    for (int i = 0; i < STORY_EMOTION_COUNT; i++) {
        enum story_emotion emotion = STORY_EMOTION_COUNT;
        assert_true(story_emotion_find(story_emotion_name((enum story_emotion)i), &emotion));
        assert_int_equal(emotion, i);
    }
    assert_string_equal(story_source_name(STORY_FROM_MODEL), "model");
    assert_string_equal(story_source_name(STORY_REPAIRED), "repaired");
    assert_string_equal(story_source_name(STORY_FALLBACK), "fallback");
}

static void assert_clean(const char *text, size_t most, const char *cleaned)
{
    struct arena a;
    arena_init(&a);
    assert_string_equal(story_clean(text, most, &a), cleaned);
    arena_release(&a);
}

static void test_clean(void **state)
{
    assert_clean("", 10, "");
    assert_clean(" \t\n ", 10, "");
    assert_clean("  a \r\n\t b\x01\x1f\x7f"
                 "c  ",
                 10, "a b c");
    assert_clean("a\xc2\x80"
                 "b\xc2\xa0"
                 "c\xe2\x80\xa8"
                 "d",
                 10, "a b c d");
    assert_clean("a\xe2\x80\xae"
                 "b\xe2\x81\xa6"
                 "c\xef\xbb\xbf"
                 "d\xef\xbf\xbd",
                 10, "abcd");
    assert_clean("\xff"
                 "a\xc3",
                 10, "a");
    assert_clean("<b>&amp;\"'{}</b>", 40, "<b>&amp;\"'{}</b>");
    assert_clean("👩\xe2\x80\x8d🚀 ok", 10, "👩\xe2\x80\x8d🚀 ok");
}

static void test_cut(void **state)
{
    assert_clean("exactly ten", 11, "exactly ten");
    assert_clean("exactly ten!", 11, "exactly…");
    assert_clean("Xin chào, các bạn nhỏ", 12, "Xin chào…");
    assert_clean("Xin chào, các bạn nhỏ", 15, "Xin chào, các…");
    assert_clean("aaaaaaaaaaaaaaa", 5, "aaaa…");
    assert_clean("ab cdefghijklmnop", 10, "ab cdefgh…"); /* the blank is too far away */
    assert_clean("東京の物語東京の物語", 5, "東京の物…");
    assert_clean("aaae\xcc\x81"
                 "bbb",
                 5, "aaa…"); /* é stays one letter */
    assert_clean("aaae\xcc\x81"
                 "bbb",
                 7,
                 "aaae\xcc\x81"
                 "b…");
}

static void test_names(void **state)
{
    assert_true(story_same_name("Lan", "lan"));
    assert_true(story_same_name("Bông", "BONG"));
    assert_true(story_same_name("ミカ", "ミカ"));
    assert_false(story_same_name("ミカ", "ミキ"));
    assert_false(story_same_name("", "!"));
    assert_false(story_same_name("Lan", "Lana"));
    assert_true(story_narrates("narrator"));
    assert_true(story_narrates("NGƯỜI KỂ CHUYỆN"));
    assert_true(story_narrates("旁白"));
    assert_false(story_narrates("Lan"));
    assert_false(story_narrates(""));
    assert_false(story_names("", "Lan"));
    assert_false(story_names("Lan", ""));
    assert_true(story_names("Cô Lan.", "Lan"));
    assert_false(story_names("Cô Lan\xcc\x81", "Lan"));
}

static void test_language(void **state)
{
    static const struct {
        const char *language, *prompt, *tag, *name;
    } known[] = {
        {"vi", "A cat", "vi", "Vietnamese"},
        {"PT-br", "A cat", "PT-br", "Portuguese"},
        {"xx", "Con mèo", "xx", NULL},
        {"", "Một con mèo tìm thấy bản đồ", "vi", "Vietnamese"},
        {"", "Đi về quê", "", NULL}, /* too little to tell */
        {"", "A cat in Đà Nẵng eats phở beside the long, long river and tells a story", "", NULL},
        {"", "猫がいた。", "ja", "Japanese"},
        {"", "고양이가 왔다", "ko", "Korean"},
        {"", "แมวตัวหนึ่ง", "th", "Thai"},
        {"", "Le chat a trouvé une carte", "", NULL},
        {"", "", "", NULL},
        {"no tag", "Một con mèo tìm thấy bản đồ", "vi", "Vietnamese"},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct story_ask ask = {.prompt = known[i].prompt, .language = known[i].language};
        assert_string_equal(story_language(&ask), known[i].tag);
        const char *name = story_language_name(known[i].tag);
        assert_string_equal(name ? name : "none", known[i].name ? known[i].name : "none");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slugs),      cmocka_unit_test(test_other_scripts),
        cmocka_unit_test(test_long_slugs), cmocka_unit_test(test_emotions),
        cmocka_unit_test(test_clean),      cmocka_unit_test(test_cut),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_language),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
