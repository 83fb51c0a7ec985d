/* wire/phone.c: kinds exclude each other as documented, and no number shows through a mask. */
#include "fuzz.h"

#include <string.h>

#include "wire/phone.h"

/* Two digits of a longer address and the first one are the most that may be seen of it. */
static void check_mask(tsms_str text)
{
    char *masked = malloc(text.len + 1);
    CHECK(masked != NULL);
    tsms_phone_mask(text, masked, text.len + 1);
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        CHECK(masked[i] == '*' || masked[i] == text.ptr[i]);
        CHECK(masked[i] > ' ' && masked[i] < 0x7F);
        digits += masked[i] >= '0' && masked[i] <= '9';
    }
    CHECK(masked[text.len] == '\0');
    CHECK(digits <= 3);
    CHECK(digits == 0 || text.len >= 7);
    /* A smaller buffer holds the start of the same mask, and is not overrun: it is exactly as large
     * as it says. */
    for (size_t size = 1; size <= text.len && size <= 24; size++) {
        char *cut = malloc(size);
        CHECK(cut != NULL);
        tsms_phone_mask(text, cut, size);
        CHECK(memcmp(cut, masked, size - 1) == 0 && cut[size - 1] == '\0');
        free(cut);
    }
    free(masked);
}

static void check_kind(tsms_str text)
{
    tsms__address kind = tsms__address_of(text);
    size_t digits = 0;
    size_t letters = 0;
    size_t colons = 0;
    for (size_t i = 0; i < text.len; i++) {
        char lower = (char)(text.ptr[i] | 0x20);
        digits += text.ptr[i] >= '0' && text.ptr[i] <= '9';
        letters += lower >= 'a' && lower <= 'z';
        colons += text.ptr[i] == ':';
        CHECK(kind == TSMS__ADDRESS_INVALID || (unsigned char)text.ptr[i] >= ' ');
    }
    CHECK((kind == TSMS__ADDRESS_E164) == tsms_phone_is_e164(text));
    switch (kind) {
    case TSMS__ADDRESS_E164:
        CHECK(text.ptr[0] == '+' && digits == text.len - 1 && digits >= 7 && digits <= 15);
        break;
    case TSMS__ADDRESS_SHORT_CODE:
        CHECK(digits == text.len && digits >= 3 && digits <= 8);
        break;
    case TSMS__ADDRESS_ALPHA:
        CHECK(letters > 0 && text.len <= 11 && colons == 0);
        break;
    case TSMS__ADDRESS_SIM:
        CHECK(text.len == 38 && memcmp(text.ptr, "sim:DE", 6) == 0);
        break;
    case TSMS__ADDRESS_CHANNEL:
        CHECK(letters > 0 && colons > 0 && tsms__utf8_valid(text));
        break;
    case TSMS__ADDRESS_INVALID:
        CHECK(digits != text.len || digits < 3 || digits > 8);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tsms_str text = {(const char *)data, size};
    check_mask(text);
    check_kind(text);
    return 0;
}
