#include "cli/prom.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LABELS_MAX = 256 };

struct series {
    const char *name;   /* in the text */
    const char *labels; /* what is between the braces; "" */
    double value;
};

struct prom {
    char *text; /* names and labels end in NUL */
    unsigned count, room;
    struct series *series;
};

/* ---- reading ---- */

/* One line, cut into its parts in place; false: it is none of a series. A closed set of labels has no brace
 * in a value. */
static bool read_line(char *line, struct series *ret)
{
    char *end = line + strcspn(line, "{ ");
    if (*line == '#' || !*end)
        return false;
    ret->name = line;
    ret->labels = "";
    if (*end == '{') {
        *end++ = '\0';
        ret->labels = end;
        end = strchr(end, '}');
        if (!end)
            return false;
    }
    *end++ = '\0';
    char *number = end + strspn(end, " "), *rest;
    ret->value = strtod(number, &rest);
    return rest != number;
}

struct prom *prom_parse(const char *text)
{
    struct prom *p = NEW(struct prom);
    p->text = mem_strdup(text);
    char *rest = NULL;
    for (char *line = strtok_r(p->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (p->count == p->room) {
            p->room = p->room ? 2 * p->room : 256;
            p->series = mem_realloc(p->series, p->room * sizeof(*p->series));
        }
        p->count += read_line(line, &p->series[p->count]);
    }
    return p;
}

void prom_free(struct prom *p)
{
    if (!p)
        return;
    free(p->text);
    free(p->series);
    free(p);
}

/* ---- questions ---- */

/* The next series from *at on; NULL: there is no further one. */
static const struct series *next(const struct prom *p, unsigned *at, const char *name, const char *labels)
{
    while (p && *at < p->count) {
        const struct series *s = &p->series[(*at)++];
        if (strcmp(s->name, name) == 0 && (!labels || strstr(s->labels, labels)))
            return s;
    }
    return NULL;
}

bool prom_has(const struct prom *p, const char *name, const char *labels)
{
    unsigned at = 0;
    return next(p, &at, name, labels) != NULL;
}

double prom_sum(const struct prom *p, const char *name, const char *labels)
{
    double sum = 0;
    unsigned at = 0;
    for (const struct series *s; (s = next(p, &at, name, labels));)
        sum += s->value;
    return sum;
}

double prom_max(const struct prom *p, const char *name, const char *labels)
{
    double most = 0;
    unsigned at = 0;
    for (const struct series *s; (s = next(p, &at, name, labels));)
        most = fmax(most, s->value);
    return most;
}

double prom_grown(const struct prom *now, const struct prom *before, const char *name, const char *labels)
{
    double n = prom_sum(now, name, labels), earlier = prom_sum(before, name, labels);
    return n >= earlier ? n - earlier : n;
}

/* ---- percentiles ---- */

/* Of the series with these labels and that bound, all together. */
static double grown_at(const struct prom *now, const struct prom *before, const char *bucket,
                       const char *labels, const char *le)
{
    double n = 0, earlier = 0;
    unsigned at = 0;
    for (const struct series *s; (s = next(now, &at, bucket, labels));)
        n += strstr(s->labels, le) ? s->value : 0;
    at = 0;
    for (const struct series *s; (s = next(before, &at, bucket, labels));)
        earlier += strstr(s->labels, le) ? s->value : 0;
    return n >= earlier ? n - earlier : n;
}

double prom_quantile(const struct prom *now, const struct prom *before, const char *name, const char *labels,
                     double q)
{
    char bucket[LABELS_MAX], le[LABELS_MAX];
    snprintf(bucket, sizeof(bucket), "%s_bucket", name);
    double total = grown_at(now, before, bucket, labels, "le=\"+Inf\""), below = 0, from = 0;
    unsigned at = 0;
    if (total <= 0)
        return -1;
    for (const struct series *s; (s = next(now, &at, bucket, labels));) {
        const char *bound = strstr(s->labels, "le=\"");
        if (!bound)
            continue;
        double to = strtod(bound + 4, NULL);
        snprintf(le, sizeof(le), "%s", bound);
        double n = grown_at(now, before, bucket, labels, le);
        if (n >= q * total)
            return isinf(to) ? from : n > below ? from + (to - from) * (q * total - below) / (n - below) : to;
        below = n;
        from = to;
    }
    return from;
}

/* ---- words ---- */

static bool is_there(const struct prom_word *words, unsigned count, const struct prom_word *w)
{
    for (unsigned i = 0; i < count; i++)
        if (words[i].length == w->length && strncmp(words[i].text, w->text, (size_t)w->length) == 0)
            return true;
    return false;
}

unsigned prom_words(const struct prom *p, const char *name, const char *label, struct prom_word *ret,
                    unsigned most)
{
    char before[LABELS_MAX];
    unsigned at = 0, count = 0;
    snprintf(before, sizeof(before), "%s=\"", label);
    for (const struct series *s; (s = next(p, &at, name, before)) && count < most;) {
        struct prom_word w = {.text = strstr(s->labels, before) + strlen(before)};
        w.length = (int)strcspn(w.text, "\"");
        if (!is_there(ret, count, &w))
            ret[count++] = w;
    }
    return count;
}
