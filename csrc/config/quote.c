/* Repeats a user's text in an error message without giving a secret away. */
#include "quote.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Tokens and API secrets are 32 letters and digits in a row. The names of options and variables
 * have no such runs; paths may have, but also a slash. */
static bool may_be_secret(tsms_str text)
{
    enum { SHORTEST = 20 };
    size_t run = 0;
    size_t digits = 0;
    bool found = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '/') {
            return false;
        }
        run = is_digit(c) || is_letter(c) ? run + 1 : 0;
        digits = run == 0 ? 0 : digits + is_digit(c);
        found = found || (run >= SHORTEST && digits > 0);
    }
    return found;
}

const char *tsms__quote(tsms_str text, char out[TSMS__QUOTE_SIZE])
{
    if (may_be_secret(text)) {
        snprintf(out, TSMS__QUOTE_SIZE, "(not shown, it may be a secret)");
        return out;
    }
    char cut[TSMS__QUOTE_SIZE - sizeof "'...'" + 1];
    tsms__error_text(cut, sizeof cut, text);
    /* Cleaning keeps the length, so a shorter text was cut. */
    snprintf(out, TSMS__QUOTE_SIZE, "'%s%s'", cut, strlen(cut) < text.len ? "..." : "");
    return out;
}
