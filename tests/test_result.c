#include "call/result.h"

#include "support.h"

#define SID_(n) "SM0000000000000000000000000000000" #n
#define MEDIA_SID "ME0123456789abcdef0123456789abcdef"

static tsms_result *fresh(test_mem *tm, tsms__shape shape, const char *body)
{
    test_mem_init(tm, 0);
    tsms_result *result = tsms__result_new(&tm->mem);
    assert_non_null(result);
    assert_true(tsms__records_parse(&result->records, shape, tsms_str_from(body)));
    return result;
}

static void done(test_mem *tm, tsms_result *result)
{
    tsms_result_free(result);
    assert_int_equal(tm->live, 0);
}

static void test_one_message(void **state)
{
    (void)state;
    test_mem tm;
    tsms_result *result = fresh(&tm, TSMS__SHAPE_MESSAGE,
                                "{\"sid\":\"" SID_(1) "\",\"body\":\"hello\",\"new_field\":\"n\","
                                                      "\"num_segments\":\"2\",\"list\":[1]}");
    result->call_id = 77;
    result->outcome = TSMS_OUTCOME_ACCEPTED;
    result->attempts = 3;
    assert_int_equal(tsms_result_call_id(result), 77);
    assert_null(tsms_result_error(result));
    assert_int_equal(tsms_result_outcome(result), TSMS_OUTCOME_ACCEPTED);
    assert_int_equal(tsms_result_attempts(result), 3);
    assert_false(tsms_result_verified(result));
    assert_int_equal(tsms_result_count(result), 1);
    tsms_message message;
    assert_true(tsms_result_message(result, 0, &message));
    assert_str_is(message.sid, SID_(1));
    assert_str_is(message.body, "hello");
    assert_int_equal(message.num_segments, 2);
    assert_str_is(tsms_result_field(result, 0, "new_field"), "n");
    done(&tm, result);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    test_mem tm;
    tsms_result *result = fresh(&tm, TSMS__SHAPE_MESSAGE, "{\"sid\":\"" SID_(1) "\",\"list\":[1]}");
    tsms_message message;
    tsms_media media;
    assert_false(tsms_result_message(result, 1, &message));
    assert_false(tsms_result_message(result, SIZE_MAX, &message));
    assert_false(tsms_result_media(result, 0, &media)); /* it is a message */
    assert_null(tsms_result_field(result, 0, "body").ptr);
    assert_null(tsms_result_field(result, 0, "list").ptr); /* of another type */
    assert_null(tsms_result_field(result, 1, "sid").ptr);
    assert_null(tsms_result_next_page_uri(result).ptr);
    done(&tm, result);
}

static const char page[] = "{\"messages\":[{\"sid\":\"" SID_(1) "\"},{\"sid\":\"" SID_(
    2) "\"},{\"sid\":\"" SID_(3) "\"}],\"next_page_uri\":\"/2010-04-01/next\"}";

static void test_a_page(void **state)
{
    (void)state;
    test_mem tm;
    tsms_result *result = fresh(&tm, TSMS__SHAPE_MESSAGE_PAGE, page);
    assert_int_equal(tsms_result_count(result), 3);
    tsms_message message;
    assert_true(tsms_result_message(result, 2, &message));
    assert_str_is(message.sid, SID_(3));
    assert_false(tsms_result_message(result, 3, &message));
    assert_str_is(tsms_result_next_page_uri(result), "/2010-04-01/next");
    done(&tm, result);
}

/* The page of the look-up holds other messages too, which are nobody's business. */
static void test_a_message_found_by_a_look_up(void **state)
{
    (void)state;
    test_mem tm;
    tsms_result *result = fresh(&tm, TSMS__SHAPE_MESSAGE_PAGE, page);
    result->verified = true;
    result->first = 1;
    assert_true(tsms_result_verified(result));
    assert_int_equal(tsms_result_count(result), 1);
    tsms_message message;
    assert_true(tsms_result_message(result, 0, &message));
    assert_str_is(message.sid, SID_(2));
    assert_str_is(tsms_result_field(result, 0, "sid"), SID_(2));
    assert_false(tsms_result_message(result, 1, &message));
    assert_null(tsms_result_field(result, 1, "sid").ptr);
    assert_null(tsms_result_next_page_uri(result).ptr);
    done(&tm, result);
}

static void test_media(void **state)
{
    (void)state;
    test_mem tm;
    tsms_media media;
    tsms_message message;
    tsms_result *result =
        fresh(&tm, TSMS__SHAPE_MEDIA, "{\"sid\":\"" MEDIA_SID "\",\"content_type\":\"image/png\"}");
    assert_int_equal(tsms_result_count(result), 1);
    assert_true(tsms_result_media(result, 0, &media));
    assert_str_is(media.content_type, "image/png");
    assert_false(tsms_result_message(result, 0, &message));
    assert_false(tsms_result_media(result, 1, &media));
    done(&tm, result);

    result = fresh(&tm, TSMS__SHAPE_MEDIA_PAGE, "{\"media_list\":[{\"sid\":\"" MEDIA_SID "\"}]}");
    assert_true(tsms_result_media(result, 0, &media));
    assert_str_is(media.sid, MEDIA_SID);
    done(&tm, result);
}

static void test_other_records(void **state)
{
    (void)state;
    test_mem tm;
    tsms_message message;
    tsms_media media;
    tsms_result *result = fresh(&tm, TSMS__SHAPE_FEEDBACK,
                                "{\"message_sid\":\"" SID_(1) "\",\"outcome\":\"confirmed\"}");
    assert_int_equal(tsms_result_count(result), 1);
    assert_str_is(tsms_result_field(result, 0, "outcome"), "confirmed");
    assert_false(tsms_result_message(result, 0, &message));
    assert_false(tsms_result_media(result, 0, &media));
    done(&tm, result);

    result = fresh(&tm, TSMS__SHAPE_NONE, "");
    assert_int_equal(tsms_result_count(result), 0);
    assert_false(tsms_result_message(result, 0, &message));
    assert_null(tsms_result_field(result, 0, "sid").ptr);
    done(&tm, result);
}

static void test_a_failure(void **state)
{
    (void)state;
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms_result *result = tsms__result_new(&tm.mem);
    assert_non_null(result);
    result->failed = true;
    tsms__error_set(&result->error, TSMS_KIND_OPTED_OUT, "no");
    result->outcome = TSMS_OUTCOME_REJECTED;
    tsms_message message;
    tsms_media media;
    assert_int_equal(tsms_result_error(result)->kind, TSMS_KIND_OPTED_OUT);
    assert_int_equal(tsms_result_count(result), 0);
    assert_false(tsms_result_message(result, 0, &message));
    assert_false(tsms_result_media(result, 0, &media));
    assert_null(tsms_result_field(result, 0, "sid").ptr);
    assert_null(tsms_result_next_page_uri(result).ptr);
    done(&tm, result);
}

static void test_without_memory(void **state)
{
    (void)state;
    test_mem tm;
    test_mem_init(&tm, 1);
    assert_null(tsms__result_new(&tm.mem));
    assert_int_equal(tm.live, 0);
    tsms_result_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_message), cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_a_page),      cmocka_unit_test(test_a_message_found_by_a_look_up),
        cmocka_unit_test(test_media),       cmocka_unit_test(test_other_records),
        cmocka_unit_test(test_a_failure),   cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
