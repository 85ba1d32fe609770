/* relight_mood.h: what a prompt says about light: colours, as factors of linear light, and how strong. Any
 * thread. */
#pragma once

#include "local/plane.h"

struct relight_mood {
    v4 key;         /* the light that was asked for: red, green, blue */
    v4 rim;         /* its opposite, on the far edge */
    v4 ambient;     /* from everywhere */
    v4 back;        /* on what is behind */
    float haze;     /* light in the air: 0…0.3 */
    float wrap;     /* how far light reaches around: 0 hard … 1 soft */
    float colour;   /* of the picture itself: 0 grey … 1 */
    float exposure; /* mean brightness of the subject against the photo's: about 1 */
};

/* The mean of all moods whose words the prompt has ("Golden hour, soft" has two); neutral without any. Case
 * does not matter, endings neither. NULL is an empty prompt. */
struct relight_mood relight_mood(const char *prompt);
