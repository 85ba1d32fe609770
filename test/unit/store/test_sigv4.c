#include "store/sigv4.h"

#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "scratch.h"
#include "tables/error.h"

enum { ROOM = 65536 };

/* ---- the examples of Amazon's S3 documentation ---- */

#define S3_EXAMPLE                                                                                           \
    .host = "examplebucket.s3.amazonaws.com", .access_key = "AKIAIOSFODNN7EXAMPLE",                          \
    .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", .region = "us-east-1", .service = "s3",            \
    .time_s = 1369353600
#define S3_CREDENTIAL "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"

static const struct sigv4_pair range[] = {{"Range", "bytes=0-9"}};
static const struct sigv4_pair put_headers[] = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                                {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
static const struct sigv4_pair lifecycle[] = {{"lifecycle", ""}};
static const struct sigv4_pair list[] = {{"prefix", "J"}, {"max-keys", "2"}};

static const struct sigv4_request get_object = {S3_EXAMPLE,          .method = "GET",
                                                .path = "/test.txt", .header = range,
                                                .header_count = 1,   .payload = SIGV4_EMPTY_PAYLOAD};
static const struct sigv4_request put_object = {
    S3_EXAMPLE,
    .method = "PUT",
    .path = "/test$file.text",
    .header = put_headers,
    .header_count = 2,
    .payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"};
static const struct sigv4_request get_lifecycle = {S3_EXAMPLE,       .method = "GET",
                                                   .path = "/",      .query = lifecycle,
                                                   .query_count = 1, .payload = SIGV4_EMPTY_PAYLOAD};
static const struct sigv4_request list_objects = {S3_EXAMPLE,       .method = "GET",
                                                  .path = "/",      .query = list,
                                                  .query_count = 2, .payload = SIGV4_EMPTY_PAYLOAD};
static const struct sigv4_request get_presigned = {S3_EXAMPLE, .method = "GET", .path = "/test.txt",
                                                   .payload = SIGV4_UNSIGNED_PAYLOAD};

static void check_authorization(const struct sigv4_request *r, const char *expected)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ROOM);
    assert_int_equal(sigv4_authorization(r, &b), 0);
    assert_string_equal(buf_text(&b), expected);
}

static void test_s3_headers(void **state)
{
    check_authorization(&get_object,
                        "AWS4-HMAC-SHA256 Credential=" S3_CREDENTIAL
                        ", SignedHeaders=host;range;x-amz-content-sha256;x-amz-date"
                        ", Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    check_authorization(&put_object,
                        "AWS4-HMAC-SHA256 Credential=" S3_CREDENTIAL
                        ", SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"
                        ", Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    check_authorization(&get_lifecycle,
                        "AWS4-HMAC-SHA256 Credential=" S3_CREDENTIAL
                        ", SignedHeaders=host;x-amz-content-sha256;x-amz-date"
                        ", Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    check_authorization(&list_objects,
                        "AWS4-HMAC-SHA256 Credential=" S3_CREDENTIAL
                        ", SignedHeaders=host;x-amz-content-sha256;x-amz-date"
                        ", Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void test_s3_presigned(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ROOM);
    assert_int_equal(sigv4_presign(&get_presigned, 86400, &b), 0);
    assert_string_equal(buf_text(&b),
                        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
                        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

static void test_s3_steps(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ROOM);
    assert_int_equal(sigv4_canonical(&get_object, 0, &b), 0);
    assert_string_equal(buf_text(&b),
                        "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
                        "x-amz-content-sha256:" SIGV4_EMPTY_PAYLOAD "\n"
                        "x-amz-date:20130524T000000Z\n\n"
                        "host;range;x-amz-content-sha256;x-amz-date\n" SIGV4_EMPTY_PAYLOAD);
    buf_release(&b);
    assert_int_equal(sigv4_to_sign(&get_object, 0, &b), 0);
    assert_string_equal(buf_text(&b),
                        "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
                        "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
    buf_release(&b);
    assert_int_equal(sigv4_to_sign(&get_presigned, 86400, &b), 0);
    assert_string_equal(buf_text(&b),
                        "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
                        "3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04");
}

/* ---- Amazon's general test suite: the cases that hold for a signer that tidies no paths ---- */

#define PAIRS(...)                                                                                           \
    (const struct sigv4_pair[])                                                                              \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }

#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

struct vector {
    const char *name, *method, *path;
    const char *in_headers, *in_query; /* the two signatures */
    const struct sigv4_pair *query, *header;
    size_t query_count, header_count;
};

#define V(n, m, p, h, q, ...)                                                                                \
    {                                                                                                        \
        .name = (n), .method = (m), .path = (p), .in_headers = (h), .in_query = (q), ##__VA_ARGS__           \
    }

static const struct vector vectors[] = {
    V("get-vanilla", "GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
      "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"),
    V("get-header-key-duplicate", "GET", "/",
      "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
      "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97",
      .header = PAIRS({"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}),
      .header_count = 3),
    V("get-header-value-order", "GET", "/",
      "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
      "313720e71ca6202fdcfa9b20f88de01a4eb0638a83c833b1c184359a4eda864e",
      .header = PAIRS({"My-Header1", "value4"}, {"My-Header1", "value1"}, {"My-Header1", "value3"},
                      {"My-Header1", "value2"}),
      .header_count = 4),
    V("get-header-value-trim", "GET", "/", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
      "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4",
      .header = PAIRS({"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}), .header_count = 2),
    V("post-header-value-case", "POST", "/",
      "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
      "0698bc9e4f7f9139065ba2909c0e99da257e8e2a42492a097bcd46d792391fed",
      .header = PAIRS({"My-Header1", "VALUE1"}), .header_count = 1),
    V("get-vanilla-query-order-key-case", "GET", "/",
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
      "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5",
      .query = PAIRS({"Param2", "value2"}, {"Param1", "value1"}), .query_count = 2),
    V("get-vanilla-query-order-encoded", "GET", "/",
      "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
      "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
      .query = PAIRS({"Param-3", "Value3"}, {"Param", "Value2"}, {"\u1234", "Value1"}), .query_count = 3),
    V("get-vanilla-query-unreserved", "GET", "/",
      "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
      "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf",
      .query = PAIRS({UNRESERVED, UNRESERVED}), .query_count = 1),
    V("get-vanilla-utf8-query", "GET", "/",
      "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
      "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600", .query = PAIRS({"\u1234", "bar"}),
      .query_count = 1),
    V("post-vanilla-query", "POST", "/", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
      "a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682",
      .query = PAIRS({"Param1", "value1"}), .query_count = 1),
    V("get-utf8", "GET", "/\u1234", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
      "10eae3f14a260bd3911cc6d008d3c576d143b05b62f09782a7a4b37f52178e44"),
    V("get-unreserved", "GET", "/" UNRESERVED,
      "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
      "95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005"),
    V("get-space-unnormalized", "GET", "/example space/",
      "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
      "7a1f416954786484c9824d93c1f26ef64acb9b1b6c9154d08c9f07d0e394abf6"),
    V("get-slashes-unnormalized", "GET", "//example//",
      "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5",
      "822a5a9ba28072c5ab2bb4a6307d0c88276d40e49fec6b724c03fb4d4ba60fc2"),
    V("get-slash-dot-slash-unnormalized", "GET", "/./",
      "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145",
      "a9b13e8f3484d9505bf1a6f347219f8f35b0fe8f128ceea597efc146a3dfe90c"),
    V("get-relative-unnormalized", "GET", "/example/..",
      "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282",
      "cbcb213b928a077e43275df47b500f1dfaa864ab3f5a18f6b95f4ff0938167ee"),
    V("get-vanilla-with-session-token", "GET", "/",
      "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8", NULL,
      .header =
          PAIRS({"X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"}),
      .header_count = 1),
    V("get-vanilla-with-session-token", "GET", "/", NULL,
      "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
      .query =
          PAIRS({"X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"}),
      .query_count = 1),
};

static struct sigv4_request suite_request(const struct vector *v)
{
    return (struct sigv4_request){.method = v->method,
                                  .host = "example.amazonaws.com",
                                  .path = v->path,
                                  .query = v->query,
                                  .header = v->header,
                                  .query_count = v->query_count,
                                  .header_count = v->header_count,
                                  .payload = SIGV4_EMPTY_PAYLOAD,
                                  .access_key = "AKIDEXAMPLE",
                                  .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                  .region = "us-east-1",
                                  .service = "service",
                                  .time_s = 1440938160};
}

static void check_ends_with(const char *name, const struct buf *b, const char *signature)
{
    assert_true(b->len > DIGEST_HEX);
    if (strcmp(b->data + b->len - DIGEST_HEX, signature) != 0)
        fail_msg("%s: %s", name, b->data);
}

static void test_suite_vectors(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct sigv4_request r = suite_request(v);
        BUF_ON_EXIT struct buf b;
        buf_init(&b, ROOM);
        if (v->in_headers) {
            assert_int_equal(sigv4_authorization(&r, &b), 0);
            check_ends_with(v->name, &b, v->in_headers);
            buf_release(&b);
        }
        if (v->in_query) {
            assert_int_equal(sigv4_presign(&r, 3600, &b), 0);
            check_ends_with(v->name, &b, v->in_query);
        }
    }
}

/* ---- URL parts ---- */

static void check_path(const char *path, const char *expected)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ROOM);
    assert_int_equal(sigv4_path(path, &b), 0);
    assert_string_equal(buf_text(&b), expected);
}

static void test_path(void **state)
{
    check_path("/", "/");
    check_path("/b/clarity/2026-11-23/a_b~.png", "/b/clarity/2026-11-23/a_b~.png");
    check_path("/a b+c%20d", "/a%20b%2Bc%2520d"); /* once: what looks encoded is a plain percent sign */
    check_path("//x/../y/./", "//x/../y/./");
    check_path("/\u00e9\U0001f600?#&=:@!$'()*,;[]",
               "/%C3%A9%F0%9F%98%80%3F%23%26%3D%3A%40%21%24%27%28%29%2A%2C%3B%5B%5D");
    check_path("/\x01\x7f\xff", "/%01%7F%FF");
}

static void test_query(void **state)
{
    static const struct sigv4_pair pairs[] = {{"b", "2"},  {"a-", "x"}, {"a", "z/ +"}, {"a", "b"},
                                              {"acl", ""}, {"B", "1"},  {"a", ""},     {"a ", "&="}};
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ROOM);
    assert_int_equal(sigv4_query(pairs, ARRAY_LEN(pairs), &b), 0);
    assert_string_equal(buf_text(&b), "B=1&a=&a=b&a=z%2F%20%2B&a%20=%26%3D&a-=x&acl=&b=2");
    buf_release(&b);
    assert_int_equal(sigv4_query(NULL, 0, &b), 0);
    assert_string_equal(buf_text(&b), "");
}

/* A signed URL holds the caller's pairs, and the signature comes last though others sort behind it. */
static void test_presign_with_query(void **state)
{
    static const struct sigv4_pair pairs[] = {{"response-content-type", "image/png"}, {"A", "1"}};
    struct sigv4_request r = get_presigned;
    r.query = pairs;
    r.query_count = ARRAY_LEN(pairs);
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ROOM);
    assert_int_equal(buf_puts(&b, "https://h/test.txt?"), 0);
    assert_int_equal(sigv4_presign(&r, 60, &b), 0);
    static const char expected[] =
        "https://h/test.txt?A=1&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
        "&response-content-type=image%2Fpng&X-Amz-Signature=";
    assert_memory_equal(buf_text(&b), expected, strlen(expected));
    assert_int_equal(b.len, strlen(expected) + DIGEST_HEX);
}

static void check_date(int64_t time_s, const char *expected)
{
    char date[SIGV4_DATE] = "as it was";
    int r = sigv4_date(time_s, date);
    assert_int_equal(r, expected ? 0 : -ERR_INTERNAL);
    assert_string_equal(date, expected ? expected : "as it was");
}

static void test_date(void **state)
{
    check_date(0, "19700101T000000Z");
    check_date(1369353600, "20130524T000000Z");
    check_date(1709210096, "20240229T123456Z");
    check_date(253402300799, "99991231T235959Z");
    check_date(253402300800, NULL);
    check_date(-1, NULL);
    check_date(INT64_MAX, NULL);
}

/* ---- refusals ---- */

static void check_refused(const struct sigv4_request *r)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ROOM);
    assert_int_equal(buf_puts(&b, "before"), 0);
    assert_int_equal(sigv4_authorization(r, &b), -ERR_INTERNAL);
    assert_int_equal(sigv4_presign(r, 60, &b), -ERR_INTERNAL);
    assert_int_equal(sigv4_canonical(r, 0, &b), -ERR_INTERNAL);
    assert_int_equal(sigv4_to_sign(r, 60, &b), -ERR_INTERNAL);
    assert_string_equal(buf_text(&b), "before");
}

#define CHECK_REFUSED(base, ...)                                                                             \
    do {                                                                                                     \
        struct sigv4_request bad_ = (base);                                                                  \
        __VA_ARGS__;                                                                                         \
        check_refused(&bad_);                                                                                \
    } while (0)

static void test_refused_words(void **state)
{
    CHECK_REFUSED(get_object, bad_.method = "");
    CHECK_REFUSED(get_object, bad_.method = "GET ");
    CHECK_REFUSED(get_object, bad_.host = "");
    CHECK_REFUSED(get_object, bad_.host = "h\r\nx: y");
    CHECK_REFUSED(get_object, bad_.host = "user@h");
    CHECK_REFUSED(get_object, bad_.path = "");
    CHECK_REFUSED(get_object, bad_.path = "test.txt");
    CHECK_REFUSED(get_object, bad_.payload = "");
    CHECK_REFUSED(get_object, bad_.payload = "unsigned-payload");
    CHECK_REFUSED(get_object, bad_.payload = SIGV4_EMPTY_PAYLOAD "0");
    CHECK_REFUSED(get_object, bad_.access_key = "");
    CHECK_REFUSED(get_object, bad_.access_key = "AKI/A");
    CHECK_REFUSED(get_object, bad_.access_key = "AKI A");
    CHECK_REFUSED(get_object, bad_.secret = "");
    CHECK_REFUSED(get_object, bad_.region = "");
    CHECK_REFUSED(get_object, bad_.region = "us east");
    CHECK_REFUSED(get_object, bad_.service = "s3/x");
    CHECK_REFUSED(get_object, bad_.time_s = -1);
}

static void test_refused_pairs(void **state)
{
    static const struct sigv4_pair bad_headers[] = {{"", "x"},
                                                    {"a b", "x"},
                                                    {"a:b", "x"},
                                                    {"a", "x\ny"},
                                                    {"a", "x\r"},
                                                    {"a", "\x7f"},
                                                    {"Host", "x"},
                                                    {"X-Amz-Date", "x"},
                                                    {"authorization", "x"},
                                                    {"h\xc3", ""},
                                                    {"X-Amz-Content-SHA256", "x"}};
    for (size_t i = 0; i < ARRAY_LEN(bad_headers); i++)
        CHECK_REFUSED(get_object, bad_.header = &bad_headers[i]; bad_.header_count = 1);

    static const struct sigv4_pair nameless = {"", "x"}, own = {"x-amz-signature", "x"};
    CHECK_REFUSED(get_object, bad_.query = &nameless; bad_.query_count = 1);
    struct sigv4_request r = get_object;
    BUF_ON_EXIT struct buf b;
    buf_init(&b, ROOM);
    r.query = &own;
    r.query_count = 1;
    assert_int_equal(sigv4_presign(&r, 60, &b), -ERR_INTERNAL);
    assert_int_equal(sigv4_presign(&get_object, 0, &b), -ERR_INTERNAL);
    assert_int_equal(sigv4_presign(&get_object, SIGV4_EXPIRES_MAX + 1, &b), -ERR_INTERNAL);
    assert_int_equal(sigv4_query(&nameless, 1, &b), -ERR_INTERNAL);
    assert_int_equal(sigv4_path("", &b), -ERR_INTERNAL);
    assert_int_equal(b.len, 0);
    assert_int_equal(sigv4_presign(&get_object, SIGV4_EXPIRES_MAX, &b), 0);
}

static char *repeat(char c, size_t n)
{
    char *s = mem_alloc(n + 1);
    memset(s, c, n);
    s[n] = '\0';
    return s;
}

static void test_limits(void **state)
{
    FREE_ON_EXIT char *secret = repeat('s', SIGV4_SECRET_MAX + 1);
    CHECK_REFUSED(get_object, bad_.secret = secret);
    FREE_ON_EXIT char *path = repeat('/', SIGV4_PATH_MAX + 1);
    CHECK_REFUSED(get_object, bad_.path = path);
    FREE_ON_EXIT char *value = repeat('v', SIGV4_INPUT_MAX);
    struct sigv4_pair many[SIGV4_PAIRS_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct sigv4_pair){"name", "value"};
    CHECK_REFUSED(get_object, bad_.header = many; bad_.header_count = ARRAY_LEN(many));
    CHECK_REFUSED(get_object, bad_.query = many; bad_.query_count = ARRAY_LEN(many));
    many[0].value = value;
    CHECK_REFUSED(get_object, bad_.query = many; bad_.query_count = 1);
    CHECK_REFUSED(get_object, bad_.header = many; bad_.header_count = 1);
}

/* The largest that is let through is signed without running out of room, every byte of it encoded. */
static void test_largest(void **state)
{
    FREE_ON_EXIT char *secret = repeat('s', SIGV4_SECRET_MAX);
    FREE_ON_EXIT char *path = repeat('%', SIGV4_PATH_MAX);
    path[0] = '/';
    struct sigv4_request r = get_presigned;
    r.path = path;
    r.secret = secret;
    struct sigv4_pair query[SIGV4_PAIRS_MAX], header[SIGV4_PAIRS_MAX];
    size_t used = strlen(r.method) + strlen(r.host) + strlen(path) + strlen(r.access_key) + strlen(r.region) +
                  strlen(r.service);
    FREE_ON_EXIT char *name = repeat('n', 200);
    for (size_t i = 0; i < SIGV4_PAIRS_MAX; i++) {
        header[i] = (struct sigv4_pair){name + i, ""};
        query[i] = (struct sigv4_pair){"%", "%"};
        used += strlen(name + i) + 2;
    }
    FREE_ON_EXIT char *value = repeat('%', SIGV4_INPUT_MAX - used + 1);
    query[0].value = value;
    r.query = query;
    r.header = header;
    r.query_count = r.header_count = SIGV4_PAIRS_MAX;
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 2 * ROOM);
    assert_int_equal(sigv4_presign(&r, SIGV4_EXPIRES_MAX, &b), 0);
    assert_true(b.len > 3 * strlen(value));
    assert_int_equal(sigv4_authorization(&r, &b), 0);
    assert_int_equal(sigv4_path(path, &b), 0);
    assert_int_equal(sigv4_query(query, SIGV4_PAIRS_MAX, &b), 0);
    assert_false(b.failed);
    query[1].value = "%%";
    assert_int_equal(sigv4_presign(&r, SIGV4_EXPIRES_MAX, &b), -ERR_INTERNAL);
}

static void test_no_room(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 40);
    assert_int_equal(buf_puts(&b, "before"), 0);
    assert_int_equal(sigv4_authorization(&get_object, &b), -ERR_INTERNAL);
    assert_string_equal(buf_text(&b), "before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s3_headers),
        cmocka_unit_test(test_s3_presigned),
        cmocka_unit_test(test_s3_steps),
        cmocka_unit_test(test_suite_vectors),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_presign_with_query),
        cmocka_unit_test(test_date),
        cmocka_unit_test(test_refused_words),
        cmocka_unit_test(test_refused_pairs),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
