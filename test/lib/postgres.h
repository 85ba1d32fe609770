/* postgres.h: a real PostgreSQL for tests, in a folder of its own, that dies with the test. Order:
 * postgres_start, postgres_database for each one that is wanted, postgres_stop. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

bool postgres_start(void); /* false: tools/deps --dev has not brought it */
void postgres_stop(void);  /* accepts one that does not run */

char *postgres_database(void) MUST_CHECK; /* the address of a new, empty database; to be freed */
void postgres_kill(void);                 /* as a power cut would; postgres_again brings it back */
void postgres_again(void);
void postgres_freeze(bool frozen); /* it takes connections and says nothing */
