/* replicate_hook.h: webhooks of Replicate: who says so, was it said before, and which run is it about?
 *
 * Order: replicate_hooks_init; replicate_hooks_tick once a second (fetches the secret when it is needed, at
 * most once a minute); replicate_hooks_receive for each delivery, on any thread; what is genuine and new
 * comes to the core thread and is handed to its run, or kept for a little while if no run calls that
 * prediction its own yet. replicate_hooks_release when nothing is received any more. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "http/client/client.h"
#include "predict/replicate_lookup.h"
#include "predict/webhook.h"

struct replicate;

enum { HOOKS_SEEN = 256, HOOKS_EARLY = 16, HOOK_EARLY_MS = 60000, HOOKS_MISSED_MAX = 3 };

struct replicate_hooks {
    char *url;             /* where they are to be sent; NULL: nobody outside can reach us */
    pthread_mutex_t mutex; /* over the next four */
    char secret[WEBHOOK_SECRET_MAX + 1];
    bool secret_wanted;
    uint64_t seen[HOOKS_SEEN]; /* of the latest ids */
    unsigned seen_next;
    /* core thread */
    struct http_call call; /* for the secret */
    char call_url[512];
    uint64_t asked_ns;
    struct hook_early {
        char id[REPLICATE_ID_MAX + 1];
        struct blob *body;
        uint64_t at_ns;
    } early[HOOKS_EARLY];
    unsigned early_next;
    unsigned missed; /* runs in a row whose end a poll had to find out */
};

void replicate_hooks_init(struct replicate *self);
void replicate_hooks_release(struct replicate *self);
void replicate_hooks_tick(struct replicate *self);

/* 0: taken, or nothing to do; UNAUTHORIZED; PROVIDER_UNAVAILABLE: the secret is not known yet, come again. */
int replicate_hooks_receive(struct replicate *self, const struct webhook_headers *headers,
                            struct blob *body) MUST_CHECK;

/* Core thread. What came about a prediction before its run knew it; the caller's reference; NULL: nothing. */
struct blob *replicate_hooks_early(struct replicate *self, const char *id) MUST_CHECK;
bool replicate_hooks_work(const struct replicate *self); /* so that polling may be slow */
