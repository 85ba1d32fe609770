/* ws_peer.h: a WebSocket client on a bare socket, frame by frame, which may break any rule. */
#pragma once

#include "base/base64.h"
#include "peer.h"

enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10, WS_FIN = 0x80, WS_RSV1 = 0x40 };
enum { WS_FRAME_MAX = 1 << 20 };

#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ==" /* of RFC 6455, 1.3 */

static UNUSED struct answer ws_ask(int fd, const char *headers)
{
    assert_true(peer_say(fd,
                         "GET /ws HTTP/1.1\r\nHost: here:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WS_KEY "\r\n%s\r\n",
                         headers));
    return peer_answer(fd, false);
}

static UNUSED int ws_open(void)
{
    int fd = peer_open();
    struct answer a = ws_ask(fd, "");
    assert_int_equal(a.status, 101);
    answer_release(&a);
    return fd;
}

/* first: WS_FIN, WS_RSV1 and what it is. Masked as clients must. */
static UNUSED size_t ws_frame(uint8_t *ret, unsigned first, const void *data, size_t size)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t n = 0;
    ret[n++] = (uint8_t)first;
    if (size < 126) {
        ret[n++] = (uint8_t)(0x80 | size);
    } else if (size < 65536) {
        ret[n++] = 0x80 | 126;
        ret[n++] = (uint8_t)(size >> 8);
        ret[n++] = (uint8_t)size;
    } else {
        ret[n++] = 0x80 | 127;
        for (int i = 7; i >= 0; i--)
            ret[n++] = (uint8_t)((uint64_t)size >> (8 * i));
    }
    memcpy(ret + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < size; i++)
        ret[n++] = ((const uint8_t *)data)[i] ^ mask[i % 4];
    return n;
}

static UNUSED bool ws_send(int fd, unsigned first, const void *data, size_t size)
{
    FREE_ON_EXIT uint8_t *bytes = mem_alloc(size + 14);
    return peer_send(fd, bytes, ws_frame(bytes, first, data, size));
}

static UNUSED bool ws_say(int fd, const char *text)
{
    return ws_send(fd, WS_FIN | WS_TEXT, text, strlen(text));
}

struct ws_got {
    int what; /* opcode; 0: the connection ended; -1: nothing came in time */
    unsigned code;
    char *data; /* NUL-terminated; of a close: its reason */
    size_t size;
};

static UNUSED void ws_got_release(struct ws_got *g)
{
    free(g->data);
    g->data = NULL;
}

static UNUSED bool ws_bytes(int fd, void *ret, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t n = peer_readable(fd, PEER_WAIT_MS) ? recv(fd, (char *)ret + got, size - got, 0) : -1;
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static UNUSED struct ws_got ws_get(int fd)
{
    struct ws_got g = {.data = mem_strdup("")};
    uint8_t head[2], more[8];
    if (!peer_readable(fd, PEER_WAIT_MS)) {
        g.what = -1;
        return g;
    }
    if (!ws_bytes(fd, head, 2))
        return g;
    assert_true(head[0] & WS_FIN);
    assert_false(head[1] & 0x80); /* servers do not mask */
    g.size = head[1];
    size_t wide = g.size == 126 ? 2 : g.size == 127 ? 8 : 0;
    if (wide) {
        assert_true(ws_bytes(fd, more, wide));
        g.size = 0;
        for (size_t i = 0; i < wide; i++)
            g.size = g.size << 8 | more[i];
    }
    assert_true(g.size < WS_FRAME_MAX);
    g.data = mem_realloc(g.data, g.size + 1);
    g.data[g.size] = '\0';
    if (!ws_bytes(fd, g.data, g.size))
        return g;
    g.what = head[0] & 15;
    if (g.what == WS_CLOSE && g.size >= 2) {
        g.code = (unsigned)((uint8_t)g.data[0] << 8 | (uint8_t)g.data[1]);
        g.size -= 2;
        memmove(g.data, g.data + 2, g.size + 1);
    }
    return g;
}

static UNUSED void ws_expect(int fd, const char *text)
{
    struct ws_got g = ws_get(fd);
    assert_int_equal(g.what, WS_TEXT);
    assert_string_equal(g.data, text);
    ws_got_release(&g);
}

/* A close with this code (0: none), then the end. Closes fd. */
static UNUSED void ws_expect_close(int fd, unsigned code, const char *reason)
{
    struct ws_got g = ws_get(fd);
    while (g.what == WS_TEXT || g.what == WS_PING || g.what == WS_PONG) {
        ws_got_release(&g);
        g = ws_get(fd);
    }
    assert_int_equal(g.what, WS_CLOSE);
    assert_int_equal(g.code, code);
    if (reason)
        assert_string_equal(g.data, reason);
    ws_got_release(&g);
    ws_send(fd, WS_FIN | WS_CLOSE, code ? "\x03\xe8" : "", code ? 2 : 0);
    assert_true(peer_closed(fd));
    close(fd);
}
