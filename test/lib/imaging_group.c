#include "imaging_group.h"

#include "imaging/page.h"
#include "scratch.h"

int imaging_group_start(void **state)
{
    (void)state;
    struct error e;
    return imaging_start(&e);
}

int page_group_start(void **state)
{
    struct error e = {0};
    if (imaging_group_start(state))
        return -1;
    if (page_fonts_start(&e) == 0)
        return 0;
    print_error("%s\n", e.reason);
    return -1;
}

int imaging_group_stop(void **state)
{
    (void)state;
    imaging_stop();
    return 0;
}
