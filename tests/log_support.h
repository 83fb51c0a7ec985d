/* What the tests of logs share: logs, and their lines as one text. */
#ifndef TESTS_LOG_SUPPORT_H
#define TESTS_LOG_SUPPORT_H

#include "call/log.h"
#include "support.h"

static inline tsms_log *open_log(const tsms_mem *mem, const tsms_log_options *options)
{
    tsms_log *log = NULL;
    tsms_error err;
    assert_int_equal(tsms_log_new(mem, options, &log, &err), TSMS_OK);
    return log;
}

static inline tsms_log *open_level(tsms_log_level level)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    options.level = level;
    return open_log(NULL, &options);
}

static inline void append_line(void *context, tsms_log_level level, tsms_str line)
{
    tsms_buf *text = context;
    (void)level;
    assert_true(line.len <= TSMS__LINE_MOST);
    assert_null(memchr(line.ptr, '\n', line.len));
    assert_true(tsms__utf8_valid(line));
    tsms__buf_add(text, line);
    tsms__buf_add_char(text, '\n');
}

/* All lines that wait; lives until the next call. */
static inline char *all_lines(tsms_log *log)
{
    static tsms_buf text = {.mem = &tsms__mem_libc};
    tsms__buf_clear(&text);
    tsms_log_pull(log, append_line, &text);
    assert_non_null(tsms__buf_z(&text));
    return text.ptr;
}

#define assert_has(text, part) test_assert_has((text), (part), true, __FILE__, __LINE__)
#define assert_has_not(text, part) test_assert_has((text), (part), false, __FILE__, __LINE__)

static inline void test_assert_has(const char *text, const char *part, bool wanted,
                                   const char *file, int line)
{
    if ((strstr(text, part) != NULL) != wanted) {
        print_error("%s \"%s\" in:\n%s\n", wanted ? "no" : "a", part, text);
        _fail(file, line);
    }
}

static inline size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        count++;
    }
    return count;
}

#endif
