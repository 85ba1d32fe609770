/* priority.h: what a request's Priority header (RFC 9218) means here. */
#pragma once

#include "limiter/limiter.h"

/* "u=5, i": an urgency from 0 to 7, 3 if it is not said. From 5 on it is background work, which waits until
 * nobody else does; a caller can only make his own requests less urgent than others, so all may say it. What
 * cannot be read is as good as none, and so is NULL. Of several the last one counts. */
enum slot_priority priority_parse(const char *header);
