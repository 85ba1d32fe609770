/* words.h: the words of an option's value, "a=b, c=d". They point into the text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct word {
    const char *at;
    size_t len;
};

/* What lies before the next stop, without the blanks around it; *at moves behind the stop. */
struct word word_next(const char **at, const char *end, char stop);
bool word_is(const struct word *w, const char *text);
