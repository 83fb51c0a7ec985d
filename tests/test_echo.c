/* What a server says back: credentials and texts are covered, sentences stay. */
#include "support.h"

#include "base/err.h"
#include "wire/echo.h"

#define SID "AC00000000000000000000000000000001"
#define TOKEN "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
#define KEY "SK00000000000000000000000000000001"
#define KEY_SECRET "Kq3/w+Zr\"Tp7Lm2&Yx9Vb4Nc8Hd5Gf1J"

static const tsms_error *hide(const tsms_mem *mem, bool with_key, const char *message,
                              const char *form)
{
    static tsms_error err;
    tsms_config *config;
    assert_int_equal(tsms_config_new(mem, &config), TSMS_OK);
    const char *const options[][2] = {
        {"account_sid", SID}, {"auth_token", TOKEN}, {"api_key", KEY}, {"api_secret", KEY_SECRET}};
    for (size_t i = 0; i < (with_key ? 4 : 2); i++) {
        assert_int_equal(tsms_config_set(config, options[i][0], tsms_str_from(options[i][1]), NULL),
                         TSMS_OK);
    }
    tsms__error_set(&err, TSMS_KIND_INVALID_REQUEST, "%s", message);
    tsms__error_text(err.more_info, sizeof err.more_info, tsms_str_from(message));
    tsms__error_text(err.request_id, sizeof err.request_id, tsms_str_from(message));
    tsms__echo_hide(&err, config, tsms_str_from(form));
    tsms_config_free(config);
    return &err;
}

static void check(bool with_key, const char *message, const char *form, const char *want)
{
    assert_string_equal(hide(NULL, with_key, message, form)->message, want);
}

static void test_secrets_are_covered(void **state)
{
    check(false, "a " TOKEN " z", "", "a ******************************** z");
    check(true, "a " KEY_SECRET " z", "", "a ******************************** z");
    check(true, "a " TOKEN, "", "a ********************************");
}

/* Made with base64(1) from SID:TOKEN, as the header has it. */
static void test_credentials_are_covered_as_the_header_has_them(void **state)
{
    check(false,
          "got Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTo5ZjhlN2Q2YzViNGEzOTI4MTcwNmY1ZT"
          "RkM2MyYjFhMA==.",
          "",
          "got Basic ******************************************************************************"
          "**************.");
}

static void test_pieces_are_covered(void **state)
{
    check(false, "a 5b4a3928 z", "", "a ******** z");
    check(false, "a 5b4a392 z", "", "a 5b4a392 z"); /* seven bytes may be anything */
    check(false, "x9f8e7d6c5b4ax", "", "x************x");
}

/* A text that is too long for an error ends anywhere. */
static void test_less_is_covered_where_a_text_is_cut(void **state)
{
    char message[256];
    tsms_error err;
    size_t room = sizeof err.message - 1;
    for (size_t shown = 5; shown <= 6; shown++) {
        memset(message, '-', room - shown);
        strcpy(message + room - shown, TOKEN);
        const char *text = hide(NULL, false, message, "")->message;
        assert_int_equal(strlen(text), room);
        assert_string_equal(text + room - 6, shown == 6 ? "******" : "-9f8e7");
    }
    check(false, "ends with 9f8e7d", "", "ends with 9f8e7d");
}

static void test_every_text_is_covered(void **state)
{
    const tsms_error *err = hide(NULL, false, TOKEN, "");
    assert_null(strstr(err->message, "9f"));
    assert_null(strstr(err->more_info, "9f"));
    assert_null(strstr(err->request_id, "9f"));
    assert_int_equal(strlen(err->request_id), strlen(TOKEN));
}

/* Accounts and messages may be named after one digit, and so may the token of a simulator. */
static void test_a_row_of_one_sign_is_no_secret(void **state)
{
    tsms_config *config;
    tsms_error err;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    tsms_config_set(config, "account_sid", tsms_str_from(SID), NULL);
    tsms_config_set(config, "auth_token", tsms_str_from("0000000000000000000000000000000a"), NULL);
    tsms__error_set(&err, TSMS_KIND_INVALID_REQUEST, "no SM00000000000000000000000000000001");
    tsms__echo_hide(&err, config, (tsms_str){NULL, 0});
    assert_string_equal(err.message, "no SM00000000000000000000000000000001");
    tsms__error_set(&err, TSMS_KIND_INVALID_REQUEST, "no 0000000000000000000000000000000a z");
    tsms__echo_hide(&err, config, (tsms_str){NULL, 0});
    assert_string_equal(err.message, "no ******************************** z");
    tsms_config_free(config);
}

static void test_texts_are_covered(void **state)
{
    check(false, "'Your code is 493827' is spam", "To=%2B1&Body=Your+code+is+493827",
          "'*******************' is spam");
    check(false, "line one line two of the text!", "Body=line+one%0Aline+two+of+the+text",
          "*****************************!");
    check(false, "{\"1\":\"Ann\"} is bad", "ContentVariables=%7B%221%22%3A%22Ann%22%7D",
          "*********** is bad");
    check(false, "caf\xC3\xA9 \xC3\xA0 la carte for two", "Body=%A9+%C3%A0+la+carte+for+two",
          "caf**********************");
}

/* The number was masked before. */
static void test_a_text_with_a_number_is_covered(void **state)
{
    check(false, "'Meet at 5*******10' is bad", "Body=Meet+at+5558675310",
          "'******************' is bad");
}

/* A token, or a text, that is all digits matches any number that was masked. */
static void test_a_masked_number_is_no_secret(void **state)
{
    tsms_config *config;
    tsms_error err;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    tsms_config_set(config, "account_sid", tsms_str_from(SID), NULL);
    tsms_config_set(config, "auth_token", tsms_str_from("11111111111111111111111111111111"), NULL);
    tsms__error_set(&err, TSMS_KIND_INVALID_REQUEST, "no +1*********01");
    tsms__echo_hide(&err, config, tsms_str_from("Body=5551234567"));
    assert_string_equal(err.message, "no +1*********01");
    tsms_config_free(config);
}

/* As a firewall's page may quote the request. */
static void test_texts_are_covered_as_the_wire_has_them(void **state)
{
    check(false, "blocked: To=x&Body=Your+code+is+493827&From=y",
          "To=%2B1&Body=Your+code+is+493827&From=%2B2",
          "blocked: To=x&Body=*******************&From=y");
    check(false, "blocked: caf%C3%A9+is+it", "Body=caf%C3%A9+is+it", "blocked: ***************");
}

/* Each place of an answer may match each place of a text a little: it took eleven seconds. */
static void test_a_hostile_answer_costs_little(void **state)
{
    enum { FORM = 1605, ANSWER = 8192 };
    char form[FORM + 1] = "Body=";
    char answer[ANSWER];
    tsms_config *config;
    assert_int_equal(tsms_config_new(NULL, &config), TSMS_OK);
    tsms_config_set(config, "account_sid", tsms_str_from(SID), NULL);
    tsms_config_set(config, "auth_token", tsms_str_from(TOKEN), NULL);
    memset(form + 5, 'a', FORM - 5);
    form[FORM] = '\0';
    memset(answer, 'a', sizeof answer - 1);
    answer[sizeof answer - 1] = '\0';
    tsms__echo_hide_text(answer, sizeof answer, config, tsms_str_from(form));
    assert_int_equal(strspn(answer, "a"), sizeof answer - 1); /* one sign tells nothing */
    tsms_config_free(config);
}

/* What stands before the bytes in which a match shows itself belongs to it. */
static void test_a_match_is_covered_from_its_beginning(void **state)
{
    check(false, "is aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab c", "Body=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
          "is ******************************** c");
}

/* A message and the sentence about it share words. */
static void test_sentences_stay(void **state)
{
    check(false, "Message body is required",
          "Body=The+message+body+is+required+by+the+customs+office", "Message body is required");
    check(false, "The number is not valid", "Body=no", "The number is not valid");
    check(false, "Permission denied for SM1", "From=Permission+denied+for+SM1",
          "Permission denied for SM1");
}

static void test_without_memory_less_is_said(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, 0);
        tsms_config *config;
        assert_int_equal(tsms_config_new(&tm.mem, &config), TSMS_OK);
        tsms_config_set(config, "account_sid", tsms_str_from(SID), NULL);
        tsms_config_set(config, "auth_token", tsms_str_from(TOKEN), NULL);
        tsms_error err;
        tsms__error_set(&err, TSMS_KIND_INVALID_REQUEST, "%s",
                        "said " TOKEN " and a long enough text");
        tm.fail_at = tm.calls + n;
        tsms__echo_hide(&err, config, tsms_str_from("Body=and+a+long+enough+text"));
        assert_null(strstr(err.message, "9f8e"));
        assert_null(strstr(err.message, "and a long enough text"));
        assert_int_equal(err.kind, TSMS_KIND_INVALID_REQUEST);
        tsms_config_free(config);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets_are_covered),
        cmocka_unit_test(test_credentials_are_covered_as_the_header_has_them),
        cmocka_unit_test(test_pieces_are_covered),
        cmocka_unit_test(test_less_is_covered_where_a_text_is_cut),
        cmocka_unit_test(test_every_text_is_covered),
        cmocka_unit_test(test_a_row_of_one_sign_is_no_secret),
        cmocka_unit_test(test_texts_are_covered),
        cmocka_unit_test(test_texts_are_covered_as_the_wire_has_them),
        cmocka_unit_test(test_a_text_with_a_number_is_covered),
        cmocka_unit_test(test_a_masked_number_is_no_secret),
        cmocka_unit_test(test_a_hostile_answer_costs_little),
        cmocka_unit_test(test_a_match_is_covered_from_its_beginning),
        cmocka_unit_test(test_sentences_stay),
        cmocka_unit_test(test_without_memory_less_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
