/* peek_args.h: the arguments of the commands that look at a running gateway. */
#pragma once

#include "cli/peek.h"
#include "config/config.h"

struct peek_args {
    struct config config;
    struct peek_place place;
    struct peek_where where; /* points into the rest */
    double interval_s;
    bool once;
    bool here; /* no address was given: these options are the gateway's, and it is on this machine */
};

/* 0, or what to exit with, everything having been said. */
int peek_args_read(struct peek_args *ret, int argc, char **argv, double interval_s) MUST_CHECK;
void peek_args_release(struct peek_args *a);
