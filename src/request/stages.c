/* The order of a request. Nothing else in the program knows it. */
#include "request/stage.h"

#define LIMIT(field) offsetof(struct options, field)

const struct stage stages[STAGE_COUNT] = {
    [STAGE_RECEIVE] = {"receive", receive_enter, receive_done, 0, false, LEAVE_STOPS, NULL},
    [STAGE_FETCH] = {"fetch", fetch_enter, fetch_done, LIMIT(fetch_timeout_ms), false, LEAVE_STOPS,
                     fetch_wanted},
    [STAGE_VALIDATE] = {"validate", validate_enter, NULL, 0, false, LEAVE_STOPS, NULL},
    [STAGE_ACCEPT] = {"accept", accept_enter, accept_done, 0, false, LEAVE_STOPS, accept_wanted},
    [STAGE_LOOKUP] = {"lookup", lookup_enter, NULL, 0, false, LEAVE_STOPS, NULL},
    [STAGE_JOIN] = {"join", join_enter, join_done, LIMIT(join_timeout_ms), true, LEAVE_STOPS, NULL},
    [STAGE_SHARED] = {"shared", shared_enter, shared_done, LIMIT(join_timeout_ms), true, LEAVE_STOPS, NULL},
    [STAGE_PRESCALE] = {"prescale", prescale_enter, prescale_done, LIMIT(prescale_timeout_ms), true,
                        LEAVE_STOPS, NULL},
    [STAGE_QUEUE] = {"queue", queue_enter, queue_done, LIMIT(queue_timeout_ms), true, LEAVE_STOPS, NULL},
    [STAGE_BUDGET] = {"budget", budget_enter, budget_done, LIMIT(queue_timeout_ms), true, LEAVE_STOPS, NULL},
    [STAGE_INTENT] = {"intent", intent_enter, intent_done, LIMIT(queue_timeout_ms), true, LEAVE_STOPS, NULL},
    [STAGE_RUN] = {"run", run_enter, run_done, LIMIT(run_timeout_ms), true, LEAVE_ASKS, NULL},
    [STAGE_READ_OUTPUT] = {"read", read_output_enter, read_output_done, LIMIT(read_timeout_ms), true,
                           LEAVE_FINISHES, NULL},
    [STAGE_COMPOSE] = {"compose", compose_enter, compose_done, LIMIT(prescale_timeout_ms), true, LEAVE_STOPS,
                       NULL},
    [STAGE_STORE] = {"store", store_enter, store_done, LIMIT(store_timeout_ms), true, LEAVE_FINISHES, NULL},
    [STAGE_SETTLE] = {"settle", settle_enter, NULL, 0, true, LEAVE_FINISHES, NULL},
    [STAGE_MEASURE] = {"measure", measure_enter, NULL, 0, false, LEAVE_FINISHES, NULL},
    [STAGE_RESPOND] = {"respond", respond_enter, NULL, 0, false, LEAVE_FINISHES, NULL},
};
