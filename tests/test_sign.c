/* wire/sign.c: published signatures, and what must never pass. */
#include "support.h"

#include <cjson/cJSON.h>

#include "wire/sign.h"

#define TOKEN "0123456789abcdef0123456789abcdef"
#define URL "https://hooks.example.com/sms"
#define JSON "{\"property\": \"value\", \"boolean\": true}"
#define JSON_SHA256 "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"

static tsms_signer *signer_with(const char *token)
{
    tsms_signer *signer;
    assert_int_equal(tsms_signer_new(NULL, &signer, NULL), TSMS_OK);
    assert_int_equal(tsms_signer_add(signer, tsms_str_from(token), NULL), TSMS_OK);
    return signer;
}

/* TSMS_KIND_NONE when it verifies. */
static tsms_kind verify(tsms_signer *signer, const char *url, const char *body,
                        const char *signature)
{
    tsms_signed request = TSMS_SIGNED_INIT;
    tsms_error err;
    request.url = tsms_str_from(url);
    request.body = tsms_str_from(body);
    request.signature = tsms_str_from(signature);
    tsms_status status = tsms_signer_verify(signer, &request, &err);
    assert_int_not_equal(status, TSMS_NOMEM);
    return status == TSMS_OK ? TSMS_KIND_NONE : err.kind;
}

/* A signature of the decoded form. */
static const char *sign(tsms_signer *signer, const char *url, const char *form)
{
    static char signature[TSMS_SIGNATURE_SIZE];
    tsms__fields fields;
    tsms__fields_init(&fields, &tsms__mem_libc);
    assert_int_equal(tsms__fields_read(&fields, tsms_str_from(form), 100), TSMS__FIELDS_OK);
    assert_int_equal(
        tsms_signer_sign(signer, tsms_str_from(url), fields.items, fields.count, signature, NULL),
        TSMS_OK);
    tsms__fields_free(&fields);
    return signature;
}

/* ---- The published vectors: a test for each ---- */

static tsms_str text_of(const cJSON *vector, const char *name)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(vector, name);
    return tsms_str_from(cJSON_GetStringValue(text));
}

enum { PARAMS_MOST = 64 };

/* Absent when the list is null or not there. */
static const tsms_param *params_of(const cJSON *list, tsms_param *out, size_t *count)
{
    const cJSON *pair;
    *count = 0;
    cJSON_ArrayForEach(pair, list)
    {
        assert_true(*count < PARAMS_MOST);
        out[*count].name = tsms_str_from(cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0)));
        out[*count].value = tsms_str_from(cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1)));
        assert_non_null(out[*count].name.ptr);
        assert_non_null(out[*count].value.ptr);
        ++*count;
    }
    return cJSON_IsArray(list) ? out : NULL;
}

static void test_vector(void **state)
{
    const cJSON *vector = *state;
    tsms_signer *signer = signer_with(text_of(vector, "auth_token").ptr);
    tsms_param list[PARAMS_MOST];
    tsms_signed request = TSMS_SIGNED_INIT;
    request.url = text_of(vector, "url");
    request.signature = text_of(vector, "signature");
    request.body = text_of(vector, "body");
    request.params =
        params_of(cJSON_GetObjectItemCaseSensitive(vector, "params"), list, &request.param_count);
    bool valid = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(vector, "valid"));
    tsms_error err;
    tsms_status status = tsms_signer_verify(signer, &request, &err);
    assert_int_equal(status, valid ? TSMS_OK : TSMS_ERROR);
    if (!valid) {
        assert_int_equal(err.kind, TSMS_KIND_INVALID_SIGNATURE);
    } else {
        /* What was signed gives the signature itself. */
        const cJSON *other = cJSON_GetObjectItemCaseSensitive(vector, "signed_params");
        const cJSON *other_url = cJSON_GetObjectItemCaseSensitive(vector, "signed_url");
        if (other != NULL) {
            request.params = params_of(other, list, &request.param_count);
        }
        char made[TSMS_SIGNATURE_SIZE];
        tsms_str url = other_url != NULL ? text_of(vector, "signed_url") : request.url;
        assert_int_equal(
            tsms_signer_sign(signer, url, request.params, request.param_count, made, NULL),
            TSMS_OK);
        assert_str_is(request.signature, made);
    }
    tsms_signer_free(signer);
}

static cJSON *read_vectors(void)
{
    char *text = test_read_file("tests/data/signature_vectors.json", NULL);
    cJSON *document = cJSON_Parse(text);
    free(text);
    assert_non_null(document);
    return document;
}

/* ---- Forms ---- */

/* A raw form gives what its decoded pairs give. */
static void test_form_bodies(void **state)
{
    static const char *const forms[] = {
        "",      "Body=Gr%C3%BC%C3%9Fe+%F0%9F%8E%89&From=%2B15558675310", "b=2&a=1&a=0&a=1", "a&b=",
        "a=%00",
    };
    tsms_signer *signer = signer_with(TOKEN);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const char *signature = sign(signer, URL, forms[i]);
        assert_int_equal(verify(signer, URL, forms[i], signature), TSMS_KIND_NONE);
        assert_int_equal(verify(signer, URL, "other=1", signature), TSMS_KIND_INVALID_SIGNATURE);
    }
    tsms_signer_free(signer);
}

/* The order of the form does not matter, a repeated pair counts once, and an empty value counts. */
static void test_same_pairs(void **state)
{
    tsms_signer *signer = signer_with(TOKEN);
    const char *signature = sign(signer, URL, "a=1&b=&a=0");
    assert_int_equal(verify(signer, URL, "a=0&b&a=1", signature), TSMS_KIND_NONE);
    assert_int_equal(verify(signer, URL, "a=0&b=&a=1&a=0&b=", signature), TSMS_KIND_NONE);
    assert_int_equal(verify(signer, URL, "a=0&a=1", signature), TSMS_KIND_INVALID_SIGNATURE);
    assert_int_equal(verify(signer, URL, "a=1&b=", signature), TSMS_KIND_INVALID_SIGNATURE);
    tsms_signer_free(signer);
}

/* The borders between names and values are not protected: this is Twilio's scheme, not ours. */
static void test_borders_are_not_signed(void **state)
{
    tsms_signer *signer = signer_with(TOKEN);
    const char *signature = sign(signer, URL, "a=bc");
    assert_int_equal(verify(signer, URL, "ab=c", signature), TSMS_KIND_NONE);
    tsms_signer_free(signer);
}

static void test_too_many_parameters(void **state)
{
    static char form[3 * 1001 + 1];
    static tsms_param params[1001];
    for (size_t i = 0; i < 1001; i++) {
        memcpy(form + 3 * i, "a=&", 3);
        params[i] = (tsms_param){TSMS__STR("a"), {NULL, 0}};
    }
    tsms_signer *signer = signer_with(TOKEN);
    char signature[TSMS_SIGNATURE_SIZE];
    tsms_error err;
    assert_int_equal(tsms_signer_sign(signer, TSMS__STR(URL), params, 1001, signature, &err),
                     TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_PAYLOAD_PARSE_ERROR);
    assert_int_equal(tsms_signer_sign(signer, TSMS__STR(URL), params, 1000, signature, &err),
                     TSMS_OK);
    assert_int_equal(verify(signer, URL, form, signature), TSMS_KIND_PAYLOAD_PARSE_ERROR);
    form[3000] = '\0';
    assert_int_equal(verify(signer, URL, form, signature), TSMS_KIND_NONE);
    tsms_signer_free(signer);
}

/* ---- Bodies that are no forms ---- */

static void test_json(void **state)
{
    static const char *const url = URL "?a=1&bodySHA256=" JSON_SHA256;
    tsms_signer *signer = signer_with(TOKEN);
    const char *signature = sign(signer, url, "");
    assert_int_equal(verify(signer, url, JSON, signature), TSMS_KIND_NONE);
    assert_int_equal(verify(signer, url, JSON " ", signature), TSMS_KIND_INVALID_SIGNATURE);
    assert_int_equal(verify(signer, url, "", signature), TSMS_KIND_INVALID_SIGNATURE);
    assert_int_equal(verify(signer, url, NULL, signature), TSMS_KIND_INVALID_SIGNATURE);
    assert_int_equal(verify(signer, url, "a=1", signature), TSMS_KIND_INVALID_SIGNATURE);
    tsms_signer_free(signer);
}

/* A hash that is right in another spelling, and one that was cut, are refused under a good
 * signature too. */
static void test_json_bad_hash(void **state)
{
    static const char *const urls[] = {
        URL "?bodySHA256=0A1FF7634D9AB3B95DB5C9A2DFE9416E41502B283A80C7CF19632632F96E6620",
        URL "?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e662",
        URL "?bodySHA256=%30a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
        URL "?bodySHA256=",
    };
    tsms_signer *signer = signer_with(TOKEN);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        assert_int_equal(verify(signer, urls[i], JSON, sign(signer, urls[i], "")),
                         TSMS_KIND_INVALID_SIGNATURE);
    }
    tsms_signer_free(signer);
}

/* The body of a request whose URL has no hash was signed as a form or not at all. */
static void test_json_without_hash(void **state)
{
    tsms_signer *signer = signer_with(TOKEN);
    const char *signature = sign(signer, URL, "");
    assert_int_equal(verify(signer, URL, JSON, signature), TSMS_KIND_INVALID_SIGNATURE);
    assert_int_equal(verify(signer, URL, NULL, signature), TSMS_KIND_NONE);
    tsms_error err;
    tsms_str url = TSMS__STR(URL);
    assert_int_equal(
        tsms__signer_check(signer, url, NULL, TSMS__STR(JSON), tsms_str_from(signature), &err),
        TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_SIGNATURE);
    tsms_signer_free(signer);
}

static void test_body_sha256(void **state)
{
    char hex[65];
    assert_int_equal(tsms_body_sha256(TSMS__STR(JSON), hex, NULL), TSMS_OK);
    assert_string_equal(hex, JSON_SHA256);
}

/* ---- Signatures ---- */

/* Every change of any character, its loss, and more characters. */
static void test_forged(void **state)
{
    tsms_signer *signer = signer_with(TOKEN);
    char signature[TSMS_SIGNATURE_SIZE + 1] = {0};
    strcpy(signature, sign(signer, URL, "a=1"));
    for (size_t i = 0; i < 28; i++) {
        char kept = signature[i];
        signature[i] = kept == 'A' ? 'B' : 'A';
        assert_int_equal(verify(signer, URL, "a=1", signature), TSMS_KIND_INVALID_SIGNATURE);
        signature[i] = kept;
    }
    strcat(signature, "=");
    assert_int_equal(verify(signer, URL, "a=1", signature), TSMS_KIND_INVALID_SIGNATURE);
    for (size_t len = 27; len > 0; len--) {
        signature[len] = '\0';
        assert_int_equal(verify(signer, URL, "a=1", signature), TSMS_KIND_INVALID_SIGNATURE);
    }
    tsms_signer_free(signer);
}

/* The last character of base64 has two bits that decode to nothing: still only one text is right.
 */
static void test_forged_spare_bits(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    tsms_signer *signer = signer_with(TOKEN);
    char signature[TSMS_SIGNATURE_SIZE];
    strcpy(signature, sign(signer, URL, "a=1"));
    char *place = strchr(digits, signature[26]);
    assert_non_null(place);
    assert_int_equal((place - digits) % 4, 0);
    signature[26] = place[1];
    assert_int_equal(verify(signer, URL, "a=1", signature), TSMS_KIND_INVALID_SIGNATURE);
    tsms_signer_free(signer);
}

static void test_missing(void **state)
{
    tsms_signer *signer = signer_with(TOKEN);
    assert_int_equal(verify(signer, URL, "a=1", NULL), TSMS_KIND_MISSING_FIELDS);
    assert_int_equal(verify(signer, URL, "a=1", ""), TSMS_KIND_MISSING_FIELDS);
    tsms_signer_free(signer);
}

/* Each way of writing the URL that a sender may use, and nothing beside. */
static void test_spellings(void **state)
{
    static const char *const good[][2] = {
        {"https://h.example:443/p?x=1", "https://h.example/p?x=1"},
        {"https://h.example/p?x=1", "https://h.example:443/p?x=1"},
        {"https://h.example/p", "https://u:s@h.example/p"},
        {"https://h.example:443/p", "https://u:s@h.example/p"},
        {"https://u:s@h.example:443/p", "https://u:s@h.example/p"},
        {"https://u:s@h.example/p", "https://u:s@h.example:443/p"},
        {"https://h.example/p", "https://h.example/p#rc=3"},
    };
    static const char *const bad[][2] = {
        {"http://h.example/p", "https://h.example/p"},
        {"https://h.example/p/", "https://h.example/p"},
        {"https://h.example", "https://h.example/"},
        {"https://H.example/p", "https://h.example/p"},
        {"https://h.example:8443/p", "https://h.example/p"},
        {"https://h.example:80/p", "https://h.example/p"},
        {"https://h.example/p?a=1&b=2", "https://h.example/p?b=2&a=1"},
        {"https://h.example/p?a=%20", "https://h.example/p?a=+"},
        {"https://u:s@h.example/p", "https://h.example/p"},
        {"https://h.example/p?", "https://h.example/p"},
    };
    tsms_signer *signer = signer_with(TOKEN);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const char *signature = sign(signer, good[i][0], "a=1");
        assert_int_equal(verify(signer, good[i][1], "a=1", signature), TSMS_KIND_NONE);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *signature = sign(signer, bad[i][0], "a=1");
        assert_int_equal(verify(signer, bad[i][1], "a=1", signature), TSMS_KIND_INVALID_SIGNATURE);
    }
    tsms_signer_free(signer);
}

/* ---- Tokens ---- */

static void test_tokens(void **state)
{
    tsms_signer *signer = signer_with("first");
    tsms_signer *second = signer_with("second");
    tsms_signer *third = signer_with("third");
    const char *signature = sign(second, URL, "a=1");
    assert_int_equal(verify(signer, URL, "a=1", signature), TSMS_KIND_INVALID_SIGNATURE);
    assert_int_equal(tsms_signer_add(signer, TSMS__STR("second"), NULL), TSMS_OK);
    assert_int_equal(verify(signer, URL, "a=1", signature), TSMS_KIND_NONE);
    /* Each token with each spelling. */
    signature = sign(second, "https://hooks.example.com:443/sms", "a=1");
    assert_int_equal(verify(signer, URL, "a=1", signature), TSMS_KIND_NONE);
    assert_int_equal(verify(third, URL, "a=1", signature), TSMS_KIND_INVALID_SIGNATURE);
    /* The one that was added first signs. */
    assert_int_equal(verify(third, URL, "a=1", sign(signer, URL, "a=1")),
                     TSMS_KIND_INVALID_SIGNATURE);
    assert_int_equal(verify(second, URL, "a=1", sign(signer, URL, "a=1")),
                     TSMS_KIND_INVALID_SIGNATURE);
    tsms_signer_free(signer);
    tsms_signer_free(second);
    tsms_signer_free(third);
}

static void test_bad_tokens(void **state)
{
    tsms_signer *signer;
    tsms_error err;
    char signature[TSMS_SIGNATURE_SIZE];
    assert_int_equal(tsms_signer_new(NULL, &signer, NULL), TSMS_OK);
    const tsms_str missing[] = {{NULL, 0}, {"", 0}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tsms_signer_add(signer, missing[i], &err), TSMS_ERROR);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_AUTH_TOKEN);
        assert_string_equal(err.message, "the auth token is missing (is TWILIO_AUTH_TOKEN set?)");
    }
    assert_int_equal(tsms_signer_add(signer, (tsms_str){"secret\0x", 8}, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_AUTH_TOKEN);
    assert_string_equal(err.message, "an auth token must be text without a NUL");
    assert_int_equal(tsms__signer_count(signer), 0);
    /* Without a token nothing is signed, and nothing is right. */
    assert_int_equal(tsms_signer_sign(signer, TSMS__STR(URL), NULL, 0, signature, &err),
                     TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_AUTH_TOKEN);
    assert_int_equal(verify(signer, URL, NULL, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                     TSMS_KIND_INVALID_SIGNATURE);
    tsms_signer_free(signer);
    tsms_signer_free(NULL);
}

static void test_many_tokens(void **state)
{
    tsms_signer *signer = signer_with("0");
    tsms_error err;
    for (char c = '1'; c < '0' + TSMS_TOKENS_MOST; c++) {
        assert_int_equal(tsms_signer_add(signer, (tsms_str){&c, 1}, NULL), TSMS_OK);
    }
    assert_int_equal(tsms__signer_count(signer), TSMS_TOKENS_MOST);
    assert_int_equal(tsms_signer_add(signer, TSMS__STR("0"), NULL), TSMS_OK);
    assert_int_equal(tsms_signer_add(signer, TSMS__STR("7"), NULL), TSMS_OK);
    assert_int_equal(tsms_signer_add(signer, TSMS__STR("one too many"), &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_AUTH_TOKEN);
    assert_int_equal(tsms__signer_count(signer), TSMS_TOKENS_MOST);
    tsms_signer *last = signer_with("7");
    assert_int_equal(verify(signer, URL, "a=1", sign(last, URL, "a=1")), TSMS_KIND_NONE);
    tsms_signer_free(last);
    tsms_signer_free(signer);
}

/* ---- Other ---- */

static void test_wrong_size(void **state)
{
    tsms_signer *signer = signer_with(TOKEN);
    tsms_signed request = {.url = TSMS__STR(URL)};
    tsms_error err;
    request.signature = tsms_str_from(sign(signer, URL, ""));
    assert_int_equal(tsms_signer_verify(signer, &request, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
    tsms_signer_free(signer);
}

/* A caller that was compiled with an older header gives a shorter struct. */
static void test_older_layout(void **state)
{
    tsms_signer *signer = signer_with(TOKEN);
    tsms_signed request = TSMS_SIGNED_INIT;
    tsms_param behind = {TSMS__STR("not"), TSMS__STR("given")};
    request.url = TSMS__STR(URL);
    request.body = TSMS__STR("a=1");
    request.params = &behind;
    request.param_count = 1;
    request.signature = tsms_str_from(sign(signer, URL, "a=1"));
    assert_int_equal(tsms_signer_verify(signer, &request, NULL), TSMS_ERROR);
    request.size = offsetof(tsms_signed, params);
    assert_int_equal(tsms_signer_verify(signer, &request, NULL), TSMS_OK);
    char text[400];
    tsms_signer_explain(signer, &request, text, sizeof text);
    assert_non_null(strstr(text, "verdict: good\n"));
    assert_non_null(strstr(text, "parameters: 1 form pair\n"));
    request.size = sizeof request + 8;
    assert_int_equal(tsms_signer_verify(signer, &request, NULL), TSMS_ERROR);
    tsms_signer_free(signer);
}

/* Nothing to sign at all has no address either; clang's sanitizer saw offsets to a null pointer. */
static void test_nothing(void **state)
{
    tsms_signer *signer = signer_with(TOKEN);
    char signature[TSMS_SIGNATURE_SIZE];
    tsms_str none = {NULL, 0};
    assert_int_equal(tsms_signer_sign(signer, none, NULL, 0, signature, NULL), TSMS_OK);
    tsms_signed request = TSMS_SIGNED_INIT;
    request.signature = tsms_str_from(signature);
    assert_int_equal(tsms_signer_verify(signer, &request, NULL), TSMS_OK);
    tsms_signer_free(signer);
}

static void test_no_memory(void **state)
{
    char signature[TSMS_SIGNATURE_SIZE];
    tsms_param param = {TSMS__STR("a"), TSMS__STR("1")};
    tsms_signed request = TSMS_SIGNED_INIT;
    request.url = TSMS__STR(URL);
    request.body = TSMS__STR("a=1");
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms_signer *signer;
        tsms_status status = tsms_signer_new(&tm.mem, &signer, NULL);
        if (status == TSMS_OK) {
            status = tsms_signer_add(signer, TSMS__STR(TOKEN), NULL);
        }
        if (status == TSMS_OK) {
            status = tsms_signer_sign(signer, request.url, &param, 1, signature, NULL);
        }
        if (status == TSMS_OK) {
            request.signature = tsms_str_from(signature);
            status = tsms_signer_verify(signer, &request, NULL);
        }
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        tsms_signer_free(signer);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            assert_true(n > 5);
            break;
        }
    }
}

/* After the first requests nothing is allocated from the signer's memory. */
static void test_allocates_once(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_signer *signer;
    assert_int_equal(tsms_signer_new(&tm.mem, &signer, NULL), TSMS_OK);
    assert_int_equal(tsms_signer_add(signer, TSMS__STR(TOKEN), NULL), TSMS_OK);
    char signature[TSMS_SIGNATURE_SIZE];
    strcpy(signature, sign(signer, URL, "a=1&b=2"));
    assert_int_equal(verify(signer, URL, "a=1&b=2", signature), TSMS_KIND_NONE);
    size_t calls = tm.calls;
    assert_int_equal(verify(signer, URL, "b=2&a=1", signature), TSMS_KIND_NONE);
    assert_int_equal(verify(signer, URL, "b=2&a=2", signature), TSMS_KIND_INVALID_SIGNATURE);
    assert_int_equal(tm.calls, calls);
    tsms_signer_free(signer);
    assert_int_equal(tm.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form_bodies),
        cmocka_unit_test(test_same_pairs),
        cmocka_unit_test(test_borders_are_not_signed),
        cmocka_unit_test(test_too_many_parameters),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_bad_hash),
        cmocka_unit_test(test_json_without_hash),
        cmocka_unit_test(test_body_sha256),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_forged_spare_bits),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_bad_tokens),
        cmocka_unit_test(test_many_tokens),
        cmocka_unit_test(test_wrong_size),
        cmocka_unit_test(test_older_layout),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_allocates_once),
    };
    enum { OWN = sizeof tests / sizeof *tests, MOST = 256 };
    static struct CMUnitTest all[MOST];
    memcpy(all, tests, sizeof tests);
    cJSON *document = read_vectors();
    size_t count = OWN;
    cJSON *vector;
    cJSON_ArrayForEach(vector, cJSON_GetObjectItemCaseSensitive(document, "vectors"))
    {
        if (count == MOST) {
            return EXIT_FAILURE;
        }
        all[count++] = (struct CMUnitTest){
            .name = text_of(vector, "id").ptr, .test_func = test_vector, .initial_state = vector};
    }
    int failed = count == OWN || _cmocka_run_group_tests("sign", all, count, NULL, NULL) != 0;
    cJSON_Delete(document);
    return failed;
}
