#include "store/s3_xml.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "scratch.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define ROOT "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
#define END  "</ListBucketResult>"
#define LAST "<IsTruncated>false</IsTruncated>"
/* An object of which a test says the key, in its XML form. */
#define OBJECT(key) "<Contents><Key>" key "</Key><Size>1</Size></Contents>"

/* In memory of its own, so that a read beyond the end is seen. */
static int read_bytes(const char *xml, size_t size, struct s3_xml_list *ret, struct error *e)
{
    FREE_ON_EXIT char *copy = mem_alloc(size ? size : 1);
    memcpy(copy, xml, size);
    return s3_xml_read_list(copy, size, ret, e);
}

static struct s3_xml_list read_list(const char *xml)
{
    struct s3_xml_list list;
    struct error e = {0};
    int r = read_bytes(xml, strlen(xml), &list, &e);
    if (r < 0)
        print_error("%s\n", e.reason);
    assert_int_equal(r, 0);
    return list;
}

static void check_refused(const char *xml, const char *why)
{
    struct s3_xml_list list = {.count = 77};
    struct error e = {0};
    assert_int_equal(read_bytes(xml, strlen(xml), &list, &e), -ERR_STORAGE_FAILED);
    assert_int_equal(e.code, ERR_STORAGE_FAILED);
    if (!strstr(e.reason, why))
        fail_msg("%s, not: %s", e.reason, why);
    assert_int_equal(list.count, 77); /* untouched */
}

/* As Amazon sends it. */
static const char page[] =
    HEAD ROOT "<Name>examplebucket</Name><Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys>"
              "<IsTruncated>true</IsTruncated>"
              "<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>"
              "<Contents><Key>happyface.jpg</Key><LastModified>2014-11-21T19:40:05.000Z</LastModified>"
              "<ETag>&quot;70ee1738b6b21e2c8a43f3a5ab0eee71&quot;</ETag><Size>11</Size>"
              "<Owner><ID>Key</ID><DisplayName>x</DisplayName></Owner>"
              "<StorageClass>STANDARD</StorageClass></Contents>\n"
              "<Contents>\n  <Key>my/image one.png</Key>\n  <Size>18446744073709551615</Size>\n"
              "  <ETag>becf17f89c30367a9a44495d62ed521a-1</ETag><Checksum><Key>not this</Key></Checksum>\n"
              "</Contents>"
              "<CommonPrefixes><Prefix>photos/</Prefix></CommonPrefixes>" END "\n";

static void test_page(void **state)
{
    struct s3_xml_list list = read_list(page);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.next_token, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
    assert_string_equal(list.object[0].key, "happyface.jpg");
    assert_string_equal(list.object[0].etag, "70ee1738b6b21e2c8a43f3a5ab0eee71");
    assert_int_equal(list.object[0].size, 11);
    assert_int_equal(list.object[0].modified_s, 1416598805);
    assert_string_equal(list.object[1].key, "my/image one.png");
    assert_string_equal(list.object[1].etag, "becf17f89c30367a9a44495d62ed521a-1");
    assert_true(list.object[1].size == UINT64_MAX);
    assert_int_equal(list.object[1].modified_s, 0);
    s3_xml_list_release(&list);
    s3_xml_list_release(&list);
}

/* Whatever part of an answer arrives, it is refused and nothing is read beyond it. */
static void test_cut_page(void **state)
{
    struct s3_xml_list list;
    struct error e;
    size_t whole = strlen(page) - 1; /* the line end is not needed */
    for (size_t size = 0; size < whole; size++)
        assert_int_equal(read_bytes(page, size, &list, &e), -ERR_STORAGE_FAILED);
    assert_int_equal(read_bytes(page, whole, &list, &e), 0);
    s3_xml_list_release(&list);
    assert_int_equal(s3_xml_read_list(NULL, 0, &list, &e), -ERR_STORAGE_FAILED);
}

static void test_empty_pages(void **state)
{
    static const char *const pages[] = {ROOT LAST END,
                                        ROOT END,
                                        "<ListBucketResult/>",
                                        "<ListBucketResult />",
                                        "\xef\xbb\xbf" HEAD "<!-- <x> -->" ROOT LAST END "<!-- -->\r\n",
                                        ROOT LAST "<NextContinuationToken>left</NextContinuationToken>" END,
                                        ROOT LAST "<NextContinuationToken/>" END};
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        struct s3_xml_list list = read_list(pages[i]);
        assert_int_equal(list.count, 0);
        assert_null(list.next_token);
        s3_xml_list_release(&list);
    }
}

static void check_key(const char *xml, const char *key)
{
    struct s3_xml_list list = read_list(xml);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.object[0].key, key);
    assert_string_equal(list.object[0].etag, "");
    s3_xml_list_release(&list);
}

static void test_text(void **state)
{
    check_key(ROOT OBJECT("&lt;a&gt;&amp;&quot;&apos;&amp;lt;") END, "<a>&\"'&lt;");
    check_key(ROOT OBJECT("&#38;&#x26;&#xe9;&#xE9;&#x20AC;&#128512;&#x10ffff;&#x1;&#13;") END,
              "&&\u00e9\u00e9\u20ac\U0001f600\U0010ffff\x01\r");
    check_key(ROOT OBJECT("\u00e9\U0001f600  two spaces ") END, "\u00e9\U0001f600  two spaces ");
    check_key(ROOT OBJECT("a<!-- > & <b> -->b") END, "ab");
    check_key(ROOT OBJECT("a]]>b") END, "a]]>b");
    check_key(
        "<ListBucketResult a='>' b=\"</x>'\"><Contents ><Key x='\"'>k</Key ><Size>1</Size\n></Contents>" END,
        "k");
    check_key(ROOT "<Contents><Other/><Key>k</Key><Other a=\"b\"/><Size>01</Size></Contents>" END, "k");
}

#define URL "<EncodingType>url</EncodingType>"

/* Keys as they come with encoding-type=url; the word may stand behind them. */
static void test_encoded_keys(void **state)
{
    check_key(ROOT URL OBJECT("a+b%2Fc%2b%C3%a9%25") END, "a b/c+\u00e9%");
    check_key(ROOT OBJECT("a+b%2Fc") URL END, "a b/c");
    check_key(ROOT OBJECT("%01%0a") URL END, "\x01\n"); /* what XML itself cannot say */
    check_key(ROOT OBJECT("a+b%2Fc") END, "a+b%2Fc");
    check_key(ROOT "<EncodingType/>" OBJECT("a+b") END, "a+b");
    static const char *const bad[] = {"%", "a%2", "%zz", "%00", "%ff", "%-1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        FREE_ON_EXIT char *xml =
            mem_printf(ROOT URL "<Contents><Key>%s</Key><Size>1</Size></Contents>" END, bad[i]);
        check_refused(xml, "not encoded");
    }
    check_refused(ROOT "<EncodingType>base64</EncodingType>" END, "EncodingType");
    char longest[3 * S3_XML_KEY_MAX + 1];
    for (size_t i = 0; i < S3_XML_KEY_MAX; i++)
        memcpy(longest + 3 * i, "%61", 4);
    FREE_ON_EXIT char *fits =
        mem_printf(ROOT URL "<Contents><Key>%s</Key><Size>1</Size></Contents>" END, longest);
    struct s3_xml_list list = read_list(fits);
    assert_int_equal(strlen(list.object[0].key), S3_XML_KEY_MAX);
    s3_xml_list_release(&list);
}

static void test_malformed(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "text",
        HEAD,
        "<",
        "<>",
        "< ListBucketResult/>",
        ROOT END "x",
        "x" ROOT END,
        ROOT END ROOT END,
        ROOT "</ListBucketResul>",
        ROOT "</ListBucketResultx>",
        END,
        ROOT "<a></b>" END,
        ROOT "<a>" END,
        ROOT "<a b=\"></a>" END,
        ROOT "<a <b/></a>" END,
        ROOT "<a!/>" END,
        ROOT "<1/>" END,
        ROOT "<!-- " END,
        ROOT "<!-->" END,
        ROOT "<![CDATA[x]]>" END,
        "<!DOCTYPE x [<!ENTITY a \"b\">]>" ROOT END,
        ROOT OBJECT("a&b") END,
        ROOT OBJECT("&;") END,
        ROOT OBJECT("&nbsp;") END,
        ROOT OBJECT("&AMP;") END,
        ROOT OBJECT("&#;") END,
        ROOT OBJECT("&#x;") END,
        ROOT OBJECT("&#0;") END,
        ROOT OBJECT("&#xd800;") END,
        ROOT OBJECT("&#x110000;") END,
        ROOT OBJECT("&#99999999999;") END,
        ROOT OBJECT("&#-1;") END,
        ROOT OBJECT("&#1a;") END,
        ROOT OBJECT("a<b/>c") END,
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check_refused(bad[i], "not well formed");
    struct s3_xml_list list;
    struct error e;
    static const char nul[] = ROOT OBJECT("a\0b") END;
    assert_int_equal(read_bytes(nul, sizeof(nul) - 1, &list, &e), -ERR_STORAGE_FAILED);
}

static void test_wrong_content(void **state)
{
    check_refused("<Error><Code>NoSuchBucket</Code></Error>", "no list");
    check_refused("<x>" ROOT END "</x>", "no list");
    check_refused(ROOT "<IsTruncated>true</IsTruncated>" END, "several pages");
    check_refused(ROOT "<IsTruncated>true</IsTruncated><NextContinuationToken/>" END, "several pages");
    check_refused(ROOT "<IsTruncated>yes</IsTruncated>" END, "neither");
    check_refused(ROOT "<Contents/>" END, "no key or no size");
    check_refused(ROOT "<Contents><Key>k</Key></Contents>" END, "no key or no size");
    check_refused(ROOT "<Contents><Size>1</Size></Contents>" END, "no key or no size");
    check_refused(ROOT OBJECT("") END, "no key");
    check_refused(ROOT "<Contents><Key>a</Key><Key>b</Key><Size>1</Size></Contents>" END, "or two");
    /* Neither the key nor the size of one object is another's. */
    check_refused(ROOT OBJECT("a") "<Contents><Size>1</Size></Contents>" END, "no key or no size");
    check_refused(ROOT OBJECT("a") "<Contents><Key>b</Key></Contents>" END, "no key or no size");
    static const char *const sizes[] = {
        "", "-1", "1 ", "0x1", "1.0", "18446744073709551616", "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        FREE_ON_EXIT char *xml =
            mem_printf(ROOT "<Contents><Key>k</Key><Size>%s</Size></Contents>" END, sizes[i]);
        check_refused(xml, "size is no number");
    }
    check_refused(ROOT OBJECT("\xff") END, "UTF-8");
    check_refused(ROOT OBJECT("\xc3") END, "UTF-8");
}

static void check_time(const char *text, int64_t expected)
{
    FREE_ON_EXIT char *xml = mem_printf(
        ROOT "<Contents><Key>k</Key><LastModified>%s</LastModified><Size>1</Size></Contents>" END, text);
    struct s3_xml_list list = read_list(xml);
    assert_int_equal(list.object[0].modified_s, expected);
    s3_xml_list_release(&list);
}

static void test_times(void **state)
{
    check_time("2009-10-12T17:50:30.000Z", 1255369830);
    check_time("2024-02-29T12:34:56Z", 1709210096);
    check_time("1970-01-01T00:00:00.5Z", 0);
    check_time("", 0);
    check_time("2009-10-12", 0);
    check_time("2009-10-12T17:50:30", 0);
    check_time("2009-10-12T17:50:30+01:00", 0);
    check_time("2009-13-12T17:50:30Z", 0);
    check_time("2009-10-12T24:50:30Z", 0);
    check_time("0000-00-00T00:00:00Z", 0);
    check_time("2009-10-12T17:50:30.000Z 2009-10-12T17:50:30.000Z 2009-10-12T17:50:30.000Z", 0);
}

/* ---- limits ---- */

static char *repeat(char c, size_t n)
{
    char *s = mem_alloc(n + 1);
    memset(s, c, n);
    s[n] = '\0';
    return s;
}

/* Between before and after, a text of most characters is read and a longer one refused. */
static void check_most(const char *before, const char *after, size_t most, const char *why)
{
    FREE_ON_EXIT char *text = repeat('k', most + 1);
    FREE_ON_EXIT char *over = mem_printf("%s%s%s", before, text, after);
    FREE_ON_EXIT char *fits = mem_printf("%s%s%s", before, text + 1, after);
    check_refused(over, why);
    struct s3_xml_list list = read_list(fits);
    s3_xml_list_release(&list);
}

static void test_longest_texts(void **state)
{
    check_most(ROOT "<Contents><Key>", "</Key><Size>1</Size></Contents>" END, S3_XML_KEY_MAX, "too long");
    check_most(ROOT "<Contents><Key>k</Key><Size>1</Size><ETag>", "</ETag></Contents>" END, S3_XML_ETAG_MAX,
               "too long");
    check_most(ROOT "<NextContinuationToken>", "</NextContinuationToken>" END, S3_XML_TOKEN_MAX, "too long");
    check_most(ROOT "<", "/>" END, 64, "not well formed");
}

static void test_depth(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, ROOT);
    for (int i = 0; i < 10000; i++)
        buf_puts(&b, "<a>");
    for (int i = 0; i < 10000; i++)
        buf_puts(&b, "</a>");
    buf_puts(&b, END);
    assert_false(b.failed);
    check_refused(buf_text(&b), "not well formed");
}

static void test_most_objects(void **state)
{
    BUF_ON_EXIT struct buf b;
    struct error e;
    buf_init(&b, S3_XML_BYTES_MAX + 1);
    buf_puts(&b, ROOT);
    for (int i = 0; i < S3_XML_OBJECTS_MAX; i++)
        buf_printf(&b, "<Contents><Key>key-%d</Key><Size>%d</Size><ETag>\"e%d\"</ETag></Contents>", i, i, i);
    FREE_ON_EXIT char *over = mem_printf("%s" OBJECT("k") END, buf_text(&b));
    check_refused(over, "more objects");
    buf_puts(&b, END);
    struct s3_xml_list list = read_list(buf_text(&b));
    assert_int_equal(list.count, S3_XML_OBJECTS_MAX);
    for (size_t i = 0; i < list.count; i++) {
        FREE_ON_EXIT char *key = mem_printf("key-%zu", i);
        FREE_ON_EXIT char *etag = mem_printf("e%zu", i);
        assert_string_equal(list.object[i].key, key);
        assert_string_equal(list.object[i].etag, etag);
        assert_int_equal(list.object[i].size, i);
    }
    s3_xml_list_release(&list);

    FREE_ON_EXIT char *spaces = repeat(' ', S3_XML_BYTES_MAX);
    buf_append(&b, spaces, S3_XML_BYTES_MAX - b.len);
    assert_int_equal(s3_xml_read_list(b.data, b.len, &list, &e), 0);
    s3_xml_list_release(&list);
    buf_puts(&b, " ");
    assert_false(b.failed);
    assert_int_equal(s3_xml_read_list(b.data, b.len, &list, &e), -ERR_STORAGE_FAILED);
}

/* ---- Error ---- */

static void check_error(const char *xml, const char *code, const char *message)
{
    struct s3_xml_error e;
    assert_int_equal(s3_xml_read_error(xml, strlen(xml), &e), 0);
    assert_string_equal(e.code, code);
    assert_string_equal(e.message, message);
}

static void test_error(void **state)
{
    check_error(HEAD
                "<Error><Code>NoSuchKey</Code><Message>The resource you requested does not exist</Message>"
                "<Resource>/mybucket/myfoto.jpg</Resource><RequestId>4442587FB7D0A2F9</RequestId></Error>",
                "NoSuchKey", "The resource you requested does not exist");
    check_error("<Error><Message>a &lt;b&gt;\n\xff&#1;</Message><Code>SlowDown</Code></Error>", "SlowDown",
                "a <b>???");
    check_error("<Error xmlns='x'><Code>X</Code><Detail><Code>Y</Code></Detail></Error>", "X", "");

    FREE_ON_EXIT char *big = repeat('m', 100000);
    FREE_ON_EXIT char *text = repeat('m', S3_XML_MESSAGE_MAX);
    FREE_ON_EXIT char *xml = mem_printf("<Error><Code>C</Code><Message>%s</Message></Error>", big);
    check_error(xml, "C", text);
    /* A character of two bytes that the cut would halve is taken away. */
    text[S3_XML_MESSAGE_MAX - 1] = '\0';
    FREE_ON_EXIT char *wide = mem_printf("<Error><Code>C</Code><Message>%s\u00e9</Message></Error>", text);
    check_error(wide, "C", text);
}

static void test_no_error(void **state)
{
    static const char *const none[] = {"",
                                       "<html><body>502 Bad Gateway</body></html>",
                                       "<Error/>",
                                       "<Error><Code/></Error>",
                                       "<Error><Message>m</Message></Error>",
                                       "<Error><Code>NoSuchKey</Code>",
                                       "<x><Error><Code>NoSuchKey</Code></Error></x>",
                                       "{\"Code\":\"x\"}"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        struct s3_xml_error e = {.code = "as it was"};
        assert_int_equal(s3_xml_read_error(none[i], strlen(none[i]), &e), -ERR_STORAGE_FAILED);
        assert_string_equal(e.code, "as it was");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),          cmocka_unit_test(test_cut_page),
        cmocka_unit_test(test_empty_pages),   cmocka_unit_test(test_text),
        cmocka_unit_test(test_encoded_keys),  cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_wrong_content), cmocka_unit_test(test_times),
        cmocka_unit_test(test_longest_texts), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_most_objects),  cmocka_unit_test(test_error),
        cmocka_unit_test(test_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
