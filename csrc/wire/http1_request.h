/* Requests as the bytes of HTTP/1.1, for drivers that only have a socket. */
#ifndef TSMS_WIRE_HTTP1_REQUEST_H
#define TSMS_WIRE_HTTP1_REQUEST_H

#include "request.h"

/* Where requests go. Views into the origin. */
typedef struct tsms__http1_peer {
    tsms_str host;      /* to connect to and to verify; an IPv6 address has no brackets */
    int port;           /* to connect to */
    tsms_str authority; /* what the header Host says: brackets, and a port that is not 443 */
    tsms_str prefix;    /* of every path; empty, or begins with a slash and does not end with one */
} tsms__http1_peer;

/* Takes the origin of a client apart, "https://api.twilio.com" or a base_url. False when it is no
 * https URL. */
bool tsms__http1_peer_of(tsms_str origin, tsms__http1_peer *out);
/* Appends request line and headers; the body follows. The same that libcurl sends for a client.
 * authorization is a whole header without its line end. A POST has a body, which may be empty. */
void tsms__http1_request_head(tsms_buf *out, const tsms__http1_peer *peer, tsms__method method,
                              tsms_str path, tsms_str authorization, size_t body_len);

#endif
