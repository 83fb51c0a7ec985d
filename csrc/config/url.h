/* The parts of a URL (RFC 3986). */
#ifndef TSMS_CONFIG_URL_H
#define TSMS_CONFIG_URL_H

#include "../base/str.h"

/* Views into the parsed text, without the marks between the parts; what is missing is absent. */
typedef struct tsms__url {
    tsms_str scheme;
    tsms_str userinfo;
    tsms_str host; /* an IPv6 address keeps its brackets */
    tsms_str port; /* 1 to 65535 */
    tsms_str path; /* empty, or begins with a slash */
    tsms_str query;
    tsms_str fragment;
} tsms__url;

/* Takes absolute URLs with a host, in printable ASCII. False for everything else. */
bool tsms__url_parse(tsms_str text, tsms__url *out);

#endif
