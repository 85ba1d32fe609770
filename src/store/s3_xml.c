/* xml.h cuts the document into tags and text; read_fields() collects the text of the elements in a table of
 * paths ("/Error/Code") and hands each to the document's own function when it closes. */
#include "store/s3_xml.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/xml.h"

enum { ENTITY_MAX = 10 };

/* ---- text ---- */

struct value {
    char text[S3_XML_TOKEN_MAX + 1];
    size_t len;
    bool over; /* it was longer */
};

static void put(struct value *v, const char *s, size_t n)
{
    size_t fit = MIN(n, sizeof(v->text) - 1 - v->len);
    memcpy(v->text + v->len, s, fit);
    v->len += fit;
    v->over |= fit < n;
}

/* UTF-8 of a character number; false if there is no such character, or it is NUL. */
static bool put_code(struct value *v, uint32_t code)
{
    char s[4];
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return false;
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        s[i] = (char)(0x80 | (code & 0x3f));
    s[0] = (char)(n == 1 ? code : (0xf00u >> n & 0xf0) | code);
    put(v, s, n);
    return true;
}

/* &#38; and &#x26;, of which s is "38" and "x26". */
static bool put_number(struct value *v, const char *s, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t base = n > 0 && *s == 'x' ? 16 : 10, code = 0;
    size_t i = base == 16 ? 1 : 0;
    if (i == n)
        return false;
    for (; i < n; i++) {
        char c = s[i] >= 'A' && s[i] <= 'F' ? (char)(s[i] | 0x20) : s[i];
        const char *digit = memchr(digits, c, base);
        if (!digit || code > 0x10ffff)
            return false;
        code = code * base + (uint32_t)(digit - digits);
    }
    return put_code(v, code);
}

/* s: what stands between & and ; */
static bool put_entity(struct value *v, const char *s, size_t n)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    if (n > 0 && *s == '#')
        return put_number(v, s + 1, n - 1);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strlen(known[i].name) == n && memcmp(known[i].name, s, n) == 0) {
            put(v, &known[i].c, 1);
            return true;
        }
    }
    return false;
}

static bool put_text(struct value *v, const char *s, size_t n)
{
    const char *end = s + n;
    while (s < end) {
        const char *amp = memchr(s, '&', (size_t)(end - s));
        put(v, s, (size_t)((amp ? amp : end) - s));
        if (!amp)
            break;
        size_t left = (size_t)(end - amp) - 1;
        const char *semicolon = memchr(amp + 1, ';', MIN(left, (size_t)ENTITY_MAX));
        if (!semicolon || !put_entity(v, amp + 1, (size_t)(semicolon - amp) - 1))
            return false;
        s = semicolon + 1;
    }
    return true;
}

static bool is_utf8(const char *s)
{
    for (size_t n; *s; s += n) {
        n = utf8_char(s);
        if (n == 0)
            return false;
    }
    return true;
}

/* ---- fields ---- */

struct field {
    const char *path;
    size_t max; /* bytes of its text */
    bool cut;   /* a longer text is cut, not refused */
    bool group; /* it has no text of its own: on_field comes when it closes */
};

/* text: NUL-terminated, bounded, valid UTF-8 unless the field is one to be cut. NULL: fine, else what is
 * wrong. */
typedef const char *on_field_fn(void *ctx, size_t field, const char *text);

static const char malformed[] = "it is not well formed";

static size_t find_field(const struct field *fields, size_t count, const char *path)
{
    size_t i = 0;
    while (i < count && strcmp(fields[i].path, path) != 0)
        i++;
    return i;
}

/* Ends the value of a field. NULL, or what is wrong. */
static const char *end_field(const struct field *f, size_t index, struct value *v, on_field_fn *on_field,
                             void *ctx)
{
    v->text[v->len] = '\0';
    if (f->cut && v->len > f->max)
        v->text[f->max] = '\0';
    else if (v->over || v->len > f->max)
        return "a text is too long";
    if (!f->cut && !is_utf8(v->text))
        return "a text is not UTF-8";
    return on_field(ctx, index, v->text);
}

/* The text of a field may hold no elements; a group's members are fields of their own. NULL, or what is
 * wrong. */
static const char *read_fields(const char *xml, size_t size, const struct field *fields, size_t count,
                               on_field_fn *on_field, void *ctx)
{
    struct xml_reader x;
    struct value v;
    const char *wrong = NULL;
    size_t field = count; /* whose text is being read; count: none */
    if (size == 0 || size > S3_XML_BYTES_MAX || memchr(xml, '\0', size))
        return malformed;
    xml_reader_init(&x, xml, size);
    for (enum xml_token t = xml_next(&x); t != XML_DONE; t = xml_next(&x)) {
        if (t == XML_BAD || (t == XML_OPEN && field < count))
            return malformed;
        if (t == XML_OPEN) {
            field = find_field(fields, count, x.path);
            if (field < count && fields[field].group)
                field = count;
            v.len = 0;
            v.over = false;
        } else if (t == XML_TEXT && field < count && !put_text(&v, x.text, x.text_size)) {
            return malformed;
        } else if (t == XML_CLOSE && field < count) {
            wrong = end_field(&fields[field], field, &v, on_field, ctx);
            field = count;
        } else if (t == XML_CLOSE) {
            size_t group = find_field(fields, count, x.path);
            wrong = group < count ? on_field(ctx, group, "") : NULL;
        }
        if (wrong)
            return wrong;
    }
    return NULL;
}

/* ---- ListObjectsV2 ---- */

enum { LIST, TRUNCATED, TOKEN, ENCODING, OBJECT, KEY, SIZE, ETAG, MODIFIED, LIST_FIELDS };

static const struct field list_fields[LIST_FIELDS] = {
    [LIST] = {.path = "/ListBucketResult", .group = true},
    [TRUNCATED] = {"/ListBucketResult/IsTruncated", .max = 5},
    [TOKEN] = {"/ListBucketResult/NextContinuationToken", .max = S3_XML_TOKEN_MAX},
    [ENCODING] = {"/ListBucketResult/EncodingType", .max = 16},
    [OBJECT] = {"/ListBucketResult/Contents", .group = true},
    [KEY] = {"/ListBucketResult/Contents/Key", .max = 3 * S3_XML_KEY_MAX}, /* each byte as %XX */
    [SIZE] = {"/ListBucketResult/Contents/Size", .max = 20},
    [ETAG] = {"/ListBucketResult/Contents/ETag", .max = S3_XML_ETAG_MAX},
    [MODIFIED] = {"/ListBucketResult/Contents/LastModified", .max = 64, .cut = true},
};

struct list_reader {
    struct s3_xml_list list;
    size_t room;
    struct s3_xml_object object; /* being read; key NULL: none yet */
    bool has_size;
    bool seen; /* the root was ListBucketResult */
    bool truncated;
    bool encoded; /* keys are: EncodingType may come behind them */
};

static bool parse_size(const char *text, uint64_t *ret)
{
    uint64_t n = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
            return false;
    }
    *ret = n;
    return true;
}

static int number(const char *digits, size_t n)
{
    int value = 0;
    while (n-- > 0)
        value = 10 * value + (*digits++ - '0');
    return value;
}

/* 2009-10-12T17:50:30.000Z, with or without the fraction; 0 if it is not that. */
static int64_t parse_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    for (size_t i = 0; form[i]; i++) { /* stops at the text's end, which matches nothing */
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return 0;
    }
    const char *rest = text + sizeof(form) - 1;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    struct tm t = {.tm_year = number(text, 4) - 1900,
                   .tm_mon = number(text + 5, 2) - 1,
                   .tm_mday = number(text + 8, 2),
                   .tm_hour = number(text + 11, 2),
                   .tm_min = number(text + 14, 2),
                   .tm_sec = number(text + 17, 2)};
    bool fine = strcmp(rest, "Z") == 0 && t.tm_year >= 70 && t.tm_mon >= 0 && t.tm_mon < 12 &&
                t.tm_mday >= 1 && t.tm_mday <= 31 && t.tm_hour < 24 && t.tm_min < 60 && t.tm_sec <= 60;
    return fine ? (int64_t)timegm(&t) : 0;
}

static const char *without_quotes(struct arena *a, const char *text)
{
    size_t n = strlen(text);
    bool quoted = n >= 2 && text[0] == '"' && text[n - 1] == '"';
    return quoted ? arena_strndup(a, text + 1, n - 2) : arena_strdup(a, text);
}

static const char *end_object(struct list_reader *l)
{
    struct s3_xml_list *list = &l->list;
    if (!l->object.key || !l->has_size)
        return "an object has no key or no size";
    if (list->count == S3_XML_OBJECTS_MAX)
        return "it has more objects than were asked for";
    if (list->count == l->room) {
        l->room = l->room ? 2 * l->room : 16;
        list->object = mem_realloc(list->object, l->room * sizeof(*list->object));
    }
    if (!l->object.etag)
        l->object.etag = "";
    list->object[list->count++] = l->object;
    l->object = (struct s3_xml_object){0};
    l->has_size = false;
    return NULL;
}

static const char *on_list_field(void *ctx, size_t field, const char *text)
{
    struct list_reader *l = ctx;
    switch (field) {
    case LIST:
        l->seen = true;
        return NULL;
    case TRUNCATED:
        l->truncated = strcmp(text, "true") == 0;
        return l->truncated || strcmp(text, "false") == 0 ? NULL : "IsTruncated is neither true nor false";
    case TOKEN:
        l->list.next_token = *text ? arena_strdup(&l->list.arena, text) : NULL;
        return NULL;
    case ENCODING:
        l->encoded = strcmp(text, "url") == 0;
        return l->encoded || !*text ? NULL : "its EncodingType is unknown";
    case OBJECT:
        return end_object(l);
    case KEY:
        if (!*text || l->object.key)
            return "an object has no key, or two";
        l->object.key = arena_strdup(&l->list.arena, text);
        return NULL;
    case SIZE:
        l->has_size = parse_size(text, &l->object.size);
        return l->has_size ? NULL : "a size is no number";
    case ETAG:
        l->object.etag = without_quotes(&l->list.arena, text);
        return NULL;
    default:
        l->object.modified_s = parse_time(text);
        return NULL;
    }
}

/* "a+b%2Fc" is "a b/c", of which a new text is made. NULL: it is not encoded right. */
static const char *decode_key(struct arena *a, const char *key)
{
    char *plain = arena_strdup(a, key), *to = plain;
    for (const char *p = key; *p; p++) {
        int high = *p == '%' ? hex_digit(p[1]) : 0;
        int low = *p == '%' && high >= 0 ? hex_digit(p[2]) : 0;
        if (high < 0 || low < 0 || (*p == '%' && high + low == 0))
            return NULL;
        *to++ = *p == '%' ? (char)(high * 16 + low) : *p == '+' ? ' ' : *p;
        p += *p == '%' ? 2 : 0;
    }
    *to = '\0';
    return is_utf8(plain) ? plain : NULL;
}

/* NULL, or what is wrong. */
static const char *end_keys(struct list_reader *l)
{
    struct s3_xml_list *list = &l->list;
    for (size_t i = 0; i < list->count; i++) {
        struct s3_xml_object *o = &list->object[i];
        if (l->encoded)
            o->key = decode_key(&list->arena, o->key);
        if (!o->key)
            return "a key is not encoded as it should be";
        if (strlen(o->key) > S3_XML_KEY_MAX)
            return "a text is too long";
    }
    return NULL;
}

int s3_xml_read_list(const void *xml, size_t size, struct s3_xml_list *ret, struct error *e)
{
    struct list_reader l = {0};
    const char *wrong = read_fields(xml, size, list_fields, LIST_FIELDS, on_list_field, &l);
    if (!wrong && !l.seen)
        wrong = "it is no list";
    if (!wrong && l.truncated && !l.list.next_token)
        wrong = "it is one of several pages, but does not say how to get the next";
    if (!wrong)
        wrong = end_keys(&l);
    if (wrong) {
        s3_xml_list_release(&l.list);
        return error_set(e, ERR_STORAGE_FAILED, "The object store's list cannot be read: %s", wrong);
    }
    if (!l.truncated)
        l.list.next_token = NULL;
    *ret = l.list;
    return 0;
}

void s3_xml_list_release(struct s3_xml_list *list)
{
    free(list->object);
    arena_release(&list->arena);
    *list = (struct s3_xml_list){0};
}

/* ---- Error ---- */

enum { CODE, MESSAGE, ERROR_FIELDS };

static const struct field error_fields[ERROR_FIELDS] = {
    [CODE] = {"/Error/Code", .max = S3_XML_CODE_MAX, .cut = true},
    [MESSAGE] = {"/Error/Message", .max = S3_XML_MESSAGE_MAX, .cut = true},
};

static const char *on_error_field(void *ctx, size_t field, const char *text)
{
    struct s3_xml_error *e = ctx;
    char *to = field == CODE ? e->code : e->message;
    memcpy(to, text, strlen(text) + 1); /* no longer than the table allows, which fits */
    utf8_clean(to);
    return NULL;
}

int s3_xml_read_error(const void *xml, size_t size, struct s3_xml_error *ret)
{
    struct s3_xml_error e = {0};
    if (read_fields(xml, size, error_fields, ERROR_FIELDS, on_error_field, &e) || !e.code[0])
        return -ERR_STORAGE_FAILED;
    *ret = e;
    return 0;
}
