/* base/mem.c and base/secret.c: the allocator table, and secrets in pages of their own. */
#define _GNU_SOURCE /* syscall, MAP_ANONYMOUS */
#include "support.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"

/* These stand in front of the C library's functions, so that a test can let one fail and can look
 * at memory in the last moment before it is gone. */
static int mprotects_until_failure;
static bool looks_at_unmap;
static bool is_wiped_at_unmap;

int mprotect(void *address, size_t len, int protection)
{
    if (mprotects_until_failure > 0 && --mprotects_until_failure == 0) {
        return -1;
    }
    return (int)syscall(SYS_mprotect, address, len, protection);
}

static const void *locked;
static size_t locked_bytes;
static const void *undumped;
static size_t undumped_bytes;
static bool refuses_to_lock;

int mlock(const void *address, size_t len)
{
    locked = address;
    locked_bytes = len;
    return refuses_to_lock ? -1 : (int)syscall(SYS_mlock, address, len);
}

int madvise(void *address, size_t len, int advice)
{
    if (advice == MADV_DONTDUMP) {
        undumped = address;
        undumped_bytes = len;
    }
    return refuses_to_lock ? -1 : (int)syscall(SYS_madvise, address, len, advice);
}

int munmap(void *address, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (looks_at_unmap) {
        const char *inner = (const char *)address + page;
        is_wiped_at_unmap = true;
        for (size_t i = 0; i < len - 2 * page; i++) {
            is_wiped_at_unmap = is_wiped_at_unmap && inner[i] == 0;
        }
    }
    return (int)syscall(SYS_munmap, address, len);
}

static bool is_wiped_by_free(tsms__secret *secret)
{
    looks_at_unmap = true;
    tsms__secret_free(secret);
    looks_at_unmap = false;
    return is_wiped_at_unmap;
}

static void test_libc_table_allocates(void **state)
{
    char *ptr = tsms__alloc(&tsms__mem_libc, 3);
    memcpy(ptr, "abc", 3);
    ptr = tsms__resize(&tsms__mem_libc, ptr, 1000, 2);
    assert_memory_equal(ptr, "abc", 3);
    memset(ptr, 'x', 2000);
    tsms__free(&tsms__mem_libc, ptr);
    tsms__free(&tsms__mem_libc, NULL);
}

static void test_nothing_can_be_allocated_too(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    void *blocks[] = {
        tsms__alloc(&tm.mem, 0),
        tsms__calloc(&tm.mem, 0, 8),
        tsms__calloc(&tm.mem, 8, 0),
        tsms__resize(&tm.mem, NULL, 0, 8),
    };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        assert_non_null(blocks[i]);
        blocks[i] = tsms__resize(&tm.mem, blocks[i], 0, 0);
        assert_non_null(blocks[i]);
    }
    assert_int_equal(tm.live, 4);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        tsms__free(&tm.mem, blocks[i]);
    }
    assert_int_equal(tm.live, 0);
}

/* Notes what it is asked for, and has nothing. */
static size_t asked_for;

static void *ask(void *ctx, size_t size)
{
    asked_for = size;
    return NULL;
}

static void *ask_again(void *ctx, void *ptr, size_t size)
{
    asked_for = size;
    return NULL;
}

static void test_a_table_is_asked_for_the_size_and_never_for_nothing(void **state)
{
    const tsms_mem asking = {NULL, ask, ask_again, NULL};
    char block;
    static const size_t sizes[][2] = {{0, 1}, {1, 1}, {2, 2}, {SIZE_MAX, SIZE_MAX}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_null(tsms__alloc(&asking, sizes[i][0]));
        assert_int_equal(asked_for, sizes[i][1]);
        assert_null(tsms__calloc(&asking, sizes[i][0], 1));
        assert_int_equal(asked_for, sizes[i][1]);
        assert_null(tsms__resize(&asking, &block, sizes[i][0], 1));
        assert_int_equal(asked_for, sizes[i][1]);
    }
    assert_null(tsms__calloc(&asking, SIZE_MAX / 2, 2));
    assert_true(asked_for == SIZE_MAX - 1);
    asked_for = 0;
    assert_null(tsms__resize(&asking, &block, SIZE_MAX / 2, 2));
    assert_true(asked_for == SIZE_MAX - 1);
}

static void test_calloc_clears(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    /* A block of the same size that was just released is likely to come back dirty. */
    void *dirty = tsms__alloc(&tm.mem, 64);
    memset(dirty, 0xAA, 64);
    tsms__free(&tm.mem, dirty);
    static const char zeros[64];
    void *ptr = tsms__calloc(&tm.mem, 8, 8);
    assert_memory_equal(ptr, zeros, 64);
    tsms__free(&tm.mem, ptr);
}

static void test_sizes_that_overflow_never_reach_the_table(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    char *ptr = tsms__alloc(&tm.mem, 1);
    assert_null(tsms__calloc(&tm.mem, SIZE_MAX / 2 + 1, 2));
    assert_null(tsms__calloc(&tm.mem, 2, SIZE_MAX / 2 + 1));
    assert_null(tsms__resize(&tm.mem, ptr, SIZE_MAX / 2 + 1, 2));
    assert_int_equal(tm.calls, 1);
    tsms__free(&tm.mem, ptr);
}

static void test_failures_are_answered_with_null(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 1);
    assert_null(tsms__alloc(&tm.mem, 8));
    test_mem_init(&tm, 1);
    assert_null(tsms__calloc(&tm.mem, 8, 8));
    test_mem_init(&tm, 2);
    char *ptr = tsms__alloc(&tm.mem, 4);
    memcpy(ptr, "kept", 4);
    assert_null(tsms__resize(&tm.mem, ptr, 100, 100));
    assert_memory_equal(ptr, "kept", 4);
    tsms__free(&tm.mem, ptr);
    assert_int_equal(tm.live, 0);
}

static void *resize_of_something(void *ctx, void *ptr, size_t size)
{
    assert_non_null(ptr);
    return realloc(ptr, size);
}

static void test_a_hosts_resize_is_never_given_null(void **state)
{
    tsms_mem mem = tsms__mem_libc;
    mem.resize = resize_of_something;
    void *ptr = tsms__resize(&mem, NULL, 10, 1);
    assert_non_null(ptr);
    ptr = tsms__resize(&mem, ptr, 20, 1);
    assert_non_null(ptr);
    tsms__free(&mem, ptr);
}

static void test_wipe(void **state)
{
    char bytes[] = "secret";
    tsms__wipe(bytes + 1, 4);
    assert_memory_equal(bytes, "s\0\0\0\0t", 7);
    tsms__wipe(bytes + 5, 1);
    assert_memory_equal(bytes, "s\0\0\0\0\0", 7);
    tsms__wipe(NULL, 0);
    tsms__wipe(NULL, 1);
    tsms__wipe(bytes, 0);
    assert_int_equal(bytes[0], 's');
}

static void test_secret_keeps_its_text(void **state)
{
    char text[] = "0123456789abcdef0123456789abcdef";
    tsms__secret *secret = tsms__secret_new(tsms_str_from(text));
    tsms__wipe(text, sizeof text);
    assert_str_is(tsms__secret_text(secret), "0123456789abcdef0123456789abcdef");
    assert_int_equal(tsms__secret_text(secret).ptr[32], '\0');
    tsms__secret_free(secret);
}

static void test_secret_of_any_length(void **state)
{
    /* Around each border of a page, whatever lies before the text in it. */
    size_t most = 2 * (size_t)sysconf(_SC_PAGESIZE);
    char *text = malloc(most);
    for (size_t i = 0; i < most; i++) {
        text[i] = (char)('a' + i % 26);
    }
    for (size_t len = 0; len <= most; len += len % 256 < 224 ? 224 : 1) {
        tsms__secret *secret = tsms__secret_new((tsms_str){text, len});
        assert_int_equal(tsms__secret_text(secret).len, len);
        assert_memory_equal(tsms__secret_text(secret).ptr, text, len);
        assert_int_equal(tsms__secret_text(secret).ptr[len], '\0');
        assert_true(is_wiped_by_free(secret));
    }
    free(text);
}

static void test_no_secret(void **state)
{
    assert_null(tsms__secret_text(NULL).ptr);
    assert_int_equal(tsms__secret_text(NULL).len, 0);
    tsms__secret_free(NULL);
}

static void test_secret_is_wiped(void **state)
{
    tsms__secret *secret = tsms__secret_new(tsms_str_from("hunter2"));
    assert_true(is_wiped_by_free(secret));
}

/* The access to the page at address, as in "r--p"; "" when nothing is mapped there. */
static void access_to(const void *address, char access[5])
{
    access[0] = '\0';
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    char line[512];
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from;
        unsigned long to;
        char found[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, found) == 3 && (uintptr_t)address >= from &&
            (uintptr_t)address < to) {
            memcpy(access, found, sizeof found);
        }
    }
    fclose(maps);
}

static void test_secret_lies_between_guard_pages(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    tsms__secret *secret = tsms__secret_new(tsms_str_from("hunter2"));
    const char *start = (const char *)secret;
    char access[5];
    access_to(start - 1, access);
    assert_string_equal(access, "---p");
    access_to(start, access);
    assert_string_equal(access, "r--p");
    access_to(start + page - 1, access);
    assert_string_equal(access, "r--p");
    access_to(start + page, access);
    assert_string_equal(access, "---p");
    tsms__secret_free(secret);
    access_to(start, access);
    assert_string_equal(access, "");
}

static void test_secret_takes_no_page_more_than_it_fills(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *text = calloc(page, 1);
    tsms__secret *probe = tsms__secret_new(tsms_str_from(""));
    size_t header = (size_t)(tsms__secret_text(probe).ptr - (const char *)probe);
    tsms__secret_free(probe);
    /* With its NUL it ends with the page, then one byte behind it. */
    for (size_t more = 0; more <= 1; more++) {
        tsms__secret *secret = tsms__secret_new((tsms_str){text, page - header - 1 + more});
        char access[5];
        access_to((const char *)secret + page, access);
        assert_string_equal(access, more == 0 ? "---p" : "r--p");
        tsms__secret_free(secret);
    }
    free(text);
}

static void test_secret_stays_in_ram_and_out_of_core_dumps(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    tsms__secret *secret = tsms__secret_new(tsms_str_from("hunter2"));
    assert_ptr_equal(locked, secret);
    assert_int_equal(locked_bytes, page);
    assert_ptr_equal(undumped, secret);
    assert_int_equal(undumped_bytes, page);
    tsms__secret_free(secret);
    refuses_to_lock = true;
    secret = tsms__secret_new(tsms_str_from("hunter2"));
    refuses_to_lock = false;
    assert_str_is(tsms__secret_text(secret), "hunter2");
    tsms__secret_free(secret);
}

static void test_secret_without_memory(void **state)
{
    char text[8] = "hunter2";
    assert_null(tsms__secret_new((tsms_str){text, SIZE_MAX}));
    assert_null(tsms__secret_new((tsms_str){text, SIZE_MAX / 4}));
    mprotects_until_failure = 1;
    assert_null(tsms__secret_new(tsms_str_from(text)));
    assert_int_equal(mprotects_until_failure, 0);
}

static void test_secret_that_cannot_be_wiped_is_still_unmapped(void **state)
{
    tsms__secret *secret = tsms__secret_new(tsms_str_from("hunter2"));
    const char *start = (const char *)secret;
    mprotects_until_failure = 1;
    assert_false(is_wiped_by_free(secret));
    char access[5];
    access_to(start, access);
    assert_string_equal(access, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libc_table_allocates),
        cmocka_unit_test(test_nothing_can_be_allocated_too),
        cmocka_unit_test(test_a_table_is_asked_for_the_size_and_never_for_nothing),
        cmocka_unit_test(test_calloc_clears),
        cmocka_unit_test(test_sizes_that_overflow_never_reach_the_table),
        cmocka_unit_test(test_failures_are_answered_with_null),
        cmocka_unit_test(test_a_hosts_resize_is_never_given_null),
        cmocka_unit_test(test_wipe),
        cmocka_unit_test(test_secret_keeps_its_text),
        cmocka_unit_test(test_secret_of_any_length),
        cmocka_unit_test(test_no_secret),
        cmocka_unit_test(test_secret_is_wiped),
        cmocka_unit_test(test_secret_lies_between_guard_pages),
        cmocka_unit_test(test_secret_takes_no_page_more_than_it_fills),
        cmocka_unit_test(test_secret_stays_in_ram_and_out_of_core_dumps),
        cmocka_unit_test(test_secret_without_memory),
        cmocka_unit_test(test_secret_that_cannot_be_wiped_is_still_unmapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
