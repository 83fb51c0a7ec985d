/* Explains libcurl's errors. */
#include "fault.h"

#include <stdio.h>

tsms_kind tsms__curl_fault(CURLcode code, int sendings, bool too_large, const char *detail,
                           const char *ca_file, char *text, size_t size)
{
    const char *what = detail[0] != '\0' ? detail : curl_easy_strerror(code);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        snprintf(text, size, "%s", what);
        return TSMS_KIND_DNS_RESOLUTION_FAILED;
    case CURLE_OPERATION_TIMEDOUT:
        snprintf(text, size, "%s", what);
        return TSMS_KIND_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
        snprintf(
            text, size,
            "the server's certificate is not trusted: set ca_file to the CA that signed it (%s)",
            what);
        return TSMS_KIND_CONNECTION_FAILED;
    case CURLE_SSL_CACERT_BADFILE:
        snprintf(text, size,
                 ca_file != NULL
                     ? "ca_file %s holds no readable PEM certificates"
                     : "no CA certificates found%s: install the package ca-certificates, "
                       "or set ca_file",
                 ca_file != NULL ? ca_file : "");
        return TSMS_KIND_CONNECTION_FAILED;
    case CURLE_OUT_OF_MEMORY:
        snprintf(text, size, "out of memory");
        return TSMS_KIND_TEMPORARILY_UNAVAILABLE;
    case CURLE_ABORTED_BY_CALLBACK:
        if (sendings > 1) {
            snprintf(text, size,
                     "the connection died after the request had been sent; it was not sent again");
            return TSMS_KIND_CONNECTION_FAILED;
        }
        break;
    case CURLE_WRITE_ERROR:
        if (too_large) {
            snprintf(text, size, "the answer is larger than 8 MiB; the rest was not read");
            return TSMS_KIND_INTERNAL_ERROR;
        }
        snprintf(text, size, "out of memory while reading the answer");
        return TSMS_KIND_TEMPORARILY_UNAVAILABLE;
    default:
        break;
    }
    snprintf(text, size, "%s", what);
    return TSMS_KIND_CONNECTION_FAILED;
}
