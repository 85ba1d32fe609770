#include "tables/field_name.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

enum { NAME_MAX_CHARS = 63, TELLING_CHARS = 3 }; /* of two letters, one edit makes any other two */

/* false: too long to be one of ours. */
static bool plain(const char *name, char ret[static NAME_MAX_CHARS + 1])
{
    size_t len = 0;
    for (; *name; name++) {
        if (*name == '-' || *name == '_')
            continue;
        if (len == NAME_MAX_CHARS)
            return false;
        ret[len++] = (char)tolower((unsigned char)*name);
    }
    ret[len] = '\0';
    return true;
}

/* What follows the first letter in which they differ must be the same after one edit there. */
static bool one_edit(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    if (*a && strcmp(a + 1, b) == 0)
        return true;
    if (*b && strcmp(a, b + 1) == 0)
        return true;
    if (!*a || !*b)
        return false;
    bool swapped = a[0] == b[1] && a[1] == b[0] && a[1];
    return strcmp(a + 1, b + 1) == 0 || (swapped && strcmp(a + 2, b + 2) == 0);
}

bool field_name_near(const char *given, const char *known)
{
    char a[NAME_MAX_CHARS + 1], b[NAME_MAX_CHARS + 1];
    if (!plain(given, a) || !plain(known, b))
        return false;
    return strcmp(a, b) == 0 || (strlen(b) >= TELLING_CHARS && one_edit(a, b));
}
