/* base/rand.c: the generator's sequence and its even ranges. */
#include "support.h"

#include "base/rand.h"

static void test_sequence_is_splitmix64(void **state)
{
    /* The widely published check values of splitmix64 for seed 1234567. */
    static const uint64_t want[] = {
        6457827717110365317u, 3203168211198807973u,  9817491932198370423u,
        4593380528125082431u, 16408922859458223821u,
    };
    tsms__rand rand;
    tsms__rand_init(&rand, 1234567);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        assert_true(tsms__rand_next(&rand) == want[i]);
    }
    tsms__rand_init(&rand, 0);
    assert_true(tsms__rand_next(&rand) == 0xE220A8397B1DCDAFu);
}

static void test_equal_seeds_give_equal_draws(void **state)
{
    tsms__rand a;
    tsms__rand b;
    tsms__rand_init(&a, 42);
    tsms__rand_init(&b, 42);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(tsms__rand_between(&a, -i, 3 * i), tsms__rand_between(&b, -i, 3 * i));
    }
}

static void test_empty_ranges_give_low(void **state)
{
    tsms__rand rand;
    tsms__rand_init(&rand, 1);
    assert_int_equal(tsms__rand_between(&rand, 5, 5), 5);
    assert_int_equal(tsms__rand_between(&rand, 5, 4), 5);
    assert_int_equal(tsms__rand_between(&rand, INT64_MAX, INT64_MIN), INT64_MAX);
}

static void test_both_ends_are_reached_evenly(void **state)
{
    enum { DRAWS = 60000, FACES = 6 };
    int seen[FACES] = {0};
    tsms__rand rand;
    tsms__rand_init(&rand, 7);
    for (int i = 0; i < DRAWS; i++) {
        int64_t value = tsms__rand_between(&rand, -2, FACES - 3);
        assert_true(value >= -2 && value <= FACES - 3);
        seen[value + 2]++;
    }
    for (int i = 0; i < FACES; i++) {
        /* The deviation is 91; this allows five of them. */
        assert_in_range(seen[i], DRAWS / FACES - 457, DRAWS / FACES + 457);
    }
}

static void test_wide_ranges_do_not_favour_their_low_end(void **state)
{
    /* Three quarters of all 64-bit values: a plain remainder would hit the lowest third of the
     * range half of the time. */
    enum { DRAWS = 30000 };
    const int64_t third = INT64_C(1) << 62;
    int lowest = 0;
    tsms__rand rand;
    tsms__rand_init(&rand, 7);
    for (int i = 0; i < DRAWS; i++) {
        lowest += tsms__rand_between(&rand, INT64_MIN, third - 1) < -third;
    }
    assert_in_range(lowest, DRAWS / 3 - 410, DRAWS / 3 + 410);
}

static void test_the_whole_range_has_both_signs(void **state)
{
    int negative = 0;
    tsms__rand rand;
    tsms__rand_init(&rand, 7);
    for (int i = 0; i < 1000; i++) {
        negative += tsms__rand_between(&rand, INT64_MIN, INT64_MAX) < 0;
    }
    assert_in_range(negative, 420, 580);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequence_is_splitmix64),
        cmocka_unit_test(test_equal_seeds_give_equal_draws),
        cmocka_unit_test(test_empty_ranges_give_low),
        cmocka_unit_test(test_both_ends_are_reached_evenly),
        cmocka_unit_test(test_wide_ranges_do_not_favour_their_low_end),
        cmocka_unit_test(test_the_whole_range_has_both_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
