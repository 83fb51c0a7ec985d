/* Reads the traceparent of W3C Trace Context (www.w3.org/TR/trace-context, section 3.2). */
#include "traceparent.h"

#include <string.h>

/* "00-" 32 digits "-" 16 digits "-" 2 digits */
enum { VERSION_AT = 0, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, LENGTH = 55 };

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, size_t count, unsigned char *out)
{
    for (size_t i = 0; i < count; i++) {
        int high = digit_of(text[2 * i]);
        int low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool is_zero(const unsigned char *bytes, size_t count)
{
    unsigned char any = 0;
    for (size_t i = 0; i < count; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

bool tsms__traceparent_read(tsms_str text, tsms__traceparent *out)
{
    enum { NONE = 0xff, SAMPLED = 1 };
    unsigned char version;
    unsigned char flags;
    if (text.len < LENGTH || text.ptr[TRACE_AT - 1] != '-' || text.ptr[SPAN_AT - 1] != '-' ||
        text.ptr[FLAGS_AT - 1] != '-' || !read_hex(text.ptr + VERSION_AT, 1, &version) ||
        !read_hex(text.ptr + TRACE_AT, TSMS__TRACE_ID, out->trace_id) ||
        !read_hex(text.ptr + SPAN_AT, TSMS__SPAN_ID, out->span_id) ||
        !read_hex(text.ptr + FLAGS_AT, 1, &flags)) {
        return false;
    }
    bool ends_well = text.len == LENGTH || (version > 0 && text.ptr[LENGTH] == '-');
    out->sampled = (flags & SAMPLED) != 0;
    return version != NONE && ends_well && !is_zero(out->trace_id, TSMS__TRACE_ID) &&
           !is_zero(out->span_id, TSMS__SPAN_ID);
}
