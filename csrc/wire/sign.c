/* Signs webhooks and checks their signatures. */
#include "sign.h"

#include <string.h>

#include "../base/sha.h"

enum { SHA1_SIZE = 20, SIGNATURE_LEN = TSMS_SIGNATURE_SIZE - 1, DEFAULT_PORT_LEN = 4 };

/* Keeps no token, only the state of the hash behind each. */
struct tsms_signer {
    tsms_mem mem;
    tsms__hmac *keys[TSMS_TOKENS_MOST];
    size_t count;
    tsms__fields fields;
    tsms_buf text; /* what is signed: room for a spelling of the URL, then the sorted parameters */
};

tsms_status tsms_signer_new(const tsms_mem *mem, tsms_signer **out, tsms_error *err)
{
    *out = NULL;
    if (mem == NULL) {
        mem = &tsms__mem_libc;
    }
    tsms_signer *signer = tsms__calloc(mem, 1, sizeof *signer);
    if (signer == NULL) {
        return tsms__error_nomem(err);
    }
    signer->mem = *mem;
    tsms__fields_init(&signer->fields, &signer->mem);
    tsms__buf_init(&signer->text, &signer->mem);
    *out = signer;
    return TSMS_OK;
}

void tsms_signer_free(tsms_signer *signer)
{
    if (signer == NULL) {
        return;
    }
    for (size_t i = 0; i < signer->count; i++) {
        tsms__hmac_free(signer->keys[i]);
    }
    tsms__fields_free(&signer->fields);
    tsms__buf_free(&signer->text);
    tsms_mem mem = signer->mem;
    tsms__free(&mem, signer);
}

size_t tsms__signer_count(const tsms_signer *signer)
{
    return signer->count;
}

/* The signature of text, with a NUL behind it; false without memory. */
static bool make_signature(tsms__hmac *key, tsms_str text, char out[TSMS_SIGNATURE_SIZE])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char digest[TSMS__DIGEST_MOST] = {0};
    if (!tsms__hmac_begin(key) || !tsms__hmac_add(key, text) || !tsms__hmac_end(key, digest)) {
        return false;
    }
    /* Base64 (RFC 4648, section 4) of 20 bytes: six groups of three, and one of two. */
    for (size_t i = 0; i < 7; i++) {
        unsigned last = i < 6 ? digest[3 * i + 2] : 0;
        unsigned group = (unsigned)digest[3 * i] << 16 | (unsigned)digest[3 * i + 1] << 8 | last;
        out[4 * i] = alphabet[group >> 18];
        out[4 * i + 1] = alphabet[group >> 12 & 63];
        out[4 * i + 2] = alphabet[group >> 6 & 63];
        out[4 * i + 3] = alphabet[group & 63];
    }
    out[SIGNATURE_LEN - 1] = '=';
    out[SIGNATURE_LEN] = '\0';
    return true;
}

tsms_status tsms_signer_add(tsms_signer *signer, tsms_str token, tsms_error *err)
{
    if (token.len == 0) {
        return tsms__error_set(err, TSMS_KIND_INVALID_AUTH_TOKEN,
                               "the auth token is missing (is TWILIO_AUTH_TOKEN set?)");
    }
    if (memchr(token.ptr, '\0', token.len) != NULL) {
        return tsms__error_set(err, TSMS_KIND_INVALID_AUTH_TOKEN,
                               "an auth token must be text without a NUL");
    }
    tsms__hmac *key = tsms__hmac_new(&signer->mem, TSMS__SHA1, token);
    char made[TSMS_SIGNATURE_SIZE];
    char known[TSMS_SIGNATURE_SIZE];
    bool ok = key != NULL && make_signature(key, (tsms_str){NULL, 0}, made);
    /* No token is kept that could be compared: the same one signs the same. */
    bool is_known = false;
    for (size_t i = 0; ok && !is_known && i < signer->count; i++) {
        ok = make_signature(signer->keys[i], (tsms_str){NULL, 0}, known);
        is_known = ok && strcmp(made, known) == 0;
    }
    bool full = signer->count == TSMS_TOKENS_MOST;
    if (ok && !is_known && !full) {
        signer->keys[signer->count++] = key;
        return TSMS_OK;
    }
    tsms__hmac_free(key);
    if (!ok) {
        return tsms__error_nomem(err);
    }
    return is_known ? TSMS_OK
                    : tsms__error_set(err, TSMS_KIND_INVALID_AUTH_TOKEN,
                                      "a signer takes at most %d auth tokens", TSMS_TOKENS_MOST);
}

/* ---- What is signed */

static char *append(char *to, tsms_str bytes)
{
    if (bytes.len > 0) {
        memcpy(to, bytes.ptr, bytes.len);
    }
    return to + bytes.len;
}

/* Puts each distinct pair, in order, behind `room` bytes; false without memory. */
static bool lay_out(tsms_signer *signer, size_t room, tsms__fields *fields)
{
    size_t len = 0;
    for (size_t i = 0; fields != NULL && i < fields->count; i++) {
        len += fields->items[i].name.len + fields->items[i].value.len;
    }
    tsms__buf_clear(&signer->text);
    if (!tsms__buf_reserve(&signer->text, room + len + 1)) { /* nothing has a place, too */
        return false;
    }
    char *to = signer->text.ptr + room;
    if (fields != NULL) {
        tsms__fields_sort(fields);
        for (size_t i = 0; i < fields->count; i++) {
            const tsms__sorted_field *field = &fields->sorted[i];
            if (i == 0 || !tsms__sorted_field_eq(field, field - 1)) {
                to = append(append(to, field->param->name), field->param->value);
            }
        }
    }
    signer->text.len = (size_t)(to - signer->text.ptr);
    return true;
}

/* Writes a spelling of the URL directly before the parameters; answers the whole. */
static tsms_str put_url(tsms_signer *signer, size_t room, const tsms__url_spelling *spelling)
{
    size_t len = 0;
    for (size_t i = 0; i < TSMS__URL_PIECES_MOST; i++) {
        len += spelling->pieces[i].len;
    }
    char *start = signer->text.ptr + room - len;
    char *to = start;
    for (size_t i = 0; i < TSMS__URL_PIECES_MOST; i++) {
        to = append(to, spelling->pieces[i]);
    }
    return (tsms_str){start, signer->text.len - (room - len)};
}

static tsms_status fields_error(tsms__fields_status status, tsms_error *err)
{
    return status == TSMS__FIELDS_NOMEM
               ? tsms__error_nomem(err)
               : tsms__error_set(err, TSMS_KIND_PAYLOAD_PARSE_ERROR, "more than %d parameters",
                                 TSMS__FIELDS_MOST);
}

tsms_status tsms_signer_sign(tsms_signer *signer, tsms_str url, const tsms_param *params,
                             size_t count, char out[TSMS_SIGNATURE_SIZE], tsms_error *err)
{
    if (signer->count == 0) {
        return tsms__error_set(err, TSMS_KIND_INVALID_AUTH_TOKEN, "the signer has no auth token");
    }
    tsms__fields_status status = tsms__fields_take(&signer->fields, params, count);
    if (status != TSMS__FIELDS_OK) {
        return fields_error(status, err);
    }
    tsms__url_spelling spelling = {{tsms__url_cut_fragment(url)}};
    size_t room = spelling.pieces[0].len;
    return lay_out(signer, room, &signer->fields) &&
                   make_signature(signer->keys[0], put_url(signer, room, &spelling), out)
               ? TSMS_OK
               : tsms__error_nomem(err);
}

/* ---- Checking */

static tsms_status refuse(tsms_error *err, const char *why)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_SIGNATURE, "%s", why);
}

/* Whether the body is the one that was signed with the URL. */
static tsms_status check_body(tsms_str url, tsms_str body, tsms_error *err)
{
    bool malformed;
    tsms_str wanted = tsms__url_body_sha256(url, &malformed);
    if (malformed) {
        return refuse(err, "bodySHA256 is no SHA-256 in hex");
    }
    if (wanted.len == 0) {
        return body.len == 0 ? TSMS_OK : refuse(err, "the URL has no bodySHA256 for the body");
    }
    char hex[TSMS__SHA256_HEX_SIZE];
    if (!tsms__sha256_hex(body, hex)) {
        return tsms__error_nomem(err);
    }
    /* Case matters, as it does in all of Twilio's own libraries. */
    return tsms__same_bytes(wanted, (tsms_str){hex, TSMS__SHA256_HEX_SIZE - 1})
               ? TSMS_OK
               : refuse(err, "the body is not the one of bodySHA256");
}

tsms_status tsms__signer_check(tsms_signer *signer, tsms_str url, tsms__fields *fields,
                               tsms_str body, tsms_str signature, tsms_error *err)
{
    if (signature.len == 0) {
        return tsms__error_set(err, TSMS_KIND_MISSING_FIELDS, "no X-Twilio-Signature");
    }
    if (signature.len != SIGNATURE_LEN) {
        return refuse(err, "the signature is not 28 characters long");
    }
    tsms_status status = fields == NULL ? check_body(url, body, err) : TSMS_OK;
    if (status != TSMS_OK) {
        return status;
    }
    tsms__url_spelling spellings[TSMS__URL_SPELLINGS_MOST];
    size_t spelling_count = tsms__url_spellings(url, spellings);
    if (url.len > SIZE_MAX / 2 || !lay_out(signer, url.len + DEFAULT_PORT_LEN, fields)) {
        return tsms__error_nomem(err);
    }
    for (size_t i = 0; i < spelling_count; i++) {
        tsms_str text = put_url(signer, url.len + DEFAULT_PORT_LEN, &spellings[i]);
        for (size_t k = 0; k < signer->count; k++) {
            char made[TSMS_SIGNATURE_SIZE];
            if (!make_signature(signer->keys[k], text, made)) {
                return tsms__error_nomem(err);
            }
            if (tsms__same_bytes(signature, (tsms_str){made, SIGNATURE_LEN})) {
                return TSMS_OK;
            }
        }
    }
    return refuse(err, "the signature is wrong");
}

tsms_status tsms__signer_read(tsms_signer *signer, const tsms_signed *request,
                              tsms__fields **fields, tsms_error *err)
{
    tsms__fields_status status;
    bool malformed;
    *fields = NULL;
    if (request->params != NULL) {
        status = tsms__fields_take(&signer->fields, request->params, request->param_count);
    } else if (request->body.len == 0 || tsms__url_body_sha256(request->url, &malformed).len > 0 ||
               malformed) {
        return TSMS_OK;
    } else {
        status = tsms__fields_read(&signer->fields, request->body, TSMS__FIELDS_MOST);
    }
    if (status != TSMS__FIELDS_OK) {
        return fields_error(status, err);
    }
    *fields = &signer->fields;
    return TSMS_OK;
}

bool tsms__signed_copy(const tsms_signed *given, tsms_signed *own)
{
    *own = (tsms_signed)TSMS_SIGNED_INIT;
    if (given->size < sizeof given->size || given->size > sizeof *own) {
        return false;
    }
    memcpy(own, given, given->size);
    return true;
}

tsms_status tsms_signer_verify(tsms_signer *signer, const tsms_signed *given, tsms_error *err)
{
    tsms_signed request;
    if (!tsms__signed_copy(given, &request)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, "the request's size is wrong");
    }
    tsms__fields *fields;
    tsms_status status = tsms__signer_read(signer, &request, &fields, err);
    return status == TSMS_OK ? tsms__signer_check(signer, request.url, fields, request.body,
                                                  request.signature, err)
                             : status;
}

tsms_status tsms_body_sha256(tsms_str body, char out[TSMS__SHA256_HEX_SIZE], tsms_error *err)
{
    return tsms__sha256_hex(body, out) ? TSMS_OK : tsms__error_nomem(err);
}
