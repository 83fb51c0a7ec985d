/* Proves what the fault server does when nothing is wrong, and that it cleans up behind itself. */
#define _GNU_SOURCE /* strdup */
#include "bare_client.h"
#include "fault_server.h"

#include <cjson/cJSON.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *string_at(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    assert_non_null(text);
    return text;
}

/* ---- A server that nothing ails */

static void check_answers_and_lists(long http_version, long expected_version)
{
    fault_server *server = fault_server_start(NULL, 0);
    bare_client c;
    bare_client_open(&c, fault_server_url(server), fault_server_ca_file(server), http_version);

    bare_reply first =
        bare_post(&c, "To=%2B15005550010&From=%2B15005550006&Body=one+%26+%C3%A9%22%25");
    assert_int_equal(first.code, CURLE_OK);
    assert_int_equal(first.status, 201);
    long version = 0;
    curl_easy_getinfo(c.easy, CURLINFO_HTTP_VERSION, &version);
    assert_int_equal(version, expected_version);
    cJSON *message = cJSON_Parse(first.text);
    assert_non_null(message);
    assert_string_equal(string_at(message, "to"), "+15005550010");
    assert_string_equal(string_at(message, "from"), "+15005550006");
    assert_string_equal(string_at(message, "body"), "one & \xC3\xA9\"%");
    assert_string_equal(string_at(message, "account_sid"), "AC0123456789abcdef0123456789abcdef");
    assert_string_equal(string_at(message, "sid"), "SM00000000000000000000000000000001");
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(message, "date_sent")));
    cJSON_Delete(message);

    bare_post(&c, "To=%2B15005550011&From=%2B15005550006&Body=other");
    bare_post(&c, "To=%2B15005550010&From=%2B15005550006&Body=two");
    bare_reply page = bare_list(&c, "To=%2B15005550010&From=%2B15005550006&PageSize=50");
    assert_int_equal(page.status, 200);
    cJSON *list = cJSON_Parse(page.text);
    cJSON *rows = cJSON_GetObjectItemCaseSensitive(list, "messages");
    assert_int_equal(cJSON_GetArraySize(rows), 2);
    assert_string_equal(string_at(cJSON_GetArrayItem(rows, 0), "body"), "two");
    assert_string_equal(string_at(cJSON_GetArrayItem(rows, 1), "body"), "one & \xC3\xA9\"%");
    assert_string_equal(string_at(cJSON_GetArrayItem(rows, 0), "direction"), "outbound-api");
    cJSON_Delete(list);
    bare_reply nothing = bare_list(&c, "To=%2B15005550012");
    assert_non_null(strstr(nothing.text, "\"messages\":[]"));

    fault_stats stats = fault_server_stats(server);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.posts_seen_complete, 3);
    assert_int_equal(stats.posts_accepted, 3);
    assert_int_equal(stats.lookups, 2);
    bare_client_close(&c);
    fault_server_stop(server);
}

static void test_answers_and_lists_over_http1(void **state)
{
    (void)state;
    check_answers_and_lists(CURL_HTTP_VERSION_1_1, CURL_HTTP_VERSION_1_1);
}

static void test_answers_and_lists_over_http2(void **state)
{
    (void)state;
    check_answers_and_lists(CURL_HTTP_VERSION_2TLS, CURL_HTTP_VERSION_2_0);
}

static void test_answer_has_the_size_of_a_real_one(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    bare_client c;
    bare_client_open(&c, fault_server_url(server), fault_server_ca_file(server),
                     CURL_HTTP_VERSION_1_1);
    bare_reply r =
        bare_post(&c, "To=%2B15005550010&From=%2B15005550006&Body="
                      "Your+order+1234567+has+left+our+warehouse+and+will+be+with+you+on+"
                      "Thursday+morning.+Bye");
    assert_in_range(r.len, 800, 900);
    bare_client_close(&c);
    fault_server_stop(server);
}

static void test_certificate_needs_the_servers_own_authority(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    fault_server *stranger = fault_server_start(NULL, 0);
    bare_client c;
    bare_client_open(&c, fault_server_url(server), fault_server_ca_file(stranger),
                     CURL_HTTP_VERSION_1_1);
    bare_reply r = bare_send_hello(&c);
    assert_int_equal(r.code, CURLE_PEER_FAILED_VERIFICATION);
    assert_int_equal(r.prereqs, 0);
    bare_client_close(&c);
    fault_server_stop(stranger);
    fault_server_stop(server);
}

static void test_certificate_names_localhost(void **state)
{
    (void)state;
    fault_server *server = fault_server_start(NULL, 0);
    char url[64];
    snprintf(url, sizeof url, "https://localhost%s", strrchr(fault_server_url(server), ':'));
    bare_client c;
    bare_client_open(&c, url, fault_server_ca_file(server), CURL_HTTP_VERSION_1_1);
    assert_int_equal(bare_send_hello(&c).status, 201);
    bare_client_close(&c);
    fault_server_stop(server);
}

static void test_stop_ends_hangs_and_removes_the_certificate(void **state)
{
    (void)state;
    fault_server *server = fault_server_start((fault[]){{.id = FAULT_HANG}}, 1);
    char *ca_file = strdup(fault_server_ca_file(server));
    CURLM *multi = curl_multi_init();
    bare_client c;
    bare_reply r = {.code = CURLE_OK};
    bare_client_open(&c, fault_server_url(server), ca_file, CURL_HTTP_VERSION_1_1);
    c.reply = &r;
    curl_easy_setopt(c.easy, CURLOPT_POSTFIELDS, "Body=x");
    curl_multi_add_handle(multi, c.easy);
    int running = 1;
    while (running > 0 && fault_server_stats(server).posts_seen_complete == 0) {
        curl_multi_perform(multi, &running);
        curl_multi_poll(multi, NULL, 0, 1, NULL);
    }
    assert_int_equal(running, 1);
    fault_server_stop(server);
    assert_int_not_equal(access(ca_file, F_OK), 0);
    curl_multi_remove_handle(multi, c.easy);
    bare_client_close(&c);
    curl_multi_cleanup(multi);
    free(ca_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_lists_over_http1),
        cmocka_unit_test(test_answers_and_lists_over_http2),
        cmocka_unit_test(test_answer_has_the_size_of_a_real_one),
        cmocka_unit_test(test_certificate_needs_the_servers_own_authority),
        cmocka_unit_test(test_certificate_names_localhost),
        cmocka_unit_test(test_stop_ends_hangs_and_removes_the_certificate),
    };
    curl_global_init(CURL_GLOBAL_ALL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
