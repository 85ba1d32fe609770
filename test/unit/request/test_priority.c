#include "request/priority.h"

#include "base/macros.h"
#include "scratch.h"

static const struct {
    const char *header;
    enum slot_priority priority;
} rows[] = {
    {NULL, SLOT_NORMAL},
    {"", SLOT_NORMAL},
    {"u=3", SLOT_NORMAL},
    {"u=0", SLOT_NORMAL},
    {"u=4, i", SLOT_NORMAL},
    {"u=5", SLOT_LOW},
    {"u=7", SLOT_LOW},
    {"i, u=6", SLOT_LOW},
    {"u=6;x=1,i", SLOT_LOW},
    {" u=5 ", SLOT_LOW},
    {"u=7, u=1", SLOT_NORMAL},
    {"u=1,u=7", SLOT_LOW},
    {"u=8", SLOT_NORMAL},
    {"u=-1", SLOT_NORMAL},
    {"u=55", SLOT_NORMAL},
    {"u=5.0", SLOT_NORMAL},
    {"u", SLOT_NORMAL},
    {"u=", SLOT_NORMAL},
    {"U=7", SLOT_NORMAL},
    {"vu=7", SLOT_NORMAL},
    {"x=\"a, u=7\"", SLOT_NORMAL},
    {"x=\"\\\", u=7", SLOT_NORMAL},
    {"x=\"a\", u=7", SLOT_LOW},
    {",,u=7,,", SLOT_LOW},
    {"x=\"\\", SLOT_NORMAL},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (priority_parse(rows[i].header) != rows[i].priority)
            fail_msg("%s", rows[i].header ? rows[i].header : "(none)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
