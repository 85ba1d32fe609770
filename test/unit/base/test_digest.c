#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "scratch.h"

static const char *hex_of(const uint8_t *sum)
{
    static char hex[DIGEST_HEX + 1];
    hex_encode(sum, DIGEST_BYTES, hex);
    return hex;
}

/* The examples of FIPS 180-2. */
static void test_sha256_vectors(void **state)
{
    static const struct {
        const char *text, *sum;
    } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t sum[DIGEST_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        digest_of(known[i].text, strlen(known[i].text), sum);
        assert_string_equal(hex_of(sum), known[i].sum);
    }
    FREE_ON_EXIT char *million = mem_alloc(1000000);
    memset(million, 'a', 1000000);
    digest_of(million, 1000000, sum);
    assert_string_equal(hex_of(sum), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_streaming_is_the_same(void **state)
{
    uint8_t data[1000], whole[DIGEST_BYTES], parts[DIGEST_BYTES];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 31);
    digest_of(data, sizeof(data), whole);
    for (size_t step = 1; step < 200; step += 3) {
        struct digest d;
        digest_init(&d);
        for (size_t at = 0; at < sizeof(data); at += step)
            digest_update(&d, data + at, MIN(step, sizeof(data) - at));
        digest_update(&d, data, 0);
        digest_final(&d, parts);
        assert_memory_equal(parts, whole, DIGEST_BYTES);
        assert_null(d.ctx);
        digest_release(&d); /* again: does nothing */
    }
    struct digest given_up;
    digest_init(&given_up);
    digest_update(&given_up, data, 10);
    digest_release(&given_up);
}

/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
static void test_hmac_vectors(void **state)
{
    uint8_t key[131], mac[DIGEST_BYTES];
    memset(key, 0x0b, 20);
    digest_hmac(key, 20, "Hi There", 8, mac);
    assert_string_equal(hex_of(mac), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, mac);
    assert_string_equal(hex_of(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    digest_hmac(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54, mac);
    assert_string_equal(hex_of(mac), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void test_file(void **state)
{
    char *folder = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/f", folder);
    FREE_ON_EXIT uint8_t *data = mem_zalloc(200001);
    uint8_t right[DIGEST_BYTES], sum[DIGEST_BYTES] = {0};
    assert_int_equal(digest_of_file(path, sum), -ENOENT);
    assert_int_equal(digest_of_file(folder, sum), -EISDIR);
    assert_int_equal(sum[0] | sum[31], 0); /* untouched on failure */
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    data[200000] = 1;
    assert_int_equal(write(fd, data, 200001), 200001);
    close(fd);
    assert_int_equal(digest_of_file(path, sum), 0);
    digest_of(data, 200001, right);
    assert_memory_equal(sum, right, DIGEST_BYTES);
    scratch_free(folder);
}

static void test_hex(void **state)
{
    const uint8_t bytes[] = {0x00, 0x01, 0x9f, 0xa0, 0xff};
    uint8_t back[5] = {7, 7, 7, 7, 7};
    char hex[11];
    hex_encode(bytes, sizeof(bytes), hex);
    assert_string_equal(hex, "00019fa0ff");
    assert_int_equal(hex_decode(hex, back, 5), 0);
    assert_memory_equal(back, bytes, 5);
    static const char *const bad[] = {"",           "00019fa0f",  "00019fa0ff0", "00019FA0FF",
                                      "00019fa0fg", "0x019fa0ff", " 0019fa0ff",  "00019fa0f\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(hex_decode(bad[i], back, 5), -EINVAL);
    assert_int_equal(hex_decode("", back, 0), 0);
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    for (int c = 1; c < 256; c++) {
        const char *at = strchr(lower, c) ? strchr(lower, c) : strchr(upper, c);
        const char *start = strchr(lower, c) ? lower : upper;
        assert_int_equal(hex_digit((char)c), at ? at - start : -1);
    }
}

static void *hash_many(void *arg)
{
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t sum[DIGEST_BYTES];
        digest_of("abc", 3, sum);
        assert_int_equal(sum[0], 0xba);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t thread[4];
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hash_many, NULL), 0);
    for (unsigned i = 0; i < ARRAY_LEN(thread); i++)
        pthread_join(thread[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads), /* first: all threads meet the first use */
        cmocka_unit_test(test_sha256_vectors),
        cmocka_unit_test(test_streaming_is_the_same),
        cmocka_unit_test(test_hmac_vectors),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
