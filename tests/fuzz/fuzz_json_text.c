/* base/json_text.c: any bytes are cut into strings and numbers, or refused, and strings that were
 * read can be written and read again. */
#include "fuzz.h"

#include <string.h>

#include "base/json_text.h"

static void decode(tsms_str raw, tsms_buf *out)
{
    size_t most = raw.len; /* no escape is shorter than what it stands for */
    char space[4];
    tsms_str piece;
    while ((piece = tsms__json_take_piece(&raw, space)).ptr != NULL) {
        CHECK(piece.len > 0);
        tsms__buf_add(out, piece);
    }
    CHECK(out->failed || (out->len <= most && tsms__utf8_valid(tsms__buf_str(out))));
}

static void check_string(tsms_str raw)
{
    tsms_buf text;
    tsms_buf written;
    tsms_buf again;
    tsms__buf_init(&text, &tsms__mem_libc);
    tsms__buf_init(&written, &tsms__mem_libc);
    tsms__buf_init(&again, &tsms__mem_libc);
    decode(raw, &text);
    tsms__json_put_string(&written, tsms__buf_str(&text));
    tsms_str rest = tsms__buf_str(&written);
    if (!text.failed && !written.failed) {
        CHECK(tsms__json_take_string(&rest, &raw) && rest.len == 0);
        decode(raw, &again);
        CHECK(again.failed || tsms__str_eq(tsms__buf_str(&again), tsms__buf_str(&text)));
    }
    tsms__buf_free(&text);
    tsms__buf_free(&written);
    tsms__buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its own size, so that a read past the end is seen. */
    char *text = malloc(size > 0 ? size : 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    tsms_str rest = {text, size};
    while (rest.len > 0) {
        size_t before = rest.len;
        tsms_str raw;
        tsms__json_skip_space(&rest);
        if (tsms__json_take_string(&rest, &raw)) {
            check_string(raw);
        } else if (tsms__json_take_number(&rest).ptr == NULL && rest.len > 0) {
            rest.ptr++;
            rest.len--;
        }
        CHECK(rest.len < before && rest.ptr + rest.len == text + size);
    }
    free(text);
    return 0;
}
