#define _GNU_SOURCE /* shm_open, RLIMIT_FSIZE */
#include "virtual_driver.h"

#include "base/rand.h"
#include "call/shared.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "test_shared"
#define OTHER_ACCOUNT "ACffffffffffffffffffffffffffffffff"
#define TO "+15005550001"

/* The number of the present layout, and how large a region is that has it. */
enum { LAYOUT = 4, LAYOUT_BYTES = 2049744 };

/* Where the region of NAME lies, for processes with that layout. */
static const char *path_of_layout(unsigned layout)
{
    static char path[128];
    snprintf(path, sizeof path, "/twilio_sms.%u." NAME ".%016" PRIx64 ".%u", (unsigned)geteuid(),
             tsms__str_hash(tsms_str_from(VIRTUAL_ACCOUNT)), layout);
    return path;
}

static const char *path_of_name(void)
{
    return path_of_layout(LAYOUT);
}

static int remove_names(void **state)
{
    (void)state;
    shm_unlink(path_of_layout(LAYOUT - 1));
    shm_unlink(path_of_layout(LAYOUT + 1));
    tsms__region_unlink(NAME, VIRTUAL_ACCOUNT);
    tsms__region_unlink(NAME, OTHER_ACCOUNT);
    return 0;
}

static tsms__region *open_region(const char *name, const char *account)
{
    tsms__region *region = NULL;
    tsms_error err;
    if (tsms__region_open(name, account, &region, &err) != TSMS_OK) {
        fail_msg("%s", err.message);
    }
    return region;
}

/* ---- What is shared ------------------------------------------------------------------------ */

static void test_regions_without_a_name_are_apart(void **state)
{
    (void)state;
    tsms__region *a = open_region(NULL, VIRTUAL_ACCOUNT);
    tsms__region *b = open_region("", VIRTUAL_ACCOUNT);
    atomic_store(tsms__region_account(a), 5);
    tsms__region_count(a, TSMS__COUNT_submitted);
    assert_int_equal(atomic_load(tsms__region_account(b)), 0);
    assert_int_equal(tsms__region_counter(b, TSMS__COUNT_submitted), 0);
    tsms__region_close(a);
    tsms__region_close(b);
    tsms__region_close(NULL);
}

static void test_a_fresh_region(void **state)
{
    (void)state;
    tsms__region *region = open_region(NULL, VIRTUAL_ACCOUNT);
    assert_int_equal(tsms__region_breaker_state(region), TSMS__BREAKER_CLOSED);
    assert_int_equal(tsms__region_quota_left(region, 500), 500);
    for (int i = 0; i < TSMS__COUNTER_COUNT; i++) {
        assert_int_equal(tsms__region_counter(region, (tsms__counter)i), 0);
    }
    tsms__region_close(region);
}

static void test_regions_of_one_name_are_one(void **state)
{
    (void)state;
    tsms__region *a = open_region(NAME, VIRTUAL_ACCOUNT);
    tsms__region *b = open_region(NAME, VIRTUAL_ACCOUNT);
    atomic_store(tsms__region_account(a), 5);
    atomic_store(tsms__region_sender(a, 77), 6);
    atomic_store(tsms__region_recipient(a, 77), 7);
    tsms__region_count(a, TSMS__COUNT_denied);
    assert_true(tsms__region_quota_take(a, 500, 14));
    assert_int_equal(atomic_load(tsms__region_account(b)), 5);
    assert_int_equal(atomic_load(tsms__region_sender(b, 77)), 6);
    assert_int_equal(atomic_load(tsms__region_recipient(b, 77)), 7);
    assert_int_equal(tsms__region_counter(b, TSMS__COUNT_denied), 1);
    assert_int_equal(tsms__region_quota_left(b, 500), 486);

    tsms__region *other = open_region(NAME, OTHER_ACCOUNT);
    assert_int_equal(atomic_load(tsms__region_account(other)), 0);
    tsms__region_close(other);

    /* It stays when all have closed it. */
    tsms__region_close(a);
    tsms__region_close(b);
    a = open_region(NAME, VIRTUAL_ACCOUNT);
    assert_int_equal(atomic_load(tsms__region_account(a)), 5);

    /* Without its name, the next one is fresh, and this one lives on. */
    tsms__region_unlink(NAME, VIRTUAL_ACCOUNT);
    b = open_region(NAME, VIRTUAL_ACCOUNT);
    assert_int_equal(atomic_load(tsms__region_account(b)), 0);
    assert_int_equal(atomic_load(tsms__region_account(a)), 5);
    tsms__region_close(a);
    tsms__region_close(b);
}

static void test_the_breaker_is_shared(void **state)
{
    (void)state;
    const tsms__breaker_rules rules = {
        .failure_threshold = 2, .success_threshold = 1, .reset_timeout_ms = 100, .lease_ms = 50};
    tsms__region *a = open_region(NAME, VIRTUAL_ACCOUNT);
    tsms__region *b = open_region(NAME, VIRTUAL_ACCOUNT);
    tsms__permit permit;
    tsms__breaker_state before;
    tsms__breaker_state after;
    for (int i = 0; i < 2; i++) {
        tsms__region *region = i == 0 ? a : b;
        assert_true(tsms__region_acquire(region, &rules, 0, &permit, &before, &after));
        tsms__region_report(region, &rules, 0, permit, TSMS__BREAKER_FAILURE, &before, &after);
    }
    assert_int_equal(before, TSMS__BREAKER_CLOSED);
    assert_int_equal(after, TSMS__BREAKER_OPEN);
    assert_int_equal(tsms__region_breaker_wait_ms(a, &rules, 40), 60);
    assert_false(tsms__region_acquire(a, &rules, 40, &permit, &before, &after));
    assert_true(tsms__region_acquire(a, &rules, 100, &permit, &before, &after));
    assert_int_equal(after, TSMS__BREAKER_HALF_OPEN);
    tsms__permit second;
    assert_false(tsms__region_acquire(b, &rules, 100, &second, &before, &after));
    tsms__region_report(a, &rules, 101, permit, TSMS__BREAKER_SUCCESS, &before, &after);
    assert_int_equal(tsms__region_breaker_state(b), TSMS__BREAKER_CLOSED);
    tsms__region_close(a);
    tsms__region_close(b);
}

/* ---- Layouts ------------------------------------------------------------------------------- */

/* Whoever changes what a region holds gives it the next number: processes with the same number must
 * understand each other. */
static void test_the_number_of_the_layout_belongs_to_its_size(void **state)
{
    (void)state;
    tsms__region_close(open_region(NAME, VIRTUAL_ACCOUNT));
    int fd = shm_open(path_of_name(), O_RDWR, 0600);
    assert_true(fd >= 0);
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(info.st_size, LAYOUT_BYTES);
    close(fd);
}

/* As while one version takes over from another: each has its own region, and sees its own only. */
static void test_two_layouts_side_by_side(void **state)
{
    (void)state;
    tsms__region *old = open_region(NAME, VIRTUAL_ACCOUNT);
    tsms__region *new = NULL;
    assert_int_equal(tsms__region_open_layout(LAYOUT + 1, NAME, VIRTUAL_ACCOUNT, &new, NULL),
                     TSMS_OK);
    atomic_store(tsms__region_account(old), 5);
    atomic_store(tsms__region_account(new), 6);
    tsms__region_count(new, TSMS__COUNT_requests);
    assert_int_equal(atomic_load(tsms__region_account(old)), 5);
    assert_int_equal(tsms__region_counter(old, TSMS__COUNT_requests), 0);

    tsms__region *again = open_region(NAME, VIRTUAL_ACCOUNT);
    assert_int_equal(atomic_load(tsms__region_account(again)), 5);
    tsms__region_close(again);
    assert_int_equal(tsms__region_open_layout(LAYOUT + 1, NAME, VIRTUAL_ACCOUNT, &again, NULL),
                     TSMS_OK);
    assert_int_equal(atomic_load(tsms__region_account(again)), 6);
    tsms__region_close(again);

    /* Forgetting a name is for one's own version only. */
    tsms__region_unlink(NAME, VIRTUAL_ACCOUNT);
    assert_int_equal(tsms__region_open_layout(LAYOUT + 1, NAME, VIRTUAL_ACCOUNT, &again, NULL),
                     TSMS_OK);
    assert_int_equal(atomic_load(tsms__region_account(again)), 6);
    tsms__region_close(again);
    tsms__region_close(old);
    tsms__region_close(new);
}

static void write_file(const char *path, const char *bytes)
{
    int fd = shm_open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
    close(fd);
}

static void assert_file_holds(const char *path, const char *bytes)
{
    char found[64] = {0};
    int fd = shm_open(path, O_RDWR, 0600);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, found, sizeof found - 1), strlen(bytes));
    assert_string_equal(found, bytes);
    close(fd);
}

/* The files of older versions, also of those whose names had no number yet. */
static void test_an_older_file_stays_as_it_was(void **state)
{
    (void)state;
    char unnumbered[128];
    snprintf(unnumbered, sizeof unnumbered, "/twilio_sms.%u." NAME ".%016" PRIx64,
             (unsigned)geteuid(), tsms__str_hash(tsms_str_from(VIRTUAL_ACCOUNT)));
    shm_unlink(unnumbered);
    write_file(unnumbered, "limits of an old process");
    write_file(path_of_layout(LAYOUT - 1), "limits of another one");
    tsms__region *region = open_region(NAME, VIRTUAL_ACCOUNT);
    assert_int_equal(atomic_load(tsms__region_account(region)), 0);
    tsms__region_unlink(NAME, VIRTUAL_ACCOUNT);
    assert_file_holds(unnumbered, "limits of an old process");
    assert_file_holds(path_of_layout(LAYOUT - 1), "limits of another one");
    tsms__region_close(region);
    shm_unlink(unnumbered);
}

/* ---- What is refused ----------------------------------------------------------------------- */

static void assert_refused(const char *why)
{
    tsms__region *region = NULL;
    tsms_error err;
    assert_int_equal(tsms__region_open(NAME, VIRTUAL_ACCOUNT, &region, &err), TSMS_ERROR);
    assert_null(region);
    assert_int_equal(err.kind, TSMS_KIND_INVALID_OPTION);
    if (strstr(err.message, why) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", why, err.message);
    }
}

static int open_block(void)
{
    int fd = shm_open(path_of_name(), O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void test_what_is_no_region(void **state)
{
    (void)state;
    tsms__region_close(open_region(NAME, VIRTUAL_ACCOUNT));
    int fd = open_block();
    uint64_t layout = 0;
    assert_int_equal(pread(fd, &layout, sizeof layout, 0), sizeof layout);
    assert_true(layout != 0);
    layout++;
    assert_int_equal(pwrite(fd, &layout, sizeof layout, 0), sizeof layout);
    assert_refused("holds something else");
    layout--;
    assert_int_equal(pwrite(fd, &layout, sizeof layout, 0), sizeof layout);
    tsms__region_close(open_region(NAME, VIRTUAL_ACCOUNT));
    close(fd);
}

static void test_another_size(void **state)
{
    (void)state;
    int fd = open_block();
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_refused("holds something else");
    assert_int_equal(ftruncate(fd, 1 << 24), 0);
    assert_refused("holds something else");
    assert_int_equal(ftruncate(fd, 0), 0); /* as it is between its making and its sizing */
    tsms__region_close(open_region(NAME, VIRTUAL_ACCOUNT));
    close(fd);
}

static void test_another_users_region(void **state)
{
    (void)state;
    tsms__region_close(open_region(NAME, VIRTUAL_ACCOUNT));
    int fd = open_block();
    static const mode_t modes[] = {0620, 0602, 0640, 0604};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(fchmod(fd, modes[i]), 0);
        assert_refused("another user");
    }
    assert_int_equal(fchmod(fd, 0600), 0);
    if (geteuid() == 0) { /* nobody else may give a file away */
        assert_int_equal(fchown(fd, 12345, (gid_t)-1), 0);
        assert_refused("another user");
    }
    close(fd);
}

/* Without its pages a full file system would show as a SIGBUS in the middle of a send. */
static void test_a_region_has_all_its_pages(void **state)
{
    (void)state;
    tsms__region_close(open_region(NAME, VIRTUAL_ACCOUNT));
    int fd = open_block();
    struct stat info;
    assert_int_equal(fstat(fd, &info), 0);
    assert_true((off_t)info.st_blocks * 512 >= info.st_size);
    close(fd);
}

static void test_no_room_for_a_region(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {4096, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_refused("cannot make room");
    signal(SIGXFSZ, handler);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    tsms__region_close(open_region(NAME, VIRTUAL_ACCOUNT));
}

/* ---- Senders and recipients ---------------------------------------------------------------- */

enum { SENDERS = 4096, OVERFLOW_CELLS = 256, MANY = 3 * SENDERS };

static void test_senders(void **state)
{
    (void)state;
    tsms__region *region = open_region(NULL, VIRTUAL_ACCOUNT);
    tsms__cell *zero = tsms__region_sender(region, 0);
    assert_ptr_equal(tsms__region_sender(region, 0), zero);
    tsms__cell *first = tsms__region_sender(region, 5);
    tsms__cell *beside = tsms__region_sender(region, 5 + SENDERS); /* begins at the same place */
    assert_true(first != beside && first != zero);
    assert_ptr_equal(tsms__region_sender(region, 5), first);
    assert_ptr_equal(tsms__region_sender(region, 5 + SENDERS), beside);
    tsms__region_close(region);
}

static int by_address(const void *a, const void *b)
{
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;
    return (x > y) - (x < y);
}

/* Those that come too late share cells: they wait for each other, and no limit is exceeded. */
static void test_a_full_table_of_senders(void **state)
{
    (void)state;
    tsms__region *region = open_region(NULL, VIRTUAL_ACCOUNT);
    static tsms__cell *cells[MANY];
    for (size_t i = 0; i < MANY; i++) {
        char number[16];
        snprintf(number, sizeof number, "+1500%07zu", i);
        cells[i] = tsms__region_sender(region, tsms__str_hash(tsms_str_from(number)));
    }
    for (size_t i = 0; i < MANY; i++) {
        char number[16];
        snprintf(number, sizeof number, "+1500%07zu", i);
        assert_ptr_equal(tsms__region_sender(region, tsms__str_hash(tsms_str_from(number))),
                         cells[i]);
    }
    qsort(cells, MANY, sizeof *cells, by_address);
    size_t distinct = 1;
    size_t alone = 1;
    for (size_t i = 1; i < MANY; i++) {
        bool same = cells[i] == cells[i - 1];
        distinct += !same;
        alone += !same;
        alone -= same && (i < 2 || cells[i - 2] != cells[i - 1]);
    }
    assert_int_equal(distinct, SENDERS + OVERFLOW_CELLS);
    assert_in_range(alone, SENDERS, SENDERS + OVERFLOW_CELLS);
    tsms__region_close(region);
}

static void test_recipients(void **state)
{
    (void)state;
    tsms__region *region = open_region(NULL, VIRTUAL_ACCOUNT);
    tsms__cell *cell = tsms__region_recipient(region, UINT64_MAX);
    assert_ptr_equal(tsms__region_recipient(region, UINT64_MAX), cell);
    assert_true(tsms__region_recipient(region, 0) != cell);
    atomic_store(cell, 1); /* the last one is inside, too */
    tsms__region_close(region);
}

/* ---- The quota ----------------------------------------------------------------------------- */

static void test_the_quota(void **state)
{
    (void)state;
    tsms__region *region = open_region(NULL, VIRTUAL_ACCOUNT);
    assert_true(tsms__region_quota_take(region, 20, 14));
    assert_false(tsms__region_quota_take(region, 20, 14)); /* takes nothing while refusing */
    assert_int_equal(tsms__region_quota_left(region, 20), 6);
    assert_true(tsms__region_quota_take(region, 20, 6));
    assert_int_equal(tsms__region_quota_left(region, 20), 0);
    tsms__region_quota_give(region, 5);
    assert_int_equal(tsms__region_quota_left(region, 20), 5);
    tsms__region_quota_give(region, 1000000);
    assert_int_equal(tsms__region_quota_left(region, 20), 20);

    /* Two clients with different quotas. */
    assert_true(tsms__region_quota_take(region, 500, 300));
    assert_int_equal(tsms__region_quota_left(region, 20), 0);
    assert_false(tsms__region_quota_take(region, 20, 1));
    assert_int_equal(tsms__region_quota_left(region, 500), 200);
    tsms__region_close(region);
}

/* ---- Garbage ------------------------------------------------------------------------------- */

/* Fills the region of NAME with anything, from the byte behind its layout on. */
static void scribble(uint64_t seed)
{
    static char bytes[LAYOUT_BYTES];
    tsms__rand rand;
    tsms__rand_init(&rand, seed);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = seed > 0 ? (char)tsms__rand_next(&rand) : (char)0xFF;
    }
    int fd = shm_open(path_of_name(), O_RDWR, 0);
    const size_t first = sizeof(uint64_t);
    assert_int_equal(pwrite(fd, bytes, sizeof bytes - first, (off_t)first), sizeof bytes - first);
    close(fd);
}

/* Another program of the same user may write into the file. Then there may be wrong numbers,
 * messages that are refused, and nothing worse. */
static void test_garbage(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        virtual_driver d;
        virtual_open(&d, NULL,
                     "shared=" NAME " rate.per_number=10 rate.per_recipient=1 timeout_ms=60000");
        d.script = "503 timeout none 429:7 ok";
        scribble(seed);
        for (int i = 0; i < 4; i++) {
            virtual_send(&d, TO, VIRTUAL_FROM, "hello");
            virtual_run(&d, 30000);
        }
        virtual_run(&d, 120000);
        size_t ended = 0;
        for (tsms_result *result; (result = tsms_client_result(d.client)) != NULL; ended++) {
            tsms_result_free(result);
        }
        assert_int_equal(ended, 4);
        assert_non_null(tsms_client_metrics(d.client, TSMS_METRICS_OPENMETRICS).ptr);
        int64_t left = tsms__region_quota_left(d.client->region, 500);
        assert_in_range(left, 0, 500);
        tsms__region_quota_give(d.client->region, INT64_MAX);
        virtual_close(&d);
    }
}

static void test_a_quota_of_garbage(void **state)
{
    (void)state;
    tsms__region *region = open_region(NAME, VIRTUAL_ACCOUNT);
    scribble(0);
    assert_int_equal(tsms__region_quota_left(region, 20), 0);
    assert_false(tsms__region_quota_take(region, 20, 1));
    tsms__region_quota_give(region, 1);
    assert_int_equal(tsms__region_quota_left(region, 20), 0);
    tsms__region_close(region);
}

/* ---- Two clients --------------------------------------------------------------------------- */

static void test_two_clients_share_limits(void **state)
{
    (void)state;
    virtual_driver a;
    virtual_driver b;
    virtual_open(&a, NULL, "shared=" NAME);
    virtual_open(&b, NULL, "shared=" NAME);
    virtual_send(&a, TO, VIRTUAL_FROM, "hello");
    virtual_run(&a, 0);
    virtual_send(&b, TO, VIRTUAL_FROM, "hello");
    virtual_run(&b, 999);
    assert_int_equal(b.posts, 0);
    virtual_run(&b, 1);
    assert_int_equal(b.posts, 1);
    assert_int_equal(virtual_stats(&a).submitted, 2);
    assert_int_equal(virtual_stats(&b).requests, 2);
    virtual_close(&a);
    virtual_close(&b);
}

static void test_two_clients_share_breaker_quota_and_pauses(void **state)
{
    (void)state;
    virtual_driver a;
    virtual_driver b;
    virtual_open(&a, NULL, "rate.per_number=0 shared=" NAME);
    virtual_open(&b, NULL, "rate.per_number=0 shared=" NAME);
    a.script = "refused ok 429:5 refused refused refused refused refused";
    virtual_send(&a, TO, VIRTUAL_FROM, "hello");
    virtual_run(&a, 100);
    assert_int_equal(tsms__region_quota_left(b.client->region, 500), 486);
    virtual_run(&a, 1000);
    assert_int_equal(tsms__region_quota_left(b.client->region, 500), 500);

    virtual_send(&a, TO, VIRTUAL_FROM, "hello"); /* meets a 429 */
    virtual_run(&a, 100);
    b.now = a.now;
    virtual_send(&b, TO, VIRTUAL_FROM, "hello");
    virtual_run(&b, 4999);
    assert_int_equal(b.posts, 0);
    virtual_run(&b, 100);
    assert_int_equal(b.posts, 1);

    for (int i = 0; i < 5; i++) {
        virtual_fetch(&a, 0);
    }
    virtual_run(&a, 100);
    b.now = a.now;
    virtual_fetch(&b, 0);
    virtual_run(&b, 0);
    assert_result(&b, "TemporarilyUnavailable not_sent 0");
    assert_string_equal(virtual_stats(&b).breaker, "open");
    virtual_close(&a);
    virtual_close(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, remove_names, remove_names)
    const struct CMUnitTest tests[] = {
        TEST(test_regions_without_a_name_are_apart),
        TEST(test_a_fresh_region),
        TEST(test_regions_of_one_name_are_one),
        TEST(test_the_breaker_is_shared),
        TEST(test_the_number_of_the_layout_belongs_to_its_size),
        TEST(test_two_layouts_side_by_side),
        TEST(test_an_older_file_stays_as_it_was),
        TEST(test_what_is_no_region),
        TEST(test_another_size),
        TEST(test_another_users_region),
        TEST(test_a_region_has_all_its_pages),
        TEST(test_no_room_for_a_region),
        TEST(test_senders),
        TEST(test_a_full_table_of_senders),
        TEST(test_recipients),
        TEST(test_the_quota),
        TEST(test_garbage),
        TEST(test_a_quota_of_garbage),
        TEST(test_two_clients_share_limits),
        TEST(test_two_clients_share_breaker_quota_and_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
