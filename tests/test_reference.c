/* The references in the status callbacks of a client's messages. */
#include "virtual_driver.h"

#include "wire/callback_ref.h"
#include "wire/form.h"

#define TO "+15005550001"
#define URL "https://example.com/status?a=1#rc=2"
#define KEY "callback_ref.key=0123456789abcdef "
#define WITH_URL KEY "status_callback=" URL " "

enum { WEEK_S = 604800, START_S = 1700000000 };

static tsms_message_options sample(void)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(TO);
    message.from = tsms_str_from(VIRTUAL_FROM);
    message.body = tsms_str_from("hello");
    return message;
}

enum { URL_SIZE = 512 };

typedef struct seen_posts {
    char callbacks[8][URL_SIZE];
    size_t count;
} seen_posts;

/* The form parameter StatusCallback of a request; "" when it has none. */
static void read_callback(const tsms__call *call, char out[URL_SIZE])
{
    tsms_buf name;
    tsms_buf value;
    tsms__buf_init(&name, &tsms__mem_libc);
    tsms__buf_init(&value, &tsms__mem_libc);
    tsms_str rest = tsms__buf_str(&call->form);
    out[0] = '\0';
    while (tsms__form_next(&rest, &name, &value)) {
        assert_true(name.len > 0); /* what has no name on the wire is not sent */
        if (tsms__str_eq(tsms__buf_str(&name), TSMS__STR("StatusCallback"))) {
            assert_in_range(value.len, 0, URL_SIZE - 1);
            memcpy(out, value.ptr, value.len);
            out[value.len] = '\0';
        }
    }
    tsms__buf_free(&name);
    tsms__buf_free(&value);
}

static void note_post(virtual_driver *d, virtual_flight *flight)
{
    seen_posts *seen = d->world;
    if (tsms__client_method(flight->call) == TSMS__POST) {
        assert_in_range(seen->count, 0, 7);
        read_callback(flight->call, seen->callbacks[seen->count++]);
    }
    virtual_serve_script(d, flight);
}

static void open_noting(virtual_driver *d, seen_posts *seen, const char *options)
{
    *seen = (seen_posts){.count = 0};
    virtual_open(d, NULL, options);
    d->world = seen;
    d->serve = note_post;
}

static void send(virtual_driver *d, const tsms_message_options *message)
{
    uint64_t id;
    tsms_error err;
    if (virtual_submit(d, message, 0, &id, &err) != TSMS_OK) {
        fail_msg("%s", err.message);
    }
    virtual_run(d, 120000);
}

static tsms_result *take(virtual_driver *d)
{
    tsms_result *result = tsms_client_result(d->client);
    assert_non_null(result);
    return result;
}

/* It must be good up to expires_s and no longer. */
static void assert_good(const char *url, tsms_str ref, int64_t expires_s)
{
    tsms__hmac *key = tsms__hmac_new(&tsms__mem_libc, TSMS__SHA256, TSMS__STR("0123456789abcdef"));
    tsms__ref read;
    tsms_str account = TSMS__STR(VIRTUAL_ACCOUNT);
    assert_int_equal(tsms__ref_check(key, tsms_str_from(url), account, expires_s, &read),
                     TSMS__REF_GOOD);
    assert_true(tsms__str_eq(read.id, ref));
    assert_int_equal(tsms__ref_check(key, tsms_str_from(url), account, expires_s + 1, &read),
                     TSMS__REF_EXPIRED);
    tsms__hmac_free(key);
}

static void test_without_a_key_urls_stay_as_they_are(void **state)
{
    (void)state;
    virtual_driver d;
    seen_posts seen;
    open_noting(&d, &seen, "status_callback=" URL);
    tsms_message_options message = sample();
    send(&d, &message);
    assert_string_equal(seen.callbacks[0], URL);
    tsms_result *result = take(&d);
    assert_str_is(tsms_result_callback_ref(result), "");
    assert_null(tsms_result_callback_ref(result).ptr);
    tsms_result_free(result);
    virtual_close(&d);
}

static void test_without_a_url_there_is_no_reference(void **state)
{
    (void)state;
    virtual_driver d;
    seen_posts seen;
    open_noting(&d, &seen, KEY);
    tsms_message_options message = sample();
    send(&d, &message);
    assert_string_equal(seen.callbacks[0], "");
    tsms_result *result = take(&d);
    assert_null(tsms_result_callback_ref(result).ptr);
    tsms_result_free(result);
    virtual_close(&d);
}

static void test_a_reference_of_ones_own(void **state)
{
    (void)state;
    virtual_driver d;
    seen_posts seen;
    open_noting(&d, &seen, WITH_URL "callback_ref.lifetime_ms=60000");
    tsms_message_options message = sample();
    message.callback_ref = TSMS__STR("order-17");
    send(&d, &message);
    message.status_callback = TSMS__STR("https://example.com/own");
    send(&d, &message);
    static const char *const begins[] = {"https://example.com/status?a=1&ref=order-17.1700000060.",
                                         "https://example.com/own?ref=order-17.1700000180."};
    for (size_t i = 0; i < 2; i++) {
        assert_memory_equal(seen.callbacks[i], begins[i], strlen(begins[i]));
        assert_good(seen.callbacks[i], TSMS__STR("order-17"), START_S + 60 + (int64_t)i * 120);
        tsms_result *result = take(&d);
        assert_str_is(tsms_result_callback_ref(result), "order-17");
        tsms_result_free(result);
    }
    assert_non_null(strstr(seen.callbacks[0], "#rc=2"));
    virtual_close(&d);
}

static void test_random_references_differ(void **state)
{
    (void)state;
    char refs[6][TSMS__REF_ID_MOST + 1];
    for (size_t client = 0; client < 3; client++) {
        virtual_driver d; /* each gets the same seed by the driver, but none by the option */
        seen_posts seen;
        open_noting(&d, &seen, WITH_URL);
        for (size_t i = 0; i < 2; i++) {
            tsms_message_options message = sample();
            send(&d, &message);
            tsms_result *result = take(&d);
            tsms_str ref = tsms_result_callback_ref(result);
            assert_int_equal(ref.len, 32);
            memcpy(refs[2 * client + i], ref.ptr, ref.len + 1);
            assert_good(seen.callbacks[i], ref, START_S + WEEK_S + (int64_t)i * 120);
            tsms_result_free(result);
        }
        virtual_close(&d);
    }
    for (size_t a = 0; a < 6; a++) {
        for (size_t b = 0; b < a; b++) {
            assert_string_not_equal(refs[a], refs[b]);
        }
    }
}

static void test_a_seed_makes_them_the_same(void **state)
{
    (void)state;
    seen_posts runs[3];
    static const char *const options[] = {WITH_URL "seed=7", WITH_URL "seed=7", WITH_URL "seed=8"};
    for (size_t i = 0; i < 3; i++) {
        virtual_driver d;
        open_noting(&d, &runs[i], options[i]);
        tsms_message_options message = sample();
        send(&d, &message);
        send(&d, &message);
        virtual_collect(&d);
        virtual_close(&d);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(runs[0].callbacks[i], runs[1].callbacks[i]);
        assert_string_not_equal(runs[0].callbacks[i], runs[2].callbacks[i]);
    }
    assert_string_not_equal(runs[0].callbacks[0], runs[0].callbacks[1]);
}

static void test_a_scheduled_message_is_known_when_it_goes_out(void **state)
{
    (void)state;
    virtual_driver d;
    seen_posts seen;
    open_noting(&d, &seen, WITH_URL);
    tsms_message_options message = sample();
    message.messaging_service_sid = TSMS__STR(VIRTUAL_SERVICE);
    message.send_at = START_S + 30 * 86400;
    message.callback_ref = TSMS__STR("a");
    send(&d, &message);
    assert_good(seen.callbacks[0], TSMS__STR("a"), START_S + 30 * 86400 + WEEK_S);
    virtual_collect(&d);
    virtual_close(&d);
}

static void test_every_attempt_carries_the_same(void **state)
{
    (void)state;
    virtual_driver d;
    seen_posts seen;
    open_noting(&d, &seen, WITH_URL);
    d.script = "429 reset none ok"; /* again, and once more after a look-up found nothing */
    tsms_message_options message = sample();
    send(&d, &message);
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.callbacks[0], seen.callbacks[1]);
    assert_string_equal(seen.callbacks[0], seen.callbacks[2]);
    tsms_result *result = take(&d);
    assert_int_equal(tsms_result_attempts(result), 3);
    assert_good(seen.callbacks[2], tsms_result_callback_ref(result), START_S + WEEK_S);
    tsms_result_free(result);
    virtual_close(&d);
}

static void test_a_failed_message_has_it_too(void **state)
{
    (void)state;
    virtual_driver d;
    seen_posts seen;
    open_noting(&d, &seen, WITH_URL "in_doubt=stop");
    d.script = "reset";
    tsms_message_options message = sample();
    message.callback_ref = TSMS__STR("x");
    send(&d, &message);
    tsms_result *result = take(&d);
    assert_int_equal(tsms_result_outcome(result), TSMS_OUTCOME_IN_DOUBT);
    assert_str_is(tsms_result_callback_ref(result), "x");
    tsms_result_free(result);
    /* A call that has none does not show that of the one before it. */
    virtual_fetch(&d, 0);
    virtual_run(&d, 1000);
    result = take(&d);
    assert_null(tsms_result_callback_ref(result).ptr);
    tsms_result_free(result);
    virtual_close(&d);
}

static void assert_refused(virtual_driver *d, const tsms_message_options *message, const char *why)
{
    uint64_t id;
    tsms_error err;
    assert_int_equal(virtual_submit(d, message, 0, &id, &err), TSMS_ERROR);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
    assert_int_equal(err.outcome, TSMS_OUTCOME_NOT_SENT);
    if (strstr(err.message, why) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", why, err.message);
    }
    assert_int_equal(tsms_client_pending(d->client), 0);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    virtual_driver d;
    tsms_message_options message = sample();
    message.callback_ref = TSMS__STR("x");
    virtual_open(&d, NULL, KEY);
    assert_refused(&d, &message, "callback_ref needs status_callback");
    virtual_close(&d);
    virtual_open(&d, NULL, "status_callback=" URL);
    assert_refused(&d, &message, "callback_ref.key");
    virtual_close(&d);
    virtual_open(&d, NULL, WITH_URL);
    message.callback_ref = TSMS__STR("x.y");
    assert_refused(&d, &message, "callback_ref is not");
    virtual_close(&d);
}

/* Twilio refuses longer ones, so it is the whole that counts. */
static void test_the_length_of_the_whole(void **state)
{
    (void)state;
    static char url[4001];
    const size_t reference = strlen("?ref=x.1700604800.") + 32;
    for (size_t len = 4000 - reference; len <= 4000 - reference + 1; len++) {
        virtual_driver d;
        virtual_open(&d, NULL, KEY);
        memset(url, 'a', len);
        memcpy(url, "https://example.com/", 20);
        tsms_message_options message = sample();
        message.status_callback = (tsms_str){url, len};
        message.callback_ref = TSMS__STR("x");
        if (len + reference <= 4000) {
            send(&d, &message);
            assert_result(&d, "ok 1");
        } else {
            assert_refused(&d, &message, "status_callback has 4001 characters with its reference");
        }
        virtual_close(&d);
    }
}

/* Where both find no room, the reference does without the span: a trace makes no message fail. */
static void test_a_span_goes_where_there_is_room(void **state)
{
    (void)state;
    static char url[4001];
    const size_t reference = strlen("?ref=x.1700604800.") + 32;
    const size_t with_span = reference + strlen(".") + 48;
    for (size_t room = reference; room <= with_span; room += with_span - reference - 1) {
        virtual_driver d;
        tsms_trace *trace = NULL;
        const tsms_trace_options options = TSMS_TRACE_OPTIONS_INIT;
        assert_int_equal(tsms_trace_new(NULL, &options, &trace, NULL), TSMS_OK);
        virtual_open(&d, NULL, KEY);
        tsms_client_set_trace(d.client, trace);
        size_t len = 4000 - room;
        memset(url, 'a', len);
        memcpy(url, "https://example.com/", 20);
        tsms_message_options message = sample();
        message.status_callback = (tsms_str){url, len};
        message.callback_ref = TSMS__STR("x");
        send(&d, &message);
        assert_result(&d, "ok 1");
        assert_int_equal(d.client->callback.len, len + reference);
        message.status_callback.len = 4000 - with_span;
        send(&d, &message);
        assert_result(&d, "ok 1");
        assert_int_equal(d.client->callback.len, 4000);
        virtual_close(&d);
        tsms_trace_free(trace);
    }
}

static void test_without_memory(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        virtual_driver d;
        virtual_open(&d, &tm.mem, WITH_URL);
        tm.calls = 0;
        tm.fail_at = n;
        uint64_t id;
        tsms_error err;
        tsms_message_options message = sample();
        tsms_status status = virtual_submit(&d, &message, 0, &id, &err);
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        bool failed = tm.failed;
        virtual_run(&d, 1000);
        virtual_collect(&d);
        virtual_close(&d);
        assert_int_equal(tm.live, 0);
        if (!failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_key_urls_stay_as_they_are),
        cmocka_unit_test(test_without_a_url_there_is_no_reference),
        cmocka_unit_test(test_a_reference_of_ones_own),
        cmocka_unit_test(test_random_references_differ),
        cmocka_unit_test(test_a_seed_makes_them_the_same),
        cmocka_unit_test(test_a_scheduled_message_is_known_when_it_goes_out),
        cmocka_unit_test(test_every_attempt_carries_the_same),
        cmocka_unit_test(test_a_failed_message_has_it_too),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_the_length_of_the_whole),
        cmocka_unit_test(test_a_span_goes_where_there_is_room),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
