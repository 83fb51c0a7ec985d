/* Prepares the file of a store, without ever opening one that exists: closing any descriptor of a
 * file drops the locks that SQLite holds on it in this process
 * (https://www.sqlite.org/howtocorrupt.html, section 2.2). */
#define _GNU_SOURCE /* faccessat, mkstemp */
#include "store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Ends a directory's name with the last slash of a path, or names the current one. */
static void directory_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        snprintf(out, PATH_MAX, "%.*s", (int)(slash - path + 1), path);
    } else {
        snprintf(out, PATH_MAX, ".");
    }
}

/* SQLite's locks and its shared memory do not work between hosts
 * (https://www.sqlite.org/wal.html, section 1). */
bool tsms__store_file_is_remote(unsigned long type)
{
    static const unsigned long remote[] = {
        NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
        FUSE_SUPER_MAGIC, V9FS_MAGIC,       AFS_SUPER_MAGIC,  AFS_FS_MAGIC,
        CEPH_SUPER_MAGIC, CODA_SUPER_MAGIC, NCP_SUPER_MAGIC,
    };
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++) {
        /* The kernel's type is signed and may be wider than the magic number. */
        if ((type & 0xFFFFFFFF) == remote[i]) {
            return true;
        }
    }
    return false;
}

static tsms_status refuse(tsms_error *err, const char *why)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "%s", why);
}

static tsms_status check_place(const char *path, tsms_error *err)
{
    struct statfs place;
    if (statfs(path, &place) == 0 && tsms__store_file_is_remote((unsigned long)place.f_type)) {
        return refuse(err, "the path is on a network or FUSE file system: a store needs a disk of "
                           "this host");
    }
    return TSMS_OK;
}

static tsms_status check_file(const char *path, const struct stat *file, tsms_error *err)
{
    if (S_ISDIR(file->st_mode)) {
        return refuse(err, "the path is a directory: name a file in it");
    }
    if (!S_ISREG(file->st_mode)) {
        return refuse(err, "the path is no regular file");
    }
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "user %u may not read and write the file", (unsigned)geteuid());
    }
    if ((file->st_mode & S_IWOTH) != 0) {
        return refuse(err, "everybody may write the file: take that right away (chmod o-w)");
    }
    return check_place(path, err);
}

/* The new file appears under its name when its descriptor is closed already; mkstemp's mode is
 * 0600.
 */
static tsms_status make_file(const char *path, tsms_error *err)
{
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s.XXXXXX", path);
    int fd = mkstemp(name);
    int reason = errno;
    if (fd >= 0) {
        close(fd);
        bool linked = link(name, path) == 0 || errno == EEXIST; /* somebody else was faster */
        reason = errno;
        unlink(name);
        if (linked) {
            return TSMS_OK;
        }
    }
    bool full = reason == ENOSPC || reason == EDQUOT;
    return tsms__error_set(err, full ? TSMS_KIND_SERVICE_UNAVAILABLE : TSMS_KIND_INVALID_OPTION,
                           "cannot make the file: %s", strerror(reason));
}

tsms_status tsms__store_file_prepare(const char *path, tsms_error *err)
{
    if (path[0] == '\0') {
        return refuse(err, "the path is empty");
    }
    if (strncmp(path, "file:", 5) == 0) {
        return refuse(err, "the path must be a plain one, not a URI");
    }
    if (strcmp(path, ":memory:") == 0) {
        return refuse(err, "a store is a file; the module twilio_sms.memory is one without");
    }
    if (strlen(path) > PATH_MAX - sizeof ".XXXXXX") {
        return refuse(err, "the path is too long");
    }
    char directory[PATH_MAX];
    directory_of(path, directory);
    if (access(directory, F_OK) != 0) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "the directory of the file: %s",
                               strerror(errno));
    }
    if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) != 0) {
        return tsms__error_set(
            err, TSMS_KIND_INVALID_OPTION,
            "SQLite needs files beside the store, but user %u may not write to %s",
            (unsigned)geteuid(), directory);
    }
    struct stat file;
    bool exists = stat(path, &file) == 0;
    if (!exists && lstat(path, &file) == 0) {
        if (S_ISLNK(file.st_mode)) {
            return refuse(err, "the path is a symbolic link to nothing");
        }
        exists = true; /* another process made it just now */
    }
    if (exists) {
        return check_file(path, &file, err);
    }
    tsms_status status = check_place(directory, err);
    return status == TSMS_OK ? make_file(path, err) : status;
}
