/* bucket.h: how many runs an account may begin a minute, and when it must not begin any.
 *
 * Order: bucket_init; whoever wants to begin takes a place and comes back when its time has come
 * (bucket_is_due; a pause in between makes all places void: take another). Places are given in the order they
 * are asked for. In no minute are there more than per_minute of them; short bursts of a tenth of that pass at
 * once. The clock is the caller's. One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { BUCKET_SLOW_PER_MINUTE = 6, BUCKET_SLOW_MS = 300000 };

struct bucket {
    unsigned per_minute; /* while all is well */
    uint64_t interval_ns, slack_ns;
    uint64_t full_ns; /* when all places given so far are used up */
    uint64_t paused_until_ns;
    unsigned pauses; /* so far */
    bool slow;       /* BUCKET_SLOW_PER_MINUTE, one at a time */
    uint64_t slow_until_ns;
};

struct bucket_place {
    uint64_t at_ns;
    unsigned pauses;
};

void bucket_init(struct bucket *b, unsigned per_minute);

uint64_t bucket_next_ns(const struct bucket *b, uint64_t now_ns); /* when a newcomer could begin */
struct bucket_place bucket_take(struct bucket *b, uint64_t now_ns);
bool bucket_is_due(const struct bucket *b, const struct bucket_place *place, uint64_t now_ns);

/* The server refused one for the rate: nobody begins before then, and afterwards one by one. */
void bucket_pause(struct bucket *b, uint64_t now_ns, uint64_t until_ns);
/* It said that the account has little credit: slow, until BUCKET_SLOW_MS went by without another such word
 * and a run was accepted. */
void bucket_slow_down(struct bucket *b, uint64_t now_ns);
bool bucket_accepted(struct bucket *b, uint64_t now_ns); /* true: it is no longer slow, from now on */
void bucket_full_speed(struct bucket *b);
