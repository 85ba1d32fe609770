#include "base/words.h"

#include <ctype.h>
#include <string.h>

struct word word_next(const char **at, const char *end, char stop)
{
    const char *found = memchr(*at, stop, (size_t)(end - *at));
    const char *begin = *at, *last = found ? found : end;
    *at = found ? found + 1 : end;
    while (begin < last && isspace((unsigned char)*begin))
        begin++;
    while (last > begin && isspace((unsigned char)last[-1]))
        last--;
    return (struct word){begin, (size_t)(last - begin)};
}

bool word_is(const struct word *w, const char *text)
{
    return strlen(text) == w->len && memcmp(text, w->at, w->len) == 0;
}
