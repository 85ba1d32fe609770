/* intent.h: inside of the stages. What the journal knows of a request's paid run: 067 writes that it is about
 * to begin, 070 tells its prediction, 100 that it is over. Core thread. */
#pragma once

#include "journal/journal.h"
#include "request/request.h"

/* A run of an earlier process, which 060 and 070 take up instead of beginning one. Texts live as long as the
 * request. */
struct run_resume {
    const char *provider;   /* its name; NULL: none was asked */
    const char *prediction; /* NULL: not known */
    const char *input_url;  /* NULL: the picture went inline, or it is not known */
    int64_t intent_ms;
};

/* NULL: none. */
struct run_resume *intent_copy(const struct run_resume *r, struct arena *a);
/* Its prediction is known: what it was made of is not needed any more. */
bool intent_needs_no_picture(const struct request *req);
bool intent_resumes(const struct request *req);    /* at the provider that 060 has chosen */
const char *intent_row(const struct request *req); /* its id in the journal; NULL: it has none */
void intent_note_run(struct request *req, const char *prediction,
                     const char *input_url); /* NULL: not known */
/* Before the run: from now on its row is held, or not, as it is now. Then, at any time until it is paid:
 * nobody else can go on with it. NEVER: somebody may have taken it over, which a new intent would tell. */
void intent_hold(struct request *req);
enum may_pay intent_may_pay(const struct request *req);
void intent_over(struct request *req);
