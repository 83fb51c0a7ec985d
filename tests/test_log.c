#include "log_support.h"

#define WALL_MS INT64_C(1795416000123)

static void add(tsms_log *log, const char *event, const char *value, int64_t wall_ms)
{
    tsms_param field = {TSMS__STR("value"), tsms_str_from(value)};
    tsms_log_add(log, TSMS_LOG_INFO, event, &field, 1, wall_ms);
}

static void test_levels(void **state)
{
    tsms_log_level level;
    assert_true(tsms_log_level_from(TSMS__STR("debug"), &level));
    assert_int_equal(level, TSMS_LOG_DEBUG);
    assert_false(tsms_log_level_from(TSMS__STR("Debug"), &level));
    assert_string_equal(tsms_log_level_name(TSMS_LOG_WARN), "warn");
    assert_string_equal(tsms_log_level_name((tsms_log_level)99), "");
    tsms_log *log = open_level(TSMS_LOG_WARN);
    assert_true(tsms__log_wants(log, TSMS_LOG_ERROR));
    assert_false(tsms__log_wants(log, TSMS_LOG_INFO));
    tsms_log_add(log, TSMS_LOG_INFO, "quiet", NULL, 0, WALL_MS);
    tsms_log_add(log, TSMS_LOG_WARN, "loud", NULL, 0, WALL_MS);
    assert_string_equal(all_lines(log), "time=2026-11-23T06:40:00.123Z level=warn event=loud\n");
    tsms_log_free(log);
}

static void test_lines_of_the_host(void **state)
{
    tsms_log *log = open_level(TSMS_LOG_INFO);
    const tsms_param fields[] = {
        {TSMS__STR("to"), TSMS__STR("+15558675310")},
        {TSMS__STR("order"), TSMS__STR("A 17")},
        {TSMS__STR("Bad"), TSMS__STR("x")},
        {TSMS__STR("a=b"), TSMS__STR("x")},
        {TSMS__STR(""), TSMS__STR("x")},
        {TSMS__STR("level"), TSMS__STR("x")},
        {TSMS__STR("note"), TSMS__STR("5558675310")},
    };
    tsms_log_add(log, TSMS_LOG_INFO, "order_shipped", fields, 7, WALL_MS);
    tsms_log_add(log, TSMS_LOG_INFO, "no event", fields, 7, WALL_MS);
    tsms_log_add(log, TSMS_LOG_INFO, "", fields, 7, WALL_MS);
    tsms_log_add(log, (tsms_log_level)77, "x", fields, 7, WALL_MS);
    assert_string_equal(all_lines(log),
                        "time=2026-11-23T06:40:00.123Z level=info event=order_shipped "
                        "to=+1********10 order=\"A 17\" note=5*******10\n");
    tsms_log_free(log);
}

static void test_a_line_lives_until_the_next_call(void **state)
{
    tsms_log *log = open_level(TSMS_LOG_INFO);
    add(log, "one", "1", WALL_MS);
    tsms_log_level level;
    tsms_str line;
    assert_int_equal(tsms__log_pending(log), 1);
    assert_true(tsms_log_take(log, &level, &line));
    assert_int_equal(tsms__log_pending(log), 0);
    for (int i = 0; i < 50; i++) {
        add(log, "two", "2", WALL_MS);
    }
    assert_str_is(line, "time=2026-11-23T06:40:00.123Z level=info event=one value=1");
    assert_int_equal(count_of(all_lines(log), "event=two"), 50);
    assert_false(tsms_log_take(log, &level, &line));
    tsms_log_free(log);
}

static void test_too_many_of_one_event(void **state)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.per_second = 2;
    tsms_log *log = open_log(NULL, &options);
    for (int i = 0; i < 5; i++) {
        add(log, "retry", "1", WALL_MS + i);
        add(log, "sent", "1", WALL_MS + i); /* another event has a limit of its own */
    }
    const char *lines = all_lines(log);
    assert_int_equal(count_of(lines, "event=retry"), 2);
    assert_int_equal(count_of(lines, "event=sent"), 2);
    assert_has_not(lines, "suppressed");
    add(log, "retry", "1", WALL_MS + 1000);
    assert_has(all_lines(log), "event=retry suppressed=3 value=1");
    add(log, "retry", "1", WALL_MS - 60000); /* the clock went back */
    assert_has(all_lines(log), "event=retry value=1");
    tsms_log_settle(log, WALL_MS + 2000);
    assert_string_equal(all_lines(log), "time=2026-11-23T06:40:02.123Z level=warn event=suppressed "
                                        "of=sent of_level=info suppressed=3\n");
    tsms_log_settle(log, WALL_MS + 2000);
    assert_string_equal(all_lines(log), "");
    tsms_log_free(log);
}

static void test_no_limit(void **state)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.per_second = 0;
    tsms_log *log = open_log(NULL, &options);
    for (int i = 0; i < 1000; i++) {
        add(log, "sent", "1", WALL_MS);
    }
    assert_int_equal(count_of(all_lines(log), "event=sent"), 1000);
    tsms_log_free(log);
}

static void test_a_full_buffer_drops_the_newest(void **state)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.buffer_size = 2 * TSMS__LINE_MOST;
    options.per_second = 0;
    tsms_log *log = open_log(NULL, &options);
    char value[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(value, sizeof value, "%d", i);
        add(log, "sent", value, WALL_MS);
    }
    const char *lines = all_lines(log);
    size_t kept = count_of(lines, "event=sent");
    assert_in_range(kept, 150, 300);
    for (size_t i = 0; i < kept; i++) {
        snprintf(value, sizeof value, "value=%zu\n", i);
        assert_has(lines, value);
    }
    assert_int_equal(tsms__log_take_dropped(log), 1000 - kept);
    assert_int_equal(tsms__log_take_dropped(log), 0);
    add(log, "sent", "next", WALL_MS);
    snprintf(value, sizeof value, " dropped=%zu", 1000 - kept);
    assert_has(all_lines(log), value);
    add(log, "sent", "next", WALL_MS);
    assert_has_not(all_lines(log), "dropped");
    tsms_log_free(log);
}

static void test_moments(void **state)
{
    tsms_log *log = open_level(TSMS_LOG_INFO);
    static const struct {
        int64_t wall_ms;
        const char *want;
    } rows[] = {{0, "time=1970-01-01T00:00:00.000Z "},
                {-5, "time=1970-01-01T00:00:00.000Z "},
                {WALL_MS, "time=2026-11-23T06:40:00.123Z "},
                {WALL_MS + 1, "time=2026-11-23T06:40:00.124Z "},
                {INT64_MAX, "time=9999-12-31T23:59:59.999Z "},
                {INT64_MIN, "time=1970-01-01T00:00:00.000Z "}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        add(log, "x", "1", rows[i].wall_ms);
        assert_has(all_lines(log), rows[i].want);
    }
    tsms_log_free(log);
}

static void test_options(void **state)
{
    tsms_log *log = NULL;
    tsms_error err;
    const tsms_log_options init = TSMS_LOG_OPTIONS_INIT;
    tsms_log_options bad[6] = {init, init, init, init, init, init};
    bad[0].size = 1;
    bad[1].level = (tsms_log_level)9;
    bad[2].format = (tsms_log_format)9;
    bad[3].pseudonym_key = TSMS__STR("fifteen bytes..");
    bad[4].per_second = -1;
    bad[5].buffer_size = 100;
    static const char *const why[] = {
        "log.size: ",          "log.level: ",      "log.format: ",
        "log.pseudonym_key: ", "log.per_second: ", "log.buffer_size: "};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(tsms_log_new(NULL, &bad[i], &log, &err), TSMS_ERROR);
        assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
        assert_has(err.message, why[i]);
        assert_has_not(err.message, "fifteen");
    }
    assert_null(log);
    tsms_log_free(NULL);
}

/* The tables of docs/logs.md hold each event and each field, and no others. */
static void test_the_page_of_logs(void **state)
{
    static const struct {
        const char *name, *level, *text;
    } rows[] = {
#define X(id, name, level, text) {name, #level, text},
        TSMS__LOG_EVENTS(X)
#undef X
#define X(id, name, text) {name, NULL, text},
            TSMS__LOG_KEYS(X)
#undef X
    };
    char *page = test_read_file("docs/logs.md", NULL);
    size_t count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char row[256];
        int n = snprintf(row, sizeof row, "\n| `%s` | ", rows[i].name);
        for (const char *c = rows[i].level; c != NULL && *c != '\0'; c++) {
            row[n++] = (char)(*c | 0x20);
        }
        snprintf(row + n, sizeof row - (size_t)n, "%s%s |\n", rows[i].level != NULL ? " | " : "",
                 rows[i].text);
        if (rows[i].name[0] != '\0') {
            assert_has(page, row);
            count++;
        }
    }
    char *tables = strstr(page, "## Events");
    assert_non_null(tables);
    assert_int_equal(count_of(tables, "\n| `"), count);
    free(page);
}

static void test_owners(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    const tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    tsms_log *log = open_log(&tm.mem, &options);
    assert_ptr_equal(tsms__log_keep(log), log);
    tsms_log_free(log);
    assert_true(tm.live > 0);
    tsms_log_free(log);
    assert_int_equal(tm.live, 0);
}

static void test_no_memory(void **state)
{
    for (size_t n = 1;; n++) {
        test_mem tm;
        test_mem_init(&tm, n);
        tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
        options.pseudonym_key = TSMS__STR("0123456789abcdef");
        tsms_log *log = NULL;
        tsms_error err;
        tsms_status status = tsms_log_new(&tm.mem, &options, &log, &err);
        assert_int_equal(status, tm.failed ? TSMS_NOMEM : TSMS_OK);
        size_t calls = tm.calls;
        if (status == TSMS_OK) {
            add(log, "sent", "+15558675310", WALL_MS);
            assert_has(all_lines(log), "value=h:");
        }
        assert_int_equal(tm.calls, calls); /* lines need none */
        tsms_log_free(log);
        assert_int_equal(tm.live, 0);
        if (!tm.failed) {
            break;
        }
    }
}

/* A line may be too long to tell of others. */
static void test_what_was_dropped_is_told_by_a_line_with_room(void **state)
{
    static char pad[1000];
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.per_second = 0;
    options.buffer_size = 16384;
    tsms_log *log = open_log(NULL, &options);
    memset(pad, 'x', sizeof pad);
    tsms_param fields[9];
    for (size_t i = 0; i < 9; i++) {
        fields[i] = (tsms_param){TSMS__STR("pad"), {pad, sizeof pad}};
    }
    for (int i = 0; i < 3; i++) {
        tsms_log_add(log, TSMS_LOG_INFO, "long", fields, 9, WALL_MS);
    }
    assert_has_not(all_lines(log), "dropped=");
    tsms_log_add(log, TSMS_LOG_INFO, "long", fields, 9, WALL_MS);
    assert_has_not(all_lines(log), "dropped=");
    add(log, "short", "1", WALL_MS);
    add(log, "short", "2", WALL_MS);
    const char *lines = all_lines(log);
    assert_has(lines, "value=1 dropped=");
    assert_int_equal(count_of(lines, "dropped="), 1);
    tsms_log_free(log);
}

/* The program's own lines share no limit with its worse ones. */
static void test_own_lines_hide_none_that_are_worse(void **state)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.per_second = 2;
    tsms_log *log = open_log(NULL, &options);
    for (int i = 0; i < 5; i++) {
        add(log, "noise", "1", WALL_MS);
    }
    tsms_log_add(log, TSMS_LOG_ERROR, "failure", NULL, 0, WALL_MS);
    const char *lines = all_lines(log);
    assert_int_equal(count_of(lines, "event=noise"), 2);
    assert_has(lines, "level=error event=failure\n");
    tsms_log_settle(log, WALL_MS);
    assert_has(all_lines(log), "level=warn event=suppressed of=other of_level=info suppressed=3\n");
    tsms_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_lines_of_the_host),
        cmocka_unit_test(test_a_line_lives_until_the_next_call),
        cmocka_unit_test(test_too_many_of_one_event),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_a_full_buffer_drops_the_newest),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_the_page_of_logs),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_what_was_dropped_is_told_by_a_line_with_room),
        cmocka_unit_test(test_own_lines_hide_none_that_are_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
