#include "request/priority.h"

#include <string.h>

enum { URGENCY_MAX = 7, URGENCY_DEFAULT = 3, URGENCY_LOW = 5 };

/* Behind this member of a list, a comma within quotes not counted. */
static const char *member_end(const char *at)
{
    bool quoted = false;
    for (; *at && (quoted || *at != ','); at++) {
        if (*at == '"')
            quoted = !quoted;
        if (quoted && *at == '\\' && at[1])
            at++;
    }
    return at;
}

/* "u=N", perhaps with parameters behind it; -1: it is something else. */
static int urgency_of(const char *member, const char *end)
{
    bool named = end - member >= 3 && member[0] == 'u' && member[1] == '=';
    if (!named || member[2] < '0' || member[2] > '0' + URGENCY_MAX)
        return -1;
    const char *rest = member + 3 + strspn(member + 3, " \t");
    return rest >= end || *rest == ';' ? member[2] - '0' : -1;
}

enum slot_priority priority_parse(const char *header)
{
    int urgency = URGENCY_DEFAULT;
    for (const char *at = header ? header : ""; *at;) {
        at += strspn(at, " \t,");
        const char *end = member_end(at);
        int found = urgency_of(at, end);
        urgency = found >= 0 ? found : urgency;
        at = end;
    }
    return urgency >= URGENCY_LOW ? SLOT_LOW : SLOT_NORMAL;
}
