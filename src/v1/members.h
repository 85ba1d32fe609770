/* members.h: the members of a JSON object as they stand in its text, so that a few of them can be exchanged
 * and all others stay as they were written, numbers and order too.
 *
 * Order: members_init, members_next until it is false; then `broken` says whether that was the end of the
 * object. The text should be JSON that a parser has accepted: what lies inside a value is only passed over,
 * and keys are compared as they are written. No I/O, no memory; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct member {
    const char *key; /* between its quotes */
    size_t key_size;
    const char *value;
    size_t value_size;
};

struct members {
    const char *at, *end;
    bool first, broken;
};

void members_init(struct members *m, const char *text, size_t size);
bool members_next(struct members *m, struct member *ret);

bool member_is(const struct member *m, const char *key);
/* The value of this member of an object; false: it has none. */
bool members_find(const char *text, size_t size, const char *key, struct member *ret);
