#include "predict/replicate_json.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* s is behind the opening quote; returns the bytes up to the closing quote or the end. */
static size_t mend_string(char *s, const char *end)
{
    char *at = s;
    while (at < end && *at != '"') {
        if (*at == '\\') {
            at += json_mend_escape(at);
            continue;
        }
        size_t n = utf8_char(at);
        if (n == 0)
            *at = '?';
        else if ((unsigned char)*at < 0x20)
            *at = ' ';
        at += n ? n : 1;
    }
    return (size_t)(MIN((const char *)at, end) - s);
}

/* s is at a digit, a sign or a point. An exponent that no double can hold would make all of it unreadable: it
 * becomes 300. Returns the bytes of the number. */
static size_t mend_number(char *s)
{
    size_t n = strspn(s, "0123456789.+-");
    if (s[n] != 'e' && s[n] != 'E')
        return n;
    char *exponent = s + n + 1;
    exponent += *exponent == '+' || *exponent == '-';
    size_t digits = strspn(exponent, "0123456789"), zeros = MIN(strspn(exponent, "0"), digits);
    if (digits - zeros > 3 || (digits - zeros == 3 && strncmp(exponent + zeros, "300", 3) > 0)) {
        memset(exponent, '0', digits);
        exponent[digits - 3] = '3';
    }
    return (size_t)(exponent - s) + digits;
}

/* false: too deep, or too many values. Mends strings and numbers on the way. */
static bool within_bounds(char *s, size_t size)
{
    size_t depth = 0, values = 1;
    for (size_t i = 0; i < size; i++) {
        if (s[i] == '"')
            i += 1 + mend_string(s + i + 1, s + size);
        else if (isdigit((unsigned char)s[i]))
            i += mend_number(s + i) - 1;
        else if (s[i] == '[' || s[i] == '{')
            depth++, values++;
        else if (s[i] == ']' || s[i] == '}')
            depth -= depth > 0;
        else if (s[i] == ',')
            values++;
        if (depth > REPLICATE_JSON_DEPTH_MAX || values > REPLICATE_JSON_VALUES_MAX)
            return false;
    }
    return true;
}

/* A copy that has been mended; NULL: beyond the bounds. */
static char *mended_copy(const void *data, size_t size)
{
    if (size == 0 || size > REPLICATE_JSON_BYTES_MAX)
        return NULL;
    char *copy = mem_alloc(size + 1);
    memcpy(copy, data, size);
    copy[size] = '\0';
    if (within_bounds(copy, size))
        return copy;
    free(copy);
    return NULL;
}

bool replicate_json_bounded(const void *data, size_t size)
{
    FREE_ON_EXIT char *copy = mended_copy(data, size);
    return copy != NULL;
}

struct blob *replicate_json_mended(const void *data, size_t size)
{
    char *copy = mended_copy(data, size);
    return copy ? blob_take(copy, size, free) : NULL;
}

json_t *replicate_json_read(const void *data, size_t size)
{
    FREE_ON_EXIT char *copy = mended_copy(data, size);
    if (!copy)
        return NULL;
    return json_loadb(copy, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
}

const char *replicate_json_text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}
