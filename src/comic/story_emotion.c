#include <string.h>

#include "base/check.h"
#include "comic/story_own.h"

static const char *const names[STORY_EMOTION_COUNT] = {
    [STORY_HAPPY] = "happy",         [STORY_SAD] = "sad",         [STORY_ANGRY] = "angry",
    [STORY_SURPRISED] = "surprised", [STORY_NEUTRAL] = "neutral", [STORY_THINKING] = "thinking",
};

/* Words that models use instead, folded (story_fold_text). Those of several words come before their parts. */
static const struct {
    const char *words;
    enum story_emotion emotion;
} near[] = {
    {"happy joy joyful cheerful delighted excited glad laughing smiling hopeful proud playful loving content "
     "pleased "
     "grateful relieved triumphant amused warm feliz contento alegre heureux froehlich",
     STORY_HAPPY},
    {"vui vui-ve hanh-phuc hao-hung phan-khich tu-hao yeu-thuong biet-on am-ap nhe-nhom hy-vong",
     STORY_HAPPY},
    {"sad unhappy crying tearful lonely melancholic melancholy grieving sorrow sorrowful disappointed "
     "heartbroken "
     "depressed hurt gloomy not-happy nostalgic guilty triste traurig",
     STORY_SAD},
    {"buon buon-ba co-don that-vong dau-kho khoc dau-buon khong-vui hoi-han tiec-nuoi", STORY_SAD},
    {"angry furious mad rage enraged annoyed irritated frustrated outraged fierce aggressive determined "
     "jealous "
     "hostile enojado fache wuetend",
     STORY_ANGRY},
    {"gian tuc-gian gian-du phan-no buc-boi buc-tuc cau-kinh quyet-tam ghen-ti", STORY_ANGRY},
    {"surprised surprise shocked shock amazed astonished startled scared afraid fearful frightened terrified "
     "horrified panicked awe awestruck alarmed nervous tense sorprendido surpris",
     STORY_SURPRISED},
    {"ngac-nhien bat-ngo kinh-ngac sung-sot so-hai hoang-so hoang-hot giat-minh lo-so hoi-hop",
     STORY_SURPRISED},
    {"neutral calm peaceful serene normal relaxed none serious indifferent neutre", STORY_NEUTRAL},
    {"binh-thuong binh-than binh-tinh trung-tinh nghiem-tuc diu-dang", STORY_NEUTRAL},
    {"thinking thoughtful pondering contemplative curious confused wondering puzzled pensive worried anxious",
     STORY_THINKING},
    {"suy-nghi suy-tu tram-tu ban-khoan to-mo boi-roi lo-lang", STORY_THINKING},
};

const char *story_emotion_name(enum story_emotion emotion)
{
    CHECK(emotion < STORY_EMOTION_COUNT);
    return names[emotion];
}

static bool find(const char *word, size_t len, enum story_emotion *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(near); i++)
        for (const char *at = near[i].words; *at;) {
            size_t n = strcspn(at, " ");
            if (n == len && memcmp(at, word, n) == 0) {
                *ret = near[i].emotion;
                return true;
            }
            at += n + (at[n] == ' ');
        }
    return false;
}

/* The longest run of words that means something, from the first word on. */
static bool find_in(const char *folded, enum story_emotion *ret)
{
    enum { WORDS_MAX = 3 };
    for (const char *at = folded; *at;) {
        size_t ends[WORDS_MAX], count = 0, len = strcspn(at, "-"), next = len;
        for (; count < WORDS_MAX; count++) {
            ends[count] = len;
            if (!at[len])
                break;
            len += 1 + strcspn(at + len + 1, "-");
        }
        for (size_t i = MIN(count + 1, (size_t)WORDS_MAX); i-- > 0;)
            if (find(at, ends[i], ret))
                return true;
        at += next + (at[next] == '-');
    }
    return false;
}

bool story_emotion_find(const char *word, enum story_emotion *ret)
{
    struct arena a;
    arena_init(&a);
    bool found = find_in(story_fold_text(arena_strndup(&a, word, STORY_TEXT_MAX), &a), ret);
    arena_release(&a);
    return found;
}

const char *story_source_name(enum story_source source)
{
    static const char *const words[] = {"model", "repaired", "fallback"};
    CHECK((size_t)source < ARRAY_LEN(words));
    return words[source];
}
