/* drive/store_file.c: which paths can hold a store, and the file that is made. */
#define _GNU_SOURCE /* mkdtemp, setresuid */
#include "store_support.h"

#include "drive/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

static bool made_meanwhile;

/* Stands in front of the C library's function: if asked to, another process makes the file as soon
 * as it was looked for. */
TSMS_API int stat(const char *restrict path, struct stat *restrict out)
{
    int result = fstatat(AT_FDCWD, path, out, 0);
    if (made_meanwhile && result != 0) {
        made_meanwhile = false;
        int reason = errno;
        close(creat(path, 0600));
        errno = reason;
    }
    return result;
}

static void expect_refusal(const char *path, const char *message)
{
    tsms_error err;
    assert_int_equal(tsms__store_file_prepare(path, &err), TSMS_ERROR);
    assert_string_equal(tsms_kind_name(err.kind), "InvalidOption");
    assert_string_equal(err.message, message);
}

static size_t count_files(void)
{
    DIR *directory = opendir(store_directory);
    assert_non_null(directory);
    size_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}

static void test_a_file_is_made_for_its_owner_only(void **state)
{
    mode_t before = umask(0);
    assert_int_equal(tsms__store_file_prepare(store_path, NULL), TSMS_OK);
    umask(before);
    struct stat file;
    assert_int_equal(stat(store_path, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600);
    assert_int_equal(file.st_size, 0);
    assert_int_equal(count_files(), 1);
}

static void test_a_file_that_exists_stays(void **state)
{
    FILE *file = fopen(store_path, "w");
    assert_non_null(file);
    fputs("content", file);
    fclose(file);
    chmod(store_path, 0640);
    assert_int_equal(tsms__store_file_prepare(store_path, NULL), TSMS_OK);
    struct stat now;
    assert_int_equal(stat(store_path, &now), 0);
    assert_int_equal(now.st_mode & 07777, 0640);
    assert_int_equal(now.st_size, 7);
}

static void test_a_path_without_a_directory_is_in_the_current_one(void **state)
{
    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(store_directory), 0);
    tsms_status status = tsms__store_file_prepare("store.db", NULL);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(status, TSMS_OK);
    assert_int_equal(access(store_path, F_OK), 0);
}

static void test_paths_that_cannot_be_used(void **state)
{
    char path[PATH_MAX + 1];
    expect_refusal("", "the path is empty");
    expect_refusal("file:x.db?mode=memory", "the path must be a plain one, not a URI");
    expect_refusal(":memory:", "a store is a file; the module twilio_sms.memory is one without");
    expect_refusal(store_directory, "the path is a directory: name a file in it");
    expect_refusal("/dev/null", "the path is no regular file");
    snprintf(path, sizeof path, "%s/none/store.db", store_directory);
    expect_refusal(path, "the directory of the file: No such file or directory");
    snprintf(path, sizeof path, "%s/store.db/x", store_directory);
    assert_int_equal(tsms__store_file_prepare(store_path, NULL), TSMS_OK);
    expect_refusal(path, "the directory of the file: Not a directory");
    memset(path, 'x', PATH_MAX);
    path[PATH_MAX] = '\0';
    expect_refusal(path, "the path is too long");
    path[300] = '\0';
    expect_refusal(path, "cannot make the file: File name too long");
}

static void test_links(void **state)
{
    char name[128];
    snprintf(name, sizeof name, "%s/link", store_directory);
    assert_int_equal(symlink("store.db", name), 0);
    expect_refusal(name, "the path is a symbolic link to nothing");
    assert_int_equal(tsms__store_file_prepare(store_path, NULL), TSMS_OK);
    assert_int_equal(tsms__store_file_prepare(name, NULL), TSMS_OK);
}

static void test_a_file_that_another_process_makes_meanwhile(void **state)
{
    made_meanwhile = true;
    tsms_error err = {0};
    tsms_status status = tsms__store_file_prepare(store_path, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, TSMS_OK);
    assert_false(made_meanwhile);
    assert_int_equal(count_files(), 1);
}

/* Root may do everything, so these run as somebody else. */
static int without_rights(void)
{
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
        return 1;
    }
    tsms_error err;
    tsms__store_file_prepare(store_path, &err);
    char place[PATH_MAX + 128];
    snprintf(place, sizeof place,
             "SQLite needs files beside the store, but user %u may not write to %s/",
             (unsigned)geteuid(), store_directory);
    char file[64];
    snprintf(file, sizeof file, "user %u may not read and write the file", (unsigned)geteuid());
    return strcmp(err.message, file) == 0 ? 2 : strcmp(err.message, place) == 0 ? 3 : 4;
}

static void test_rights_are_needed(void **state)
{
    assert_int_equal(tsms__store_file_prepare(store_path, NULL), TSMS_OK);
    assert_int_equal(chmod(store_path, 0444), 0);
    assert_int_equal(chmod(store_directory, 0777), 0);
    assert_int_equal(store_in_child(without_rights), 2);
    assert_int_equal(chmod(store_path, 0666), 0);
    assert_int_equal(chmod(store_directory, 0555), 0);
    assert_int_equal(store_in_child(without_rights), 3);
    assert_int_equal(chmod(store_directory, 0755), 0);
}

static void test_a_file_that_everybody_may_write_is_refused(void **state)
{
    assert_int_equal(tsms__store_file_prepare(store_path, NULL), TSMS_OK);
    assert_int_equal(chmod(store_path, 0602), 0);
    expect_refusal(store_path, "everybody may write the file: take that right away (chmod o-w)");
    assert_int_equal(chmod(store_path, 0660), 0);
    assert_int_equal(tsms__store_file_prepare(store_path, NULL), TSMS_OK);
}

static void test_file_systems_of_other_hosts(void **state)
{
    /* statfs(2) and linux/magic.h */
    static const unsigned long remote[] = {0x6969,     0x517B,     0xFF534D42, 0xFE534D42,
                                           0x65735546, 0x01021997, 0x00C36400};
    static const unsigned long local[] = {0xEF53,     0x01021994, 0x9123683E,
                                          0x58465342, 0x794C7630, 0};
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++) {
        assert_true(tsms__store_file_is_remote(remote[i]));
        /* As a 32-bit kernel's signed type comes in. */
        assert_true(tsms__store_file_is_remote((unsigned long)(int32_t)remote[i]));
    }
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        assert_false(tsms__store_file_is_remote(local[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_a_file_is_made_for_its_owner_only),
        store_test(test_a_file_that_exists_stays),
        store_test(test_a_path_without_a_directory_is_in_the_current_one),
        store_test(test_paths_that_cannot_be_used),
        store_test(test_links),
        store_test(test_a_file_that_another_process_makes_meanwhile),
        store_test(test_rights_are_needed),
        store_test(test_a_file_that_everybody_may_write_is_refused),
        cmocka_unit_test(test_file_systems_of_other_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
