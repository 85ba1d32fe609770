#include "base/money.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { DECIMALS = 9, USD_MAX = 1000000 };

int money_parse(const char *text, size_t len, int64_t *ret_nano)
{
    int64_t nano = 0;
    int decimals = -1; /* no point yet */
    size_t digits = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && decimals < 0 && digits > 0) {
            decimals = 0;
            continue;
        }
        if (!isdigit((unsigned char)text[i]) || decimals == DECIMALS || nano > USD_MAX * NANO_PER_USD)
            return -EINVAL;
        nano = nano * 10 + (text[i] - '0');
        digits++;
        decimals += decimals >= 0;
    }
    if (digits == 0 || decimals == 0)
        return -EINVAL;
    for (int i = decimals < 0 ? 0 : decimals; i < DECIMALS; i++) {
        if (nano > USD_MAX * NANO_PER_USD)
            return -EINVAL;
        nano *= 10;
    }
    if (nano > USD_MAX * NANO_PER_USD)
        return -EINVAL;
    *ret_nano = nano;
    return 0;
}

const char *money_text(int64_t nano, char ret[static MONEY_TEXT])
{
    uint64_t size = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;
    uint64_t whole = size / (uint64_t)NANO_PER_USD, rest = size % (uint64_t)NANO_PER_USD;
    int len = snprintf(ret, MONEY_TEXT, "%s%" PRIu64 ".%09" PRIu64, nano < 0 ? "-" : "", whole, rest);
    while (ret[len - 1] == '0')
        ret[--len] = '\0';
    if (ret[len - 1] == '.')
        ret[--len] = '\0';
    return ret;
}

int64_t money_scale(int64_t nano, uint64_t part, uint64_t whole)
{
    __extension__ typedef __int128 wide;
    wide scaled = (wide)nano * part + (nano < 0 ? -(wide)(whole / 2) : (wide)(whole / 2));
    scaled /= whole;
    return scaled > INT64_MAX ? INT64_MAX : scaled < INT64_MIN ? INT64_MIN : (int64_t)scaled;
}
