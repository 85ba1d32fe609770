#include "imaging_group.h"

#include "imaging/imaging.h"

int imaging_group_start(void **state)
{
    (void)state;
    struct error e;
    return imaging_start(&e);
}

int imaging_group_stop(void **state)
{
    (void)state;
    imaging_stop();
    return 0;
}
