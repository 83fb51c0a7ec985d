/* base/sha.c: published vectors, and memory that runs out. */
#include "support.h"

#include "base/sha.h"
#include "base/str.h"

static void assert_hex(const unsigned char *bytes, size_t count, const char *want)
{
    char hex[2 * TSMS__DIGEST_MOST + 1];
    for (size_t i = 0; i < count; i++) {
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    }
    assert_string_equal(hex, want);
}

/* The key and the message are `repeat` times the text, so that long ones fit here. */
typedef struct hmac_vector {
    tsms__digest digest;
    const char *key;
    size_t key_repeat;
    const char *message;
    size_t message_repeat;
    const char *want;
} hmac_vector;

#define LARGER_KEY "Test Using Larger Than Block-Size Key - Hash Key First"
#define LARGER_BOTH "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data"

/* RFC 2202, section 3, and RFC 4231, section 4. */
static const hmac_vector hmac_vectors[] = {
    {TSMS__SHA1, "\x0b", 20, "Hi There", 1, "b617318655057264e28bc0b6fb378c8ef146be00"},
    {TSMS__SHA1, "Jefe", 1, "what do ya want for nothing?", 1,
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {TSMS__SHA1, "\xaa", 20, "\xdd", 50, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
    {TSMS__SHA1, "\xaa", 80, LARGER_KEY, 1, "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
    {TSMS__SHA1, "\xaa", 80, LARGER_BOTH, 1, "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
    {TSMS__SHA256, "\x0b", 20, "Hi There", 1,
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {TSMS__SHA256, "Jefe", 1, "what do ya want for nothing?", 1,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {TSMS__SHA256, "\xaa", 20, "\xdd", 50,
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {TSMS__SHA256, "\xaa", 131, LARGER_KEY, 1,
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
};

static tsms_str repeated(char *out, const char *text, size_t repeat)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < repeat; i++) {
        memcpy(out + i * len, text, len);
    }
    return (tsms_str){out, repeat * len};
}

static void test_hmac_vectors(void **state)
{
    for (size_t i = 0; i < sizeof hmac_vectors / sizeof *hmac_vectors; i++) {
        const hmac_vector *one = &hmac_vectors[i];
        char key_bytes[160];
        char message_bytes[160];
        tsms_str key = repeated(key_bytes, one->key, one->key_repeat);
        tsms_str message = repeated(message_bytes, one->message, one->message_repeat);
        size_t size = one->digest == TSMS__SHA1 ? 20 : 32;
        tsms__hmac *hmac = tsms__hmac_new(&tsms__mem_libc, one->digest, key);
        assert_non_null(hmac);
        memset(key_bytes, 0, sizeof key_bytes); /* it keeps no view of the key */
        /* Twice, because a message must leave no trace in the next; once cut in two. */
        for (size_t cut = 0; cut < 2; cut++) {
            unsigned char out[TSMS__DIGEST_MOST];
            size_t first = cut * message.len / 2;
            assert_true(tsms__hmac_begin(hmac));
            assert_true(tsms__hmac_add(hmac, (tsms_str){message.ptr, first}));
            assert_true(tsms__hmac_add(hmac, (tsms_str){message.ptr + first, message.len - first}));
            assert_true(tsms__hmac_end(hmac, out));
            assert_hex(out, size, one->want);
        }
        tsms__hmac_free(hmac);
    }
}

/* One that was begun and left is no part of the next. */
static void test_hmac_begun_twice(void **state)
{
    unsigned char out[TSMS__DIGEST_MOST];
    tsms__hmac *hmac = tsms__hmac_new(&tsms__mem_libc, TSMS__SHA1, TSMS__STR("Jefe"));
    assert_non_null(hmac);
    assert_true(tsms__hmac_begin(hmac));
    assert_true(tsms__hmac_add(hmac, TSMS__STR("something else")));
    assert_true(tsms__hmac_begin(hmac));
    assert_true(tsms__hmac_add(hmac, TSMS__STR("what do ya want for nothing?")));
    assert_true(tsms__hmac_end(hmac, out));
    assert_hex(out, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    tsms__hmac_free(hmac);
}

static void test_empty(void **state)
{
    unsigned char out[TSMS__DIGEST_MOST];
    tsms__hmac *hmac = tsms__hmac_new(&tsms__mem_libc, TSMS__SHA1, (tsms_str){NULL, 0});
    assert_non_null(hmac);
    assert_true(tsms__hmac_begin(hmac));
    assert_true(tsms__hmac_add(hmac, (tsms_str){NULL, 0}));
    assert_true(tsms__hmac_end(hmac, out));
    assert_hex(out, 20, "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
    tsms__hmac_free(hmac);
    assert_true(tsms__sha256((tsms_str){NULL, 0}, out));
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* FIPS 180-2, appendix B. */
static void test_sha256(void **state)
{
    char hex[TSMS__SHA256_HEX_SIZE];
    assert_true(tsms__sha256_hex(TSMS__STR("abc"), hex));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(tsms__sha256_hex(
        TSMS__STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), hex));
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_same_bytes(void **state)
{
    assert_true(tsms__same_bytes(TSMS__STR("abc"), TSMS__STR("abc")));
    assert_true(tsms__same_bytes((tsms_str){NULL, 0}, TSMS__STR("")));
    assert_false(tsms__same_bytes(TSMS__STR("abc"), TSMS__STR("abd")));
    assert_false(tsms__same_bytes(TSMS__STR("abc"), TSMS__STR("xbc")));
    assert_false(tsms__same_bytes(TSMS__STR("abc"), TSMS__STR("ab")));
    assert_false(tsms__same_bytes(TSMS__STR("abc"), (tsms_str){NULL, 0}));
}

static void test_library(void **state)
{
    const tsms__sha_library library = tsms__sha_library_in_use();
    char wanted[32];
    snprintf(wanted, sizeof wanted, "OpenSSL %d.", library.major);
    assert_memory_equal(library.version, wanted, strlen(wanted));
    assert_int_equal(library.major, library.built_major);
}

static void test_no_memory(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 1);
    assert_null(tsms__hmac_new(&tm.mem, TSMS__SHA1, TSMS__STR("key")));
    test_mem_init(&tm, 0);
    tsms__hmac_free(tsms__hmac_new(&tm.mem, TSMS__SHA1, TSMS__STR("key")));
    assert_int_equal(tm.calls, 1);
    assert_int_equal(tm.live, 0);
    tsms__hmac_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac_vectors), cmocka_unit_test(test_hmac_begun_twice),
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_same_bytes),   cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
