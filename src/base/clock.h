/* clock.h: the two system clocks. Code on the core loop asks its loop instead (loop_now_ns), whose clock a
 * test may drive. Any thread. */
#pragma once

#include <stdint.h>

#define NS_PER_MS 1000000ull
#define NS_PER_US ((uint64_t)1000)
#define NS_PER_S  1000000000ull

uint64_t clock_mono_ns(void); /* never goes back; for durations */
uint64_t clock_wall_ms(void); /* since 1970 */
int64_t clock_wall_s(void);   /* seconds since 1970, for dates and expiries */
