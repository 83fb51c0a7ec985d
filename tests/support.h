/* What the C tests share: cmocka with the headers it needs, an allocator that counts and fails, and
 * small helpers for strings and data files.
 *
 * Every path that allocates is tested by running it once for each allocation it makes, with that
 * one failing:
 *
 *     for (size_t n = 1;; n++) {
 *         test_mem tm;
 *         test_mem_init(&tm, n);
 *         thing *t = thing_new(&tm.mem);
 *         ... tm.failed ? it must say so : it must have worked ...
 *         thing_free(t);
 *         assert_int_equal(tm.live, 0);
 *         if (!tm.failed) {
 *             break;
 *         }
 *     }
 */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "twilio_sms.h"

/* cmocka gives each test a state, which few of them use. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* The table's context points at the struct: do not copy or move it while it is in use. */
typedef struct test_mem {
    tsms_mem mem;   /* give &tm.mem to the code under test */
    size_t live;    /* blocks that were not released yet */
    size_t calls;   /* allocations and resizes so far */
    size_t fail_at; /* which of them fails, from 1; 0 is none */
    bool failed;    /* whether it came to that */
} test_mem;

static inline bool test_mem_fails_now(test_mem *tm)
{
    bool now = ++tm->calls == tm->fail_at;
    tm->failed = tm->failed || now;
    return now;
}

static inline void *test_mem_alloc(void *ctx, size_t size)
{
    test_mem *tm = ctx;
    void *ptr = test_mem_fails_now(tm) ? NULL : malloc(size);
    tm->live += ptr != NULL;
    return ptr;
}

static inline void *test_mem_resize(void *ctx, void *ptr, size_t size)
{
    test_mem *tm = ctx;
    bool fresh = ptr == NULL;
    void *moved = test_mem_fails_now(tm) ? NULL : realloc(ptr, size);
    tm->live += fresh && moved != NULL;
    return moved;
}

static inline void test_mem_release(void *ctx, void *ptr)
{
    test_mem *tm = ctx;
    tm->live -= ptr != NULL;
    free(ptr);
}

/* fail_at 0 gives an allocator that only counts. */
static inline void test_mem_init(test_mem *tm, size_t fail_at)
{
    *tm = (test_mem){.mem = {tm, test_mem_alloc, test_mem_resize, test_mem_release},
                     .fail_at = fail_at};
}

/* Fails unless got holds exactly the bytes of the NUL-terminated want, and shows both. */
#define assert_str_is(got, want) test_assert_str_is((got), (want), __FILE__, __LINE__)

static inline void test_assert_str_is(tsms_str got, const char *want, const char *file, int line)
{
    if (got.len != strlen(want) || (got.len > 0 && memcmp(got.ptr, want, got.len) != 0)) {
        print_error("got  \"%.*s\"\nwant \"%s\"\n", (int)got.len, got.len > 0 ? got.ptr : "", want);
        _fail(file, line);
    }
}

/* The bytes of a file below the repository's root, with a NUL behind them; give it to free. Fails
 * the test when it cannot be read. */
static inline char *test_read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s: tests run from the root of the repository", path);
        abort(); /* not reached: fail_msg does not return, which the compiler cannot know */
    }
    char *bytes = NULL;
    size_t used = 0;
    size_t size = 0;
    do {
        size += 65536;
        bytes = realloc(bytes, size + 1);
        assert_non_null(bytes);
        used += fread(bytes + used, 1, size - used, file);
    } while (used == size);
    assert_false(ferror(file));
    fclose(file);
    bytes[used] = '\0';
    if (len != NULL) {
        *len = used;
    }
    return bytes;
}

#endif
