/* app_budgets.h: makes the budgets. Part of app.c's work, in a file of its own. */
#pragma once

#include "app_shared.h"
#include "loop/lane.h"
#include "request/access.h"
#include "request/request.h"

/* svc->budgets stays NULL if there are none. lane: db; pool: for the webhook. */
int app_make_budgets(struct services *svc, struct app_shared *shared, struct lane *lane,
                     struct http_client_pool *pool, struct error *e) MUST_CHECK;
bool app_has_key(const struct access *access, const char *name); /* by its name */
/* Each key that has a budget is there. VALIDATION if not. b: NULL: there are none. */
int app_check_budget_keys(const struct budget_plan *plan, const struct access *access,
                          struct error *e) MUST_CHECK;
/* Like app_history_stopped: called until it is true. */
bool app_budgets_stopped(struct services *svc);
