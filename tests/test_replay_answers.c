#include "support.h"

#include "call/replay_answers.h"

static tsms__answers answers;

static const tsms__replay_key key = {{1, 2}};

static int clear(void **state)
{
    (void)state;
    memset(&answers, 0, sizeof answers);
    return 0;
}

static uint16_t keep(tsms__replay_key of, const char *type, const char *body)
{
    tsms_webhook_answer answer = {
        .http_status = 200, .content_type = tsms_str_from(type), .body = tsms_str_from(body)};
    return tsms__answers_keep(&answers, of, &answer);
}

static bool is_there(uint16_t number, tsms__replay_key of)
{
    static tsms__replay_answer answer;
    return tsms__answers_read(&answers, number, of, &answer);
}

static void test_an_answer_is_found_by_number_and_key(void **state)
{
    (void)state;
    static tsms__replay_answer answer;
    uint16_t number = keep(key, "text/xml", "<Response/>");
    assert_true(tsms__answers_read(&answers, number, key, &answer));
    tsms_str type = {answer.type, answer.type_len};
    tsms_str body = {answer.body, answer.body_len};
    assert_str_is(type, "text/xml");
    assert_str_is(body, "<Response/>");
    assert_false(is_there(number, (tsms__replay_key){{1, 3}}));
    assert_false(is_there(number, (tsms__replay_key){{0, 2}}));
    for (unsigned other = 0; other <= UINT16_MAX; other++) {
        assert_int_equal(is_there((uint16_t)other, key), other == number);
    }
}

static void test_a_fresh_ring_holds_nothing(void **state)
{
    (void)state;
    for (unsigned number = 0; number <= UINT16_MAX; number++) {
        assert_false(is_there((uint16_t)number, (tsms__replay_key){{0, 0}}));
    }
}

static void test_the_oldest_is_overwritten(void **state)
{
    (void)state;
    uint16_t first = keep(key, "a", "first");
    for (uint64_t i = 1; i < TSMS__ANSWERS; i++) {
        keep((tsms__replay_key){{i, 7}}, "a", "other");
    }
    assert_true(is_there(first, key));
    assert_int_equal(keep((tsms__replay_key){{0, 7}}, "a", "other"), first);
    assert_false(is_there(first, key));
}

static void test_what_is_too_long_is_not_kept(void **state)
{
    (void)state;
    static char text[TSMS__REPLAY_ANSWER_MOST + 1];
    tsms_webhook_answer answer = {.body = {text, sizeof text}};
    assert_int_equal(tsms__answers_keep(&answers, key, &answer), 0);
    answer.body.len--;
    answer.content_type = (tsms_str){text, TSMS__REPLAY_TYPE_MOST + 1};
    assert_int_equal(tsms__answers_keep(&answers, key, &answer), 0);
    answer.content_type.len--;
    assert_true(is_there(tsms__answers_keep(&answers, key, &answer), key));
}

/* Any word that another writer changes, or that a writer who died did not reach. */
static void test_a_torn_answer_is_not_shown(void **state)
{
    (void)state;
    uint16_t number = keep(key, "text/plain", "an answer of some words, which all belong together");
    tsms__answer_cell *cell = &answers.cells[number - 1];
    _Atomic uint64_t *words = &cell->sum;
    size_t used = 2 + (strlen("text/plain") + 50 + 7) / 8;
    for (size_t i = 0; i < used; i++) {
        static const uint64_t changes[] = {1, UINT64_C(1) << 63, UINT64_MAX, UINT64_C(1) << 16};
        for (size_t c = 0; c < sizeof changes / sizeof *changes; c++) {
            uint64_t before = atomic_load(&words[i]);
            atomic_store(&words[i], before ^ changes[c]);
            assert_false(is_there(number, key));
            atomic_store(&words[i], before);
        }
    }
    assert_true(is_there(number, key));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, clear)
    const struct CMUnitTest tests[] = {
        TEST(test_an_answer_is_found_by_number_and_key),
        TEST(test_a_fresh_ring_holds_nothing),
        TEST(test_the_oldest_is_overwritten),
        TEST(test_what_is_too_long_is_not_kept),
        TEST(test_a_torn_answer_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
