#include "virtual_driver.h"

#define TO "+15005550001"
#define SID_(n) "SM0000000000000000000000000000000" #n

/* Thu, 24 Aug 2023 05:00:00 +0000: when the request left, by the server's clock. */
static const int64_t sent_s = 1692853200;

static tsms__intent intent(void)
{
    return (tsms__intent){.to = tsms_str_from(TO),
                          .from = tsms_str_from(VIRTUAL_FROM),
                          .body = tsms_str_from("hello"),
                          .since_s = sent_s,
                          .until_s = sent_s + 15};
}

static virtual_row row(void)
{
    return (virtual_row){.sid = SID_(1),
                         .to = TO,
                         .from = VIRTUAL_FROM,
                         .body = "hello",
                         .direction = "outbound-api",
                         .created_s = sent_s};
}

static tsms__claims claims;

/* The sid of the row that is found, "" for none. */
static const char *find_in(const tsms__intent *what, const virtual_row *rows, size_t count)
{
    static char sid[40];
    char *body = virtual_page(rows, count, NULL);
    tsms__records page;
    assert_true(tsms__records_parse(&page, TSMS__SHAPE_MESSAGE_PAGE, tsms_str_from(body)));
    size_t index = 0;
    sid[0] = '\0';
    if (tsms__lookup_find(what, &page, &claims, &index)) {
        assert_true(index < count);
        strcpy(sid, rows[index].sid);
    }
    tsms__records_free(&page);
    free(body);
    return sid;
}

static bool fits(const tsms__intent *what, virtual_row one)
{
    return find_in(what, &one, 1)[0] != '\0';
}

static void test_the_plain_case(void **state)
{
    (void)state;
    tsms__intent what = intent();
    assert_true(fits(&what, row()));
    assert_string_equal(find_in(&what, NULL, 0), "");
}

/* The server ignores filters that it does not know, and answers with everything. */
static void test_rows_of_other_numbers(void **state)
{
    (void)state;
    tsms__intent what = intent();
    virtual_row r = row();
    r.to = "+15005550002";
    assert_false(fits(&what, r));
    r = row();
    r.from = "+15005550007";
    assert_false(fits(&what, r));
    r = row();
    r.to = VIRTUAL_FROM;
    r.from = TO;
    assert_false(fits(&what, r));
}

static void test_direction(void **state)
{
    (void)state;
    static const char *const others[] = {"inbound", "outbound-reply", "outbound-call", "", NULL};
    tsms__intent what = intent();
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        virtual_row r = row();
        r.direction = others[i];
        assert_false(fits(&what, r));
    }
}

static void test_window(void **state)
{
    (void)state;
    static const struct {
        int64_t created_s;
        bool fits;
    } rows[] = {
        {sent_s - 6, false},     {sent_s - 5, true},
        {sent_s + 15, true},     {sent_s + 135, true},
        {sent_s + 136, false},   {sent_s - 86400, false},
        {sent_s + 86400, false}, {0, true}, /* no date: the other conditions decide */
    };
    tsms__intent what = intent();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        virtual_row r = row();
        r.created_s = rows[i].created_s;
        assert_int_equal(fits(&what, r), rows[i].fits);
    }
}

static void test_body(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *listed;
        bool fits;
    } rows[] = {
        {"hello", "hello", true},
        {"hello", "Hello", false},
        {"hello", "hello!", false},
        {"hello", "hell", false},
        {" hello  ", "hello", true},
        {"hello", "Sent from your Twilio trial account - hello", true},
        {"hello", "Sent from your Twilio trial account - bye", false},
        {"hello", "", true},   /* discarded */
        {"hello", NULL, true}, /* discarded */
        {"", "", true},        /* media only */
        {"", "Sent from your Twilio trial account - ", true},
        {"", "something", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsms__intent what = intent();
        what.body = tsms_str_from(rows[i].sent);
        virtual_row r = row();
        r.body = rows[i].listed;
        assert_int_equal(fits(&what, r), rows[i].fits);
    }
    tsms__intent what = intent();
    what.rewriting = TSMS__REWRITING_ANY;
    virtual_row r = row();
    r.body = "shortened";
    assert_true(fits(&what, r));
    r.to = "+15005550002";
    assert_false(fits(&what, r));
}

static void test_an_empty_body_of_a_media_message(void **state)
{
    (void)state;
    tsms__intent what = intent();
    virtual_row r = row();
    r.body = "";
    r.num_media = "1";
    assert_false(fits(&what, r));
    what.media_count = 1; /* ours, discarded */
    assert_true(fits(&what, r));
}

static void test_smart_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *listed;
        bool fits;
    } rows[] = {
        {"\xe2\x80\x9cHi\xe2\x80\x9d\xe2\x80\xa6", "\\\"Hi\\\"...", true},
        {"\xe2\x80\x9cHi\xe2\x80\x9d\xe2\x80\xa6", "\xe2\x80\x9cHi\xe2\x80\x9d\xe2\x80\xa6", true},
        {"\xc2\xbd litre", "1/2 litre", true},
        {"\xc2\xbd litre", "litre", true},
        {"\xe2\x80\x93", "-", true},
        {"code \xe2\x80\x93 1234", "code - 1235", false},
        {"code \xe2\x80\x93 1234", "code - 123", false},
        {"code \xe2\x80\x93 1234", "code - 1234567", false},
        {"A: \xd0\xb6", "B: \xd0\xb6", false},
        {"A: \xd0\xb6", "A: \xd0\xb6", true},
        {"\xd0\xb4\xd0\xb0", "\xd0\xbd\xd0\xb5\xd1\x82", false}, /* yes, no */
        {"\xd0\xb4\xd0\xb0", "da", false},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\xa1", false}, /* two faces */
        {"\xf0\x9f\x98\x80", "Sent from your Twilio trial account - \xf0\x9f\x98\x80", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tsms__intent what = intent();
        what.rewriting = TSMS__REWRITING_SMART;
        what.body = tsms_str_from(rows[i].sent);
        virtual_row r = row();
        r.body = rows[i].listed;
        assert_int_equal(fits(&what, r), rows[i].fits);
    }
}

static void test_service(void **state)
{
    (void)state;
    tsms__intent what = intent();
    virtual_row r = row();
    r.service = VIRTUAL_SERVICE;
    assert_false(fits(&what, r)); /* somebody else sent that with a service */

    what.messaging_service_sid = tsms_str_from(VIRTUAL_SERVICE);
    assert_true(fits(&what, r));
    r.service = "MG00000000000000000000000000000000";
    assert_false(fits(&what, r));
    r.service = NULL;
    assert_false(fits(&what, r));
}

static void test_the_sender_of_a_service(void **state)
{
    (void)state;
    tsms__intent what = intent();
    what.messaging_service_sid = tsms_str_from(VIRTUAL_SERVICE);
    what.from = (tsms_str){NULL, 0};
    virtual_row r = row();
    r.service = VIRTUAL_SERVICE;
    r.from = NULL; /* not chosen yet */
    assert_true(fits(&what, r));
    r.from = "+15005550007";
    assert_true(fits(&what, r));
    what.from = tsms_str_from(VIRTUAL_FROM); /* a sender and a service */
    assert_false(fits(&what, r));
    r.from = NULL;
    assert_true(fits(&what, r));
}

/* Multiplicities count, not existence: each row belongs to one call. */
static void test_claimed_rows(void **state)
{
    (void)state;
    claims = (tsms__claims){.count = 0};
    virtual_row rows[3] = {row(), row(), row()};
    rows[1].sid = SID_(2);
    rows[2].sid = SID_(3);
    rows[0].created_s = sent_s + 2;
    rows[1].created_s = sent_s + 1;
    tsms__intent what = intent();
    assert_string_equal(find_in(&what, rows, 3), SID_(3));
    tsms__claims_add(&claims, tsms_str_from(SID_(3)));
    assert_string_equal(find_in(&what, rows, 3), SID_(2));
    tsms__claims_add(&claims, tsms_str_from(SID_(1)));
    assert_string_equal(find_in(&what, rows, 3), SID_(2));
    tsms__claims_add(&claims, tsms_str_from(SID_(2)));
    assert_string_equal(find_in(&what, rows, 3), "");
    claims = (tsms__claims){.count = 0};
}

static void test_the_oldest_row_comes_first(void **state)
{
    (void)state;
    virtual_row rows[4] = {row(), row(), row(), row()};
    static const char *const sids[] = {SID_(1), SID_(2), SID_(3), SID_(4)};
    static const int64_t created_s[] = {9, 4, 4, 7};
    for (size_t i = 0; i < 4; i++) {
        rows[i].sid = sids[i];
        rows[i].created_s = sent_s + created_s[i];
    }
    tsms__intent what = intent();
    assert_string_equal(find_in(&what, rows, 4),
                        SID_(3)); /* newest first: the later one is older */
    rows[2].body = "another";
    assert_string_equal(find_in(&what, rows, 4), SID_(2));
}

static bool goes_on(const virtual_row *rows, size_t count, const char *next)
{
    tsms__intent what = intent();
    char *body = virtual_page(rows, count, next);
    tsms__records page;
    assert_true(tsms__records_parse(&page, TSMS__SHAPE_MESSAGE_PAGE, tsms_str_from(body)));
    bool more = tsms__lookup_goes_on(&what, &page);
    tsms__records_free(&page);
    free(body);
    return more;
}

static void test_when_further_pages_are_asked_for(void **state)
{
    (void)state;
    virtual_row rows[2] = {row(), row()};
    assert_true(goes_on(rows, 2, VIRTUAL_NEXT_PAGE));
    assert_false(goes_on(rows, 2, NULL));
    assert_false(goes_on(rows, 0, VIRTUAL_NEXT_PAGE));
    rows[1].created_s = sent_s - 5;
    assert_true(goes_on(rows, 2, VIRTUAL_NEXT_PAGE));
    rows[1].created_s = sent_s - 6; /* what follows is older still */
    assert_false(goes_on(rows, 2, VIRTUAL_NEXT_PAGE));
    rows[1].created_s = 0;
    assert_true(goes_on(rows, 2, VIRTUAL_NEXT_PAGE));
    rows[0].created_s = sent_s + 3600; /* newer than the window: it lies behind */
    assert_true(goes_on(rows, 2, VIRTUAL_NEXT_PAGE));
}

static void sid_of(char *out, size_t size, unsigned n)
{
    snprintf(out, size, "SM%032x", n);
}

static void test_claims_forget_the_oldest(void **state)
{
    (void)state;
    static tsms__claims many;
    char sid[40];
    for (unsigned n = 0; n < TSMS__CLAIMS; n++) {
        sid_of(sid, sizeof sid, n);
        assert_false(tsms__claims_has(&many, tsms_str_from(sid)));
        tsms__claims_add(&many, tsms_str_from(sid));
        assert_true(tsms__claims_has(&many, tsms_str_from(sid)));
    }
    sid_of(sid, sizeof sid, 0);
    assert_true(tsms__claims_has(&many, tsms_str_from(sid)));
    tsms__claims_add(&many, tsms_str_from(SID_(9)));
    assert_false(tsms__claims_has(&many, tsms_str_from(sid)));
    sid_of(sid, sizeof sid, 1);
    assert_true(tsms__claims_has(&many, tsms_str_from(sid)));
    assert_true(tsms__claims_has(&many, tsms_str_from(SID_(9))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_plain_case),
        cmocka_unit_test(test_rows_of_other_numbers),
        cmocka_unit_test(test_direction),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_an_empty_body_of_a_media_message),
        cmocka_unit_test(test_smart_encoding),
        cmocka_unit_test(test_service),
        cmocka_unit_test(test_the_sender_of_a_service),
        cmocka_unit_test(test_claimed_rows),
        cmocka_unit_test(test_the_oldest_row_comes_first),
        cmocka_unit_test(test_when_further_pages_are_asked_for),
        cmocka_unit_test(test_claims_forget_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
