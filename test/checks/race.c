/* Races on purpose: a thread sanitizer build must say so, or its suppressions hide our own races. */
#include <pthread.h>
#include <stdio.h>

#include "base/rng.h"

static void *draw(void *arg)
{
    for (int i = 0; i < 1000; i++)
        rng_next(arg);
    return NULL;
}

int main(void)
{
    struct rng shared;
    pthread_t other;
    rng_seed(&shared, 1);
    if (pthread_create(&other, NULL, draw, &shared) != 0)
        return 0;
    draw(&shared);
    pthread_join(other, NULL);
    printf("%d\n", (int)(rng_next(&shared) % 2));
    return 0;
}
