/* A second opinion on segments, for the test and the fuzz target of csrc/wire/segments.c: slow, and
 * made another way. It searches the alphabet as the standard prints it, writes every unit of the
 * text into an array, and then cuts the array at multiples of a segment's size, stepping back from
 * the middle of a pair. */
#ifndef TESTS_SEGMENTS_ORACLE_H
#define TESTS_SEGMENTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <uchar.h>

/* 3GPP TS 23.038 section 6.2.1 from 0x00 to 0x7F without ESC, and the extension table. */
static const char32_t oracle_basic[] =
    U"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    U"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
static const char32_t oracle_extension[] = U"\f^{}\\[~]|€";

typedef struct oracle_result {
    bool is_gsm7;
    size_t first_ucs2; /* index of the first character outside GSM-7; only when not is_gsm7 */
    int units;
    int per_segment;
    int segments;
} oracle_result;

static inline bool oracle_has(const char32_t *alphabet, uint32_t code_point)
{
    while (*alphabet != 0 && *alphabet != code_point) {
        alphabet++;
    }
    return *alphabet != 0;
}

/* Writes the size of each segment to sizes, which may be NULL, up to max_sizes of them. */
static inline oracle_result oracle_count(const uint32_t *text, size_t len, int *sizes,
                                         size_t max_sizes)
{
    oracle_result result = {.is_gsm7 = true};
    for (size_t i = len; i > 0; i--) {
        if (!oracle_has(oracle_basic, text[i - 1]) && !oracle_has(oracle_extension, text[i - 1])) {
            result.is_gsm7 = false;
            result.first_ucs2 = i - 1;
        }
    }
    bool *is_second_half = calloc(2 * len + 1, sizeof *is_second_half);
    if (is_second_half == NULL) {
        abort();
    }
    size_t units = 0;
    for (size_t i = 0; i < len; i++) {
        units++;
        if (result.is_gsm7 ? oracle_has(oracle_extension, text[i]) : text[i] > 0xFFFF) {
            is_second_half[units++] = true;
        }
    }
    size_t alone = result.is_gsm7 ? 160 : 70;
    size_t joined = result.is_gsm7 ? 153 : 67;
    size_t most = units <= alone ? alone : joined;
    size_t start = 0;
    while (start < units) {
        size_t end = start + most < units ? start + most : units;
        end -= is_second_half[end];
        if (sizes != NULL && (size_t)result.segments < max_sizes) {
            sizes[result.segments] = (int)(end - start);
        }
        result.segments++;
        start = end;
    }
    result.units = (int)units;
    result.per_segment = (int)most;
    free(is_second_half);
    return result;
}

#endif
