/* Finds pairs of a request inside of values, where no honest request has them. */
#include "recut.h"

#include <string.h>

enum { SID_DIGITS = 32, NUMBER_DIGITS_LEAST = 7 };

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* How many characters at the start of text are digits, or hex digits, up to `most`. */
static size_t digits(tsms_str text, bool hex, size_t most)
{
    size_t count = 0;
    while (count < text.len && count < most &&
           (hex ? is_hex(text.ptr[count]) : text.ptr[count] >= '0' && text.ptr[count] <= '9')) {
        count++;
    }
    return count;
}

static tsms_str behind(tsms_str text, size_t len)
{
    return (tsms_str){text.ptr + len, text.len - len};
}

bool tsms__recut_in(tsms_str text)
{
    static const struct {
        tsms_str pair;
        bool sid;
    } pairs[] = {
        {{"AccountSidAC", 12}, true}, {{"MessageSidSM", 12}, true}, {{"MessageSidMM", 12}, true},
        {{"SmsSidSM", 8}, true},      {{"SmsSidMM", 8}, true},      {{"From+", 5}, false},
        {{"To+", 3}, false},
    };
    for (; text.len > 0; text = behind(text, 1)) {
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
            if (text.ptr[0] != pairs[i].pair.ptr[0] || !tsms__str_starts(text, pairs[i].pair)) {
                continue;
            }
            size_t least = pairs[i].sid ? SID_DIGITS : NUMBER_DIGITS_LEAST;
            if (digits(behind(text, pairs[i].pair.len), pairs[i].sid, least) == least) {
                return true;
            }
        }
    }
    return false;
}

bool tsms__recut_is_free(tsms_str name)
{
    static const char *const names[] = {"Body",        "ButtonText",      "ButtonPayload",
                                        "ProfileName", "Address",         "Label",
                                        "FlowData",    "ChannelMetadata", "InteractiveData"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (tsms__str_eq_z(name, names[i])) {
            return true;
        }
    }
    return tsms__str_starts(name, TSMS__STR("Referral"));
}
