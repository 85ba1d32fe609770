/* cache_contract.h: what every tier of the result cache must do (cache/cache.h). A tier under test is one row
 * in cache_contract.c; each test below runs on each row. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"

struct cache_tier {
    const char *name;
    bool (*there)(void);                                  /* false: it cannot be tested here; NULL: always */
    void *(*open)(uint64_t max_entries, uint64_t ttl_ms); /* an empty one */
    void (*close)(void *tier);
    struct result *(*get)(void *tier, const uint8_t *key, uint64_t now_ns);
    void (*put)(void *tier, const uint8_t *key, struct result *r, uint64_t now_ns);
    bool (*remove)(void *tier, const uint8_t *key);
    uint64_t (*size)(void *tier, uint64_t now_ns);
    bool exact_lru; /* false: which entry makes way is the tier's own affair */
    bool own_clock; /* time passes for it by itself, whatever now_ns says; and it has no bound of entries */
    bool one_thread;
};

int cache_contract_run(void); /* all tests on all rows; how many failed */
