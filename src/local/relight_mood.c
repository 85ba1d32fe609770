#include "local/relight_mood.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum mood_id {
    NEUTRAL,
    GOLDEN,
    SUN,
    NEON,
    BLUE,
    PINK,
    RED,
    GREEN,
    NIGHT,
    STUDIO,
    DRAMATIC,
    NOIR,
    CANDLE,
    MOODS
};

static const struct relight_mood moods[MOODS] = {
    /* key, rim, ambient, back, haze, wrap, colour, exposure */
    [NEUTRAL] = {{1.25f, 1.20f, 1.12f},
                 {0.4f, 0.42f, 0.46f},
                 {0.42f, 0.44f, 0.47f},
                 {0.60f, 0.60f, 0.62f},
                 0.03f,
                 0.35f,
                 1.0f,
                 1.05f},
    [GOLDEN] = {{1.75f, 1.08f, 0.48f},
                {0.9f, 0.38f, 0.18f},
                {0.42f, 0.32f, 0.36f},
                {0.86f, 0.50f, 0.32f},
                0.16f,
                0.35f,
                1.0f,
                1.08f},
    [SUN] = {{1.55f, 1.42f, 1.15f},
             {0.5f, 0.55f, 0.65f},
             {0.45f, 0.48f, 0.55f},
             {0.90f, 0.88f, 0.82f},
             0.07f,
             0.15f,
             1.0f,
             1.2f},
    [NEON] = {{1.55f, 0.28f, 1.15f},
              {0.08f, 1.05f, 1.55f},
              {0.24f, 0.20f, 0.46f},
              {0.34f, 0.16f, 0.62f},
              0.14f,
              0.25f,
              0.85f,
              1.0f},
    [BLUE] = {{0.45f, 0.85f, 1.75f},
              {0.2f, 0.35f, 0.8f},
              {0.22f, 0.30f, 0.46f},
              {0.20f, 0.34f, 0.72f},
              0.09f,
              0.35f,
              0.9f,
              1.0f},
    [PINK] = {{1.60f, 0.62f, 1.20f},
              {0.7f, 0.35f, 0.9f},
              {0.42f, 0.30f, 0.42f},
              {0.70f, 0.34f, 0.62f},
              0.11f,
              0.4f,
              0.95f,
              1.05f},
    [RED] = {{1.80f, 0.32f, 0.22f},
             {0.5f, 0.1f, 0.15f},
             {0.26f, 0.17f, 0.18f},
             {0.45f, 0.10f, 0.09f},
             0.08f,
             0.25f,
             0.85f,
             0.95f},
    [GREEN] = {{0.85f, 1.40f, 0.62f},
               {0.3f, 0.6f, 0.3f},
               {0.30f, 0.40f, 0.30f},
               {0.36f, 0.60f, 0.30f},
               0.08f,
               0.4f,
               1.0f,
               1.0f},
    [NIGHT] = {{0.62f, 0.82f, 1.30f},
               {0.15f, 0.22f, 0.42f},
               {0.13f, 0.17f, 0.28f},
               {0.12f, 0.17f, 0.31f},
               0.06f,
               0.25f,
               0.75f,
               0.72f},
    [STUDIO] = {{1.15f, 1.13f, 1.10f},
                {0.5f, 0.5f, 0.52f},
                {0.62f, 0.62f, 0.63f},
                {0.72f, 0.72f, 0.74f},
                0.02f,
                0.7f,
                1.0f,
                1.12f},
    [DRAMATIC] = {{1.75f, 1.62f, 1.45f},
                  {0.25f, 0.3f, 0.38f},
                  {0.13f, 0.14f, 0.17f},
                  {0.16f, 0.16f, 0.19f},
                  0.03f,
                  0.1f,
                  0.95f,
                  0.9f},
    [NOIR] = {{1.70f, 1.70f, 1.70f},
              {0.3f, 0.3f, 0.3f},
              {0.10f, 0.10f, 0.10f},
              {0.13f, 0.13f, 0.13f},
              0.04f,
              0.08f,
              0.06f,
              0.88f},
    [CANDLE] = {{1.85f, 0.98f, 0.36f},
                {0.4f, 0.16f, 0.07f},
                {0.20f, 0.13f, 0.10f},
                {0.26f, 0.13f, 0.07f},
                0.09f,
                0.3f,
                0.95f,
                0.85f},
};

static const struct {
    const char *word;
    enum mood_id mood;
} words[] = {
    {"sunset", GOLDEN},
    {"sunrise", GOLDEN},
    {"golden", GOLDEN},
    {"warm", GOLDEN},
    {"dawn", GOLDEN},
    {"dusk", GOLDEN},
    {"autumn", GOLDEN},
    {"sunlight", SUN},
    {"sunny", SUN},
    {"daylight", SUN},
    {"window", SUN},
    {"bright", SUN},
    {"beach", SUN},
    {"summer", SUN},
    {"neon", NEON},
    {"cyberpunk", NEON},
    {"futuristic", NEON},
    {"synthwave", NEON},
    {"blue", BLUE},
    {"ocean", BLUE},
    {"underwater", BLUE},
    {"ice", BLUE},
    {"winter", BLUE},
    {"pink", PINK},
    {"purple", PINK},
    {"magenta", PINK},
    {"violet", PINK},
    {"romantic", PINK},
    {"red", RED},
    {"horror", RED},
    {"sun", SUN},
    {"green", GREEN},
    {"forest", GREEN},
    {"jungle", GREEN},
    {"moon", NIGHT},
    {"night", NIGHT},
    {"cold", NIGHT},
    {"midnight", NIGHT},
    {"studio", STUDIO},
    {"soft", STUDIO},
    {"gentle", STUDIO},
    {"natural", STUDIO},
    {"dramatic", DRAMATIC},
    {"cinematic", DRAMATIC},
    {"dark", DRAMATIC},
    {"moody", DRAMATIC},
    {"rembrandt", DRAMATIC},
    {"noir", NOIR},
    {"monochrome", NOIR},
    {"candle", CANDLE},
    {"fire", CANDLE},
    {"lantern", CANDLE},
    {"cozy", CANDLE},
};

/* At the start of a word, or a short one would be found inside others ("red" in "hundred"); and a short one
 * must be the whole word ("ice" is not "icecream"). */
static bool has_word(const char *prompt, const char *word)
{
    size_t length = strlen(word);
    for (const char *p = prompt; *p; p++) {
        bool start = p == prompt || !isalpha((unsigned char)p[-1]);
        if (start && strncasecmp(p, word, length) == 0 && (length > 3 || !isalpha((unsigned char)p[length])))
            return true;
    }
    return false;
}

static void mood_add(struct relight_mood *to, const struct relight_mood *m, float share)
{
    to->key += m->key * share;
    to->rim += m->rim * share;
    to->ambient += m->ambient * share;
    to->back += m->back * share;
    to->haze += m->haze * share;
    to->wrap += m->wrap * share;
    to->colour += m->colour * share;
    to->exposure += m->exposure * share;
}

struct relight_mood relight_mood(const char *prompt)
{
    bool found[MOODS] = {false};
    unsigned count = 0;
    for (unsigned i = 0; prompt && i < ARRAY_LEN(words); i++) {
        if (!found[words[i].mood] && has_word(prompt, words[i].word)) {
            found[words[i].mood] = true;
            count++;
        }
    }
    if (!count)
        return moods[NEUTRAL];
    struct relight_mood mood = {0};
    for (unsigned i = 0; i < MOODS; i++)
        if (found[i])
            mood_add(&mood, &moods[i], 1 / (float)count);
    return mood;
}
