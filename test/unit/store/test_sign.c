#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/digest.h"
#include "base/mem.h"
#include "scratch.h"
#include "store/store.h"

static const char key[] = "clarity/2026-11-23/0b5f.png";

struct link {
    char text[SIGNATURE_QUERY];
    char expires[32];
    char signature[DIGEST_HEX + 1];
};

static struct signer *new_signer(const char *secret, const char *data_dir)
{
    struct signer *s = NULL;
    struct error e = {0};
    int r = signer_new(secret, data_dir, &s, &e);
    if (r < 0)
        print_error("%s\n", e.reason);
    assert_int_equal(r, 0);
    return s;
}

static struct link sign(const struct signer *s, const char *k, int64_t expires_s)
{
    struct link l = {0};
    signer_sign(s, k, expires_s, l.text);
    assert_int_equal(sscanf(l.text, "expires=%31[0-9]&signature=%64[0-9a-f]", l.expires, l.signature), 2);
    assert_int_equal(strlen(l.signature), DIGEST_HEX);
    return l;
}

static void test_right_and_expired(void **state)
{
    struct signer *s = new_signer("a secret", NULL);
    struct link l = sign(s, key, 2000);
    assert_string_equal(l.expires, "2000");
    assert_int_equal(signer_check(s, key, l.expires, l.signature, 1000), 0);
    assert_int_equal(signer_check(s, key, l.expires, l.signature, 1999), 0);
    assert_int_equal(signer_check(s, key, l.expires, l.signature, 2000), -ERR_GONE);
    assert_int_equal(signer_check(s, key, l.expires, l.signature, 9999), -ERR_GONE);
    signer_free(s);
}

/* Made by hand with another program: the form of a link must not change, those given out would end.
 * key = SHA-256("a secret"); HMAC-SHA256(key, "limner-link-1\n2000\n" + the key). */
static void test_known_answer(void **state)
{
    struct signer *s = new_signer("a secret", NULL);
    struct link l = sign(s, key, 2000);
    assert_string_equal(l.signature, "f030c52361f6824ce5e733653b2e0a27ab651f0a6472316ec8787ed6ad739052");
    signer_free(s);
}

static void test_each_changed_character_is_refused(void **state)
{
    struct signer *s = new_signer("a secret", NULL);
    struct link good = sign(s, key, 2000000000);
    for (size_t i = 0; i < DIGEST_HEX; i++) {
        struct link bad = good;
        bad.signature[i] = bad.signature[i] == 'a' ? 'b' : 'a';
        assert_int_equal(signer_check(s, key, bad.expires, bad.signature, 1000), -ERR_NOT_FOUND);
    }
    for (size_t i = 0; i < sizeof(key) - 1; i++) {
        char other[sizeof(key)];
        memcpy(other, key, sizeof(key));
        other[i] = other[i] == 'x' ? 'y' : 'x';
        assert_int_equal(signer_check(s, other, good.expires, good.signature, 1000), -ERR_NOT_FOUND);
    }
    assert_int_equal(signer_check(s, key, "2000000001", good.signature, 1000), -ERR_NOT_FOUND);
    /* a wrong one is not told from a wrong one that has expired */
    assert_int_equal(signer_check(s, "other.png", good.expires, good.signature, 3000000000), -ERR_NOT_FOUND);
    signer_free(s);
}

static void test_malformed(void **state)
{
    static const char *const expires[] = {"",
                                          " 2000",
                                          "2000 ",
                                          "+2000",
                                          "-2000",
                                          "02000",
                                          "0x7d0",
                                          "2000a",
                                          "2e3",
                                          "0",
                                          "99999999999999999999999999",
                                          "2000\n"};
    struct signer *s = new_signer("a secret", NULL);
    struct link l = sign(s, key, 2000);
    for (size_t i = 0; i < ARRAY_LEN(expires); i++)
        assert_int_equal(signer_check(s, key, expires[i], l.signature, 1000), -ERR_NOT_FOUND);
    assert_int_equal(signer_check(s, key, NULL, l.signature, 1000), -ERR_NOT_FOUND);
    assert_int_equal(signer_check(s, key, l.expires, NULL, 1000), -ERR_NOT_FOUND);
    assert_int_equal(signer_check(s, key, l.expires, "", 1000), -ERR_NOT_FOUND);
    char longer[DIGEST_HEX + 3];
    snprintf(longer, sizeof(longer), "%s00", l.signature);
    assert_int_equal(signer_check(s, key, l.expires, longer, 1000), -ERR_NOT_FOUND);
    l.signature[DIGEST_HEX - 2] = '\0';
    assert_int_equal(signer_check(s, key, l.expires, l.signature, 1000), -ERR_NOT_FOUND);
    assert_int_equal(signer_check(s, "../x", l.expires, longer, 1000), -ERR_NOT_FOUND);
    char huge[5000];
    memset(huge, 'k', sizeof(huge));
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(signer_check(s, huge, l.expires, l.signature, 1000), -ERR_NOT_FOUND);
    signer_free(s);
}

static void test_longest_link_fits(void **state)
{
    struct signer *s = new_signer("a secret", NULL);
    char longest[STORE_KEY_MAX + 1], text[SIGNATURE_QUERY];
    memset(longest, 'k', sizeof(longest));
    longest[250] = longest[500] = '/';
    longest[STORE_KEY_MAX] = '\0';
    signer_sign(s, longest, 999999999999999999, text);
    struct link l = sign(s, longest, 999999999999999999);
    assert_int_equal(signer_check(s, longest, l.expires, l.signature, 1000), 0);
    signer_free(s);
}

static void test_secrets_differ(void **state)
{
    struct signer *one = new_signer("one", NULL), *two = new_signer("two", NULL),
                  *again = new_signer("one", NULL);
    struct link l = sign(one, key, 2000);
    assert_int_equal(signer_check(two, key, l.expires, l.signature, 1000), -ERR_NOT_FOUND);
    assert_int_equal(signer_check(again, key, l.expires, l.signature, 1000), 0);
    signer_free(one);
    signer_free(two);
    signer_free(again);
    signer_free(NULL);
}

static void test_key_file(void **state)
{
    char *folder = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/signing-key", folder);
    struct signer *s = new_signer(NULL, folder);
    struct link l = sign(s, key, 2000);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(scratch_count(folder, "."), 1); /* nothing else is left there */
    signer_free(s);
    s = new_signer("", folder); /* the next start */
    assert_int_equal(signer_check(s, key, l.expires, l.signature, 1000), 0);
    signer_free(s);
    unlink(path);
    s = new_signer(NULL, folder); /* a new key: the old links end */
    assert_int_equal(signer_check(s, key, l.expires, l.signature, 1000), -ERR_NOT_FOUND);
    signer_free(s);
    scratch_free(folder);
}

static void write_key_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void test_bad_key_file(void **state)
{
    char *folder = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/signing-key", folder);
    FREE_ON_EXIT char *good = mem_printf("%064d\n", 7);
    struct signer *s = NULL;
    struct error e;
    write_key_file(path, "too short\n", 0600);
    assert_int_equal(signer_new(NULL, folder, &s, &e), -ERR_INTERNAL);
    assert_non_null(strstr(e.reason, "signing-key is damaged"));
    write_key_file(path, "", 0600);
    assert_int_equal(signer_new(NULL, folder, &s, &e), -ERR_INTERNAL);
    FREE_ON_EXIT char *longer = mem_printf("%065d\n", 7);
    write_key_file(path, longer, 0600);
    assert_int_equal(signer_new(NULL, folder, &s, &e), -ERR_INTERNAL);
    write_key_file(path, good, 0644);
    assert_int_equal(signer_new(NULL, folder, &s, &e), -ERR_INTERNAL);
    assert_non_null(strstr(e.reason, "chmod 600"));
    assert_null(s);
    write_key_file(path, good, 0640);
    s = new_signer(NULL, folder);
    signer_free(s);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(signer_new(NULL, folder, &s, &e), -ERR_INTERNAL);
    scratch_free(folder);
}

enum { STARTERS = 12 };

/* Processes that start at once in an empty folder agree on one key. */
static void test_starting_at_once(void **state)
{
    for (unsigned round = 0; round < 20; round++) {
        char *folder = scratch_new();
        int gate[2], answers[2];
        assert_int_equal(pipe(gate), 0);
        assert_int_equal(pipe(answers), 0);
        for (unsigned i = 0; i < STARTERS; i++) {
            if (fork() == 0) {
                char go;
                struct signer *s = NULL;
                struct error e;
                struct link l = {0};
                close(gate[1]);
                ssize_t n = read(gate[0], &go, 1); /* until it closes */
                if (n == 0 && signer_new(NULL, folder, &s, &e) == 0)
                    l = sign(s, key, 2000);
                n = write(answers[1], &l, sizeof(l));
                _exit(n != sizeof(l));
            }
        }
        close(gate[0]);
        close(gate[1]);
        struct link first, other;
        assert_int_equal(read(answers[0], &first, sizeof(first)), sizeof(first));
        assert_int_equal(strlen(first.signature), DIGEST_HEX);
        for (unsigned i = 1; i < STARTERS; i++) {
            assert_int_equal(read(answers[0], &other, sizeof(other)), sizeof(other));
            assert_string_equal(other.signature, first.signature);
        }
        for (unsigned i = 0; i < STARTERS; i++)
            wait(NULL);
        assert_int_equal(scratch_count(folder, "."), 1);
        close(answers[0]);
        close(answers[1]);
        scratch_free(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_and_expired),
        cmocka_unit_test(test_known_answer),
        cmocka_unit_test(test_each_changed_character_is_refused),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_longest_link_fits),
        cmocka_unit_test(test_secrets_differ),
        cmocka_unit_test(test_key_file),
        cmocka_unit_test(test_bad_key_file),
        cmocka_unit_test(test_starting_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
