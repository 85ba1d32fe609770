/* doctor_rules.h: what `limner doctor` looks for, as a table. Any thread; nothing is asked and nothing waits.
 */
#pragma once

#include <stdbool.h>

#include "cli/peek.h"

enum { DOCTOR_SUBJECT_MAX = 256 };

/* What is known of this machine and of the settings there, if the gateway runs on it. */
struct doctor_local {
    const struct options *opt;
    double disk_used;   /* of the file system of DATA_DIR: 0 … 1; negative: not known */
    double memory_used; /* of the machine's; likewise */
};

struct facts {
    const struct sample *now, *before; /* some seconds apart */
    const struct doctor_local *local;  /* NULL: the gateway is elsewhere */
};

enum doctor_kind { DOCTOR_ADVICE, DOCTOR_BAD };
enum doctor_unit { DOCTOR_COUNT, DOCTOR_SHARE, DOCTOR_SECONDS, DOCTOR_YES };

struct rule {
    const char *name;
    enum doctor_kind kind;
    enum doctor_unit unit; /* of what is measured */
    /* NAN: there is nothing to judge. subject may be filled with what it is about. */
    double (*measure)(const struct facts *f, const struct rule *r, char subject[static DOCTOR_SUBJECT_MAX]);
    const char *what; /* the measure's own: labels, a span … */
    double most;      /* from there on it speaks */
    const char *says; /* {v}: what was measured; {s}: the subject */
    const char *advice;
    const char *option; /* where to turn; "": none */
};

extern const struct rule doctor_rules[];
extern const unsigned doctor_rule_count;

/* Whether it speaks; then the sentence is in ret, to be freed. */
bool doctor_judge(const struct rule *r, const struct facts *f, char **ret) MUST_CHECK;
/* Enough happened between the two samples to judge by that; else all since the start is taken. */
bool doctor_recent(const struct facts *f);
