/* Looks up what one of Twilio's error codes means. */
#include "codes.h"

static const tsms__code codes[] = {
#define X(code, kind, retryable, meaning) {code, TSMS_KIND_##kind, retryable, false, meaning},
#include "errors.def"
#undef X
};

enum { CODE_COUNT = sizeof codes / sizeof *codes };

typedef struct code_range {
    int first, last;
    tsms_kind kind;
} code_range;

/* What a code that is newer than the table most likely is: the refusal of a request, or of a
 * message under way (the chapters of https://www.twilio.com/docs/api/errors). Never retryable. */
static const code_range ranges[] = {
    {20000, 20999, TSMS_KIND_INVALID_REQUEST},  /* the platform */
    {21000, 21999, TSMS_KIND_INVALID_REQUEST},  /* requests and resources */
    {30000, 30999, TSMS_KIND_CARRIER_REJECTED}, /* delivery */
    {35000, 35999, TSMS_KIND_INVALID_REQUEST},  /* scheduling */
    {63000, 63999, TSMS_KIND_CARRIER_REJECTED}, /* other channels */
};

const tsms__code *tsms__codes(size_t *count)
{
    *count = CODE_COUNT;
    return codes;
}

static const tsms__code *find_row(int code)
{
    size_t low = 0;
    size_t high = CODE_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (codes[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < CODE_COUNT && codes[low].code == code ? &codes[low] : NULL;
}

bool tsms__code_find(int code, const tsms__code_override *overrides, size_t override_count,
                     tsms__code *out)
{
    for (size_t i = 0; i < override_count; i++) {
        if (overrides[i].code == code) {
            *out = (tsms__code){code, overrides[i].kind, overrides[i].retryable, false, ""};
            return true;
        }
    }
    const tsms__code *row = find_row(code);
    if (row != NULL) {
        *out = *row;
        return true;
    }
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            *out = (tsms__code){code, ranges[i].kind, false, true, ""};
            return true;
        }
    }
    return false;
}
