/* wire/segments.c: agrees with the slow count of any UTF-8, and refuses everything else. */
#include "fuzz.h"

#include <string.h>

#include "../segments_oracle.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tsms_str text = {(const char *)data, size};
    tsms_segments got;
    tsms_error err;
    if (!tsms__utf8_valid(text)) {
        CHECK(tsms_segments_count(text, &got, &err) == TSMS_ERROR);
        CHECK(err.kind == TSMS_KIND_INVALID_REQUEST);
        return 0;
    }
    uint32_t *code_points = calloc(size + 1, sizeof *code_points);
    size_t *offsets = calloc(size + 1, sizeof *offsets);
    CHECK(code_points != NULL && offsets != NULL);
    size_t len = 0;
    size_t pos = 0;
    while (tsms__utf8_next(text, &pos, &code_points[len])) {
        offsets[++len] = pos;
    }
    oracle_result want = oracle_count(code_points, len, NULL, 0);
    CHECK(tsms_segments_count(text, &got, NULL) == TSMS_OK);
    CHECK((got.encoding == TSMS_ENCODING_GSM7) == want.is_gsm7);
    CHECK(got.segments == want.segments);
    CHECK(got.units == want.units);
    CHECK(got.per_segment == want.per_segment);
    CHECK((size_t)got.characters == len);
    CHECK(got.first_ucs2 == (want.is_gsm7 ? -1 : (int64_t)offsets[want.first_ucs2]));
    free(code_points);
    free(offsets);
    return 0;
}
