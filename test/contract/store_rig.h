/* store_rig.h: a store of one driver and what it stands on, for the contract. A driver under test is one row
 * in store_rig.c. */
#pragma once

#include <stdbool.h>

#include "loop/loop_uv.h"
#include "store/store.h"

struct lane;

struct store_rig {
    const struct store_driver *driver;
    struct loop_uv *uv;
    struct lane *lane; /* two threads */
    char *folder;
    char bucket[32];
    struct store *store;
    bool small;
    struct timer look; /* while the loop runs: whether it is time to stop */
    uint64_t until_ns;
    const unsigned *count;
    unsigned target;
};

struct store_driver {
    const char *name;
    bool (*begin)(void); /* before its tests; false: it cannot be had here; NULL: nothing to do */
    void (*end)(void);
    /* Before the rig has threads. false: a store that is soon full cannot be had here; NULL: never. */
    bool (*prepare_small)(struct store_rig *rig);
    void (*open)(struct store_rig *rig);  /* sets rig->store, empty */
    void (*close)(struct store_rig *rig); /* after store_free; may be NULL */
    /* Puts an object there by other means. */
    void (*place)(struct store_rig *rig, const char *name, const char *text);
    bool remove_tells; /* whether the object was there, and it is gone at once */
};

extern const struct store_driver store_drivers[];
extern const unsigned store_driver_count;

struct store_rig *store_rig_new(const struct store_driver *driver, bool small); /* NULL: no small one here */
void store_rig_free(struct store_rig *rig);
/* Runs the loop until *count reaches target; fails the test after 60 s. */
void store_rig_run(struct store_rig *rig, const unsigned *count, unsigned target);
void store_rig_run_for(struct store_rig *rig, unsigned ms);
