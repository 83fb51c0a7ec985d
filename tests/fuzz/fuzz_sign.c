/* wire/sign*.c, wire/fields.c: a URL, a line end, and a body. What is signed in any spelling of the
 * URL verifies, a changed signature does not, and the explanation keeps to its lines. */
#include "fuzz.h"

#include <string.h>

#include "wire/form.h"
#include "wire/sign.h"

static tsms_signer *signer;

/* Sorted, and the same pairs as the decoder of single pairs finds. */
static void check_fields(tsms__fields *fields, tsms_str body)
{
    tsms_buf name;
    tsms_buf value;
    tsms__buf_init(&name, &tsms__mem_libc);
    tsms__buf_init(&value, &tsms__mem_libc);
    for (size_t i = 0; i < fields->count; i++) {
        CHECK(tsms__form_next(&body, &name, &value));
        CHECK(tsms__str_eq(fields->items[i].name, tsms__buf_str(&name)));
        CHECK(tsms__str_eq(fields->items[i].value, tsms__buf_str(&value)));
    }
    CHECK(!tsms__form_next(&body, &name, &value));
    tsms__fields_sort(fields);
    for (size_t i = 1; i < fields->count; i++) {
        tsms_str a = fields->sorted[i - 1].param->name;
        tsms_str b = fields->sorted[i].param->name;
        size_t shorter = a.len < b.len ? a.len : b.len;
        int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
        CHECK(order < 0 || (order == 0 && a.len <= b.len));
    }
    tsms__buf_free(&name);
    tsms__buf_free(&value);
}

/* Signs one spelling; answers whether the request verifies then. */
static bool verifies(tsms_str spelling, const tsms__fields *fields, tsms_signed *request)
{
    char signature[TSMS_SIGNATURE_SIZE];
    CHECK(tsms_signer_sign(signer, spelling, fields->items, fields->count, signature, NULL) ==
          TSMS_OK);
    request->signature = (tsms_str){signature, TSMS_SIGNATURE_SIZE - 1};
    bool good = tsms_signer_verify(signer, request, NULL) == TSMS_OK;
    signature[fields->count % 27] ^= 1;
    CHECK(tsms_signer_verify(signer, request, NULL) != TSMS_OK);
    return good;
}

static void check_spellings(const tsms__fields *fields, tsms_signed *request)
{
    tsms__url_spelling spellings[TSMS__URL_SPELLINGS_MOST];
    size_t count = tsms__url_spellings(request->url, spellings);
    CHECK(count >= 1 && count <= TSMS__URL_SPELLINGS_MOST);
    tsms_buf whole;
    tsms__buf_init(&whole, &tsms__mem_libc);
    for (size_t i = 0; i < count; i++) {
        tsms__buf_clear(&whole);
        for (size_t k = 0; k < TSMS__URL_PIECES_MOST; k++) {
            tsms__buf_add(&whole, spellings[i].pieces[k]);
        }
        CHECK(!whole.failed && (whole.len == 0 || memchr(whole.ptr, '#', whole.len) == NULL));
        CHECK(verifies(tsms__buf_str(&whole), fields, request));
    }
    tsms__buf_free(&whole);
}

/* Every line has one of the labels, whatever stands in the URL. */
static void check_explanation(const tsms_signed *request)
{
    static const char *const labels[] = {"verdict",    "tokens", "parameters", "body",
                                         "bodySHA256", "tried",  "signature",  "hint"};
    char text[4096];
    tsms_signer_explain(signer, request, text, sizeof text);
    for (char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        bool known = false;
        for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
            size_t label = strlen(labels[i]);
            known = known || (strncmp(line, labels[i], label) == 0 && line[label] == ':');
        }
        CHECK(known);
        CHECK(line[len] == '\n');
        line += len + 1;
    }
    tsms_signer_explain(signer, request, text, request->url.len % 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (signer == NULL) {
        CHECK(tsms_signer_new(NULL, &signer, NULL) == TSMS_OK);
        CHECK(tsms_signer_add(signer, tsms_str_from("token"), NULL) == TSMS_OK);
    }
    const char *text = (const char *)data;
    const char *end = size > 0 ? memchr(text, '\n', size) : NULL;
    size_t url_len = end != NULL ? (size_t)(end - text) : size;
    tsms_signed request = TSMS_SIGNED_INIT;
    request.url = (tsms_str){text, url_len};
    request.body = (tsms_str){text + url_len + (end != NULL), size - url_len - (end != NULL)};
    request.signature = tsms_str_from("AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    check_explanation(&request);

    tsms__fields fields;
    tsms__fields_init(&fields, &tsms__mem_libc);
    if (tsms__fields_read(&fields, request.body, SIZE_MAX) == TSMS__FIELDS_OK) {
        check_fields(&fields, request.body);
        bool malformed;
        if (tsms__url_body_sha256(request.url, &malformed).len == 0 && !malformed) {
            check_spellings(&fields, &request);
        } else {
            char hex[65];
            CHECK(tsms_body_sha256(request.body, hex, NULL) == TSMS_OK);
            tsms_str wanted = tsms__url_body_sha256(request.url, &malformed);
            fields.count = 0;
            tsms_str url = tsms__url_cut_fragment(request.url);
            CHECK(verifies(url, &fields, &request) == (tsms__str_eq(wanted, tsms_str_from(hex))));
        }
        request.params = fields.items;
        request.param_count = fields.count;
        check_explanation(&request);
    }
    tsms__fields_free(&fields);
    return 0;
}
