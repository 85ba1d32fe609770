/* fuzz_s3_xml.c: the reader of S3's answers on any bytes. clang -fsanitize=fuzzer,address,undefined.
 *
 * Both documents are tried on the same bytes. What comes out must keep the promises of the header; an answer
 * that lacks its last ">" must be refused. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s, size_t least, size_t most)
{
    size_t len = strlen(s);
    CHECK(len >= least && len <= most);
    for (size_t i = 0; i < len;) {
        size_t n = utf8_char(s + i);
        CHECK(n > 0);
        i += n;
    }
}

static bool try_list(const uint8_t *data, size_t size)
{
    struct s3_xml_list list = {0};
    struct error e = {0};
    int r = s3_xml_read_list(data, size, &list, &e);
    if (r < 0) {
        CHECK(r == -ERR_STORAGE_FAILED && e.code == ERR_STORAGE_FAILED && e.reason[0] && !list.object);
        return false;
    }
    CHECK(list.count <= S3_XML_OBJECTS_MAX);
    for (size_t i = 0; i < list.count; i++) {
        check_text(list.object[i].key, 1, S3_XML_KEY_MAX);
        check_text(list.object[i].etag, 0, S3_XML_ETAG_MAX);
        CHECK(list.object[i].modified_s >= 0);
    }
    if (list.next_token)
        check_text(list.next_token, 1, S3_XML_TOKEN_MAX);
    s3_xml_list_release(&list);
    return true;
}

static bool try_error(const uint8_t *data, size_t size)
{
    struct s3_xml_error e = {0};
    int r = s3_xml_read_error(data, size, &e);
    CHECK(r == 0 || (r == -ERR_STORAGE_FAILED && !e.code[0]));
    check_text(e.code, r == 0, S3_XML_CODE_MAX);
    check_text(e.message, 0, S3_XML_MESSAGE_MAX);
    return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool list = try_list(data, size), error = try_error(data, size);
    CHECK(!(list && error)); /* one root */
    if (!list && !error)
        return 0;
    size_t root_end = size; /* behind the last '>', which closes the root or a comment behind it */
    while (data[root_end - 1] != '>')
        root_end--;
    uint8_t *cut = mem_alloc(root_end);
    memcpy(cut, data, root_end - 1);
    CHECK(!try_list(cut, root_end - 1) && !try_error(cut, root_end - 1));
    free(cut);
    return 0;
}
