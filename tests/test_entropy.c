#include "support.h"

#include "base/entropy.h"

static void test_two_draws_differ(void **state)
{
    (void)state;
    unsigned char a[256] = {0};
    unsigned char b[256] = {0};
    assert_true(tsms__entropy(a, sizeof a));
    assert_true(tsms__entropy(b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
}

static void test_it_fills_just_what_is_asked_for(void **state)
{
    (void)state;
    for (size_t len = 0; len < 32; len++) {
        unsigned char bytes[34] = {0};
        unsigned char seen[34] = {0};
        for (int i = 0; i < 64; i++) { /* a byte that stays 0 in all of them was not filled */
            assert_true(tsms__entropy(bytes + 1, len));
            for (size_t at = 0; at < sizeof bytes; at++) {
                seen[at] |= bytes[at];
            }
        }
        for (size_t at = 0; at < sizeof seen; at++) {
            assert_int_equal(seen[at] != 0, at >= 1 && at <= len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_draws_differ),
        cmocka_unit_test(test_it_fills_just_what_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
