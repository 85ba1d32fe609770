#include "redis/names.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/check.h"
#include "tables/error.h"

void names_init(struct names *n, struct lane *lane, struct loop *loop, const struct redis_address *address)
{
    *n = (struct names){.lane = lane, .loop = loop, .address = address};
}

/* 0 or what getaddrinfo says. */
static int look_up(struct names *n, int flags)
{
    const struct redis_address *a = n->address;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *all;
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)a->port);
    int r = getaddrinfo(a->host, port, &hints, &all);
    if (r != 0) {
        n->found.why = gai_strerror(r);
        return r;
    }
    for (struct addrinfo *at = all; at && n->found.count < NAMES_MAX; at = at->ai_next) {
        struct name *name = &n->found.list[n->found.count++];
        CHECK(at->ai_addrlen <= sizeof(name->address));
        memcpy(&name->address, at->ai_addr, at->ai_addrlen);
        name->size = at->ai_addrlen;
    }
    freeaddrinfo(all);
    return 0;
}

static int run(struct lane_job *job)
{
    return look_up(CONTAINER_OF(job, struct names, job), 0) == 0 ? 0 : -ERR_PROVIDER_UNAVAILABLE;
}

static void finish(struct names *n, int result)
{
    n->why = n->found.why;
    n->count = n->found.count;
    memcpy(n->list, n->found.list, sizeof(n->list));
    op_complete(&n->op, result);
}

static void looked_up(struct op *op)
{
    struct names *n = CONTAINER_OF(op, struct names, job.op);
    finish(n, op->result);
}

static void cancel(struct op *op)
{
    op_cancel(&CONTAINER_OF(op, struct names, op)->job.op);
}

static void take_socket(struct names *n)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    CHECK(strlen(n->address->path) < sizeof(path.sun_path));
    memcpy(path.sun_path, n->address->path, strlen(n->address->path) + 1);
    memcpy(&n->found.list[0].address, &path, sizeof(path));
    n->found.list[0].size = sizeof(path);
    n->found.count = 1;
}

void names_start(struct names *n, op_done_fn *on_done)
{
    op_begin(&n->op, n->loop, on_done, cancel);
    n->found.count = 0;
    n->found.why = "";
    if (n->address->path) {
        take_socket(n);
        finish(n, 0);
    } else if (look_up(n, AI_NUMERICHOST) == 0) {
        finish(n, 0);
    } else if (lane_submit(n->lane, &n->job, run, looked_up) < 0) {
        n->found.why = "too many names are being looked up";
        finish(n, -ERR_PROVIDER_UNAVAILABLE);
    }
}
