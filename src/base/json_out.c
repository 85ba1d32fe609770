#include "base/json_out.h"

#include <string.h>

#include "base/utf8.h"

/* Before a value: a comma, unless it is the first one or a key's. */
static void separate(struct buf *b)
{
    if (b->len > 0 && !strchr("{[:", b->data[b->len - 1]))
        buf_append(b, ",", 1);
}

void json_out_begin(struct buf *b, char bracket)
{
    separate(b);
    buf_append(b, &bracket, 1);
}

void json_out_end(struct buf *b, char bracket)
{
    buf_append(b, &bracket, 1);
}

/* The character at s as it must stand: with its escape, or as bytes of its own. Returns how many were read.
 */
static size_t put_special(struct buf *b, const char *s)
{
    size_t n = utf8_char(s);
    unsigned char c = (unsigned char)*s;
    bool c1 = c == 0xc2 && n == 2 && (unsigned char)s[1] < 0xa0; /* terminals obey these too */
    if (c == '"' || c == '\\')
        buf_printf(b, "\\%c", c);
    else if (c1)
        buf_printf(b, "\\u%04x", (unsigned char)s[1]);
    else if (n == 0 || c < 0x20 || c == 0x7f)
        buf_printf(b, "\\u%04x", c);
    else
        buf_append(b, s, n);
    return n ? n : 1;
}

void json_out_quote(struct buf *b, const char *s)
{
    buf_append(b, "\"", 1);
    while (*s) {
        size_t plain = 0;
        while (s[plain] >= ' ' && s[plain] < 0x7f && s[plain] != '"' && s[plain] != '\\')
            plain++;
        buf_append(b, s, plain);
        s += plain;
        if (*s)
            s += put_special(b, s);
    }
    buf_append(b, "\"", 1);
}

void json_out_key(struct buf *b, const char *key)
{
    separate(b);
    json_out_quote(b, key);
    buf_append(b, ":", 1);
}

void json_out_put_text(struct buf *b, const char *s)
{
    separate(b);
    json_out_quote(b, s);
}

void json_out_put_int(struct buf *b, int64_t n)
{
    separate(b);
    if (n < 0)
        buf_append(b, "-", 1);
    buf_fixed(b, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 0);
}

void json_out_put_bool(struct buf *b, bool yes)
{
    separate(b);
    buf_puts(b, yes ? "true" : "false");
}

void json_out_put_fixed(struct buf *b, uint64_t n, unsigned decimals)
{
    separate(b);
    buf_fixed(b, n, decimals);
}

void json_out_text(struct buf *b, const char *key, const char *s)
{
    json_out_key(b, key);
    json_out_put_text(b, s);
}

void json_out_int(struct buf *b, const char *key, int64_t n)
{
    json_out_key(b, key);
    json_out_put_int(b, n);
}

void json_out_bool(struct buf *b, const char *key, bool yes)
{
    json_out_key(b, key);
    json_out_put_bool(b, yes);
}

void json_out_fixed(struct buf *b, const char *key, uint64_t n, unsigned decimals)
{
    json_out_key(b, key);
    json_out_put_fixed(b, n, decimals);
}
