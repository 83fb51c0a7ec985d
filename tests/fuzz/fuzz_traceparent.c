/* wire/traceparent.c: it takes what the recommendation describes and nothing else, and what was
 * read is written as the same. */
#include "fuzz.h"

#include <string.h>

#include "wire/traceparent.h"

/* "vv-" 32 digits "-" 16 digits "-ff", as section 3.2 of W3C Trace Context has it. */
static const char shape[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
enum { LENGTH = sizeof shape - 1, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };

static bool is_hex(char c)
{
    return c != '\0' && strchr("0123456789abcdef", c) != NULL;
}

static bool has_shape(tsms_str text)
{
    if (text.len < LENGTH) {
        return false;
    }
    for (size_t i = 0; i < LENGTH; i++) {
        if (shape[i] == 'x' ? !is_hex(text.ptr[i]) : text.ptr[i] != shape[i]) {
            return false;
        }
    }
    return true;
}

static bool is_zeros(tsms_str text, size_t at, size_t count)
{
    static const char zeros[] = "00000000000000000000000000000000";
    return memcmp(text.ptr + at, zeros, count) == 0;
}

static bool is_valid(tsms_str text)
{
    if (!has_shape(text) || memcmp(text.ptr, "ff", 2) == 0 ||
        is_zeros(text, TRACE_AT, 2 * (size_t)TSMS__TRACE_ID) ||
        is_zeros(text, SPAN_AT, 2 * (size_t)TSMS__SPAN_ID)) {
        return false;
    }
    bool is_later = memcmp(text.ptr, "00", 2) != 0;
    return text.len == LENGTH || (is_later && text.ptr[LENGTH] == '-');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tsms_str text = {(const char *)data, size};
    tsms__traceparent parent;
    bool is_read = tsms__traceparent_read(text, &parent);
    CHECK(is_read == is_valid(text));
    if (is_read) {
        char hex[2 * TSMS__TRACE_ID];
        tsms__hex_write(parent.trace_id, TSMS__TRACE_ID, hex);
        CHECK(memcmp(hex, text.ptr + TRACE_AT, 2 * (size_t)TSMS__TRACE_ID) == 0);
        tsms__hex_write(parent.span_id, TSMS__SPAN_ID, hex);
        CHECK(memcmp(hex, text.ptr + SPAN_AT, 2 * (size_t)TSMS__SPAN_ID) == 0);
        CHECK(parent.sampled == (strchr("13579bdf", text.ptr[FLAGS_AT + 1]) != NULL));
    }
    return 0;
}
