#include "api_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

static char *with_base(const struct api_script *s, const char *text)
{
    size_t base = strlen(s->base_url), n = 0;
    char *ret = mem_alloc(strlen(text) * base + 1);
    for (; *text; text++) {
        if (*text == '$') {
            memcpy(ret + n, s->base_url, base);
            n += base;
        } else {
            ret[n++] = *text;
        }
    }
    ret[n] = '\0';
    return ret;
}

/* The connections of one script are served in turn: what asks it asks one thing at a time. */
static bool handle(struct tiny_server *server, int fd, const struct tiny_request *r)
{
    struct api_script *s = CONTAINER_OF(server, struct api_script, server);
    unsigned nth = atomic_load(&s->asked);
    size_t len = strlen(s->log);
    snprintf(s->log + len, sizeof(s->log) - len, "%s %s\n", r->method, r->path);
    if (nth < API_BODIES_MAX) {
        s->body[nth] = mem_alloc(r->body_size + 1);
        memcpy(s->body[nth], r->body, r->body_size + 1);
        s->head[nth] = mem_strdup(r->head);
    }
    atomic_fetch_add(&s->asked, 1);
    if (nth >= s->step_count)
        return tiny_answer(fd, 418, "", "the script has ended");
    const struct api_step *step = &s->step[nth];
    if (step->act == API_RESET) {
        tiny_reset(fd);
        return false;
    }
    if (step->act == API_HOLD) {
        unsigned held = atomic_fetch_add(&s->held, 1) + 1;
        while (atomic_load(&s->let_go) < held && !atomic_load(&server->stopping))
            tiny_sleep_ms(2);
    }
    FREE_ON_EXIT char *body = with_base(s, step->body ? step->body : "");
    FREE_ON_EXIT char *headers = with_base(s, step->headers ? step->headers : "");
    return tiny_answer(fd, step->status, headers, body);
}

void api_script_start(struct api_script *s, const struct api_step *step, unsigned step_count)
{
    memset(s, 0, sizeof(*s));
    s->step = step;
    s->step_count = step_count;
    tiny_server_start(&s->server, handle);
    snprintf(s->base_url, sizeof(s->base_url), "http://127.0.0.1:%u/v1", s->server.port);
}

void api_script_let_go(struct api_script *s)
{
    atomic_fetch_add(&s->let_go, 1);
}

void api_script_stop(struct api_script *s)
{
    tiny_server_stop(&s->server);
    for (unsigned i = 0; i < API_BODIES_MAX; i++) {
        free(s->body[i]);
        free(s->head[i]);
    }
}
