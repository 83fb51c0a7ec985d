/* What the tests of webhooks share: genuine requests, as Twilio would send them. */
#ifndef TESTS_WEBHOOK_SUPPORT_H
#define TESTS_WEBHOOK_SUPPORT_H

#include "call/webhook.h"
#include "support.h"

#define ACCOUNT "AC0123456789abcdef0123456789abcdef"
#define SUBACCOUNT "ACfedcba9876543210fedcba9876543210"
#define TOKEN "c0ffee11c0ffee22c0ffee33c0ffee44"
#define SUBTOKEN "decade11decade22decade33decade44"
#define MESSAGE "SM0123456789abcdef0123456789abcdef"
#define SERVICE "MG0123456789abcdef0123456789abcdef"
#define URL "https://hooks.example.com/sms"
#define WALL_MS INT64_C(1790000000000)

#define INBOUND                                                                                    \
    "ToCountry=US&ToState=&SmsMessageSid=" MESSAGE "&NumMedia=0&ToCity=&FromZip=94107"             \
    "&SmsSid=" MESSAGE "&FromState=CA&SmsStatus=received&FromCity=SAN+FRANCISCO"                   \
    "&Body=Hello%2C+w%C3%B6rld&FromCountry=US&To=%2B15005550006&ToZip=&NumSegments=1"              \
    "&MessageSid=" MESSAGE "&AccountSid=" ACCOUNT "&From=%2B15005550001&ApiVersion=2010-04-01"

#define STATUS                                                                                     \
    "SmsSid=" MESSAGE "&SmsStatus=undelivered&MessageStatus=undelivered&To=%2B15005550001"         \
    "&MessagingServiceSid=" SERVICE "&MessageSid=" MESSAGE "&AccountSid=" ACCOUNT                  \
    "&From=%2B15005550006&ApiVersion=2010-04-01&ErrorCode=30003&RawDlrDoneDate=2607171206"

/* A request and what its views point to; do not move it. */
typedef struct sent {
    tsms_webhook_request request;
    tsms_param headers[80];
    char signature[TSMS_SIGNATURE_SIZE];
} sent;

static inline void add_header(sent *s, const char *name, const char *value)
{
    assert_true(s->request.header_count < sizeof s->headers / sizeof *s->headers);
    s->headers[s->request.header_count++] = (tsms_param){tsms_str_from(name), tsms_str_from(value)};
}

/* Signs url and the parameters of form, absent for none, and adds the header. */
static inline void sign_with(sent *s, const char *token, const char *url, tsms_str form)
{
    tsms_signer *signer = NULL;
    tsms__fields fields;
    tsms__fields_init(&fields, &tsms__mem_libc);
    assert_int_equal(tsms__fields_read(&fields, form, TSMS__FIELDS_MOST), TSMS__FIELDS_OK);
    assert_int_equal(tsms_signer_new(NULL, &signer, NULL), TSMS_OK);
    assert_int_equal(tsms_signer_add(signer, tsms_str_from(token), NULL), TSMS_OK);
    assert_int_equal(tsms_signer_sign(signer, tsms_str_from(url), fields.items, fields.count,
                                      s->signature, NULL),
                     TSMS_OK);
    tsms_signer_free(signer);
    tsms__fields_free(&fields);
    add_header(s, "X-Twilio-Signature", s->signature);
}

static inline void begin(sent *s, const char *method, const char *url)
{
    memset(s, 0, sizeof *s);
    s->request = (tsms_webhook_request)TSMS_WEBHOOK_REQUEST_INIT;
    s->request.method = tsms_str_from(method);
    s->request.url = tsms_str_from(url);
    s->request.headers = s->headers;
}

/* A genuine POST of a form, whose bytes may be anything. */
static inline void post_bytes(sent *s, const char *url, tsms_str form)
{
    begin(s, "POST", url);
    s->request.body = form;
    add_header(s, "Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
    sign_with(s, TOKEN, url, form);
}

static inline void post(sent *s, const char *url, const char *form)
{
    post_bytes(s, url, tsms_str_from(form));
}

static inline void get(sent *s, const char *url)
{
    begin(s, "GET", url);
    sign_with(s, TOKEN, url, (tsms_str){NULL, 0});
}

static inline tsms_webhook_options basic_options(void)
{
    tsms_webhook_options options = TSMS_WEBHOOK_OPTIONS_INIT;
    options.account_sid = tsms_str_from(ACCOUNT);
    return options;
}

static inline tsms_webhook *open_webhook(const tsms_webhook_options *options)
{
    tsms_webhook *webhook = NULL;
    tsms_error err;
    if (tsms_webhook_new(options, &webhook, &err) != TSMS_OK ||
        tsms_webhook_add_token(webhook, (tsms_str){NULL, 0}, tsms_str_from(TOKEN), &err) !=
            TSMS_OK) {
        fail_msg("%s", err.message);
    }
    return webhook;
}

/* Fails unless the request is taken; the event is the caller's to free. */
static inline tsms_webhook_event *take(tsms_webhook *webhook, const sent *s,
                                       tsms_webhook_info *info)
{
    tsms_webhook_event *event = NULL;
    tsms_error err;
    if (tsms_webhook_read(webhook, &s->request, WALL_MS, &event, &err) != TSMS_OK) {
        fail_msg("%d %s", err.http_status, err.message);
        abort(); /* not reached: fail_msg does not return, which the compiler cannot know */
    }
    tsms_webhook_event_read(event, info);
    return event;
}

/* Fails unless the request is refused in this way and with this text in the message. */
static inline void refuse(tsms_webhook *webhook, const sent *s, tsms_kind kind, int http_status,
                          const char *text)
{
    tsms_webhook_event *event = NULL;
    tsms_error err;
    assert_int_equal(tsms_webhook_read(webhook, &s->request, WALL_MS, &event, &err), TSMS_ERROR);
    assert_null(event);
    if (err.kind != kind || err.http_status != http_status || strstr(err.message, text) == NULL) {
        fail_msg("got %s, %d, \"%s\"; wanted %s, %d, \"%s\"", tsms_kind_name(err.kind),
                 err.http_status, err.message, tsms_kind_name(kind), http_status, text);
    }
}

#endif
