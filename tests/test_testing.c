/* twilio_sms_testing.h: the simulator starts, tells what was sent, and each helper fails the test
 * when it should. Where the Lua modules were not built there is no simulator, and what needs it is
 * skipped. */
#define _POSIX_C_SOURCE 200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A failure is caught where the test waits for one. */
static jmp_buf escape;
static bool is_awaited;
static char failure[65536];

static void fail_here(const char *file, int line, const char *text)
{
    snprintf(failure, sizeof failure, "%s", text);
    if (is_awaited) {
        longjmp(escape, 1);
    }
    print_error("%s\n", text);
    _fail(file, line);
}

#define TSMS_TESTING_FAIL(file, line, text) fail_here((file), (line), (text))
#include "twilio_sms_testing.h"

#define assert_fails(statement, part)                                                              \
    do {                                                                                           \
        is_awaited = true;                                                                         \
        if (setjmp(escape) == 0) {                                                                 \
            statement;                                                                             \
            is_awaited = false;                                                                    \
            fail_msg("%s did not fail", #statement);                                               \
        }                                                                                          \
        is_awaited = false;                                                                        \
        if (strstr(failure, (part)) == NULL) {                                                     \
            fail_msg("failed with other words: %s", failure);                                      \
        }                                                                                          \
    } while (0)

#define PERSON "+15558675310"
#define NUMBER "+15005550006"

static bool has_simulator;
static tsms_testing sim; /* static: longjmp leaves it as it is */
static tsms_client *client;

static int start(void **state)
{
    (void)state;
    if (!has_simulator) {
        return 0;
    }
    tsms_testing_start(&sim, "seed = 7");
    tsms_config *config;
    tsms_error err;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    tsms_testing_configure(&sim, config);
    assert_int_equal(tsms_config_set(config, "from", tsms_str_from(NUMBER), &err), TSMS_OK);
    assert_int_equal(tsms_client_new(config, &client, &err), TSMS_OK);
    tsms_config_free(config);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    tsms_client_free(client);
    client = NULL;
    tsms_testing_stop(&sim);
    return 0;
}

static void need_simulator(void)
{
    if (!has_simulator) {
        fail_msg("there are no Lua modules beside this program; `make` builds them");
    }
}

static tsms_status send_text(const char *to, const char *body, tsms_error *err)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(to);
    message.body = tsms_str_from(body);
    tsms_result *result = NULL;
    tsms_status status = tsms_client_send(client, &message, &result, err);
    tsms_result_free(result);
    return status;
}

static void says_what_was_sent(void **state)
{
    (void)state;
    need_simulator();
    assert_int_equal(send_text(PERSON, "Hello", NULL), TSMS_OK);
    assert_int_equal(send_text(PERSON, "Hello", NULL), TSMS_OK);
    tsms_testing_assert_sent(&sim, PERSON, "Hello");
    tsms_testing_assert_sent(&sim, PERSON, NULL);
    tsms_testing_assert_sent(&sim, NULL, "Hello");
    tsms_testing_assert_sent_times(&sim, 2, PERSON, "Hello");
    tsms_testing_assert_not_sent(&sim, PERSON, "Goodbye");
    tsms_testing_assert_not_sent(&sim, "+15558675311", NULL);
}

static void lists_what_was_sent_instead(void **state)
{
    (void)state;
    need_simulator();
    assert_int_equal(send_text(PERSON, "Hello, {you}", NULL), TSMS_OK);
    assert_int_equal(send_text("+15558675311", "Other", NULL), TSMS_OK);
    assert_fails(tsms_testing_assert_sent(&sim, PERSON, "Hello"),
                 "0 messages to " PERSON " with the body \"Hello\", not at least 1; what was sent "
                 "to this number:");
    assert_non_null(strstr(failure, "Hello, {you}"));
    assert_null(strstr(failure, "Other"));
    assert_fails(tsms_testing_assert_sent(&sim, "+15558675312", NULL), "what was sent to others:");
    assert_non_null(strstr(failure, "Other"));
    assert_fails(tsms_testing_assert_not_sent(&sim, PERSON, NULL),
                 "1 messages to " PERSON " with the body of any kind, not 0; these were:");
    assert_fails(tsms_testing_assert_sent_times(&sim, 2, PERSON, NULL), "not 2; these were:");
}

static void texts_may_be_of_any_kind(void **state)
{
    (void)state;
    need_simulator();
    char text[4 * 700 + 1] = "";
    for (int i = 0; i < 700; i++) {
        strcat(text, "\xf0\x9f\x98\x80");
    }
    assert_int_equal(send_text(PERSON, text, NULL), TSMS_OK);
    tsms_testing_assert_sent(&sim, PERSON, text);
    const char *odd = "100 % & \"more\"\n+?=\\";
    assert_int_equal(send_text(PERSON, odd, NULL), TSMS_OK);
    tsms_testing_assert_sent(&sim, PERSON, odd);
    tsms_testing_assert_sent_times(&sim, 2, PERSON, NULL);
}

static void time_passes(void **state)
{
    (void)state;
    need_simulator();
    assert_int_equal(send_text(PERSON, "Hello", NULL), TSMS_OK);
    tsms_testing__find(&sim, PERSON, NULL, __FILE__, __LINE__);
    assert_null(strstr(sim.answer, "delivered"));
    tsms_testing_advance(&sim, 3600.5);
    tsms_testing__find(&sim, PERSON, NULL, __FILE__, __LINE__);
    assert_non_null(strstr(sim.answer, "delivered"));
}

static void persons_write(void **state)
{
    (void)state;
    need_simulator();
    tsms_testing_inbound(&sim, PERSON, NUMBER, "STOP");
    tsms_error err;
    assert_int_not_equal(send_text(PERSON, "Hello", &err), TSMS_OK);
    assert_int_equal(err.api_code, 21610);
    tsms_testing_assert_not_sent(&sim, PERSON, NULL);
    /* What a person writes was not sent by the program. */
    tsms_testing_assert_not_sent(&sim, NUMBER, NULL);
}

static void faults_come_and_go(void **state)
{
    (void)state;
    need_simulator();
    tsms_error err;
    tsms_testing_fault(&sim, "on=send&action=status&status=400&code=21211");
    assert_int_not_equal(send_text(PERSON, "Hello", &err), TSMS_OK);
    assert_int_equal(err.api_code, 21211);
    tsms_testing_assert_not_sent(&sim, PERSON, NULL);
    tsms_testing_clear_faults(&sim);
    assert_int_equal(send_text(PERSON, "Hello", &err), TSMS_OK);
    tsms_testing_assert_sent(&sim, PERSON, "Hello");
}

static void a_lost_reply_is_no_second_message(void **state)
{
    (void)state;
    need_simulator();
    tsms_testing_fault(&sim, "on=send&times=1&action=drop_after");
    assert_int_equal(send_text(PERSON, "Hello", NULL), TSMS_OK);
    tsms_testing_assert_sent_times(&sim, 1, PERSON, "Hello");
}

static void a_hanging_server_ends_with_its_program(void **state)
{
    (void)state;
    need_simulator();
    tsms_testing_fault(&sim, "on=send&action=hang&accepted=true");
    CURL *curl = curl_easy_init();
    char url[256];
    snprintf(url, sizeof url, "%s/2010-04-01/Accounts/%s/Messages.json", sim.base_url,
             TSMS_TESTING_ACCOUNT_SID);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, sim.ca_file);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_USERPWD, TSMS_TESTING_ACCOUNT_SID ":" TSMS_TESTING_AUTH_TOKEN);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "To=%2B15558675310&From=%2B15005550006&Body=x");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 300L);
    assert_int_equal(curl_easy_perform(curl), CURLE_OPERATION_TIMEDOUT);
    curl_easy_cleanup(curl);
    tsms_testing_assert_sent(&sim, PERSON, "x");
}

static void what_cannot_be_asked_fails(void **state)
{
    (void)state;
    need_simulator();
    assert_fails(tsms_testing_fault(&sim, "action=drop_befor"), "did you mean 'drop_before'?");
    char *text = (char *)malloc(40000);
    assert_non_null(text);
    memset(text, 'x', 39999);
    text[39999] = '\0';
    assert_fails(tsms_testing_inbound(&sim, PERSON, NUMBER, text), "too long for a message");
    assert_fails(tsms_testing_assert_sent(&sim, PERSON, text), "too long for a message");
    free(text);
}

static void it_may_have_a_proxy(void **state)
{
    (void)state;
    need_simulator();
    static tsms_testing other;
    tsms_testing_start(&other, "proxy = true");
    tsms_testing_clear_faults(&other);
    tsms_testing_stop(&other);
}

static void it_starts_in_a_program_without_standard_input(void **state)
{
    (void)state;
    need_simulator();
    static tsms_testing other;
    int kept = dup(0); /* -1 when that is how this one runs */
    close(0);
    tsms_testing_start(&other, NULL);
    if (kept >= 0) {
        dup2(kept, 0);
        close(kept);
    }
    tsms_testing_advance(&other, 1);
    tsms_testing_clear_faults(&other);
    tsms_testing_stop(&other);
}

static void what_never_started_stops(void **state)
{
    (void)state;
    static tsms_testing other;
    int flags = fcntl(0, F_GETFD);
    tsms_testing_stop(&other);
    assert_int_equal(fcntl(0, F_GETFD), flags);
}

static void it_ends_when_it_is_told(void **state)
{
    (void)state;
    need_simulator();
    pid_t process = sim.process;
    tsms_testing_stop(&sim);
    assert_int_equal(waitpid(process, NULL, 0), -1);
    tsms_testing_stop(&sim);
    assert_fails(tsms_testing_advance(&sim, 1), "no simulator runs");
}

static void a_program_that_does_not_start_is_told(void **state)
{
    (void)state;
    static tsms_testing other;
    const char *const commands[] = {"exit 3", "echo", "echo ready", "echo ready port=x ca_file=y",
                                    "echo ready port=7 ca_file="};
    for (volatile size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        setenv("TWILIO_SMS_SIM", commands[i], 1);
        assert_fails(tsms_testing_start(&other, NULL), "the simulator does not start");
        assert_int_equal(other.process, 0);
    }
    setenv("TWILIO_SMS_SIM", "echo 'ready port=7 ca_file=/no ne'; cat", 1);
    tsms_testing_start(&other, NULL);
    assert_string_equal(other.base_url, "https://localhost:7");
    assert_string_equal(other.ca_file, "/no ne");
    assert_fails(tsms_testing_clear_faults(&other), "DELETE /_sim/faults: HTTP 0 ");
    tsms_testing_stop(&other);
    unsetenv("TWILIO_SMS_SIM");
}

static void messages_are_counted_in_their_json(void **state)
{
    (void)state;
    const struct {
        const char *json;
        int count;
    } cases[] = {
        {"", 0},
        {"[]", 0},
        {"[{\"to\":\"a\"}]", 1},
        {"[{\"body\":\"{\\\"direction\\\":\\\"inbound\\\"}\"},{\"body\":\"},{\"}]", 2},
        {"[{\"direction\":\"inbound\"},{\"direction\":\"outbound-api\"}]", 1},
        {"[{\"body\":\"\\\\\"},{\"body\":\"\\", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[256];
        snprintf(json, sizeof json, "%s", cases[i].json);
        assert_int_equal(tsms_testing__count(json), cases[i].count);
    }
    assert_int_equal(tsms_testing__count(NULL), 0);
    char two[] = "[{\"body\":\"a,b\"},{}]";
    tsms_testing__count(two);
    assert_string_equal(two, "[{\"body\":\"a,b\"}\n{}]");
}

/* The simulator's modules lie beside the folder of this program, or of that of the plain build. */
static bool find_modules(const char *program)
{
    const char *const places[] = {"../lua5.4", "../../lua5.4"};
    char folder[2048], paths[3 * 4096], file[4096];
    snprintf(folder, sizeof folder, "%s", program);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(file, sizeof file, "%s/%s/twilio_sms/server.so", folder, places[i]);
        if (access(file, R_OK) == 0) {
            snprintf(paths, sizeof paths, "%s/%s/?.lua;%s/%s/?/init.lua;;", folder, places[i],
                     folder, places[i]);
            setenv("LUA_PATH_5_4", paths, 1);
            snprintf(paths, sizeof paths, "%s/%s/?.so;;", folder, places[i]);
            setenv("LUA_CPATH_5_4", paths, 1);
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    (void)argc;
    unsetenv("TWILIO_SMS_SIM");
    has_simulator = find_modules(argv[0]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_what_was_sent, start, stop),
        cmocka_unit_test_setup_teardown(lists_what_was_sent_instead, start, stop),
        cmocka_unit_test_setup_teardown(texts_may_be_of_any_kind, start, stop),
        cmocka_unit_test_setup_teardown(time_passes, start, stop),
        cmocka_unit_test_setup_teardown(persons_write, start, stop),
        cmocka_unit_test_setup_teardown(faults_come_and_go, start, stop),
        cmocka_unit_test_setup_teardown(a_lost_reply_is_no_second_message, start, stop),
        cmocka_unit_test_setup_teardown(a_hanging_server_ends_with_its_program, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_asked_fails, start, stop),
        cmocka_unit_test(it_may_have_a_proxy),
        cmocka_unit_test(it_starts_in_a_program_without_standard_input),
        cmocka_unit_test(what_never_started_stops),
        cmocka_unit_test_setup_teardown(it_ends_when_it_is_told, start, stop),
        cmocka_unit_test(a_program_that_does_not_start_is_told),
        cmocka_unit_test(messages_are_counted_in_their_json),
    };
    return cmocka_run_group_tests_name("testing", tests, NULL, NULL);
}
