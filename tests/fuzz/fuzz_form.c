/* wire/form.c: decoding any bytes twice gives the same, and decoding undoes encoding. */
#include "fuzz.h"

#include <string.h>

#include "wire/form.h"

static const char plain[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-._+%&=";

/* What is decoded from any body is encoded again; that must decode to the same pairs. */
static void check_any_body(tsms_str body)
{
    tsms_buf bufs[5];
    for (size_t i = 0; i < 5; i++) {
        tsms__buf_init(&bufs[i], &tsms__mem_libc);
    }
    tsms_buf *again = &bufs[4];
    tsms_str rest = body;
    size_t pairs = 0;
    size_t decoded = 0;
    while (tsms__form_next(&rest, &bufs[0], &bufs[1])) {
        pairs++;
        decoded += bufs[0].len + bufs[1].len;
        tsms__form_add(again, tsms__buf_str(&bufs[0]), tsms__buf_str(&bufs[1]));
    }
    CHECK(rest.len == 0);
    CHECK(decoded <= body.len);
    tsms_str first = body;
    tsms_str second = tsms__buf_str(again);
    for (size_t i = 0; i < second.len; i++) {
        CHECK(second.ptr[i] != '\0' && strchr(plain, second.ptr[i]) != NULL);
    }
    for (; pairs > 0; pairs--) {
        CHECK(tsms__form_next(&first, &bufs[0], &bufs[1]));
        CHECK(tsms__form_next(&second, &bufs[2], &bufs[3]));
        CHECK(tsms__str_eq(tsms__buf_str(&bufs[0]), tsms__buf_str(&bufs[2])));
        CHECK(tsms__str_eq(tsms__buf_str(&bufs[1]), tsms__buf_str(&bufs[3])));
    }
    CHECK(!tsms__form_next(&second, &bufs[2], &bufs[3]));
    for (size_t i = 0; i < 5; i++) {
        tsms__buf_free(&bufs[i]);
    }
}

/* Any two byte strings come back from a body that is made of them. */
static void check_any_pair(tsms_str name, tsms_str value)
{
    tsms_buf body;
    tsms_buf got_name;
    tsms_buf got_value;
    tsms__buf_init(&body, &tsms__mem_libc);
    tsms__buf_init(&got_name, &tsms__mem_libc);
    tsms__buf_init(&got_value, &tsms__mem_libc);
    tsms__form_add(&body, name, value);
    tsms__form_add(&body, value, name);
    tsms_str rest = tsms__buf_str(&body);
    CHECK(tsms__form_next(&rest, &got_name, &got_value));
    CHECK(tsms__str_eq(tsms__buf_str(&got_name), name));
    CHECK(tsms__str_eq(tsms__buf_str(&got_value), value));
    CHECK(tsms__form_next(&rest, &got_name, &got_value));
    CHECK(tsms__str_eq(tsms__buf_str(&got_name), value));
    CHECK(tsms__str_eq(tsms__buf_str(&got_value), name));
    CHECK(!tsms__form_next(&rest, &got_name, &got_value));
    tsms__buf_free(&body);
    tsms__buf_free(&got_name);
    tsms__buf_free(&got_value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tsms_str text = {(const char *)data, size};
    check_any_body(text);
    size_t half = size / 2;
    check_any_pair((tsms_str){text.ptr, half}, (tsms_str){text.ptr + half, size - half});
    return 0;
}
