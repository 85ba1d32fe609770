/* Form bodies, parsed while they stream in and without a copy: the handler sees the bytes where
 * libmicrohttpd read them.
 *
 * multipart/form-data: a part ends at the delimiter "\r\n--boundary". Its only CR is its first byte, so when
 * a match breaks off, the bytes matched so far are plain data and no later start can hide among them: there
 * is nothing to look back for, and what a chunk's end left undecided is given out from the delimiter itself.
 * The body begins as if "\r\n" had just been read. Text before the first delimiter and after the last is
 * ignored (RFC 2046, 5.1.1).
 *
 * libmicrohttpd's own post processor was left for this one because it copies each byte twice, takes a
 * boundary with everything behind it, does not read names without quotes, and cannot be fuzzed without a
 * connection. */
#include "http/server/form.h"

#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/mem.h"

enum form_state {
    FORM_PREAMBLE,  /* before the first delimiter */
    FORM_DATA,      /* in a part's bytes */
    FORM_DELIMITER, /* behind a delimiter: "--" ends the form, a line end begins a part */
    FORM_HEADERS,   /* in a part's header lines */
    FORM_DONE,      /* the last delimiter was seen */
    FORM_KEY,       /* urlencoded: in a name */
    FORM_VALUE,     /* urlencoded: in a value */
    FORM_FAILED,
};

enum { FORM_ESCAPE_BYTES = 3, FORM_VALUE_BLOCK = 512 };

struct form {
    form_part_fn *part;
    void *ctx;
    enum form_state state;

    char delimiter[4 + FORM_BOUNDARY_MAX + 1];
    size_t delimiter_len;
    size_t matched; /* bytes of the delimiter at the end of what was read */
    char behind[2]; /* what followed the delimiter on its line */
    unsigned behind_len;

    char line[FORM_LINE_MAX]; /* header line; urlencoded: escape and value block */
    size_t line_len;
    unsigned lines;

    bool named;
    bool has_filename;
    bool has_type;
    char name[FORM_NAME_MAX + 1];
    size_t name_len; /* urlencoded */
    char filename[FORM_FILENAME_MAX + 1];
    char type[FORM_TYPE_MAX + 1];

    bool begun;    /* the handler has heard of this field */
    size_t offset; /* bytes of this field given out */

    char escape[FORM_ESCAPE_BYTES]; /* urlencoded: a % and what follows it */
    unsigned escape_len;
};

/* ---- header parameters ---- */

static const char *skip_space(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

struct cut {
    char *text;
    size_t room;
    size_t len;
    bool cut;
};

static void cut_put(struct cut *c, char ch)
{
    if (c->len + 1 < c->room)
        c->text[c->len++] = ch;
    else
        c->cut = true;
}

/* Reads one value from p on; ret may be NULL to skip it. A backslash escapes only a quote or a backslash,
 * since old browsers send whole Windows paths. */
static const char *read_value(const char *p, struct cut *ret)
{
    if (*p != '"') {
        for (; *p && *p != ';' && *p != ' ' && *p != '\t'; p++)
            if (ret)
                cut_put(ret, *p);
        return p;
    }
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
            p++;
        if (ret)
            cut_put(ret, *p);
    }
    return *p ? p + 1 : p;
}

bool header_param(const char *header, const char *param, char *ret, size_t room, bool *ret_cut)
{
    size_t len = strlen(param);
    for (const char *p = strchr(header, ';'); p; p = strchr(p, ';')) {
        p = skip_space(p + 1);
        bool ours = strncasecmp(p, param, len) == 0 && *skip_space(p + len) == '=';
        p += strcspn(p, "=;");
        if (*p != '=')
            continue;
        struct cut value = {.text = ret, .room = room};
        p = read_value(skip_space(p + 1), ours ? &value : NULL);
        if (!ours)
            continue;
        ret[value.len] = '\0';
        if (ret_cut)
            *ret_cut = value.cut;
        return true;
    }
    return false;
}

/* ---- giving out ---- */

static int fail(struct form *f)
{
    f->state = FORM_FAILED;
    return -ERR_VALIDATION;
}

static int give(struct form *f, const void *data, size_t size)
{
    if (size == 0 && f->begun)
        return 0;
    f->begun = true;
    if (!f->part(f->ctx, f->name, f->has_filename ? f->filename : NULL, f->has_type ? f->type : NULL, data,
                 f->offset, size))
        return fail(f);
    f->offset += size;
    return 0;
}

static void forget_part(struct form *f)
{
    f->named = f->has_filename = f->has_type = f->begun = false;
    f->offset = f->line_len = f->name_len = 0;
    f->lines = 0;
}

/* ---- multipart ---- */

/* How far data goes on with the delimiter, of which `matched` bytes were there before. */
static size_t match_on(const struct form *f, size_t matched, const char *data, size_t size)
{
    size_t most = MIN(f->delimiter_len - matched, size);
    size_t n = 0;
    while (n < most && data[n] == f->delimiter[matched + n])
        n++;
    return n;
}

/* Bytes that turned out to be data; before the first delimiter they are nothing. */
static int give_data(struct form *f, const char *data, size_t size)
{
    return f->state == FORM_DATA && size ? give(f, data, size) : 0;
}

static int found_delimiter(struct form *f)
{
    if (f->state == FORM_DATA) {
        int r = give(f, "", 0); /* an empty field is a field */
        if (r < 0)
            return r;
    }
    forget_part(f);
    f->matched = 0;
    f->behind_len = 0;
    f->state = FORM_DELIMITER;
    return 0;
}

/* A delimiter that a former chunk left half read; *ret_used: bytes of data that belong to it. */
static int finish_match(struct form *f, const char *data, size_t size, size_t *ret_used)
{
    size_t n = match_on(f, f->matched, data, size);
    *ret_used = n;
    if (f->matched + n == f->delimiter_len)
        return found_delimiter(f);
    if (n == size) {
        f->matched += n;
        return 0;
    }
    size_t held = f->matched;
    f->matched = 0;
    *ret_used = 0; /* the n bytes are data as well: scanned again, they match nowhere */
    return give_data(f, f->delimiter, held);
}

/* Data up to a delimiter, or to the end of the chunk. */
static int feed_data(struct form *f, const char *data, size_t size, size_t *ret_used)
{
    if (f->matched)
        return finish_match(f, data, size, ret_used);
    const char *end = data + size;
    const char *p = data;
    while ((p = memchr(p, '\r', (size_t)(end - p)))) {
        size_t left = (size_t)(end - p);
        size_t n = match_on(f, 0, p, left);
        if (n < f->delimiter_len && n < left) {
            p++;
            continue;
        }
        *ret_used = (size_t)(p - data) + n;
        int r = give_data(f, data, (size_t)(p - data));
        if (r < 0)
            return r;
        if (n == f->delimiter_len)
            return found_delimiter(f);
        f->matched = n;
        return 0;
    }
    *ret_used = size;
    return give_data(f, data, size);
}

static int feed_delimiter(struct form *f, char c)
{
    if (f->behind_len == 1 && f->behind[0] == '-')
        return c == '-' ? (f->state = FORM_DONE, 0) : fail(f);
    if (c == '\n') {
        f->state = FORM_HEADERS;
        return 0;
    }
    if (f->behind_len == 0 && (c == ' ' || c == '\t'))
        return 0; /* padding, RFC 2046 */
    if (f->behind_len == 0 && (c == '-' || c == '\r')) {
        f->behind[f->behind_len++] = c;
        return 0;
    }
    return fail(f);
}

static const char *header_value(const char *line, const char *name)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0)
        return NULL;
    const char *p = skip_space(line + len);
    return *p == ':' ? skip_space(p + 1) : NULL;
}

static int header_line(struct form *f)
{
    const char *value = header_value(f->line, "Content-Disposition");
    if (value) {
        bool cut = false;
        if (strncasecmp(value, "form-data", 9) != 0 || f->named)
            return fail(f);
        f->named = header_param(value, "name", f->name, sizeof(f->name), &cut);
        f->has_filename = header_param(value, "filename", f->filename, sizeof(f->filename), NULL);
        if (!f->has_filename)
            f->has_filename = header_param(value, "filename*", f->filename, sizeof(f->filename), NULL);
        return f->named && !cut ? 0 : fail(f);
    }
    value = header_value(f->line, "Content-Type");
    if (value) {
        size_t n = strnlen(value, FORM_TYPE_MAX);
        memcpy(f->type, value, n);
        f->type[n] = '\0';
        f->has_type = true;
    }
    return 0;
}

static int end_of_line(struct form *f)
{
    if (f->line_len && f->line[f->line_len - 1] == '\r')
        f->line_len--;
    f->line[f->line_len] = '\0';
    if (f->line_len == 0) {
        f->state = FORM_DATA;
        return f->named ? 0 : fail(f);
    }
    f->line_len = 0;
    return ++f->lines > FORM_LINES_MAX ? fail(f) : header_line(f);
}

static int feed_headers(struct form *f, const char *data, size_t size, size_t *ret_used)
{
    const char *end = memchr(data, '\n', size);
    size_t n = end ? (size_t)(end - data) : size;
    if (memchr(data, '\0', n) || f->line_len + n >= sizeof(f->line))
        return fail(f);
    memcpy(f->line + f->line_len, data, n);
    f->line_len += n;
    *ret_used = end ? n + 1 : n;
    return end ? end_of_line(f) : 0;
}

static int feed_multipart(struct form *f, const char *data, size_t size)
{
    while (size > 0) {
        size_t used = 1;
        int r = 0;
        if (f->state == FORM_PREAMBLE || f->state == FORM_DATA)
            r = feed_data(f, data, size, &used);
        else if (f->state == FORM_DELIMITER)
            r = feed_delimiter(f, *data);
        else if (f->state == FORM_HEADERS)
            r = feed_headers(f, data, size, &used);
        else
            return f->state == FORM_DONE ? 0 : -ERR_VALIDATION;
        if (r < 0)
            return r;
        data += used;
        size -= used;
    }
    return 0;
}

/* ---- application/x-www-form-urlencoded ---- */

static int flush_value(struct form *f)
{
    size_t n = f->line_len;
    f->line_len = 0;
    return give(f, f->line, n);
}

static int put_char(struct form *f, char c)
{
    if (f->state == FORM_KEY) {
        if (c == '\0' || f->name_len == FORM_NAME_MAX)
            return fail(f);
        f->name[f->name_len++] = c;
        return 0;
    }
    f->line[f->line_len++] = c;
    return f->line_len == FORM_VALUE_BLOCK ? flush_value(f) : 0;
}

/* What was held back as an escape is none: the characters stand for themselves. */
static int put_escape_as_is(struct form *f)
{
    int r = 0;
    for (unsigned i = 0; i < f->escape_len && r == 0; i++)
        r = put_char(f, f->escape[i]);
    f->escape_len = 0;
    return r;
}

static int end_of_field(struct form *f)
{
    int r = put_escape_as_is(f);
    bool empty = f->state == FORM_KEY && f->name_len == 0; /* "&&" */
    f->name[f->name_len] = '\0';
    if (r == 0 && !empty)
        r = flush_value(f);
    if (r < 0)
        return r;
    forget_part(f);
    f->state = FORM_KEY;
    return 0;
}

static int feed_char(struct form *f, char c)
{
    if (f->escape_len && c != '&' && !(c == '=' && f->state == FORM_KEY)) {
        if (hex_digit(c) >= 0) {
            f->escape[f->escape_len++] = c;
            if (f->escape_len < FORM_ESCAPE_BYTES)
                return 0;
            f->escape_len = 0;
            return put_char(f, (char)(hex_digit(f->escape[1]) * 16 + hex_digit(c)));
        }
        int r = put_escape_as_is(f);
        if (r < 0)
            return r;
    }
    if (c == '&')
        return end_of_field(f);
    if (c == '=' && f->state == FORM_KEY) {
        int r = put_escape_as_is(f);
        f->name[f->name_len] = '\0';
        f->state = r < 0 ? FORM_FAILED : FORM_VALUE;
        return r;
    }
    if (c == '%') {
        f->escape[f->escape_len++] = c;
        return 0;
    }
    return put_char(f, c == '+' ? ' ' : c);
}

static int feed_urlencoded(struct form *f, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int r = feed_char(f, data[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the form ---- */

static bool is_type(const char *content_type, const char *type)
{
    size_t len = strlen(type);
    return strncasecmp(content_type, type, len) == 0 && strchr("; \t", content_type[len]);
}

static bool set_boundary(struct form *f, const char *content_type)
{
    bool cut = false;
    memcpy(f->delimiter, "\r\n--", 4);
    if (!header_param(content_type, "boundary", f->delimiter + 4, FORM_BOUNDARY_MAX + 1, &cut) || cut)
        return false;
    f->delimiter_len = strlen(f->delimiter);
    return f->delimiter_len > 4 && !strpbrk(f->delimiter + 4, "\r\n");
}

struct form *form_new_type(const char *content_type, form_part_fn *part, void *ctx)
{
    if (!content_type)
        return NULL;
    content_type = skip_space(content_type);
    bool multipart = is_type(content_type, "multipart/form-data");
    if (!multipart && !is_type(content_type, "application/x-www-form-urlencoded"))
        return NULL;
    struct form *f = NEW(struct form);
    f->part = part;
    f->ctx = ctx;
    f->state = multipart ? FORM_PREAMBLE : FORM_KEY;
    f->matched = multipart ? 2 : 0;
    if (multipart && !set_boundary(f, content_type)) {
        free(f);
        return NULL;
    }
    return f;
}

struct form *form_new(struct exchange *x, form_part_fn *part, void *ctx)
{
    return form_new_type(exchange_header(x, "Content-Type"), part, ctx);
}

int form_feed(struct form *f, const void *data, size_t size)
{
    if (f->state == FORM_FAILED)
        return -ERR_VALIDATION;
    if (f->state == FORM_KEY || f->state == FORM_VALUE)
        return feed_urlencoded(f, data, size);
    return feed_multipart(f, data, size);
}

int form_finish(struct form *f)
{
    if (f->state == FORM_KEY || f->state == FORM_VALUE)
        return end_of_field(f);
    return f->state == FORM_DONE ? 0 : -ERR_VALIDATION;
}

void form_free(struct form *f)
{
    free(f);
}
