/* store_contract.h: what every driver of store/store.h must do. A driver under test is one row in
 * store_contract.c; each test below runs on each row. */
#pragma once

#include <stdbool.h>

#include "store/store.h"
#include "waiting_loop.h"

struct lane;

/* One store under test and what it stands on. */
struct store_rig {
    const struct store_driver *driver;
    struct waiting_loop loop;
    struct lane *lane; /* two threads */
    char *folder;
    struct store *store;
    bool small;
};

struct store_driver {
    const char *name;
    /* Before the rig has threads. false: a store that is soon full cannot be had here; NULL: never. */
    bool (*prepare_small)(struct store_rig *rig);
    void (*open)(struct store_rig *rig);  /* sets rig->store, empty */
    void (*close)(struct store_rig *rig); /* after store_free; may be NULL */
    /* The object as readers see it now; NULL: there is none. */
    struct blob *(*read)(struct store_rig *rig, const char *key);
};

int store_contract_run(void); /* all tests on all rows; how many failed */
