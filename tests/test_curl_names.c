/* Nobody may have to wait for a name that does not get resolved: neither for a time-out nor for the
 * end. With the defect these tests never end by themselves. The resolvers wait until the program
 * ends. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "support.h"

#include "base/mem.h"
#include "drive/curl_post.h"

#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#define NAME "nobody-answers.test"

/* Where the resolver waits for an answer, and tells that it does. */
static int no_answer[2];
static int asked[2];

typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* Stands before that of the system, also for libcurl, whose threads call it. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **out)
{
    char byte = 'x';
    if (node != NULL && strcmp(node, NAME) == 0) {
        if (write(asked[1], &byte, 1) == 1) {
            (void)!read(no_answer[0], &byte, 1);
        }
        return EAI_AGAIN;
    }
    resolve *real = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, out);
}

static int setup(void **state)
{
    alarm(30);
    return setenv("no_proxy", "*", 1) != 0 || pipe(no_answer) != 0 || pipe(asked) != 0;
}

static bool is_asked(void)
{
    char byte;
    struct pollfd there = {.fd = asked[0], .events = POLLIN};
    return poll(&there, 1, 1) == 1 && read(asked[0], &byte, 1) == 1;
}

static void test_the_end_of_a_poster(void **state)
{
    tsms__poster *poster = NULL;
    const tsms__post_request request = {.url = TSMS__STR("http://" NAME "/"),
                                        .body = TSMS__STR("x")};
    uint64_t id;
    tsms_error err;
    assert_int_equal(tsms__poster_new(NULL, (tsms_str){NULL, 0}, &poster, &err), TSMS_OK);
    assert_int_equal(tsms__poster_submit(poster, &request, &id, &err), TSMS_OK);
    while (!is_asked()) {
        tsms__poster_step(poster, 0);
    }
    tsms__poster_free(poster);
}

static tsms_client *open_client(void)
{
    static const char *const options[][2] = {
        {"account_sid", "AC0123456789abcdef0123456789abcdef"},
        {"auth_token", "0123456789abcdef0123456789abcdef"},
        {"base_url", "https://" NAME},
        {"connect_timeout_ms", "100"},
        {"retry.connection.attempts", "1"},
        {"retry.timeout.attempts", "1"},
    };
    tsms_config *config = NULL;
    tsms_client *client = NULL;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        tsms_str value = tsms_str_from(options[i][1]);
        assert_int_equal(tsms_config_set(config, options[i][0], value, NULL), TSMS_OK);
    }
    assert_int_equal(tsms_client_new(config, &client, NULL), TSMS_OK);
    tsms_config_free(config);
    return client;
}

static void submit(tsms_client *client)
{
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_FETCH;
    request.sid = TSMS__STR("SM0123456789abcdef0123456789abcdef");
    uint64_t id;
    assert_int_equal(tsms_client_submit(client, &request, &id, NULL), TSMS_OK);
}

static void test_the_time_out_of_a_request(void **state)
{
    tsms_client *client = open_client();
    submit(client);
    tsms_result *result;
    while ((result = tsms_client_result(client)) == NULL) {
        tsms_client_step(client, -1);
    }
    assert_int_equal(tsms_result_error(result)->outcome, TSMS_OUTCOME_NOT_SENT);
    assert_true(is_asked());
    tsms_result_free(result);
    tsms_client_free(client);
}

static void test_the_end_of_a_client(void **state)
{
    tsms_client *client = open_client();
    submit(client);
    while (!is_asked()) {
        tsms_client_step(client, 0);
    }
    tsms_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_end_of_a_poster),
        cmocka_unit_test(test_the_time_out_of_a_request),
        cmocka_unit_test(test_the_end_of_a_client),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
