/* POST /hooks/replicate: what came goes to the provider, which alone knows whether it is genuine. */
#include "predict/webhook.h"
#include "web/pages.h"

void page_hook(struct web *w, struct exchange *x, struct blob *body)
{
    const struct webhook_headers headers = {
        .id = exchange_header(x, "webhook-id"),
        .timestamp = exchange_header(x, "webhook-timestamp"),
        .signature = exchange_header(x, "webhook-signature"),
    };
    struct error e;
    int r = w->hook ? w->hook(w->hook_ctx, &headers, body) : -ERR_NOT_FOUND;
    if (r == 0) {
        exchange_answer(x, reply_new(204));
        return;
    }
    error_set(&e, (enum err) - r, "%s", r == -ERR_UNAUTHORIZED ? "The signature is not right" : "");
    exchange_answer(x, reply_error(x, NULL, &e));
}
