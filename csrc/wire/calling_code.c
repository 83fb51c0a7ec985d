/* Finds calling codes: no code begins with another one, so the first digits tell its length. */
#include "calling_code.h"

#include <string.h>

/* By the first two digits: the length of the code (ITU-T E.164, list of assigned codes). Codes
 * that nobody has count with their zone, and have three digits. */
static unsigned length_of(char first, char second)
{
    static const char *const two_digits[] = {
        ['2' - '0'] = "07",       ['3' - '0'] = "0123469", ['4' - '0'] = "013456789",
        ['5' - '0'] = "12345678", ['6' - '0'] = "0123456", ['8' - '0'] = "1246",
        ['9' - '0'] = "0123458",
    };
    if (first == '1' || first == '7') {
        return 1;
    }
    const char *seconds = two_digits[first - '0'];
    return seconds != NULL && strchr(seconds, second) != NULL ? 2 : 3;
}

unsigned tsms__calling_code(tsms_str address)
{
    const char *colon = address.len > 0 ? memchr(address.ptr, ':', address.len) : NULL;
    size_t skipped = colon != NULL ? (size_t)(colon - address.ptr) + 1 : 0;
    tsms_str number = {colon != NULL ? colon + 1 : address.ptr, address.len - skipped};
    if (!tsms_phone_is_e164(number)) {
        return 0;
    }
    unsigned code = 0;
    for (unsigned i = 1; i <= length_of(number.ptr[1], number.ptr[2]); i++) {
        code = code * 10 + (unsigned)(number.ptr[i] - '0');
    }
    return code;
}
