/* Finds calling codes: no code begins with another one, so the first digits tell its length. */
#include "calling_code.h"

#include <string.h>

/* The codes that begin with a digit. */
typedef struct zone {
    const char *seconds; /* the second digits of codes that have two; the others have three. NULL:
                            the digit itself is the only code */
    unsigned rank;       /* of the first of them */
} zone;

/* ITU-T E.164, list of assigned codes. Codes that nobody has count with their zone, and have three
 * digits. */
static const zone zones[] = {
    [1] = {NULL, 0},          [2] = {"07", 1},         [3] = {"0123469", 83},
    [4] = {"013456789", 120}, [5] = {"12345678", 139}, [6] = {"0123456", 167},
    [7] = {NULL, 204},        [8] = {"1246", 205},     [9] = {"0123458", 269},
};

/* How many codes begin with these two digits: 1, the two themselves, or 10. */
static unsigned codes_with(const zone *in, unsigned second)
{
    return strchr(in->seconds, (int)('0' + second)) != NULL ? 1 : 10;
}

static unsigned length_of(char first, char second)
{
    const zone *in = &zones[first - '0'];
    return in->seconds == NULL ? 1 : codes_with(in, (unsigned)(second - '0')) == 1 ? 2 : 3;
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

unsigned tsms__calling_code_rank(unsigned code)
{
    unsigned first = code < 10 ? code : code < 100 ? code / 10 : code / 100;
    unsigned second = code < 10 ? 0 : code < 100 ? code % 10 : code / 10 % 10;
    const zone *in = &zones[first];
    unsigned rank = in->rank;
    for (unsigned before = 0; before < second; before++) {
        rank += codes_with(in, before);
    }
    return code < 100 ? rank : rank + code % 10;
}

unsigned tsms__calling_code_at(unsigned rank)
{
    unsigned first = 9;
    while (first > 1 && zones[first].rank > rank) {
        first--;
    }
    const zone *in = &zones[first];
    unsigned left = rank - in->rank;
    if (in->seconds == NULL) {
        return first;
    }
    for (unsigned second = 0; second < 10; second++) {
        unsigned codes = codes_with(in, second);
        if (left < codes) {
            unsigned two = first * 10 + second;
            return codes == 1 ? two : two * 10 + left;
        }
        left -= codes;
    }
    return 0;
}
