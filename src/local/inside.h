/* inside.h: inside of src/local. What a struct local is made of, for the files that do its kinds of work. */
#pragma once

#include <stdatomic.h>

#include "base/check.h"
#include "local/local.h"
#include "local/networks.h"

struct local {
    struct networks networks;
    double target_seconds;
    uint64_t idle_ns; /* 0: networks are kept */
    atomic_bool running;
};

/* Around each whole piece of work: one thread at a time. */
static inline void local_begin(struct local *l)
{
    CHECK(!atomic_exchange(&l->running, true));
}

static inline void local_end(struct local *l)
{
    atomic_store(&l->running, false);
}

/* cancelled may be NULL: never. */
static inline int local_given_up(const atomic_bool *cancelled, struct error *e)
{
    if (!cancelled || !atomic_load(cancelled))
        return 0;
    return error_set(e, ERR_CLIENT_GONE, "The work was given up before the picture was ready");
}
