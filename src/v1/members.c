#include "v1/members.h"

#include <string.h>

static void pass_blanks(struct members *m)
{
    while (m->at < m->end && (*m->at == ' ' || *m->at == '\t' || *m->at == '\n' || *m->at == '\r'))
        m->at++;
}

static bool take(struct members *m, char c)
{
    pass_blanks(m);
    if (m->at >= m->end || *m->at != c)
        return false;
    m->at++;
    return true;
}

/* at is behind the opening quote, and then behind the closing one. */
static bool pass_string(struct members *m)
{
    while (m->at < m->end && *m->at != '"')
        m->at += *m->at == '\\' && m->at + 1 < m->end ? 2 : 1;
    if (m->at >= m->end)
        return false;
    m->at++;
    return true;
}

/* A string, or all up to the comma or bracket that ends the member. */
static bool pass_value(struct members *m)
{
    size_t depth = 0;
    const char *begin = m->at;
    while (m->at < m->end) {
        char c = *m->at;
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            break;
        m->at++;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        if (c == '"' && !pass_string(m))
            return false;
    }
    return depth == 0 && m->at < m->end && m->at > begin;
}

void members_init(struct members *m, const char *text, size_t size)
{
    *m = (struct members){.at = text, .end = text + size, .first = true};
    m->broken = !take(m, '{');
}

bool members_next(struct members *m, struct member *ret)
{
    if (m->broken || take(m, '}'))
        return false;
    m->broken = true; /* until a whole one is read */
    if ((!m->first && !take(m, ',')) || !take(m, '"'))
        return false;
    m->first = false;
    ret->key = m->at;
    if (!pass_string(m))
        return false;
    ret->key_size = (size_t)(m->at - 1 - ret->key);
    if (!take(m, ':'))
        return false;
    pass_blanks(m);
    ret->value = m->at;
    if (!pass_value(m))
        return false;
    ret->value_size = (size_t)(m->at - ret->value);
    m->broken = false;
    return true;
}

bool member_is(const struct member *m, const char *key)
{
    return strlen(key) == m->key_size && memcmp(key, m->key, m->key_size) == 0;
}

bool members_find(const char *text, size_t size, const char *key, struct member *ret)
{
    struct members m;
    struct member each;
    bool found = false;
    members_init(&m, text, size);
    while (members_next(&m, &each)) {
        if (!member_is(&each, key))
            continue;
        *ret = each; /* of several the last one counts */
        found = true;
    }
    return found && !m.broken;
}
