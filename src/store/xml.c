#include "store/xml.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool begins(const struct xml_reader *x, const char *s)
{
    size_t n = strlen(s);
    return (size_t)(x->end - x->at) >= n && memcmp(x->at, s, n) == 0;
}

/* Passes over what begins with open, up to and with close; false if it does not begin so or does not end. */
static bool skip(struct xml_reader *x, const char *open, const char *close)
{
    if (!begins(x, open))
        return false;
    const char *from = x->at + strlen(open);
    const char *p = memmem(from, (size_t)(x->end - from), close, strlen(close));
    if (!p)
        return false;
    x->at = p + strlen(close);
    return true;
}

static void skip_space(struct xml_reader *x)
{
    while (x->at < x->end && is_space(*x->at))
        x->at++;
}

static bool is_name_char(char c, bool first)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':')
        return true;
    return !first && ((c >= '0' && c <= '9') || c == '-' || c == '.');
}

/* 0 if there is no name, or too long a one. */
static size_t read_name(struct xml_reader *x, const char **ret)
{
    const char *from = x->at;
    while (x->at < x->end && is_name_char(*x->at, x->at == from))
        x->at++;
    *ret = from;
    size_t n = (size_t)(x->at - from);
    return n <= XML_NAME_MAX ? n : 0;
}

static bool push(struct xml_reader *x, const char *name, size_t len)
{
    if (len + 1 > sizeof(x->path) - 1 - x->path_len || (x->path_len == 0 && x->root_seen))
        return false;
    x->path[x->path_len++] = '/';
    memcpy(x->path + x->path_len, name, len);
    x->path_len += len;
    x->path[x->path_len] = '\0';
    x->root_seen = true;
    return true;
}

static void pop(struct xml_reader *x)
{
    x->path_len = (size_t)(strrchr(x->path, '/') - x->path);
    x->path[x->path_len] = '\0';
}

/* Passes over the attributes; at ends behind '>'. */
static bool skip_attributes(struct xml_reader *x, bool *ret_empty)
{
    while (x->at < x->end && *x->at != '>') {
        if (*x->at == '"' || *x->at == '\'') {
            const char *close = memchr(x->at + 1, *x->at, (size_t)(x->end - x->at) - 1);
            if (!close)
                return false;
            x->at = close;
        } else if (*x->at == '<') {
            return false;
        }
        x->at++;
    }
    if (x->at == x->end)
        return false;
    *ret_empty = x->at[-1] == '/';
    x->at++;
    return true;
}

static enum xml_token open_tag(struct xml_reader *x)
{
    const char *name;
    x->at++;
    size_t len = read_name(x, &name);
    if (len == 0 || x->at == x->end || !(is_space(*x->at) || *x->at == '>' || *x->at == '/'))
        return XML_BAD;
    return skip_attributes(x, &x->close_now) && push(x, name, len) ? XML_OPEN : XML_BAD;
}

static enum xml_token close_tag(struct xml_reader *x)
{
    const char *name, *open = strrchr(x->path, '/');
    x->at += 2;
    size_t len = read_name(x, &name);
    skip_space(x);
    if (!open || len == 0 || strlen(open + 1) != len || memcmp(open + 1, name, len) != 0)
        return XML_BAD;
    if (x->at == x->end || *x->at != '>')
        return XML_BAD;
    x->at++;
    x->pop = true;
    return XML_CLOSE;
}

static enum xml_token text(struct xml_reader *x)
{
    const char *stop = memchr(x->at, '<', (size_t)(x->end - x->at));
    x->text = x->at;
    x->at = stop ? stop : x->end;
    x->text_size = (size_t)(x->at - x->text);
    if (x->path_len > 0)
        return XML_TEXT;
    for (size_t i = 0; i < x->text_size; i++) { /* outside of the root: spaces only */
        if (!is_space(x->text[i]))
            return XML_BAD;
    }
    return XML_TEXT;
}

void xml_reader_init(struct xml_reader *x, const char *xml, size_t size)
{
    *x = (struct xml_reader){.at = xml, .end = xml + size};
    if (begins(x, "\xef\xbb\xbf")) /* a byte order mark */
        x->at += 3;
}

enum xml_token xml_next(struct xml_reader *x)
{
    if (x->pop)
        pop(x);
    x->pop = false;
    if (x->close_now) {
        x->close_now = false;
        x->pop = true;
        return XML_CLOSE;
    }
    while (x->at < x->end) {
        if (*x->at != '<')
            return text(x);
        if (begins(x, "</"))
            return close_tag(x);
        if (!begins(x, "<?") && !begins(x, "<!"))
            return open_tag(x);
        if (!skip(x, "<?", "?>") && !skip(x, "<!--", "-->"))
            return XML_BAD;
    }
    return x->path_len == 0 && x->root_seen ? XML_DONE : XML_BAD;
}
