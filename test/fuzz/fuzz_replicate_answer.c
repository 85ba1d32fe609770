/* fuzz_replicate_answer.c: what a model's server sends, on any bytes. clang
 * -fsanitize=fuzzer,address,undefined.
 *
 * The first byte chooses the call and the status, the rest is the body. What comes out must keep the promises
 * of the headers. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"
#include "predict/replicate_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base[] = "https://api.example/v1", token[] = "r8_abcdefgh";

static void check_text(const char *s, size_t most)
{
    size_t len = strnlen(s, most);
    CHECK(len < most);
    CHECK(!strstr(s, token));
    for (size_t i = 0; i < len;) {
        size_t n = utf8_char(s + i);
        CHECK(n > 0);
        i += n;
    }
}

static void try_answer(struct replicate_reply *reply)
{
    struct replicate_answer a = {0};
    struct error e = {0};
    int r = replicate_answer_read(reply, base, &a, &e);
    if (r < 0) {
        CHECK(r == -(reply->call == REPLICATE_CALL_CREATE ? (int)ERR_UNKNOWN_OUTCOME : (int)ERR_UPSTREAM));
        CHECK((int)e.code == -r && !a.document);
        return;
    }
    check_text(a.error, sizeof(a.error));
    CHECK(!a.get_url[0] || strncmp(a.get_url, base, strlen(base)) == 0);
    CHECK(!a.cancel_url[0] || strncmp(a.cancel_url, base, strlen(base)) == 0);
    CHECK(a.percent >= -1 && a.percent <= 100);
    for (unsigned i = 0; i < 8; i++) {
        struct replicate_asked asked = {.prefer = i & 1, .iterator = i & 2, .tries_left = i >> 2};
        struct replicate_verdict v;
        replicate_answer_next(&a, &asked, &v);
        CHECK((v.err.code != ERR_NONE) == (v.next == REPLICATE_FAIL || v.next == REPLICATE_RETRY_NEW));
        CHECK(v.next != REPLICATE_RETRY_NEW || asked.tries_left > 0);
        CHECK(v.next != REPLICATE_DONE || a.output);
        CHECK(v.next != REPLICATE_POLL || a.id[0]);
        check_text(v.err.reason, sizeof(v.err.reason));
    }
    replicate_answer_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 400, 402, 404, 413, 422, 429, 503};
    if (size == 0)
        return 0;
    struct replicate_reply reply = {.call = (enum replicate_call)(data[0] / 64 % 3),
                                    .status = statuses[data[0] % 8],
                                    .body = data + 1,
                                    .size = size - 1,
                                    .token = token,
                                    .now_s = 1767323045};
    if (reply.status == 200) {
        try_answer(&reply);
        return 0;
    }
    struct replicate_problem p;
    replicate_error_read(&reply, &p);
    CHECK(p.err.code != ERR_NONE && p.err.retry_after_s <= REPLICATE_WAIT_MAX_S);
    CHECK(reply.status != 402 || !p.err.reason[0]);
    check_text(p.excerpt, sizeof(p.excerpt));
    check_text(p.err.reason, sizeof(p.err.reason));
    check_text(p.err.field, sizeof(p.err.field));
    return 0;
}
