/* Tests of csrc/wire/webhook_fields.c: what parameters say, and which ones cannot be genuine. */
#include "webhook_support.h"

#include "wire/webhook.h"

/* Types a form; the fields are freed by the caller. */
static tsms_status type_form(tsms__fields *fields, tsms_str form, tsms_webhook_info *info,
                             tsms_error *err)
{
    tsms__fields_init(fields, &tsms__mem_libc);
    assert_int_equal(tsms__fields_read(fields, form, TSMS__FIELDS_MOST), TSMS__FIELDS_OK);
    memset(info, 0, sizeof *info);
    memset(err, 0, sizeof *err);
    return tsms__webhook_type_fields(fields, info, err);
}

static void reads_an_inbound_message(void **state)
{
    tsms__fields fields;
    tsms_webhook_info info;
    tsms_error err;
    assert_int_equal(type_form(&fields, TSMS__STR(INBOUND), &info, &err), TSMS_OK);
    assert_int_equal(info.type, TSMS_WEBHOOK_INBOUND);
    assert_str_is(info.message_sid, MESSAGE);
    assert_str_is(info.from, "+15005550001");
    assert_str_is(info.to, "+15005550006");
    assert_str_is(info.body, "Hello, w\xC3\xB6rld");
    assert_null(info.messaging_service_sid.ptr);
    assert_int_equal(info.num_media, 0);
    assert_int_equal(info.num_segments, 1);
    assert_null(info.opt_out_type.ptr);
    assert_null(info.status.ptr);
    assert_int_equal(info.fallback_error_code, 0);
    tsms__fields_free(&fields);
}

static void reads_media_opt_out_and_fallback(void **state)
{
    tsms__fields fields;
    tsms_webhook_info info;
    tsms_error err;
    assert_int_equal(
        type_form(
            &fields,
            TSMS__STR(
                "MessageSid=MM0123456789ABCDEF0123456789abcdef&AccountSid=" ACCOUNT
                "&From=whatsapp%3A%2B15005550001&To=12345&Body=&NumMedia=2"
                "&MediaUrl1=https%3A%2F%2Fa%2F1&MediaContentType0=image%2Fpng"
                "&MediaUrl0=https%3A%2F%2Fa%2F0&MessagingServiceSid=" SERVICE
                "&OptOutType=STOP&ErrorCode=11200&ErrorUrl=https%3A%2F%2Fb%2F"
                "&NumSegments=&Unknown=1&Unknown=2&MediaUrls=x&MediaUrl00=x&MediaUrl99999999999=x"),
            &info, &err),
        TSMS_OK);
    assert_int_equal(info.type, TSMS_WEBHOOK_INBOUND);
    assert_str_is(info.from, "whatsapp:+15005550001");
    assert_str_is(info.to, "12345");
    assert_str_is(info.messaging_service_sid, SERVICE);
    assert_null(info.body.ptr);
    assert_int_equal(info.num_media, 2);
    assert_str_is(info.opt_out_type, "STOP");
    assert_int_equal(info.fallback_error_code, 11200);
    assert_str_is(info.fallback_error_url, "https://b/");
    assert_int_equal(info.error_code, 0);
    tsms__fields_free(&fields);
}

static void reads_a_status(void **state)
{
    tsms__fields fields;
    tsms_webhook_info info;
    tsms_error err;
    assert_int_equal(
        type_form(&fields, TSMS__STR(STATUS "&ErrorMessage=no+such+phone"), &info, &err), TSMS_OK);
    assert_int_equal(info.type, TSMS_WEBHOOK_STATUS);
    assert_str_is(info.message_sid, MESSAGE);
    assert_str_is(info.status, "undelivered");
    assert_int_equal(info.status_id, TSMS_MESSAGE_UNDELIVERED);
    assert_int_equal(info.error_code, 30003);
    assert_str_is(info.error_message, "no such phone");
    assert_str_is(info.raw_dlr_done_date, "2607171206");
    assert_str_is(info.messaging_service_sid, SERVICE);
    assert_int_equal(info.fallback_error_code, 0);
    tsms__fields_free(&fields);
}

static void tells_types_apart(void **state)
{
#define SIDS "MessageSid=" MESSAGE "&AccountSid=" ACCOUNT
#define ENDS "&From=%2B15005550001&To=%2B15005550006"
    static const struct {
        const char *form;
        tsms_webhook_type type;
    } cases[] = {
        {SIDS ENDS "&Body=x", TSMS_WEBHOOK_INBOUND},
        {SIDS ENDS "&Body=", TSMS_WEBHOOK_INBOUND},
        {SIDS ENDS "&Body=x&NumMedia=0&SmsStatus=received&MessageType=text", TSMS_WEBHOOK_INBOUND},
        {SIDS "&MessageStatus=sent", TSMS_WEBHOOK_STATUS},
        {SIDS ENDS "&MessageStatus=read&EventType=READ&ChannelPrefix=rcs", TSMS_WEBHOOK_STATUS},
        {SIDS ENDS "&MessageStatus=sent&Body=x", TSMS_WEBHOOK_STATUS},
        {SIDS "&MessageStatus=a_new-one", TSMS_WEBHOOK_STATUS},
        {SIDS "&MessageStatus=queued&From=", TSMS_WEBHOOK_STATUS},
        {"SmsSid=" MESSAGE "&AccountSid=" ACCOUNT "&SmsStatus=sent", TSMS_WEBHOOK_STATUS},
        {"", TSMS_WEBHOOK_UNKNOWN},
        {"a=b&a=b&a=c", TSMS_WEBHOOK_UNKNOWN},
        {"CallSid=CA0123456789abcdef0123456789abcdef&AccountSid=" ACCOUNT ENDS
         "&CallStatus=ringing",
         TSMS_WEBHOOK_UNKNOWN},
        {"EventType=onMessageAdded&MessageSid=IM0123456789abcdef0123456789abcdef&Body=hi"
         "&Author=me&AccountSid=" ACCOUNT,
         TSMS_WEBHOOK_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__fields fields;
        tsms_webhook_info info;
        tsms_error err;
        if (type_form(&fields, tsms_str_from(cases[i].form), &info, &err) != TSMS_OK ||
            info.type != cases[i].type) {
            fail_msg("%s: %s", cases[i].form, err.message);
        }
        tsms__fields_free(&fields);
    }
}

static void refuses_what_cannot_be_genuine(void **state)
{
#define INB "SmsStatus=received&" SIDS
    static const struct {
        const char *form;
        tsms_kind kind;
        const char *text;
    } cases[] = {
        /* incomplete */
        {"SmsStatus=received&AccountSid=" ACCOUNT ENDS "&Body=x", TSMS_KIND_MISSING_FIELDS,
         "MessageSid is missing"},
        {"MessageSid=" MESSAGE ENDS "&Body=x", TSMS_KIND_MISSING_FIELDS, "AccountSid is missing"},
        {INB "&To=1&Body=x", TSMS_KIND_MISSING_FIELDS, "From is missing"},
        {INB "&From=&To=12345&Body=x", TSMS_KIND_MISSING_FIELDS, "From is missing"},
        {INB "&From=12345&Body=x", TSMS_KIND_MISSING_FIELDS, "To is missing"},
        {INB ENDS, TSMS_KIND_MISSING_FIELDS, "Body is missing"},
        {INB ENDS "&NumMedia=0", TSMS_KIND_MISSING_FIELDS, "Body is missing"},
        {INB ENDS "&Body=&NumMedia=1", TSMS_KIND_MISSING_FIELDS, "MediaUrl is missing"},
        {INB ENDS "&Body=&NumMedia=1&MediaUrl0=", TSMS_KIND_MISSING_FIELDS, "MediaUrl is missing"},
        {SIDS "&MessageStatus=", TSMS_KIND_MISSING_FIELDS, "MessageStatus is missing"},
        {"MessageStatus=sent&AccountSid=" ACCOUNT, TSMS_KIND_MISSING_FIELDS,
         "MessageSid is missing"},
        /* twice */
        {INB ENDS "&Body=x&Body=x", TSMS_KIND_PAYLOAD_PARSE_ERROR, "Body came twice"},
        {"AccountSid=" ACCOUNT "&AccountSid=" ACCOUNT, TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "AccountSid came twice"},
        {"From=&From=", TSMS_KIND_PAYLOAD_PARSE_ERROR, "From came twice"},
        /* of another shape */
        {"MessageSid=XX0123456789abcdef0123456789abcdef&MessageStatus=sent",
         TSMS_KIND_PAYLOAD_PARSE_ERROR, "MessageSid is no SID"},
        {"MessageSid=" MESSAGE "0&MessageStatus=sent", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "MessageSid is no SID"},
        {SIDS "&SmsSid=SMffffffffffffffffffffffffffffffff&MessageStatus=sent",
         TSMS_KIND_PAYLOAD_PARSE_ERROR, "SmsSid names another message"},
        {INB ENDS "&Body=&MessagingServiceSid=XX", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "MessagingServiceSid is no SID"},
        {INB ENDS "&Body=&NumMedia=-1", TSMS_KIND_PAYLOAD_PARSE_ERROR, "NumMedia is no number"},
        {INB ENDS "&Body=&NumMedia=65", TSMS_KIND_PAYLOAD_PARSE_ERROR, "NumMedia is more than"},
        {INB ENDS "&Body=&NumMedia=9999999999", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "NumMedia is no number"},
        {INB ENDS "&Body=&NumSegments=1x", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "NumSegments is no number"},
        {INB ENDS "&Body=&NumMedia=0&MediaUrl0=x", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "MediaUrl came twice, or"},
        {INB ENDS "&Body=&NumMedia=1&MediaUrl0=x&MediaUrl0=y", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "MediaUrl came twice"},
        {INB ENDS "&Body=&NumMedia=1&MediaUrl0=x&MediaContentType1=y",
         TSMS_KIND_PAYLOAD_PARSE_ERROR, "MediaContentType came twice, or"},
        {INB ENDS "&Body=&OptOutType=stop", TSMS_KIND_PAYLOAD_PARSE_ERROR, "OptOutType is no word"},
        {INB ENDS "&Body=&ErrorCode=x", TSMS_KIND_PAYLOAD_PARSE_ERROR, "ErrorCode is no number"},
        {INB "&From=%2B1500555000a&To=12345&Body=", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "From is no address"},
        {INB "&From=%2B&To=12345&Body=", TSMS_KIND_PAYLOAD_PARSE_ERROR, "From is no address"},
        {INB "&From=sms%3A&To=12345&Body=", TSMS_KIND_PAYLOAD_PARSE_ERROR, "From is no address"},
        {INB "&From=1&To=a%0Ab&Body=", TSMS_KIND_PAYLOAD_PARSE_ERROR, "To is no address"},
        {SIDS "&MessageStatus=sent&SmsStatus=failed", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "SmsStatus is not what MessageStatus says"},
        {SIDS "&MessageStatus=sent+", TSMS_KIND_PAYLOAD_PARSE_ERROR, "MessageStatus is no status"},
        {SIDS "&MessageStatus=failed&ErrorCode=+1", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "ErrorCode is no number"},
        {SIDS "&MessageStatus=sent&RawDlrDoneDate=x", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "RawDlrDoneDate is no date"},
        {SIDS "&MessageStatus=sent&ApiVersion=2010", TSMS_KIND_PAYLOAD_PARSE_ERROR,
         "ApiVersion is no version"},
        /* not text */
        {"a=%FF", TSMS_KIND_PAYLOAD_PARSE_ERROR, "UTF-8"},
        {"%C3=a", TSMS_KIND_PAYLOAD_PARSE_ERROR, "UTF-8"},
        {INB ENDS "&Body=a%00b", TSMS_KIND_PAYLOAD_PARSE_ERROR, "zero byte"},
        {INB ENDS "&Body=%ED%A0%80", TSMS_KIND_PAYLOAD_PARSE_ERROR, "UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__fields fields;
        tsms_webhook_info info;
        tsms_error err;
        tsms_status status = type_form(&fields, tsms_str_from(cases[i].form), &info, &err);
        if (status != TSMS_ERROR || err.kind != cases[i].kind || err.http_status != 400 ||
            strstr(err.message, cases[i].text) == NULL) {
            fail_msg("%s: %s", cases[i].form, err.message);
        }
        assert_int_equal(tsms__webhook_type_fields(&fields, &info, NULL), TSMS_ERROR);
        tsms__fields_free(&fields);
    }
}

/* The signature is made over names and values without borders between them: whoever moves one keeps
 * it right. A message that was cut anew must not lose its body, its number or its sender. */
static void sees_through_moved_borders(void **state)
{
    static const char *const cases[] = {
        /* "ApiVersion=2010-04-01" and "Body=STOP" */
        SIDS ENDS "&NumMedia=0&SmsStatus=received&ApiVersion=2010-04-01BodySTOP",
        /* "Body=x" and "From=+15005550001" */
        SIDS "&To=12345&NumMedia=0&SmsStatus=received&Body=xFrom%2B15005550001",
        /* a text that holds a sender: "Body=xFrom+15005550009" and "From=+15005550001" */
        SIDS "&To=12345&NumMedia=0&SmsStatus=received&Body=x"
             "&From=%2B15005550009From%2B15005550001",
        /* "MessageStatus=failed" and "MessagingServiceSid=MG..." */
        SIDS ENDS "&MessageStatus=failedMessagingServiceSid" SERVICE,
        /* "ErrorCode=30003" and "From=+15005550006" */
        SIDS "&MessageStatus=failed&ErrorCode=30003From%2B15005550006",
        /* "NumMedia=1" and "NumSegments=1" */
        SIDS ENDS "&Body=&MediaUrl0=x&NumMedia=1NumSegments1&SmsStatus=received",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__fields fields;
        tsms_webhook_info info;
        tsms_error err;
        if (type_form(&fields, tsms_str_from(cases[i]), &info, &err) == TSMS_OK) {
            fail_msg("%s", cases[i]);
        }
        tsms__fields_free(&fields);
    }
}

static void messages_show_no_values(void **state)
{
    tsms__fields fields;
    tsms_webhook_info info;
    tsms_error err;
    assert_int_equal(
        type_form(&fields, TSMS__STR(INB "&From=%2B15005550001x&To=1&Body=secret"), &info, &err),
        TSMS_ERROR);
    assert_null(strstr(err.message, "5005550001"));
    assert_null(strstr(err.message, "secret"));
    tsms__fields_free(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_an_inbound_message),
        cmocka_unit_test(reads_media_opt_out_and_fallback),
        cmocka_unit_test(reads_a_status),
        cmocka_unit_test(tells_types_apart),
        cmocka_unit_test(refuses_what_cannot_be_genuine),
        cmocka_unit_test(sees_through_moved_borders),
        cmocka_unit_test(messages_show_no_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
