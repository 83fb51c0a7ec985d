/* wire/response.c: records of each shape, pages, and the fields of messages and media. */
#include "support.h"

#include "base/str.h"
#include "wire/response.h"

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"
#define MESSAGE "SM0123456789abcdef0123456789abcdef"
#define MEDIA "ME00112233445566778899aabbccddeeff"
#define SERVICE "MG0123456789abcdef0123456789abcdef"
#define URI "/2010-04-01/Accounts/" ACCOUNT "/Messages"

/* As the API answers a create, its members in its order. */
static const char created[] =
    "{\"body\": \"Hi \\u00e9\", \"num_segments\": \"1\", \"direction\": \"outbound-api\", "
    "\"from\": \"+15005550006\", \"date_updated\": \"Thu, 24 Aug 2023 05:01:45 +0000\", "
    "\"price\": null, \"error_message\": null, \"uri\": \"" URI "/" MESSAGE ".json\", "
    "\"account_sid\": \"" ACCOUNT "\", \"num_media\": \"0\", \"to\": \"+15005550009\", "
    "\"date_created\": \"Thu, 24 Aug 2023 05:01:45 +0000\", \"status\": \"queued\", "
    "\"sid\": \"" MESSAGE "\", \"date_sent\": null, \"messaging_service_sid\": null, "
    "\"error_code\": null, \"price_unit\": \"USD\", \"api_version\": \"2010-04-01\", "
    "\"subresource_uris\": {\"media\": \"" URI "/" MESSAGE "/Media.json\"}}";

static tsms_message message_of(const tsms__records *records)
{
    tsms_message message;
    memset(&message, 0xA5, sizeof message);
    tsms__message_from_json(tsms__records_at(records, 0), &message);
    return message;
}

static bool parses(tsms__shape shape, const char *body)
{
    tsms__records records;
    bool ok = tsms__records_parse(&records, shape, tsms_str_from(body));
    if (!ok) {
        assert_null(records.document);
        assert_int_equal(records.count, 0);
        assert_null(tsms__records_at(&records, 0));
    }
    tsms__records_free(&records);
    return ok;
}

static void test_a_created_message(void **state)
{
    tsms__records records;
    assert_true(tsms__records_parse(&records, TSMS__SHAPE_MESSAGE, tsms_str_from(created)));
    assert_int_equal(records.count, 1);
    assert_null(tsms__records_at(&records, 1));
    assert_null(tsms__records_next_page_uri(&records).ptr);
    tsms_message message = message_of(&records);
    assert_str_is(message.sid, MESSAGE);
    assert_str_is(message.account_sid, ACCOUNT);
    assert_null(message.messaging_service_sid.ptr);
    assert_str_is(message.to, "+15005550009");
    assert_str_is(message.from, "+15005550006");
    assert_str_is(message.body, "Hi \xC3\xA9");
    assert_str_is(message.status, "queued");
    assert_int_equal(message.status_id, TSMS_MESSAGE_QUEUED);
    assert_str_is(message.direction, "outbound-api");
    assert_int_equal(message.num_segments, 1);
    assert_int_equal(message.num_media, 0);
    assert_null(message.price.ptr);
    assert_str_is(message.price_unit, "USD");
    assert_int_equal(message.error_code, 0);
    assert_null(message.error_message.ptr);
    assert_str_is(message.date_created, "Thu, 24 Aug 2023 05:01:45 +0000");
    assert_int_equal(message.date_created_unix, 1692853305);
    assert_int_equal(message.date_updated_unix, 1692853305);
    assert_null(message.date_sent.ptr);
    assert_int_equal(message.date_sent_unix, 0);
    assert_str_is(message.api_version, "2010-04-01");
    assert_str_is(message.uri, URI "/" MESSAGE ".json");
    tsms__records_free(&records);
}

/* Another order, everything filled, a status and a member that this version does not know. */
static void test_a_fetched_message(void **state)
{
    static const char body[] =
        "{\"tags\":{\"a\":\"b\"},\"sid\":\"MM0123456789abcdef0123456789ABCDEF\",\"status\":"
        "\"teleported\",\"error_code\":30007,\"error_message\":\"Filtered\",\"price\":\"-0.00750\","
        "\"num_media\":\"2\",\"num_segments\":3,\"body\":\"\",\"messaging_service_sid\":\"" SERVICE
        "\",\"date_sent\":\"Thu, 24 Aug 2023 07:01:46 +0200\",\"date_created\":\"yesterday\","
        "\"from\":null}";
    tsms__records records;
    assert_true(tsms__records_parse(&records, TSMS__SHAPE_MESSAGE, tsms_str_from(body)));
    tsms_message message = message_of(&records);
    assert_str_is(message.sid, "MM0123456789abcdef0123456789ABCDEF");
    assert_str_is(message.status, "teleported");
    assert_int_equal(message.status_id, TSMS_MESSAGE_UNKNOWN);
    assert_int_equal(message.error_code, 30007);
    assert_str_is(message.error_message, "Filtered");
    assert_str_is(message.price, "-0.00750");
    assert_int_equal(message.num_media, 2);
    assert_int_equal(message.num_segments, 3);
    assert_str_is(message.body, "");
    assert_non_null(message.body.ptr);
    assert_str_is(message.messaging_service_sid, SERVICE);
    assert_int_equal(message.date_sent_unix, 1692853306);
    assert_str_is(message.date_created, "yesterday");
    assert_int_equal(message.date_created_unix, 0);
    assert_null(message.from.ptr);
    assert_null(message.uri.ptr);
    const tsms__json *tags = tsms__json_get(tsms__records_at(&records, 0), "tags");
    assert_str_is(tsms__json_text(tsms__json_get(tags, "a")), "b");
    tsms__records_free(&records);
}

static void test_members_of_a_wrong_type_are_absent(void **state)
{
    static const char body[] =
        "{\"sid\":\"" MESSAGE "\",\"to\":15005550009,\"from\":{},\"body\":[\"x\"],\"status\":true,"
        "\"num_segments\":\"many\",\"num_media\":1.5,\"error_code\":99999999999}";
    tsms__records records;
    assert_true(tsms__records_parse(&records, TSMS__SHAPE_MESSAGE, tsms_str_from(body)));
    tsms_message message = message_of(&records);
    assert_null(message.to.ptr);
    assert_null(message.from.ptr);
    assert_null(message.body.ptr);
    assert_null(message.status.ptr);
    assert_int_equal(message.status_id, TSMS_MESSAGE_UNKNOWN);
    assert_int_equal(message.num_segments, 0);
    assert_int_equal(message.num_media, 0);
    assert_int_equal(message.error_code, 0);
    tsms__records_free(&records);
}

static void test_the_first_of_two_members_counts(void **state)
{
    static const char body[] =
        "{\"to\":null,\"sid\":\"" MESSAGE "\",\"sid\":\"SM1\",\"to\":\"+1\"}";
    tsms__records records;
    assert_true(tsms__records_parse(&records, TSMS__SHAPE_MESSAGE, tsms_str_from(body)));
    tsms_message message = message_of(&records);
    assert_str_is(message.sid, MESSAGE);
    assert_null(message.to.ptr);
    tsms__records_free(&records);
}

static void test_a_message_needs_its_sid(void **state)
{
    static const char *const cases[] = {
        "",
        "null",
        "[]",
        "{}",
        "\"" MESSAGE "\"",
        "<html>",
        "{\"sid\":null}",
        "{\"sid\":1}",
        "{\"sid\":\"SM\"}",
        "{\"sid\":\"" MESSAGE "0\"}",
        "{\"sid\":\"SM0123456789abcdef0123456789abcdeg\"}",
        "{\"sid\":\"" MEDIA "\"}",
        "{\"messages\":[{\"sid\":\"" MESSAGE "\"}]}",
        "{\"sid\":\"" MESSAGE "\"",
        "{\"sid\":\"" MESSAGE "\"}{}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(parses(TSMS__SHAPE_MESSAGE, cases[i]));
    }
    assert_true(parses(TSMS__SHAPE_MESSAGE, " {\"sid\":\"" MESSAGE "\"}\r\n"));
}

static void test_every_cut_answer_is_refused(void **state)
{
    for (size_t len = 0; len < sizeof created - 1; len++) {
        tsms__records records;
        assert_false(tsms__records_parse(&records, TSMS__SHAPE_MESSAGE, (tsms_str){created, len}));
    }
}

static void test_a_page(void **state)
{
    static const char body[] =
        "{\"first_page_uri\":\"" URI ".json?Page=0\",\"messages\":[{\"sid\":\"" MESSAGE
        "\",\"body\":\"one\"},{\"sid\":\"MM0123456789abcdef0123456789abcdef\",\"body\":\"two\"}],"
        "\"next_page_uri\":\"" URI ".json?To=%2B1&Page=1&PageToken=PASM0\",\"page_size\":2}";
    tsms__records records;
    assert_true(tsms__records_parse(&records, TSMS__SHAPE_MESSAGE_PAGE, tsms_str_from(body)));
    assert_int_equal(records.count, 2);
    tsms_message message;
    tsms__message_from_json(tsms__records_at(&records, 1), &message);
    assert_str_is(message.body, "two");
    assert_null(tsms__records_at(&records, 2));
    assert_null(tsms__records_at(&records, SIZE_MAX));
    assert_str_is(tsms__records_next_page_uri(&records),
                  URI ".json?To=%2B1&Page=1&PageToken=PASM0");
    tsms__records_free(&records);
}

static void test_the_last_page(void **state)
{
    tsms__records records;
    assert_true(tsms__records_parse(&records, TSMS__SHAPE_MESSAGE_PAGE,
                                    TSMS__STR("{\"messages\":[],\"next_page_uri\":null}")));
    assert_int_equal(records.count, 0);
    assert_null(tsms__records_at(&records, 0));
    assert_null(tsms__records_next_page_uri(&records).ptr);
    tsms__records_free(&records);
}

static void test_one_bad_record_spoils_its_page(void **state)
{
    static const char *const cases[] = {
        "{\"messages\":[{\"sid\":\"" MESSAGE "\"},{}]}",
        "{\"messages\":[{\"sid\":\"" MESSAGE "\"},null]}",
        "{\"messages\":[\"" MESSAGE "\"]}",
        "{\"messages\":{\"sid\":\"" MESSAGE "\"}}",
        "{\"messages\":null}",
        "{\"media_list\":[]}",
        "{\"sid\":\"" MESSAGE "\"}",
        "[]",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(parses(TSMS__SHAPE_MESSAGE_PAGE, cases[i]));
    }
}

/* More than the marks cover, so that each way to a record is walked. */
static void test_every_record_of_a_large_page_is_found(void **state)
{
    enum { RECORDS = TSMS__MARK_STEP * TSMS__MARKS + TSMS__MARK_STEP + 1 };
    char *body = malloc((size_t)RECORDS * 64 + 64);
    assert_non_null(body);
    char *end = body + sprintf(body, "{\"messages\":[");
    for (int i = 0; i < RECORDS; i++) {
        end += sprintf(end, "%s{\"sid\":\"SM%032x\"}", i > 0 ? "," : "", (unsigned)i);
    }
    end += sprintf(end, "]}");
    tsms__records records;
    assert_true(tsms__records_parse(&records, TSMS__SHAPE_MESSAGE_PAGE,
                                    (tsms_str){body, (size_t)(end - body)}));
    assert_int_equal(records.count, RECORDS);
    for (int i = 0; i < RECORDS; i++) {
        char sid[40];
        sprintf(sid, "SM%032x", (unsigned)i);
        const tsms__json *record = tsms__records_at(&records, (size_t)i);
        assert_str_is(tsms__json_text(tsms__json_get(record, "sid")), sid);
    }
    tsms__records_free(&records);
    free(body);
}

static void test_media(void **state)
{
    static const char one[] =
        "{\"account_sid\":\"" ACCOUNT "\",\"content_type\":\"image/jpeg\",\"date_created\":"
        "\"Tue, 14 Apr 2026 09:26:42 +0000\",\"date_updated\":\"Tue, 14 Apr 2026 09:26:43 +0000\","
        "\"parent_sid\":\"" MESSAGE "\",\"sid\":\"" MEDIA "\",\"uri\":\"" URI "/x\"}";
    tsms__records records;
    tsms_media media;
    assert_true(tsms__records_parse(&records, TSMS__SHAPE_MEDIA, tsms_str_from(one)));
    tsms__media_from_json(tsms__records_at(&records, 0), &media);
    assert_str_is(media.sid, MEDIA);
    assert_str_is(media.account_sid, ACCOUNT);
    assert_str_is(media.parent_sid, MESSAGE);
    assert_str_is(media.content_type, "image/jpeg");
    assert_str_is(media.date_created, "Tue, 14 Apr 2026 09:26:42 +0000");
    assert_str_is(media.date_updated, "Tue, 14 Apr 2026 09:26:43 +0000");
    assert_int_equal(media.date_created_unix, 1776158802);
    assert_int_equal(media.date_updated_unix, 1776158803);
    assert_str_is(media.uri, URI "/x");
    tsms__records_free(&records);
    assert_false(parses(TSMS__SHAPE_MEDIA, created));
    assert_true(parses(TSMS__SHAPE_MEDIA_PAGE, "{\"media_list\":[{\"sid\":\"" MEDIA "\"}]}"));
    assert_false(parses(TSMS__SHAPE_MEDIA_PAGE, "{\"media_list\":[{\"sid\":\"" MESSAGE "\"}]}"));
    assert_false(parses(TSMS__SHAPE_MEDIA_PAGE, "{\"messages\":[]}"));
}

static void test_feedback(void **state)
{
    assert_true(parses(TSMS__SHAPE_FEEDBACK,
                       "{\"message_sid\":\"" MESSAGE "\",\"outcome\":\"confirmed\"}"));
    assert_false(parses(TSMS__SHAPE_FEEDBACK, "{\"outcome\":\"confirmed\"}"));
}

static void test_nothing_is_expected_of_no_content(void **state)
{
    tsms__records records;
    assert_true(tsms__records_parse(&records, TSMS__SHAPE_NONE, TSMS__STR("ignored")));
    assert_int_equal(records.count, 0);
    assert_null(tsms__records_at(&records, 0));
    assert_null(tsms__records_next_page_uri(&records).ptr);
    tsms__records_free(&records);
    tsms__records_free(&records);
}

static void test_nothing_gives_an_empty_message(void **state)
{
    tsms_message message;
    tsms_media media;
    tsms__message_from_json(NULL, &message);
    assert_null(message.sid.ptr);
    assert_int_equal(message.status_id, TSMS_MESSAGE_UNKNOWN);
    tsms__media_from_json(NULL, &media);
    assert_null(media.sid.ptr);
    assert_int_equal(media.date_created_unix, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_created_message),
        cmocka_unit_test(test_a_fetched_message),
        cmocka_unit_test(test_members_of_a_wrong_type_are_absent),
        cmocka_unit_test(test_the_first_of_two_members_counts),
        cmocka_unit_test(test_a_message_needs_its_sid),
        cmocka_unit_test(test_every_cut_answer_is_refused),
        cmocka_unit_test(test_a_page),
        cmocka_unit_test(test_the_last_page),
        cmocka_unit_test(test_one_bad_record_spoils_its_page),
        cmocka_unit_test(test_every_record_of_a_large_page_is_found),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_feedback),
        cmocka_unit_test(test_nothing_is_expected_of_no_content),
        cmocka_unit_test(test_nothing_gives_an_empty_message),
    };
    return cmocka_run_group_tests_name("response", tests, NULL, NULL);
}
