/* redis_server.h: a real redis-server for tests, on a free port of 127.0.0.1, with a folder of its own and a
 * unix socket in it. It dies with the test. Order: start; freeze, kill, restart… as the test likes; stop. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct redis_server {
    pid_t pid; /* 0: it does not run */
    int port;
    char *folder, *url, *socket_url;
    const char *password; /* static text; NULL: none */
};

/* False: there is none (tools/deps --dev brings it). password: or NULL. */
bool redis_server_start(struct redis_server *s, const char *password);
void redis_server_freeze(struct redis_server *s); /* SIGSTOP */
void redis_server_thaw(struct redis_server *s);
void redis_server_kill(struct redis_server *s);
void redis_server_restart(struct redis_server *s); /* after a kill: empty, on the same port */
void redis_server_stop(struct redis_server *s);    /* accepts one that was not started */
/* Runs redis-cli with these words, NULL at the end; what it prints, without the last newline,
 * to be freed. */
char *redis_server_ask(struct redis_server *s, const char *const *words);
