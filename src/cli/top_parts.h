/* top_parts.h: what the files of `limner top` have in common. Private to them. */
#pragma once

#include "cli/top_view.h"

enum { NUMBER_MAX = 32 };

/* Numbers as people read them; each returns ret. */
const char *top_count_text(double n, char ret[static NUMBER_MAX]);
const char *top_rate_text(double per_s, char ret[static NUMBER_MAX]);
const char *top_time_text(double seconds, char ret[static NUMBER_MAX]); /* negative: "-" */
const char *top_bytes_text(double bytes, char ret[static NUMBER_MAX]);

double top_number_of(const json_t *in, const char *name); /* 0: there is none */
const char *top_string_of(const json_t *in, const char *name, const char *otherwise);
const struct prom *top_prom_of(const struct sample *s); /* s may be NULL */
enum style top_style_of_state(const char *state);

/* By the second, over the last interval; negative: there is none yet. */
double top_rate_of(const struct top_view *v, const char *name, const char *labels);
/* In the last minute. */
double top_grown(const struct top_view *v, const char *name, const char *labels);

/* The tables: top_tables.c. */
void top_draw_classes(const struct top_view *v, struct page *p);
void top_draw_features(const struct top_view *v, struct page *p);
void top_draw_providers(const struct top_view *v, struct page *p);
void top_draw_open(const struct top_view *v, struct page *p);
