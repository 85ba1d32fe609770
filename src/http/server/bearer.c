#include <string.h>
#include <strings.h>

#include "http/server/http.h"

const char *http_bearer(const char *authorization)
{
    static const char *const schemes[] = {"Bearer ", "Token "};
    for (size_t i = 0; authorization && i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i]);
        if (strncasecmp(authorization, schemes[i], n) == 0)
            return authorization + n + strspn(authorization + n, " ");
    }
    return NULL;
}
