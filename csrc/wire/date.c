/* Reads and writes dates. */
#include "date.h"

#include <stdio.h>

/* A date and time of day in the proleptic Gregorian calendar. */
typedef struct civil {
    int64_t year;
    int month; /* 1 to 12 */
    int day;
    int hour;
    int minute;
    int second;   /* 60 in a leap second, which counts as the next second */
    int offset_s; /* of the zone, east of Greenwich */
} civil;

enum {
    DAY_S = 86400,
    DAYS_IN_400_YEARS = 146097,
};

/* Days from the start of year 0 to 1970-01-01. */
static const int64_t epoch_days = 719528;

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days of a year before the first of a month, 1 to 13. */
static int days_before_month(int64_t year, int month)
{
    static const int days[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    return days[month - 1] + (month > 2 && is_leap(year));
}

/* Days from the start of year 0; year is not negative. Year 0 is a leap year. */
static int64_t days_before_year(int64_t year)
{
    int64_t last = year - 1;
    return year == 0 ? 0 : 365 * year + last / 4 - last / 100 + last / 400 + 1;
}

static bool day_exists(const civil *date)
{
    if (date->month < 1 || date->month > 12 || date->day < 1) {
        return false;
    }
    return date->day <= days_before_month(date->year, date->month + 1) -
                            days_before_month(date->year, date->month);
}

static bool exists(const civil *date)
{
    return day_exists(date) && date->hour <= 23 && date->minute <= 59 && date->second <= 60;
}

static int64_t to_unix(const civil *date)
{
    int64_t days = days_before_year(date->year) + days_before_month(date->year, date->month) +
                   date->day - 1 - epoch_days;
    return days * DAY_S + date->hour * 3600 + date->minute * 60 + date->second - date->offset_s;
}

static civil from_unix(int64_t unix_s)
{
    int64_t days = unix_s / DAY_S;
    int second = (int)(unix_s % DAY_S);
    if (second < 0) {
        second += DAY_S;
        days--;
    }
    days += epoch_days;
    int64_t cycles = days / DAYS_IN_400_YEARS;
    days %= DAYS_IN_400_YEARS;
    if (days < 0) {
        days += DAYS_IN_400_YEARS;
        cycles--;
    }
    int64_t year = days / 366; /* never too late; at most one year too early within 400 years */
    while (days_before_year(year + 1) <= days) {
        year++;
    }
    int day_of_year = (int)(days - days_before_year(year));
    int month = 1;
    while (days_before_month(year, month + 1) <= day_of_year) {
        month++;
    }
    return (civil){.year = cycles * 400 + year,
                   .month = month,
                   .day = day_of_year - days_before_month(year, month) + 1,
                   .hour = second / 3600,
                   .minute = second / 60 % 60,
                   .second = second % 60};
}

/* The take functions cut what they name off the front of *text, or answer false. */
static bool take_char(tsms_str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c) {
        return false;
    }
    *text = (tsms_str){text->ptr + 1, text->len - 1};
    return true;
}

static bool take_digits(tsms_str *text, int least, int most, int *value)
{
    int n = 0;
    *value = 0;
    while (n < most && text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9') {
        *value = *value * 10 + (text->ptr[0] - '0');
        *text = (tsms_str){text->ptr + 1, text->len - 1};
        n++;
    }
    return n >= least;
}

static bool take_spaces(tsms_str *text)
{
    bool any = false;
    while (take_char(text, ' ') || take_char(text, '\t')) {
        any = true;
    }
    return any;
}

static bool take_word(tsms_str *text, tsms_str word)
{
    if (text->len < word.len || !tsms__str_eq_nocase((tsms_str){text->ptr, word.len}, word)) {
        return false;
    }
    *text = (tsms_str){text->ptr + word.len, text->len - word.len};
    return true;
}

/* "Thu," */
static void take_weekday(tsms_str *text)
{
    if (text->len > 3 && text->ptr[3] == ',') {
        *text = (tsms_str){text->ptr + 4, text->len - 4};
        take_spaces(text);
    }
}

static bool take_month_name(tsms_str *text, int *month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (*month = 1; *month <= 12; ++*month) {
        if (take_word(text, (tsms_str){names + 3 * (*month - 1), 3})) {
            return true;
        }
    }
    return false;
}

static bool take_time(tsms_str *text, bool needs_seconds, civil *date)
{
    if (!take_digits(text, 2, 2, &date->hour) || !take_char(text, ':') ||
        !take_digits(text, 2, 2, &date->minute)) {
        return false;
    }
    return take_char(text, ':') ? take_digits(text, 2, 2, &date->second) : !needs_seconds;
}

/* One or more digits, which say nothing about whole seconds. */
static bool take_fraction(tsms_str *text)
{
    size_t n = 0;
    while (n < text->len && text->ptr[n] >= '0' && text->ptr[n] <= '9') {
        n++;
    }
    *text = (tsms_str){text->ptr + n, text->len - n};
    return n > 0;
}

/* "+0200", with a colon where the format has one. */
static bool take_offset(tsms_str *text, bool has_colon, int *offset_s)
{
    bool is_west = take_char(text, '-');
    int hours;
    int minutes;
    if ((!is_west && !take_char(text, '+')) || !take_digits(text, 2, 2, &hours) ||
        (has_colon && !take_char(text, ':')) || !take_digits(text, 2, 2, &minutes)) {
        return false;
    }
    *offset_s = (hours * 3600 + minutes * 60) * (is_west ? -1 : 1);
    return hours <= 23 && minutes <= 59;
}

/* "YYYY-MM-DD" */
static bool take_iso_day(tsms_str *text, civil *date)
{
    int year;
    if (!take_digits(text, 4, 4, &year) || !take_char(text, '-') ||
        !take_digits(text, 2, 2, &date->month) || !take_char(text, '-') ||
        !take_digits(text, 2, 2, &date->day)) {
        return false;
    }
    date->year = year;
    return true;
}

bool tsms__date_from_rfc2822(tsms_str text, int64_t *unix_s)
{
    civil date = {0};
    int year;
    take_weekday(&text);
    if (!take_digits(&text, 1, 2, &date.day) || !take_spaces(&text) ||
        !take_month_name(&text, &date.month) || !take_spaces(&text) ||
        !take_digits(&text, 4, 4, &year) || !take_spaces(&text) ||
        !take_time(&text, false, &date) || !take_spaces(&text)) {
        return false;
    }
    date.year = year;
    if (!take_word(&text, TSMS__STR("GMT")) && !take_word(&text, TSMS__STR("UT")) &&
        !take_word(&text, TSMS__STR("Z")) && !take_offset(&text, false, &date.offset_s)) {
        return false;
    }
    if (text.len > 0 || !exists(&date) || to_unix(&date) < 0) {
        return false;
    }
    *unix_s = to_unix(&date);
    return true;
}

bool tsms__date_from_iso8601(tsms_str text, int64_t *unix_s)
{
    civil date = {0};
    if (!take_iso_day(&text, &date) || !take_word(&text, TSMS__STR("T")) ||
        !take_time(&text, true, &date)) {
        return false;
    }
    if (take_char(&text, '.') && !take_fraction(&text)) {
        return false;
    }
    if (!take_word(&text, TSMS__STR("Z")) && !take_offset(&text, true, &date.offset_s)) {
        return false;
    }
    if (text.len > 0 || !exists(&date)) {
        return false;
    }
    *unix_s = to_unix(&date);
    return true;
}

void tsms__date_add_iso8601(tsms_buf *out, int64_t unix_s)
{
    civil date = from_unix(unix_s);
    char text[96];
    int n = snprintf(text, sizeof text, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)date.year,
                     date.month, date.day, date.hour, date.minute, date.second);
    tsms__buf_add(out, (tsms_str){text, (size_t)n});
}

bool tsms__date_is_day(tsms_str text)
{
    civil date = {0};
    return take_iso_day(&text, &date) && text.len == 0 && day_exists(&date);
}
