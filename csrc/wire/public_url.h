/* The public URL of a request, which is what its sender signed for. */
#ifndef TSMS_WIRE_PUBLIC_URL_H
#define TSMS_WIRE_PUBLIC_URL_H

#include "../base/err.h"
#include "network.h"

/* Where the scheme and the host of a URL came from. */
typedef enum tsms__url_origin {
    TSMS__ORIGIN_GIVEN,   /* the request had the whole URL */
    TSMS__ORIGIN_HOST,    /* its target, its Host header and whether it came over TLS */
    TSMS__ORIGIN_IGNORED, /* the same: forwarded headers were there, but the peer is not trusted */
    TSMS__ORIGIN_FORWARDED, /* its target and what a trusted proxy says */
} tsms__url_origin;

/* Makes out the URL of a request, without user and fragment, and leaves it in out. Given URLs are
 * taken as they are. To a target the Host header is added, and "https" if tls is set; what a
 * trusted proxy says in X-Forwarded-Host, -Proto and -Port comes first. Of lists the last element
 * counts, which is the one that the proxy itself wrote: those before it came from its client.
 * PayloadParseError or MissingFields, with http_status 400, when there is no host, two of them, or
 * none that is one.
 */
tsms_status tsms__public_url_make(const tsms_webhook_request *request, const tsms__network *proxies,
                                  size_t proxy_count, tsms_buf *out, tsms__url_origin *origin,
                                  tsms_error *err);

/* Whether text may stand in a list of public URLs: absolute, http or https. */
bool tsms__public_url_is(tsms_str text);
/* The entry of a list that a URL answers to; absent when there is none. Scheme and host compare
 * without regard to case, a missing port is the default one; user, query and fragment do not count.
 * A path is the same path, a missing one is "/"; but an entry's path that ends in a slash, and is
 * there, stands for all below it, unless the URL climbs out of it again with "..". */
tsms_str tsms__public_url_find(const tsms_str *urls, size_t count, tsms_str url);
/* Spells a URL that was made out as its entry in the list does, up to its query, for the senders
 * that sign a host in capitals or a URL without a path as they were told it. False when that
 * changes nothing, or when the entry stands for more than one path. */
bool tsms__public_url_respell(tsms_str entry, tsms_str url, tsms_buf *out);

/* The only header of that name, absent when there is none. False when there are different ones. */
bool tsms__header_find(const tsms_webhook_request *request, const char *name, tsms_str *out);

#endif
