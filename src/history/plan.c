/* Which step a question gets, and where its first and last one begin. */
#include <inttypes.h>
#include <string.h>

#include "history/history.h"
#include "history/spans.h"

static const struct {
    const char *word;
    unsigned seconds, span; /* the span it is made of */
} steps[] = {{"10s", 10, 0},  {"1m", 60, 1},    {"5m", 300, 1},  {"15m", 900, 1},
             {"1h", 3600, 2}, {"6h", 21600, 2}, {"1d", 86400, 2}};

const char history_step_words[] = "10s, 1m, 5m, 15m, 1h, 6h, 1d";

unsigned history_step(const char *word)
{
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
        if (strcmp(steps[i].word, word) == 0)
            return steps[i].seconds;
    return 0;
}

static int64_t begin_of(int64_t at, unsigned step)
{
    return at - at % step;
}

static int64_t points(const struct history_query *q, unsigned step)
{
    return (begin_of(q->to + step - 1, step) - begin_of(q->from, step)) / step;
}

/* The finest that has few enough points and whose beginning is still kept. What nothing keeps any more is
 * answered in hours, or what is longer. */
static unsigned choose(const struct options *opt, int64_t now, const struct history_query *q)
{
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
        bool longest = steps[i].span == SPAN_COUNT - 1;
        bool kept = longest || q->from >= now - span_keep_s(&spans[steps[i].span], opt);
        if (kept && points(q, steps[i].seconds) <= opt->history_points_max)
            return steps[i].seconds;
    }
    return 0;
}

int history_plan(const struct options *opt, int64_t now, struct history_query *q, struct error *e)
{
    q->to = MIN(q->to, now + 1);
    if (q->from < 0 || q->from >= q->to)
        return error_set_field(e, ERR_VALIDATION, "from", "It must lie before \"to\" and before now");
    unsigned step = q->step_s ? q->step_s : choose(opt, now, q);
    if (step == 0)
        return error_set_field(e, ERR_VALIDATION, "from",
                               "These are more than %" PRId64 " days; ask for a part of them",
                               opt->history_points_max);
    if (points(q, step) > opt->history_points_max)
        return error_set_field(e, ERR_VALIDATION, "step",
                               "These are %" PRId64 " points, and %" PRId64
                               " are allowed; ask for longer steps, or for a part of the time",
                               points(q, step), opt->history_points_max);
    q->step_s = step;
    q->from = begin_of(q->from, step);
    q->to = begin_of(q->to + step - 1, step);
    return 0;
}
