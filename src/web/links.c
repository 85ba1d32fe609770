#include "web/links.h"

#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/sigv4.h"

enum { HOST_MAX = 255 };

/* A Host header is the client's own word: only what can be a host goes into a link. */
static bool host_ok(const char *host)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
    return host && *host && strlen(host) <= HOST_MAX && strspn(host, allowed) == strlen(host);
}

void link_base(const struct exchange *x, const struct options *opt, struct buf *ret)
{
    if (*opt->public_base_url) {
        buf_puts(ret, opt->public_base_url);
        return;
    }
    const char *host = exchange_header(x, "Host");
    if (!host_ok(host))
        return;
    const char *proto = opt->trust_proxy > 0 ? exchange_header(x, "X-Forwarded-Proto") : NULL;
    bool tls = proto && strcasecmp(proto, "https") == 0;
    buf_printf(ret, "%s://%s", tls ? "https" : "http", host);
}

void link_make(struct store *store, const struct signer *signer, const char *name, unsigned expires_s,
               const char *base, struct buf *ret)
{
    if (store->ops->link) {
        CHECK(store->ops->link(store, name, expires_s, ret) == 0);
        return;
    }
    char query[SIGNATURE_QUERY];
    FREE_ON_EXIT char *path = mem_printf("/files/%s", name);
    signer_sign(signer, name, clock_wall_s() + expires_s, query);
    buf_puts(ret, base);
    CHECK(sigv4_path(path, ret) == 0);
    buf_printf(ret, "?%s", query);
}
