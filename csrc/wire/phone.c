/* Tells kinds of addresses apart, so that each can be checked or masked as what it is. */
#include "phone.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* May stand in an alphanumeric sender ID
 * (https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id). */
static bool is_alpha_sender(char c)
{
    return is_letter(c) || is_digit(c) || c == ' ' || c == '&' || c == '-' || c == '+' || c == '_';
}

/* May stand in another channel's address; what it means there is not ours to judge. */
static bool is_visible(char c)
{
    return (unsigned char)c > ' ' && c != 0x7F;
}

static size_t count(tsms_str text, bool (*is_wanted)(char c))
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        n += is_wanted(text.ptr[i]);
    }
    return n;
}

static bool is_all(tsms_str text, bool (*is_wanted)(char c))
{
    return count(text, is_wanted) == text.len;
}

/* The length of "whatsapp:" with its colon, 0 when there is none. Letters only, so that no number
 * can pass for one. */
static size_t channel_length(tsms_str text)
{
    enum { MOST = 16 };
    size_t n = 0;
    while (n < text.len && n < MOST && is_letter(text.ptr[n])) {
        n++;
    }
    return n > 0 && n < text.len && text.ptr[n] == ':' ? n + 1 : 0;
}

static tsms_str behind(tsms_str text, size_t n)
{
    return (tsms_str){text.ptr + n, text.len - n};
}

bool tsms_phone_is_e164(tsms_str number)
{
    return number.len >= 1 + 7 && number.len <= 1 + 15 && number.ptr[0] == '+' &&
           number.ptr[1] != '0' && is_all(behind(number, 1), is_digit);
}

/* "sim:" and the SID of a wireless SIM. */
static bool is_sim(tsms_str text)
{
    tsms_str prefix = TSMS__STR("sim:DE");
    return tsms__str_starts(text, prefix) && text.len == prefix.len + 32 &&
           is_all(behind(text, prefix.len), is_hex);
}

tsms__address tsms__address_of(tsms_str text)
{
    if (tsms_phone_is_e164(text)) {
        return TSMS__ADDRESS_E164;
    }
    if (text.len >= 3 && text.len <= 8 && is_all(text, is_digit)) {
        return TSMS__ADDRESS_SHORT_CODE;
    }
    if (text.len >= 1 && text.len <= 11 && is_all(text, is_alpha_sender) &&
        count(text, is_letter) > 0) {
        return TSMS__ADDRESS_ALPHA;
    }
    size_t channel = channel_length(text);
    if (channel == 0) {
        return TSMS__ADDRESS_INVALID;
    }
    if (tsms__str_starts(text, TSMS__STR("sim:"))) {
        return is_sim(text) ? TSMS__ADDRESS_SIM : TSMS__ADDRESS_INVALID;
    }
    tsms_str rest = behind(text, channel);
    return rest.len > 0 && is_all(rest, is_visible) && tsms__utf8_valid(rest)
               ? TSMS__ADDRESS_CHANNEL
               : TSMS__ADDRESS_INVALID;
}

void tsms_phone_mask(tsms_str number, char *out, size_t size)
{
    /* Three characters of a shorter address would be most of it: then none is shown. */
    enum { LEAST_SHOWN = 7 };
    size_t start = channel_length(number);
    if (start < number.len && number.ptr[start] == '+') {
        start++;
    }
    bool is_long = number.len - start >= LEAST_SHOWN;
    size_t n = 0;
    for (; n < number.len && n + 1 < size; n++) {
        char c = number.ptr[n];
        bool is_edge = n == start || n + 2 >= number.len;
        bool shown = n < start || (is_long && is_edge && (is_digit(c) || is_letter(c)));
        out[n] = shown ? c : '*';
    }
    if (size > 0) {
        out[n] = '\0';
    }
}
