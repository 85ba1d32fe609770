/* prescale.h: inside of src/imaging. The size that prescaling arrives at, apart from pixels, for tests. */
#pragma once

#include <stdint.h>

/* Both sides × min(1, sqrt(max_pixels / (width × height)), max_side / longer side), floored, never below 1;
 * in whole numbers, so that it is exactly the floor. The result meets both limits; where a side could not go
 * below 1, the other pays. All arguments ≥ 1. */
void prescale_size(uint32_t width, uint32_t height, uint64_t max_pixels, uint32_t max_side,
                   uint32_t *ret_width, uint32_t *ret_height);
