/* The signature of a webhook, made and checked
 * (https://www.twilio.com/docs/usage/webhooks/webhooks-security). */
#ifndef TSMS_WIRE_SIGN_H
#define TSMS_WIRE_SIGN_H

#include "../base/err.h"
#include "fields.h"

/* The spellings of a URL that a sender may have signed: with and without userinfo; with and without
 * its port, or the default one. Each is the pieces of the given URL and perhaps ":443". */
enum { TSMS__URL_SPELLINGS_MOST = 4, TSMS__URL_PIECES_MOST = 4 };

/* Views into the URL, in order; the rest is absent. */
typedef struct tsms__url_spelling {
    tsms_str pieces[TSMS__URL_PIECES_MOST];
} tsms__url_spelling;

/* The URL up to its fragment. */
tsms_str tsms__url_cut_fragment(tsms_str url);
/* Lists the distinct spellings, the likeliest first, without the fragment; at least one. */
size_t tsms__url_spellings(tsms_str url, tsms__url_spelling out[TSMS__URL_SPELLINGS_MOST]);
/* "user:password" of a URL, which may be empty; absent when it has none. */
tsms_str tsms__url_userinfo(tsms_str url);
/* The query behind the first '?', without the fragment; absent when there is none. */
tsms_str tsms__url_query(tsms_str url);
/* The value of the query's first parameter bodySHA256, as it stands there; absent when there is
 * none, and when it is not 64 hex digits long (*malformed is then set). */
tsms_str tsms__url_body_sha256(tsms_str url, bool *malformed);

/* Copies a caller's struct of this or an older layout. False for what is none. */
bool tsms__signed_copy(const tsms_signed *given, tsms_signed *own);
/* Puts the parameters of a request into the signer's own *fields, NULL when there is none: no
 * params, and no body or one that the URL's bodySHA256 stands for. PayloadParseError for too many
 * parameters. */
tsms_status tsms__signer_read(tsms_signer *signer, const tsms_signed *request,
                              tsms__fields **fields, tsms_error *err);
/* Checks a request whose form was decoded already (and gets sorted). With fields NULL the URL alone
 * was signed: its bodySHA256 must be that of the body, and without one there may be no body.
 * Answers TSMS_OK, or TSMS_ERROR with InvalidSignature or MissingFields. */
tsms_status tsms__signer_check(tsms_signer *signer, tsms_str url, tsms__fields *fields,
                               tsms_str body, tsms_str signature, tsms_error *err);
/* How many tokens it has. */
size_t tsms__signer_count(const tsms_signer *signer);

#endif
