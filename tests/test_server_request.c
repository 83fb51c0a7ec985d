/* drive/server_request.c: targets taken apart, and requests judged. */
#include "support.h"

#include "drive/server_request.h"

static tsms_server_request *request_new(const char *method, const char *target)
{
    tsms_server_request *request = tsms__inbound_new(&tsms__mem_libc, 4, 1024);
    assert_non_null(request);
    request->method = tsms__inbound_copy(request, tsms_str_from(method));
    tsms__inbound_set_target(request, tsms_str_from(target));
    return request;
}

static void test_targets(void **state)
{
    static const struct {
        const char *target, *path, *query; /* query NULL: there is none */
        bool sound;
    } cases[] = {
        {"/", "/", NULL, true},
        {"/a/b", "/a/b", NULL, true},
        {"/a?", "/a", "", true},
        {"/a?b=c?d&e", "/a", "b=c?d&e", true},
        {"/%zz%00", "/%zz%00", NULL, true},
        {"*", "*", NULL, true},
        {"http://host", "/", NULL, true},
        {"http://host?a=/b", "/", "a=/b", true},
        {"https://u@host:1/a?b", "/a", "b", true},
        {"", "/", NULL, false},
        {"a", "a", NULL, false},
        {"**", "**", NULL, false},
        {"ftp://host/", "ftp://host/", NULL, false},
        {"/a b", "/a b", NULL, false},
        {"/a\tb", "/a\tb", NULL, false},
        {"/\x7f", "/\x7f", NULL, false},
        {"/\xc3\xa4", "/\xc3\xa4", NULL, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms_server_request *request = request_new("GET", cases[i].target);
        assert_str_is(tsms_server_request_target(request), cases[i].target);
        assert_str_is(tsms_server_request_path(request), cases[i].path);
        tsms_str query = tsms_server_request_query(request);
        if (cases[i].query != NULL) {
            assert_non_null(query.ptr);
            assert_str_is(query, cases[i].query);
        } else {
            assert_null(query.ptr);
        }
        assert_int_equal(tsms__inbound_is_sound(request), cases[i].sound);
        tsms__inbound_free(request);
    }
}

static void test_headers(void **state)
{
    static const struct {
        const char *method, *headers[6]; /* name, value, ... */
        bool sound;
    } cases[] = {
        {"POST", {"Content-Length", "0"}, true},
        {"POST", {"content-length", "18446744073709551616"}, true}, /* evhttp judges the size */
        {"POST", {"Content-Length", ""}, false},
        {"POST", {"Content-Length", "1", "CONTENT-LENGTH", "1"}, false},
        {"POST", {"Content-Length", "1", "Transfer-Encoding", "chunked"}, false},
        {"POST", {"Transfer-Encoding", "CHUNKED"}, true},
        {"POST", {"Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked"}, false},
        {"POST", {"Transfer-Encoding", "chunked, chunked"}, false},
        {"POST", {"Content-Length ", "1"}, false},
        {"POST", {"Content\tLength", "1"}, false},
        {"POST", {"Content_Length", "1"}, true},
        {"HEAD", {"Content-Length", "0"}, true},
        {"HEAD", {"Content-Length", "1"}, false},
        {"HEAD", {"Transfer-Encoding", "chunked"}, false},
        {"GET", {"Host", "a", "host", "a"}, false},
        {"GET", {"X", "a\tb"}, true},
        {"GET", {"X", "a\vb"}, false},
        {"GET", {"X", "\xff"}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms_server_request *request = request_new(cases[i].method, "/");
        for (size_t h = 0; h < 6 && cases[i].headers[h] != NULL; h += 2) {
            tsms__inbound_add_header(request, tsms_str_from(cases[i].headers[h]),
                                     tsms_str_from(cases[i].headers[h + 1]));
        }
        if (tsms__inbound_is_sound(request) != cases[i].sound) {
            fail_msg("case %zu was judged wrongly", i);
        }
        tsms__inbound_free(request);
    }
}

static void test_room_is_never_exceeded(void **state)
{
    tsms_server_request *request = request_new("GET", "/");
    for (int i = 0; i < 10; i++) {
        tsms__inbound_add_header(request, tsms_str_from("a"), tsms_str_from("b"));
    }
    tsms_str name, value;
    assert_true(tsms_server_request_header_at(request, 3, &name, &value));
    assert_false(tsms_server_request_header_at(request, 4, &name, &value));
    tsms__inbound_free(request);
    tsms__inbound_free(NULL);
    assert_null(tsms__inbound_new(&tsms__mem_libc, SIZE_MAX / 2, 0));
    assert_null(tsms__inbound_new(&tsms__mem_libc, 1, SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_room_is_never_exceeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
