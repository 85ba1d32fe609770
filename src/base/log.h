/* log.h: one structured line an event, on standard error.
 *
 *     LOG(LOG_INFO, "listening", F_STR("address", addr), F_INT("connections", n));
 *
 * Text for people, or JSON (log_setup). Library code returns errors and does not log; the pipeline, app.c and
 * the command line do. Keys are fixed words, values are escaped, a line is written by one write(2).
 * Any thread; the set-up once, before threads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *key; /* NULL ends nothing: the count is passed along */
    enum { LOG_F_STR, LOG_F_INT, LOG_F_NUM } type;
    const char *str; /* NULL: the field is left out */
    int64_t num;
    double real;
};

#define F_STR(k, v) ((struct log_field){.key = (k), .type = LOG_F_STR, .str = (v)})
#define F_INT(k, v) ((struct log_field){.key = (k), .type = LOG_F_INT, .num = (int64_t)(v)})
#define F_NUM(k, v) ((struct log_field){.key = (k), .type = LOG_F_NUM, .real = (v)}) /* three decimals */

#define LOG(level, event, ...)                                                                               \
    log_write((level), (event), (const struct log_field[]){{0}, ##__VA_ARGS__},                              \
              sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field))

void log_setup(enum log_level least, bool json);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);
