#include "base/log.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json_out.h"

enum { LINE_MAX_BYTES = 8192, VALUE_MAX_BYTES = 2048 };

static enum log_level log_least = LOG_INFO;
static bool log_json;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level least, bool json)
{
    log_least = least;
    log_json = json;
}

bool log_enabled(enum log_level level)
{
    return level >= log_least;
}

static bool is_plain(const char *s)
{
    const char *p = s;
    while (*p > ' ' && *p < 0x7f && *p != '"' && *p != '\\' && *p != '=')
        p++;
    return p > s && !*p;
}

static void put_text_value(struct buf *b, const char *s)
{
    if (is_plain(s))
        buf_puts(b, s);
    else
        json_out_quote(b, s);
}

static void put_text(struct buf *b, const char *s)
{
    char text[VALUE_MAX_BYTES + 1];
    size_t len = strnlen(s, VALUE_MAX_BYTES); /* what is longer is cut */
    memcpy(text, s, len);
    text[len] = '\0';
    if (log_json)
        json_out_quote(b, text);
    else
        put_text_value(b, text);
}

static void put_field(struct buf *b, const struct log_field *f)
{
    buf_printf(b, log_json ? ",\"%s\":" : " %s=", f->key);
    switch (f->type) {
    case LOG_F_STR:
        put_text(b, f->str);
        break;
    case LOG_F_INT:
        buf_printf(b, "%" PRId64, f->num);
        break;
    case LOG_F_NUM:
        buf_printf(b, isfinite(f->real) ? "%.3f" : "null", f->real);
        break;
    }
}

static void put_head(struct buf *b, enum log_level level, const char *event)
{
    struct timespec ts;
    struct tm tm;
    char when[32];
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    int ms = (int)(ts.tv_nsec / 1000000);
    if (log_json) {
        buf_printf(b, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":", when, ms, level_names[level]);
        json_out_quote(b, event);
    } else {
        buf_printf(b, "%s.%03dZ %-5s %s", when, ms, level_names[level], event);
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    if (!log_enabled(level))
        return;
    BUF_ON_EXIT struct buf b;
    buf_init(&b, LINE_MAX_BYTES);
    put_head(&b, level, event);
    for (size_t i = 0; i < count; i++) {
        bool absent = !fields[i].key || (fields[i].type == LOG_F_STR && !fields[i].str);
        size_t before = b.len;
        if (!absent)
            put_field(&b, &fields[i]);
        if (b.failed || b.len > b.cap - 2) {
            b.len = before; /* no room: this field is left out, the line stays whole */
            b.failed = false;
        }
    }
    buf_puts(&b, log_json ? "}\n" : "\n");
    ssize_t n = write(STDERR_FILENO, b.data, b.len);
    (void)n; /* nobody can be told that the log is gone */
}
