/* tiny_server.h: an HTTP/1.1 server on loopback for tests of the client, one thread a connection. It only
 * reads requests; the test's handler writes what it likes to the socket, right or wrong. Order:
 * tiny_server_start, use, tiny_server_stop (shuts what is still open and waits for the handlers). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { TINY_CONNECTIONS = 1024 };

struct tiny_request {
    char method[16], path[1024];
    const char *head; /* the whole of it, NUL-terminated */
    const char *body;
    size_t body_size;
    unsigned connection; /* from 1, in the order they were accepted */
    unsigned nth;        /* on its connection, from 1 */
};

struct tiny_server;
/* Returns whether the connection is to be kept. */
typedef bool tiny_handler(struct tiny_server *s, int fd, const struct tiny_request *r);

struct tiny_server {
    int listener;
    unsigned port;
    tiny_handler *handler;
    pthread_t thread;
    pthread_mutex_t mutex; /* over fds */
    pthread_t threads[TINY_CONNECTIONS];
    int fds[TINY_CONNECTIONS]; /* -1: closed */
    atomic_uint accepted, open, most_open, requests;
    atomic_bool stopping;
};

void tiny_server_start(struct tiny_server *s, tiny_handler *handler);
void tiny_server_stop(struct tiny_server *s);

bool tiny_send(int fd, const void *data, size_t size); /* false: the peer has gone */
bool tiny_sendf(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool tiny_answer(int fd, int status, const char *headers, const char *body); /* headers end in \r\n each */
void tiny_reset(int fd); /* closing it will send a reset */
void tiny_sleep_ms(unsigned ms);
