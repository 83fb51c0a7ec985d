/* What the tests of metrics share: looking lines up in their text. */
#ifndef TESTS_METRICS_SUPPORT_H
#define TESTS_METRICS_SUPPORT_H

#include "support.h"

/* The number behind a sample's name and labels; NULL when there is no such line. */
static inline const char *metric_number(tsms_str text, const char *sample)
{
    size_t len = strlen(sample);
    const char *line = text.ptr;
    const char *end = text.ptr + text.len;
    while (line < end) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        assert_non_null(line_end);
        if ((size_t)(line_end - line) > len && memcmp(line, sample, len) == 0 && line[len] == ' ') {
            return line + len + 1;
        }
        line = line_end + 1;
    }
    return NULL;
}

/* Whether a piece of text stands in it anywhere. */
static inline bool metrics_hold(tsms_str text, const char *piece)
{
    size_t len = strlen(piece);
    for (size_t at = 0; at + len <= text.len; at++) {
        if (memcmp(text.ptr + at, piece, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Fails unless the text has this sample with this number, as it is written; "" for no such line. */
#define assert_metric(text, sample, want)                                                          \
    test_assert_metric((text), (sample), (want), __FILE__, __LINE__)

static inline void test_assert_metric(tsms_str text, const char *sample, const char *want,
                                      const char *file, int line)
{
    assert_non_null(text.ptr);
    const char *number = metric_number(text, sample);
    size_t len = number != NULL ? strcspn(number, "\n") : 0;
    if (len != strlen(want) || (len > 0 && memcmp(number, want, len) != 0)) {
        print_error("%s: got \"%.*s\", want \"%s\" in\n%.*s", sample, (int)len,
                    number != NULL ? number : "", want, (int)text.len, text.ptr);
        _fail(file, line);
    }
}

#endif
