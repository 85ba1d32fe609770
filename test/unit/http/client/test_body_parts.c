/* Bodies in parts, against a server on loopback. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "client_rig.h"
#include "http/client/client.h"
#include "scratch.h"
#include "tiny_server.h"

enum { SIZE = (3 << 20) + 17 };

static struct tiny_server server;
static struct client_rig rig;
static atomic_uint asked;

/* Answers with the body it was sent. */
static bool handle(struct tiny_server *s, int fd, const struct tiny_request *r)
{
    (void)s;
    unsigned nth = atomic_fetch_add(&asked, 1) + 1;
    if (strcmp(r->path, "/moved") == 0)
        return tiny_answer(fd, 307, "Location: /echo\r\n", "");
    if (strcmp(r->path, "/see-other") == 0)
        return tiny_answer(fd, 303, "Location: /echo\r\n", "");
    if (strcmp(r->path, "/closes") == 0 && nth == 2)
        return false; /* a kept connection that dies under the request */
    tiny_sendf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", r->body_size);
    return tiny_send(fd, r->body, r->body_size);
}

static struct blob *noise(void)
{
    uint8_t *data = mem_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    return blob_take(data, SIZE, free);
}

static void send_to(const char *path, const char *method, struct blob *head, struct blob *body,
                    struct blob *tail, struct http_call *ret)
{
    static char url[128];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, path);
    *ret = (struct http_call){.url = url,
                              .method = method,
                              .body_head = head,
                              .body = body,
                              .body_tail = tail,
                              .answer_max_bytes = 2 * SIZE,
                              .redirects_max = 1};
    client_rig_call(&rig, ret);
    assert_int_equal(ret->op.result, 0);
    assert_int_equal(ret->status, 200);
}

static void comes_back(const char *path, const char *method, const char *head, const char *tail)
{
    BLOB_ON_EXIT struct blob *before = head ? blob_copy(head, strlen(head)) : NULL;
    BLOB_ON_EXIT struct blob *after = tail ? blob_copy(tail, strlen(tail)) : NULL;
    BLOB_ON_EXIT struct blob *body = noise();
    size_t head_size = head ? strlen(head) : 0, tail_size = tail ? strlen(tail) : 0;
    struct http_call call;
    send_to(path, method, before, body, after, &call);
    assert_int_equal(call.answer.len, head_size + SIZE + tail_size);
    if (head)
        assert_memory_equal(call.answer.data, head, head_size);
    assert_memory_equal(call.answer.data + head_size, body->data, SIZE);
    if (tail)
        assert_memory_equal(call.answer.data + head_size + SIZE, tail, tail_size);
    http_call_release(&call);
}

static void test_in_order(void **state)
{
    comes_back("/echo", "POST", "before\r\n", "\r\nbehind");
    comes_back("/echo", "POST", "before\r\n", NULL);
    comes_back("/echo", "PUT", NULL, "\r\nbehind");
}

static void test_again_from_the_beginning(void **state)
{
    comes_back("/moved", "POST", "before", "behind");
    atomic_store(&asked, 0);
    comes_back("/closes", "PUT", "before", "behind");
    comes_back("/closes", "PUT", "before", "behind"); /* libcurl repeats it on another connection */
    assert_int_equal(atomic_load(&asked), 3);
}

static void test_no_body_any_more(void **state)
{
    BLOB_ON_EXIT struct blob *text = blob_copy("text", 4);
    struct http_call call;
    send_to("/see-other", "POST", text, text, text, &call);
    assert_int_equal(call.answer.len, 0);
    http_call_release(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_again_from_the_beginning),
        cmocka_unit_test(test_no_body_any_more),
    };
    signal(SIGPIPE, SIG_IGN);
    tiny_server_start(&server, handle);
    client_rig_init(&rig, (struct http_client_config){.allow_private = true});
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    client_rig_release(&rig);
    tiny_server_stop(&server);
    return failed;
}
