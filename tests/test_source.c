/* Tests of csrc/config/source.c: reading secrets from variables and files, and what is said when
 * that fails. */
#define _POSIX_C_SOURCE 200809L /* setenv, mkdtemp */
#include <sys/stat.h>
#include <unistd.h>

#include "config/source.h"
#include "support.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

/* A directory of its own for each test. */
typedef struct place {
    char dir[32];
    char path[64];
} place;

static int make_place(void **state)
{
    place *at = calloc(1, sizeof *at);
    assert_non_null(at);
    strcpy(at->dir, "/tmp/tsms_test_XXXXXX");
    assert_non_null(mkdtemp(at->dir));
    snprintf(at->path, sizeof at->path, "%s/token", at->dir);
    *state = at;
    return 0;
}

static int remove_place(void **state)
{
    place *at = *state;
    (void)unlink(at->path);
    assert_int_equal(rmdir(at->dir), 0);
    free(at);
    return 0;
}

static void write_file(const char *path, tsms_str bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

static void assert_refused(tsms_status status, const tsms_error *err, tsms_kind kind,
                           const char *want)
{
    assert_int_equal(status, TSMS_ERROR);
    assert_string_equal(err->message, want);
    assert_int_equal(err->kind, kind);
}

static void refuse_file(tsms_str path, const char *want)
{
    char buf[TSMS__SOURCE_SIZE];
    tsms_str text;
    tsms_error err;
    assert_refused(tsms__source_file("auth_token.file", path, buf, &text, &err), &err,
                   TSMS_KIND_INVALID_AUTH_TOKEN, want);
}

static void refuse_variable(tsms_str name, const char *want)
{
    tsms_str text;
    tsms_error err;
    assert_refused(tsms__source_env("auth_token.env", name, &text, &err), &err,
                   TSMS_KIND_INVALID_AUTH_TOKEN, want);
}

static void a_variable_is_viewed_where_it_is(void **state)
{
    assert_int_equal(setenv("TSMS_TEST_SECRET", TOKEN, 1), 0);
    tsms_str text;
    assert_int_equal(tsms__source_env("auth_token.env", TSMS__STR("TSMS_TEST_SECRET"), &text, NULL),
                     TSMS_OK);
    assert_str_is(text, TOKEN);
    assert_ptr_equal(text.ptr, getenv("TSMS_TEST_SECRET"));
    /* The name need not end in NUL. */
    assert_int_equal(
        tsms__source_env("auth_token.env", (tsms_str){"TSMS_TEST_SECRETS", 16}, &text, NULL),
        TSMS_OK);
    assert_int_equal(unsetenv("TSMS_TEST_SECRET"), 0);
}

static void a_missing_variable_is_named(void **state)
{
    assert_int_equal(unsetenv("TSMS_TEST_SECRET"), 0);
    const char *want =
        "option 'auth_token.env': the environment variable 'TSMS_TEST_SECRET' is not set";
    refuse_variable(TSMS__STR("TSMS_TEST_SECRET"), want);
    assert_int_equal(setenv("TSMS_TEST_SECRET", "", 1), 0);
    refuse_variable(TSMS__STR("TSMS_TEST_SECRET"), want);
    assert_int_equal(setenv("TSMS_TEST_SECRET", TOKEN, 1), 0);
    refuse_variable(TSMS__STR("TSMS_TEST_SECRET\0"),
                    "option 'auth_token.env': the environment variable 'TSMS_TEST_SECRET ' is not "
                    "set");
    assert_int_equal(unsetenv("TSMS_TEST_SECRET"), 0);
    refuse_variable((tsms_str){NULL, 0},
                    "option 'auth_token.env': the environment variable '' is not set");
    refuse_variable(TSMS__STR(TOKEN),
                    "option 'auth_token.env': the environment variable (not shown, it may be a "
                    "secret) is not set");
    char longest[300];
    memset(longest, 'N', sizeof longest);
    refuse_variable((tsms_str){longest, sizeof longest},
                    "option 'auth_token.env': the environment variable "
                    "'NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN...' is not set");
}

static void one_line_end_is_cut_off(void **state)
{
    const place *at = *state;
    static const struct {
        tsms_str bytes;
        const char *want;
    } cases[] = {
        {{TOKEN, 32}, TOKEN},
        {{TOKEN "\n", 33}, TOKEN},
        {{TOKEN "\r\n", 34}, TOKEN},
        {{TOKEN "\n\n", 34}, TOKEN "\n"},
        {{"\n" TOKEN " \n", 35}, "\n" TOKEN " "},
        {{"a\nb\n", 4}, "a\nb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(at->path, cases[i].bytes);
        char buf[TSMS__SOURCE_SIZE];
        tsms_str text;
        assert_int_equal(
            tsms__source_file("auth_token.file", tsms_str_from(at->path), buf, &text, NULL),
            TSMS_OK);
        assert_str_is(text, cases[i].want);
        assert_ptr_equal(text.ptr, buf);
    }
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    const place *at = *state;
    char want[160];
    snprintf(want, sizeof want,
             "option 'auth_token.file': cannot read '%s': No such file or "
             "directory",
             at->path);
    refuse_file(tsms_str_from(at->path), want);
    snprintf(want, sizeof want, "option 'auth_token.file': cannot read '%s': Is a directory",
             at->dir);
    refuse_file(tsms_str_from(at->dir), want);
    refuse_file((tsms_str){NULL, 0}, "option 'auth_token.file': cannot read '': Invalid argument");
    refuse_file(TSMS__STR("/\0"), "option 'auth_token.file': cannot read '/ ': Invalid argument");
    refuse_file(TSMS__STR(TOKEN),
                "option 'auth_token.file': cannot read (not shown, it may be a secret): No such "
                "file or directory");
    static char longest[5000];
    memset(longest, '/', sizeof longest);
    refuse_file((tsms_str){longest, sizeof longest},
                "option 'auth_token.file': cannot read "
                "'//////////////////////////////////////////...': Invalid argument");
}

static void an_empty_or_huge_file_is_refused(void **state)
{
    const place *at = *state;
    char want[160];
    static const char *const empty[] = {"", "\n", "\r\n"};
    snprintf(want, sizeof want, "option 'auth_token.file': '%s' is empty", at->path);
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        write_file(at->path, tsms_str_from(empty[i]));
        refuse_file(tsms_str_from(at->path), want);
    }
    char bytes[TSMS__SOURCE_SIZE + 1];
    memset(bytes, 'x', sizeof bytes);
    snprintf(want, sizeof want, "option 'auth_token.file': '%s' holds more than a secret",
             at->path);
    write_file(at->path, (tsms_str){bytes, sizeof bytes});
    refuse_file(tsms_str_from(at->path), want);
    write_file(at->path, (tsms_str){bytes, TSMS__SOURCE_SIZE});
    refuse_file(tsms_str_from(at->path), want);
    write_file(at->path, (tsms_str){bytes, TSMS__SOURCE_SIZE - 1});
    char buf[TSMS__SOURCE_SIZE];
    tsms_str text;
    assert_int_equal(
        tsms__source_file("auth_token.file", tsms_str_from(at->path), buf, &text, NULL), TSMS_OK);
    assert_int_equal(text.len, TSMS__SOURCE_SIZE - 1);
}

static void a_readable_file_passes_the_check(void **state)
{
    const place *at = *state;
    char want[160];
    tsms_error err;
    snprintf(want, sizeof want,
             "option 'ca_file': cannot read '%s': No such file or directory; advice", at->path);
    assert_refused(tsms__source_check("ca_file", at->path, "advice", &err), &err,
                   TSMS_KIND_INVALID_OPTION, want);
    /* Opening it would wait for a writer for ever. */
    assert_int_equal(mkfifo(at->path, 0600), 0);
    snprintf(want, sizeof want, "option 'ca_file': cannot read '%s': it is not a file; advice",
             at->path);
    assert_refused(tsms__source_check("ca_file", at->path, "advice", &err), &err,
                   TSMS_KIND_INVALID_OPTION, want);
    assert_int_equal(unlink(at->path), 0);
    write_file(at->path, TSMS__STR(""));
    assert_int_equal(tsms__source_check("ca_file", at->path, "advice", NULL), TSMS_OK);
}

/* Root may read everything, so it becomes somebody else for the duration. */
static void a_forbidden_file_is_named(void **state)
{
    const place *at = *state;
    write_file(at->path, TSMS__STR(TOKEN));
    assert_int_equal(chmod(at->path, 0), 0);
    assert_int_equal(chmod(at->dir, 0755), 0);
    uid_t user = geteuid();
    if (user == 0 && seteuid(65534) != 0) {
        skip();
    }
    char buf[TSMS__SOURCE_SIZE];
    tsms_str text;
    tsms_error secret_err;
    tsms_error check_err;
    tsms_status secret =
        tsms__source_file("auth_token.file", tsms_str_from(at->path), buf, &text, &secret_err);
    tsms_status check = tsms__source_check("ca_file", at->path, "advice", &check_err);
    assert_int_equal(seteuid(user), 0);
    char want[160];
    snprintf(want, sizeof want, "option 'auth_token.file': cannot read '%s': Permission denied",
             at->path);
    assert_refused(secret, &secret_err, TSMS_KIND_INVALID_AUTH_TOKEN, want);
    snprintf(want, sizeof want, "option 'ca_file': cannot read '%s': Permission denied; advice",
             at->path);
    assert_refused(check, &check_err, TSMS_KIND_INVALID_OPTION, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_is_viewed_where_it_is),
        cmocka_unit_test(a_missing_variable_is_named),
        cmocka_unit_test_setup_teardown(one_line_end_is_cut_off, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_named, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(an_empty_or_huge_file_is_refused, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_readable_file_passes_the_check, make_place, remove_place),
        cmocka_unit_test_setup_teardown(a_forbidden_file_is_named, make_place, remove_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
