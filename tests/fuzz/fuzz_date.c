/* wire/date.c: what was read is written and read again as the same, by every reader. */
#include "fuzz.h"

#include <string.h>

#include "wire/date.h"

/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z */
static const int64_t first_s = -62167219200;
static const int64_t last_s = 253402300799;

static void check_time(int64_t unix_s)
{
    tsms_buf buf;
    tsms__buf_init(&buf, &tsms__mem_libc);
    tsms__date_add_iso8601(&buf, unix_s);
    bool is_four_digits = unix_s >= first_s && unix_s <= last_s;
    int64_t again;
    CHECK(tsms__date_from_iso8601(tsms__buf_str(&buf), &again) == is_four_digits);
    CHECK(!is_four_digits || again == unix_s);
    CHECK(!is_four_digits || tsms__date_is_day((tsms_str){buf.ptr, 10}));
    if (unix_s >= 0 && is_four_digits) {
        /* The same moment as mail writes it. */
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        char mail[64];
        int month = (buf.ptr[5] - '0') * 10 + buf.ptr[6] - '0';
        snprintf(mail, sizeof mail, "%.2s %.3s %.4s %.8s +0000", buf.ptr + 8,
                 months + 3 * (month - 1), buf.ptr, buf.ptr + 11);
        CHECK(tsms__date_from_rfc2822(tsms_str_from(mail), &again) && again == unix_s);
    }
    tsms__buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tsms_str text = {(const char *)data, size};
    int64_t mail_s = 0;
    int64_t iso_s = 0;
    bool is_mail = tsms__date_from_rfc2822(text, &mail_s);
    bool is_iso = tsms__date_from_iso8601(text, &iso_s);
    CHECK(!is_mail || !is_iso);
    if (is_mail) {
        CHECK(mail_s >= 0);
        check_time(mail_s);
    }
    if (is_iso) {
        /* A zone may carry a moment out of the range of years by less than a day. */
        CHECK(iso_s > first_s - 86400 && iso_s <= last_s + 86400);
        CHECK(tsms__date_is_day((tsms_str){text.ptr, 10}));
        check_time(iso_s);
    }
    if (tsms__date_is_day(text)) {
        char whole[32];
        CHECK(size == 10);
        snprintf(whole, sizeof whole, "%.10sT00:00:00Z", text.ptr);
        CHECK(tsms__date_from_iso8601(tsms_str_from(whole), &iso_s) && iso_s % 86400 == 0);
    }
    if (size >= sizeof iso_s) {
        memcpy(&iso_s, data, sizeof iso_s);
        check_time(iso_s);
        check_time(iso_s % last_s);
    }
    return 0;
}
