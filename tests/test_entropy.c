#include "support.h"

#include "base/entropy.h"

#include <sys/wait.h>
#include <unistd.h>

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

static void test_a_pool_goes_on(void **state)
{
    (void)state;
    tsms__entropy_pool pool = {.left = 0};
    unsigned char drawn[40][16] = {{0}};
    for (size_t i = 0; i < 40; i++) { /* more than it holds at once */
        assert_true(tsms__entropy_draw(&pool, drawn[i], sizeof drawn[i]));
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(drawn[i], drawn[j], sizeof drawn[i]);
        }
    }
    unsigned char all[TSMS__ENTROPY_POOL + 1];
    assert_true(tsms__entropy_draw(&pool, all, TSMS__ENTROPY_POOL));
    assert_false(tsms__entropy_draw(&pool, all, sizeof all));
}

static void test_a_child_does_not_draw_what_its_parent_draws(void **state)
{
    (void)state;
    tsms__entropy_pool pool = {.left = 0};
    unsigned char own[16];
    unsigned char of_child[16];
    int ends[2];
    assert_true(tsms__entropy_draw(&pool, own, sizeof own));
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        bool ok = tsms__entropy_draw(&pool, own, sizeof own) &&
                  write(ends[1], own, sizeof own) == (ssize_t)sizeof own;
        _exit(ok ? 0 : 1);
    }
    assert_true(child > 0);
    assert_true(tsms__entropy_draw(&pool, own, sizeof own));
    assert_int_equal(read(ends[0], of_child, sizeof of_child), sizeof of_child);
    assert_memory_not_equal(own, of_child, sizeof own);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_draws_differ),
        cmocka_unit_test(test_it_fills_just_what_is_asked_for),
        cmocka_unit_test(test_a_pool_goes_on),
        cmocka_unit_test(test_a_child_does_not_draw_what_its_parent_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
