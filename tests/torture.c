/* Every allocation of the library fails, in every scenario: first each one once, then each one and
 * all behind it. A run must end in success, in TSMS_NOMEM or in a clean error, leave what it made
 * usable, and leak nothing. The allocations of libcurl and of the JSON library count as well. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "failing_malloc.h"
#include "virtual_driver.h"

#include "drive/curl.h"
#include "drive/curl_global.h"
#include "wire/form.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

/* ---- Judging ------------------------------------------------------------------------------- */

static const char *scenario_name;

#define REQUIRE(condition) require((condition), #condition, __LINE__)

static void require(bool holds, const char *what, int line)
{
    if (!holds) {
        armed = false;
        fprintf(stderr, "torture.c:%d: scenario %s, allocation %zu%s: not so: %s\n", line,
                scenario_name, failing_at, for_ever ? " and all behind it" : "", what);
        abort();
    }
}

/* Whether a step was done. One that was not must have run out of memory, or, where a library hides
 * that, have failed after an allocation did. */
static bool done(tsms_status status, const tsms_error *err)
{
    REQUIRE(status == TSMS_OK || failed);
    if (status != TSMS_OK && err != NULL) {
        REQUIRE(err->kind != TSMS_KIND_NONE && err->message[0] != '\0');
    }
    return status == TSMS_OK;
}

static void read_result(const tsms_result *result)
{
    const tsms_error *err = tsms_result_error(result);
    REQUIRE((err == NULL) == (tsms_result_outcome(result) == TSMS_OUTCOME_ACCEPTED));
    REQUIRE(err == NULL || (err->kind != TSMS_KIND_NONE && tsms_result_count(result) == 0));
    for (size_t i = 0; i <= tsms_result_count(result); i++) {
        tsms_message message;
        tsms_media media;
        (void)tsms_result_message(result, i, &message);
        (void)tsms_result_media(result, i, &media);
        (void)tsms_result_field(result, i, "sid");
    }
    (void)tsms_result_next_page_uri(result);
}

/* ---- Clients ------------------------------------------------------------------------------- */

/* The test's own allocations do not count. */
static void serve(virtual_driver *d, virtual_flight *flight)
{
    bool was_armed = armed;
    armed = false;
    virtual_serve_script(d, flight);
    armed = was_armed;
}

static tsms_config *make_config(const char *options)
{
    static const char credentials[] =
        "account_sid=" VIRTUAL_ACCOUNT " auth_token=0123456789abcdef0123456789abcdef";
    tsms_config *config = NULL;
    if (!done(tsms_config_new(NULL, &config), NULL)) {
        return NULL;
    }
    const char *sources[] = {credentials, options};
    for (size_t i = 0; i < 2; i++) {
        tsms_str word;
        while (virtual_word(&sources[i], &word)) {
            char key[64];
            const char *value = memchr(word.ptr, '=', word.len);
            snprintf(key, sizeof key, "%.*s", (int)(value - word.ptr), word.ptr);
            size_t len = word.len - (size_t)(value + 1 - word.ptr);
            tsms_error err;
            if (!done(tsms_config_set(config, key, (tsms_str){value + 1, len}, &err), &err)) {
                tsms_config_free(config);
                return NULL;
            }
        }
    }
    return config;
}

static bool open_client(virtual_driver *d, const char *options)
{
    virtual_init(d);
    d->serve = serve;
    tsms_config *config = make_config(options);
    if (config == NULL) {
        return false;
    }
    tsms_error err;
    bool made = done(tsms__client_new(config, 1, &d->client, &err), &err);
    REQUIRE(made || d->client == NULL);
    tsms_config_free(config);
    return made;
}

static size_t take_results(virtual_driver *d)
{
    size_t good = 0;
    tsms_result *result;
    while ((result = tsms_client_result(d->client)) != NULL) {
        read_result(result);
        good += tsms_result_error(result) == NULL;
        tsms_result_free(result);
    }
    return good;
}

/* Everything has ended; with memory again the client sends as if nothing had been. */
static void close_client(virtual_driver *d)
{
    REQUIRE(tsms_client_pending(d->client) == 0);
    bool was_armed = armed;
    armed = false;
    tsms_client_set_checks(d->client, false);
    d->judge = NULL;
    d->script = NULL;
    virtual_run(d, 120000); /* breaker and limits have forgotten */
    uint64_t id;
    tsms_error err;
    REQUIRE(virtual_try_send(d, "+15005550001", "+15005550099", "hello", &id, &err) == TSMS_OK);
    virtual_run(d, 1000);
    REQUIRE(take_results(d) == 1);
    armed = was_armed;
    virtual_close(d);
}

static bool try_send(virtual_driver *d, const char *from)
{
    uint64_t id;
    tsms_error err;
    return done(virtual_try_send(d, "+15005550001", from, "hello", &id, &err), &err);
}

/* ---- Scenarios ----------------------------------------------------------------------------- */

static void configuration(void)
{
    tsms_config *config = make_config(
        "api_key=SK0123456789abcdef0123456789abcdef api_secret=0123456789abcdef0123456789abcdef "
        "from=+15005550006 region=ie1 edge=dublin base_url=https://example.com/ "
        "proxy=http://proxy.example:3128 status_callback=https://example.com/s "
        "callback_urls=https://example.com/a callback_urls=https://example.com/b "
        "callback_urls=https://example.com/c messaging_service_sid=" VIRTUAL_SERVICE);
    if (config == NULL) {
        return;
    }
    tsms_error err;
    for (int code = 21600; code < 21605; code++) {
        (void)done(tsms_config_set_error(config, code, TSMS_KIND_OPTED_OUT, false, &err), &err);
    }
    REQUIRE(tsms_config_set(config, "rate.per_secnd", tsms_str_from("1"), &err) == TSMS_ERROR);
    tsms_config *copy = NULL;
    if (done(tsms__config_copy(config, &copy), NULL)) {
        REQUIRE(tsms__config_check(copy, &err) == TSMS_OK);
        tsms_config_free(copy);
    }
    tsms_config_free(config);
}

static void sending_with_everything(void)
{
    static const tsms_str urls[] = {{"https://example.com/1.png", 25},
                                    {"https://example.com/2.png", 25}};
    static const tsms_str actions[] = {{"geo:1,2", 7}};
    virtual_driver d;
    if (!open_client(&d, "from=+15005550006 rate.unit=segment status_callback=https://example.com/ "
                         "callback_ref.key=a-secret-of-some-length")) {
        return;
    }
    tsms_message_options m = TSMS_MESSAGE_OPTIONS_INIT;
    m.to = tsms_str_from("+15005550001");
    m.messaging_service_sid = tsms_str_from(VIRTUAL_SERVICE);
    m.fallback_from = tsms_str_from("+15005550007");
    m.body = tsms_str_from("gr\xc3\xbc\xc3\x9f dich \xe2\x80\x9cwell\xe2\x80\x9d");
    m.media = urls;
    m.media_count = 2;
    m.content_sid = tsms_str_from("HX0123456789abcdef0123456789abcdef");
    m.content_variables = tsms_str_from("{\"1\":\"one\"}");
    m.application_sid = tsms_str_from("AP0123456789abcdef0123456789abcdef");
    m.max_price = tsms_str_from("0.5");
    m.provide_feedback = TSMS_TRUE;
    m.attempt = 2;
    m.validity_period_s = 100;
    m.force_delivery = TSMS_FALSE;
    m.content_retention = tsms_str_from("discard");
    m.address_retention = tsms_str_from("retain");
    m.smart_encoded = TSMS_TRUE;
    m.persistent_actions = actions;
    m.persistent_action_count = 1;
    m.shorten_urls = TSMS_TRUE;
    m.send_at = d.now.wall_ms / 1000 + 3600;
    m.risk_check = tsms_str_from("enable");
    m.tags = tsms_str_from("{\"a\":\"b\"}");
    m.callback_ref = tsms_str_from("order-17");
    uint64_t id;
    tsms_error err;
    (void)done(virtual_submit(&d, &m, 0, &id, &err), &err);
    virtual_run(&d, 61000);
    (void)take_results(&d);
    close_client(&d);
}

static void every_operation(void)
{
    virtual_driver d;
    if (!open_client(&d, "")) {
        return;
    }
    for (int op = TSMS_OP_FETCH; op < TSMS_OP_COUNT; op++) {
        tsms_request request = TSMS_REQUEST_INIT;
        request.operation = (tsms_operation)op;
        request.sid = tsms_str_from(VIRTUAL_SID);
        request.media_sid = tsms_str_from("ME0123456789abcdef0123456789abcdef");
        request.to = tsms_str_from("+15005550001");
        request.date_sent_after = tsms_str_from("2026-01-01");
        request.page_size = 10;
        uint64_t id;
        tsms_error err;
        (void)done(tsms__client_submit(d.client, &request, d.now, &id, &err), &err);
    }
    virtual_run(&d, 61000);
    d.script = "503 ok 400 ok 500";
    for (int i = 0; i < 3; i++) {
        tsms_request request = TSMS_REQUEST_INIT;
        request.operation = TSMS_OP_LIST;
        request.page_uri = tsms_str_from(VIRTUAL_NEXT_PAGE);
        uint64_t id;
        tsms_error err;
        (void)done(tsms__client_submit(d.client, &request, d.now, &id, &err), &err);
    }
    virtual_run(&d, 60000);
    (void)take_results(&d);
    close_client(&d);
}

static void run_script(const char *options, const char *script)
{
    virtual_driver d;
    if (!open_client(&d, options)) {
        return;
    }
    d.script = script;
    if (try_send(&d, VIRTUAL_FROM)) {
        virtual_run(&d, 61000);
    }
    (void)take_results(&d);
    close_client(&d);
}

static tsms_log *open_log(void)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.level = TSMS_LOG_TRACE;
    options.pseudonym_key = tsms_str_from("0123456789abcdef");
    options.buffer_size = 16384;
    tsms_log *log = NULL;
    tsms_error err;
    (void)done(tsms_log_new(NULL, &options, &log, &err), &err);
    return log;
}

static tsms_trace *open_trace(void)
{
    const tsms_param resource[] = {{tsms_str_from("host.name"), tsms_str_from("h")}};
    tsms_trace_options options = TSMS_TRACE_OPTIONS_INIT;
    options.resource = resource;
    options.resource_count = 1;
    tsms_trace *trace = NULL;
    tsms_error err;
    (void)done(tsms_trace_new(NULL, &options, &trace, &err), &err);
    return trace;
}

/* What the log and the trace hold goes to nobody. */
static void pull(tsms_log *log, tsms_trace *trace)
{
    tsms_log_level level;
    tsms_str line;
    while (log != NULL && tsms_log_take(log, &level, &line)) {
        REQUIRE(line.len > 0);
    }
    size_t count;
    while (trace != NULL && tsms_trace_take(trace, 1, &count).ptr != NULL) {
        REQUIRE(count == 1);
    }
}

static void observed(void)
{
    virtual_driver d;
    if (!open_client(&d,
                     "rate.per_number=1 rate.per_number_burst=1 callback_ref.key=0123456789abcdef "
                     "status_callback=https://example.com/status")) {
        return;
    }
    tsms_log *log = open_log();
    tsms_trace *trace = open_trace();
    tsms_client_set_log(d.client, log);
    tsms_client_set_trace(d.client, trace);
    d.script = "503 none 429:1 ok 400 reset mine";
    for (int i = 0; i < 3; i++) {
        (void)try_send(&d, VIRTUAL_FROM);
    }
    virtual_run(&d, 200000);
    (void)take_results(&d);
    pull(log, trace);
    tsms_log_free(log);
    tsms_trace_free(trace);
    close_client(&d);
}

static void retries(void)
{
    run_script("", "refused 429:1 nomem ok");
    run_script("", "400");
    run_script("in_doubt=resend", "500 503 timeout");
}

static void look_ups(void)
{
    run_script("", "reset others others mine");
    run_script("", "timeout 503 none ok");
    run_script("", "cut none none mine");
    run_script("", "garbled none none none");
}

static void allow_or_defer(virtual_driver *d, const tsms_check *check)
{
    bool defer = check->attempts == 0 && d->checks % 3 == 0;
    REQUIRE(tsms__client_answer(d->client, check->call_id, defer ? TSMS_DEFER : TSMS_ALLOW,
                                tsms_str_from(NULL), 1500, d->now));
}

static void waiting(bool checks)
{
    virtual_driver d;
    if (!open_client(&d, "max_concurrency=4 rate.per_second=10 rate.burst=1 "
                         "rate.per_recipient=100")) {
        return;
    }
    tsms_client_set_checks(d.client, checks);
    d.judge = allow_or_defer;
    uint64_t last = 0;
    for (int i = 0; i < 40; i++) { /* more senders and calls than the tables begin with */
        char from[24];
        snprintf(from, sizeof from, "+1500556%04d", i / 2);
        tsms_error err;
        uint64_t id;
        if (done(virtual_try_send(&d, "+15005550001", from, "hello", &id, &err), &err)) {
            last = id;
        }
    }
    virtual_run(&d, 500);
    (void)tsms__client_cancel(d.client, last, d.now);
    virtual_run(&d, 61000);
    (void)take_results(&d);
    tsms_event event;
    while (tsms_client_event(d.client, &event)) {
    }
    close_client(&d);
}

static void waiting_without_checks(void)
{
    waiting(false);
}

static void waiting_with_checks(void)
{
    waiting(true);
}

static void freed_in_the_middle(void)
{
    virtual_driver d;
    if (!open_client(&d, "max_concurrency=2")) {
        return;
    }
    d.script = "ok reset refused";
    for (int i = 0; i < 6; i++) {
        (void)try_send(&d, i < 3 ? VIRTUAL_FROM : "+15005550007");
        virtual_run(&d, 60);
    }
    tsms_result *kept = tsms_client_result(d.client);
    virtual_close(&d);
    if (kept != NULL) {
        read_result(kept); /* it outlives its client */
        tsms_result_free(kept);
    }
}

static void forms(void)
{
    tsms_buf name;
    tsms_buf value;
    tsms_buf form;
    tsms__buf_init(&name, &tsms__mem_libc);
    tsms__buf_init(&value, &tsms__mem_libc);
    tsms__buf_init(&form, &tsms__mem_libc);
    char body[256];
    memset(body, '+', sizeof body);
    tsms__form_add(&form, tsms_str_from("Body"), (tsms_str){body, sizeof body});
    tsms__form_add(&form, tsms_str_from("To"), tsms_str_from("+15005550001"));
    size_t pairs = 0;
    tsms_str rest = tsms__buf_str(&form);
    while (tsms__form_next(&rest, &name, &value)) {
        pairs++;
    }
    REQUIRE(pairs == 2 || failed);
    REQUIRE(pairs == 2 || form.failed || name.failed || value.failed);
    tsms__buf_free(&name);
    tsms__buf_free(&value);
    tsms__buf_free(&form);
}

/* A receiver is made, told its tokens, reads, explains and remembers; what was out of memory once
 * works the next time. */
static void webhooks(void)
{
    static const tsms_str urls[] = {{"https://Hooks.example.com/sms", 29}};
    static const tsms_str proxies[] = {{"10.0.0.0/8", 10}};
    static const char body[] = "MessageSid=" VIRTUAL_SID "&AccountSid=" VIRTUAL_ACCOUNT
                               "&MessageStatus=sent&Note=gr%C3%BC%C3%9F";
    tsms_webhook_options options = TSMS_WEBHOOK_OPTIONS_INIT;
    options.account_sid = tsms_str_from(VIRTUAL_ACCOUNT);
    options.urls = urls;
    options.url_count = 1;
    options.trusted_proxies = proxies;
    options.trusted_proxy_count = 1;
    options.callback_ref_key = tsms_str_from("a key of our own");
    tsms_param fields[] = {{tsms_str_from("MessageSid"), tsms_str_from(VIRTUAL_SID)},
                           {tsms_str_from("AccountSid"), tsms_str_from(VIRTUAL_ACCOUNT)},
                           {tsms_str_from("MessageStatus"), tsms_str_from("sent")},
                           {tsms_str_from("Note"), tsms_str_from("gr\xc3\xbc\xc3\x9f")}};
    tsms_str token = tsms_str_from("0123456789abcdef0123456789abcdef");
    tsms_str own = {NULL, 0};
    char signature[TSMS_SIGNATURE_SIZE];
    tsms_error err;
    tsms_signer *signer = NULL;
    bool is_signed = done(tsms_signer_new(NULL, &signer, &err), &err) &&
                     done(tsms_signer_add(signer, token, &err), &err) &&
                     done(tsms_signer_sign(signer, urls[0], fields, 4, signature, &err), &err);
    tsms_signer_free(signer);
    tsms_webhook *webhook = NULL;
    if (!is_signed || !done(tsms_webhook_new(&options, &webhook, &err), &err)) {
        return;
    }
    tsms_param headers[] = {
        {tsms_str_from("Host"), tsms_str_from("app")},
        {tsms_str_from("X-Forwarded-Host"), tsms_str_from("hooks.example.com")},
        {tsms_str_from("X-Forwarded-Proto"), tsms_str_from("https")},
        {tsms_str_from("Content-Type"), tsms_str_from("application/x-www-form-urlencoded")},
        {tsms_str_from("X-Twilio-Signature"), tsms_str_from(signature)}};
    tsms_webhook_request request = TSMS_WEBHOOK_REQUEST_INIT;
    request.method = tsms_str_from("POST");
    request.url = tsms_str_from("/sms");
    request.peer = tsms_str_from("10.0.0.1:5000");
    request.headers = headers;
    request.header_count = 5;
    request.body = tsms_str_from(body);
    tsms_log *log = open_log();
    tsms_trace *trace = open_trace();
    tsms_webhook_set_log(webhook, log);
    tsms_webhook_set_trace(webhook, trace);
    if (done(tsms_webhook_add_token(webhook, own, token, &err), &err)) {
        char text[2048];
        for (int i = 0; i < 2; i++) {
            tsms_webhook_event *event = NULL;
            if (done(tsms_webhook_read(webhook, &request, 1000, &event, &err), &err)) {
                REQUIRE(tsms_webhook_event_field(event, "Note").len == 6);
                tsms_webhook_count(webhook, event, TSMS_VERDICT_OK, 1001);
                tsms_webhook_event_free(event);
            } else {
                tsms_webhook_count_refused(webhook, &err, 1001);
            }
            tsms_webhook_explain(webhook, &request, text, sizeof text);
        }
        tsms_webhook_answer answer = {.http_status = 204};
        tsms_str key = tsms_str_from(signature);
        REQUIRE(tsms_webhook_claim(webhook, key, 1000, &answer) == TSMS_SEEN_NEW || failed);
        tsms_webhook_finish(webhook, key, 1000, &answer);
        REQUIRE(tsms_webhook_claim(webhook, key, 1000, &answer) == TSMS_SEEN_DONE || failed);
    }
    pull(log, trace);
    tsms_log_free(log);
    tsms_trace_free(trace);
    tsms_webhook_free(webhook);
}

/* The real driver, towards a port of this machine at which nobody listens. It is freed after a few
 * steps, wherever its requests are then. */
static void real_driver(void)
{
    tsms_config *config =
        make_config("base_url=https://127.0.0.1:1 retry.connection.attempts=1 "
                    "retry.unavailable.attempts=1 rate.per_number=0 breaker.failure_threshold=0");
    if (config == NULL) {
        return;
    }
    tsms_client *client = NULL;
    tsms_error err;
    if (done(tsms_client_new(config, &client, &err), &err)) {
        for (int i = 0; i < 2; i++) {
            tsms_message_options m = TSMS_MESSAGE_OPTIONS_INIT;
            m.to = tsms_str_from("+15005550001");
            m.from = tsms_str_from(VIRTUAL_FROM);
            m.body = tsms_str_from("hello");
            tsms_request request = TSMS_REQUEST_INIT;
            request.operation = TSMS_OP_SEND;
            request.message = &m;
            uint64_t id;
            (void)done(tsms_client_submit(client, &request, &id, &err), &err);
        }
        for (int i = 0; i < 4 && tsms_client_pending(client) > 0; i++) {
            tsms_client_step(client, 5);
            tsms_result *result;
            while ((result = tsms_client_result(client)) != NULL) {
                read_result(result);
                REQUIRE(tsms_result_outcome(result) == TSMS_OUTCOME_NOT_SENT);
                tsms_result_free(result);
            }
        }
        REQUIRE(tsms_client_pending(client) == 0 || failed);
        tsms_client_free(client);
    }
    tsms_config_free(config);
}

/* ---- Running ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"configuration", configuration},
    {"sending_with_everything", sending_with_everything},
    {"every_operation", every_operation},
    {"observed", observed},
    {"retries", retries},
    {"look_ups", look_ups},
    {"waiting_without_checks", waiting_without_checks},
    {"waiting_with_checks", waiting_with_checks},
    {"freed_in_the_middle", freed_in_the_middle},
    {"forms", forms},
    {"webhooks", webhooks},
    {"real_driver", real_driver},
};

/* What OpenSSL keeps of a run: errors of this thread, and digests that were looked up. */
static void forget_cached(void)
{
    OPENSSL_thread_stop();
    require(EVP_set_default_properties(NULL, "") == 1, "the cache is emptied", __LINE__);
}

static void run_once(size_t scenario, size_t n, bool all_behind)
{
    scenario_name = scenarios[scenario].name;
    failed = false;
    calls = 0;
    failing_at = n;
    for_ever = all_behind;
    armed = true;
    scenarios[scenario].run();
    armed = false;
    forget_cached();
    require(live == 0, "no leak", 0);
}

int main(void)
{
    const size_t count = sizeof scenarios / sizeof *scenarios;
    size_t allocations = 0;
    (void)tsms__curl_global_init(); /* what stays for good */
    real_driver();
    webhooks();
    (void)EVP_MD_fetch(NULL, "no such digest", NULL); /* makes it list all that it has */
    forget_cached();
    for (size_t i = 0; i < count; i++) {
        run_once(i, 0, false); /* without a failure it succeeds */
        for (int all_behind = 0; all_behind < 2; all_behind++) {
            size_t n = 0;
            do {
                run_once(i, ++n, all_behind == 1);
            } while (failed);
            allocations += n - 1;
        }
    }
    printf("%zu scenarios, %zu runs with a failed allocation (%zu failures), 0 leaks\n", count,
           allocations, failures);
    return 0;
}
