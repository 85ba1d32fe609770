/* The order of a request. Nothing else in the program knows it. */
#include "request/stage.h"

#define LIMIT(field) offsetof(struct options, field)

const struct stage stages[STAGE_COUNT] = {
    [STAGE_RECEIVE] = {"receive", receive_enter, receive_done, 0, false, LEAVE_STOPS},
    [STAGE_VALIDATE] = {"validate", validate_enter, NULL, 0, false, LEAVE_STOPS},
    [STAGE_LOOKUP] = {"lookup", lookup_enter, NULL, 0, false, LEAVE_STOPS},
    [STAGE_JOIN] = {"join", join_enter, join_done, LIMIT(join_timeout_ms), true, LEAVE_STOPS},
    [STAGE_PRESCALE] = {"prescale", prescale_enter, prescale_done, LIMIT(prescale_timeout_ms), true,
                        LEAVE_STOPS},
    [STAGE_QUEUE] = {"queue", queue_enter, queue_done, LIMIT(queue_timeout_ms), true, LEAVE_STOPS},
    [STAGE_RUN] = {"run", run_enter, run_done, LIMIT(run_timeout_ms), true, LEAVE_ASKS},
    [STAGE_READ_OUTPUT] = {"read", read_output_enter, NULL, 0, true, LEAVE_FINISHES},
    [STAGE_STORE] = {"store", store_enter, store_done, LIMIT(store_timeout_ms), true, LEAVE_FINISHES},
    [STAGE_SETTLE] = {"settle", settle_enter, NULL, 0, true, LEAVE_FINISHES},
    [STAGE_MEASURE] = {"measure", measure_enter, NULL, 0, false, LEAVE_FINISHES},
    [STAGE_RESPOND] = {"respond", respond_enter, NULL, 0, false, LEAVE_FINISHES},
};
