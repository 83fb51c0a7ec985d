#include "call/log_ring.h"

#include "support.h"

#include "base/rand.h"
#include "base/str.h"

static tsms_str first_line(const tsms__ring *ring)
{
    tsms_log_level level;
    tsms_str line;
    size_t next;
    assert_true(tsms__ring_at(ring, 0, ring->first, &level, &line, &next));
    return line;
}

static void test_first_in_first_out(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    tsms__ring ring;
    assert_true(tsms__ring_init(&ring, &tm.mem, 256));
    assert_true(tsms__ring_add(&ring, TSMS_LOG_WARN, TSMS__STR("one")));
    assert_true(tsms__ring_add(&ring, TSMS_LOG_INFO, TSMS__STR("")));
    assert_true(tsms__ring_add(&ring, TSMS_LOG_TRACE, TSMS__STR("three")));
    static const char *const want[] = {"one", "", "three"};
    static const tsms_log_level levels[] = {TSMS_LOG_WARN, TSMS_LOG_INFO, TSMS_LOG_TRACE};
    size_t place = ring.first;
    tsms_log_level level;
    tsms_str line;
    for (size_t i = 0; i < 3; i++) {
        assert_true(tsms__ring_at(&ring, i, place, &level, &line, &place));
        assert_str_is(line, want[i]);
        assert_int_equal(level, levels[i]);
        assert_int_equal(line.ptr[line.len], '\n');
    }
    assert_false(tsms__ring_at(&ring, 3, place, &level, &line, &place));
    tsms__ring_drop(&ring);
    tsms__ring_drop(&ring);
    assert_str_is(first_line(&ring), "three");
    tsms__ring_drop(&ring);
    tsms__ring_drop(&ring); /* of an empty one */
    assert_int_equal(ring.count, 0);
    tsms__ring_free(&ring, &tm.mem);
    assert_int_equal(tm.live, 0);
}

/* Against a plain queue: what was added comes out, whole and in order, and a line is refused only
 * when there is little room. */
static void test_any_mix_of_adding_and_dropping(void **state)
{
    enum { SIZE = 1024, STEPS = 200000, MOST = 300, LINES = 256 };
    static char text[MOST];
    memset(text, 'x', sizeof text);
    tsms__ring ring;
    assert_true(tsms__ring_init(&ring, &tsms__mem_libc, SIZE));
    tsms__rand rand;
    tsms__rand_init(&rand, 7);
    static struct {
        size_t len;
        char mark;
    } queue[LINES];
    size_t first = 0;
    size_t count = 0;
    size_t refused = 0;
    for (size_t step = 0; step < STEPS; step++) {
        uint64_t dice = tsms__rand_next(&rand);
        if (dice % 2 == 0) {
            size_t len = 1 + (size_t)(dice >> 8) % (MOST - 1);
            text[0] = (char)('a' + (dice >> 32) % 26);
            if (tsms__ring_add(&ring, TSMS_LOG_INFO, (tsms_str){text, len})) {
                queue[(first + count) % LINES].len = len;
                queue[(first + count) % LINES].mark = text[0];
                count++;
            } else {
                refused++;
                assert_true(count > 0);
            }
        } else if (count > 0) {
            tsms_str line = first_line(&ring);
            assert_int_equal(line.len, queue[first].len);
            assert_int_equal(line.ptr[0], queue[first].mark);
            tsms__ring_drop(&ring);
            first = (first + 1) % LINES;
            count--;
        }
        assert_int_equal(ring.count, count);
    }
    assert_true(refused > 0);
    tsms__ring_free(&ring, &tsms__mem_libc);
}

static void test_no_memory(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 1);
    tsms__ring ring;
    assert_false(tsms__ring_init(&ring, &tm.mem, 256));
    tsms__ring_free(&ring, &tm.mem);
    assert_int_equal(tm.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out),
        cmocka_unit_test(test_any_mix_of_adding_and_dropping),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
