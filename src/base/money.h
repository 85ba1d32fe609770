/* money.h: amounts in billionths of a US dollar ("nano"), whole numbers, so that sums are exact. No float
 * ever holds an amount; int64_t reaches to nine billion dollars. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define NANO_PER_USD INT64_C(1000000000)

enum { MONEY_TEXT = 32 };

/* "0.000225", "50": digits with at most nine decimals, up to a million. 0, or -EINVAL. */
int money_parse(const char *text, size_t len, int64_t *ret_nano) MUST_CHECK;
/* The shortest decimals that say it, "0.0018", "-0.5"; into ret, which it returns. A JSON number, too. */
const char *money_text(int64_t nano, char ret[static MONEY_TEXT]);
/* nano × part / whole, rounded to the nearest; whole > 0. What does not fit is the largest amount. */
int64_t money_scale(int64_t nano, uint64_t part, uint64_t whole);
