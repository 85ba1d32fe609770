/* process.h: what the kernel says about this process, into the process_… gauges. Any thread; reads /proc,
 * some tens of microseconds and more with very many descriptors. */
#pragma once

#include "metrics/cells.h"

void process_started(struct cells *c); /* once, at the start */
void process_sample(struct cells *c);
