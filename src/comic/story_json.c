/* Cuts objects out of what a model wrote around them, and writes them down again as Jansson wants them.
 *
 * What is unambiguous is mended on the way: a comma before a closing bracket, comments, control characters
 * inside of strings, escapes of what needs none, typographic quotes around a string. Anything else that is
 * not JSON ends the object, and the search goes on behind its first bracket. An object whose end is missing
 * is closed behind the last object that is whole in one of its lists. */
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "comic/story_own.h"

enum { TRIES_MAX = 32 }; /* brackets that are looked at; an answer has one or two */

static const char open_quote[] = "“", close_quote[] = "”";

struct lexer {
    char *at;
    const char *end;
    struct buf *out;
    const char *wrong; /* NULL: nothing, but the text may have ended */
    char open[STORY_DEPTH_MAX], whole_open[STORY_DEPTH_MAX];
    unsigned depth, whole_depth;
    size_t whole; /* bytes of out up to the last whole object in a list */
};

/* Blanks and comments. */
static void skip_blank(struct lexer *l)
{
    for (;;) {
        l->at += strspn(l->at, " \t\r\n");
        if (strncmp(l->at, "//", 2) == 0) {
            l->at += strcspn(l->at, "\n");
        } else if (strncmp(l->at, "/*", 2) == 0) {
            char *over = strstr(l->at + 2, "*/");
            l->at = over ? over + 2 : l->at + strlen(l->at);
        } else {
            return;
        }
    }
}

/* A typographic quote ends a string only where JSON goes on behind it. */
static bool closes(const char *s, const char *quote)
{
    size_t n = strlen(quote);
    if (strncmp(s, quote, n) != 0)
        return false;
    s += n;
    s += strspn(s, " \t\r\n");
    return n == 1 || (*s && strchr(",:]}", *s));
}

static void copy_escape(struct lexer *l)
{
    if (strchr("\"\\/bfnrtu", l->at[1])) {
        size_t n = json_mend_escape(l->at);
        buf_append(l->out, l->at, n);
        l->at += n;
    } else {
        l->at++;
    }
}

/* Bytes that stand for themselves and begin no quote. */
static size_t plain_run(const char *s)
{
    size_t n = 0;
    while ((unsigned char)s[n] >= ' ' && s[n] != '"' && s[n] != '\\' && s[n] != close_quote[0])
        n++;
    return n;
}

/* At its opening quote. false: the text has ended. */
static bool copy_string(struct lexer *l)
{
    bool plain = *l->at == '"';
    const char *quote = plain ? "\"" : close_quote;
    l->at += plain ? 1 : strlen(open_quote);
    buf_puts(l->out, "\"");
    while (l->at < l->end && !closes(l->at, quote)) {
        size_t n = plain_run(l->at);
        if (n > 0)
            buf_append(l->out, l->at, n), l->at += n;
        else if (*l->at == '\\')
            copy_escape(l);
        else if (*l->at == '"')
            buf_puts(l->out, "\\\""), l->at++;
        else if ((unsigned char)*l->at < ' ')
            buf_puts(l->out, " "), l->at++;
        else
            buf_append(l->out, l->at++, 1);
    }
    if (l->at >= l->end)
        return false;
    buf_puts(l->out, "\"");
    l->at += strlen(quote);
    return true;
}

static bool open_bracket(struct lexer *l)
{
    if (l->depth == STORY_DEPTH_MAX) {
        l->wrong = "it is nested too deeply";
        return false;
    }
    l->open[l->depth++] = *l->at;
    buf_append(l->out, l->at++, 1);
    return true;
}

static bool close_bracket(struct lexer *l)
{
    char opened = l->open[l->depth - 1];
    if (*l->at != (opened == '{' ? '}' : ']')) {
        l->wrong = "its brackets do not match";
        return false;
    }
    if (l->out->data[l->out->len - 1] == ',')
        l->out->len--;
    buf_append(l->out, l->at++, 1);
    l->depth--;
    if (opened == '{' && l->depth > 0 && l->open[l->depth - 1] == '[') {
        l->whole = l->out->len;
        l->whole_depth = l->depth;
        memcpy(l->whole_open, l->open, l->depth);
    }
    return true;
}

/* Numbers and words; the blank keeps two of them apart. */
static bool copy_literal(struct lexer *l)
{
    size_t n = strspn(l->at, "+-.0123456789eEtrufalsn");
    if (n == 0) {
        l->wrong = "it is not JSON";
        return false;
    }
    buf_append(l->out, l->at, n);
    buf_puts(l->out, " ");
    l->at += n;
    return true;
}

static bool copy_token(struct lexer *l)
{
    if (*l->at == '{' || *l->at == '[')
        return open_bracket(l);
    if (*l->at == '}' || *l->at == ']')
        return close_bracket(l);
    if (*l->at == '"' || strncmp(l->at, open_quote, strlen(open_quote)) == 0)
        return copy_string(l);
    if (*l->at == ',' || *l->at == ':') {
        buf_append(l->out, l->at++, 1);
        return true;
    }
    return copy_literal(l);
}

static bool close_cut(struct lexer *l)
{
    if (l->whole == 0)
        return false;
    l->out->len = l->whole;
    while (l->whole_depth > 0)
        buf_puts(l->out, l->whole_open[--l->whole_depth] == '{' ? "}" : "]");
    return true;
}

/* At an opening bracket. Its text is in out afterwards. */
static bool copy_object(struct lexer *l, bool *ret_cut)
{
    *ret_cut = false;
    do {
        skip_blank(l);
        if (l->at < l->end && copy_token(l))
            continue;
        *ret_cut = !l->wrong;
        return !l->wrong && close_cut(l);
    } while (l->depth > 0);
    return true;
}

/* Is it a letter whose last bytes are missing? */
static bool ends_inside(const char *s)
{
    size_t left = strlen(s);
    char whole[5] = {0};
    memcpy(whole, s, MIN(left, (size_t)3));
    for (size_t n = left; n < 4; n++) {
        whole[n] = (char)0xbf;
        if (utf8_char(whole) == n + 1)
            return true;
    }
    return false;
}

int story_json_init(struct story_json *j, const char *answer, size_t size, struct arena *a, struct error *e)
{
    if (size > STORY_ANSWER_MAX)
        return error_set(e, ERR_UPSTREAM, "The answer has more than %d bytes", STORY_ANSWER_MAX);
    *j = (struct story_json){.text = arena_alloc(a, size + 1), .size = size};
    for (size_t i = 0; i < size; i++)
        j->text[i] = answer[i] ? answer[i] : ' ';
    for (size_t i = 0, n; i < j->size; i += n) {
        n = utf8_char(j->text + i);
        if (n == 0 && ends_inside(j->text + i))
            j->text[j->size = i] = '\0';
        else if (n == 0)
            return error_set(e, ERR_UPSTREAM, "The answer is not UTF-8");
    }
    return 0;
}

/* The object itself or the first of its members that has it, without the rest. */
static json_t *having(json_t *object, const char *member)
{
    const char *key;
    json_t *value;
    if (json_object_get(object, member))
        return json_incref(object);
    json_object_foreach(object, key, value)
    {
        if (json_object_get(value, member))
            return json_incref(value);
    }
    return NULL;
}

/* The object at the next bracket, NULL if there is none; j->at moves behind it. */
static json_t *read_at(struct story_json *j, char *bracket)
{
    BUF_ON_EXIT struct buf out;
    buf_init(&out, 2 * (size_t)STORY_ANSWER_MAX);
    struct lexer l = {.at = bracket, .end = j->text + j->size, .out = &out};
    bool cut, copied = copy_object(&l, &cut);
    json_t *object =
        copied && !out.failed ? json_loadb(out.data, out.len, JSON_DECODE_INT_AS_REAL, NULL) : NULL;
    j->at = (size_t)((object ? l.at : bracket + 1) - j->text);
    j->cut = cut;
    if (!object)
        j->wrong = cut ? "it ends in the middle" : l.wrong ? l.wrong : "it is not JSON";
    return object;
}

json_t *story_json_next(struct story_json *j, const char *member)
{
    while (j->tries < TRIES_MAX) {
        char *bracket = strchr(j->text + j->at, '{');
        if (!bracket)
            break;
        j->tries++;
        JSON_ON_EXIT json_t *object = read_at(j, bracket);
        json_t *found = object ? having(object, member) : NULL;
        if (found)
            return found;
    }
    return NULL;
}
