/* The traceparent of W3C Trace Context: which span of which trace something is part of. */
#ifndef TSMS_WIRE_TRACEPARENT_H
#define TSMS_WIRE_TRACEPARENT_H

#include "../base/str.h"

enum {
    TSMS__TRACE_ID = 16, /* bytes */
    TSMS__SPAN_ID = 8,
};

typedef struct tsms__traceparent {
    unsigned char trace_id[TSMS__TRACE_ID];
    unsigned char span_id[TSMS__SPAN_ID];
    bool sampled;
} tsms__traceparent;

/* Reads version 00, and what later versions have in common with it (section 3.2.4 of the
 * recommendation). False for what is malformed, upper-case digits and ids of zeros too. */
bool tsms__traceparent_read(tsms_str text, tsms__traceparent *out);

#endif
