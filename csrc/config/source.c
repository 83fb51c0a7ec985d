/* Reads what an option only points at, without buffered copies that nobody would wipe. */
#define _POSIX_C_SOURCE 200809L /* strerror_r, O_CLOEXEC */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quote.h"

enum { REASON_SIZE = 40 };

static const char *reason(int error, char out[REASON_SIZE])
{
    /* On ERANGE the text is cut, which does no harm. */
    out[0] = '\0';
    (void)strerror_r(error, out, REASON_SIZE);
    return out;
}

/* Copies a name for the C library; false when it does not fit or holds a NUL. */
static bool to_z(tsms_str text, char *out, size_t size)
{
    if (text.len == 0 || text.len >= size || memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

tsms_status tsms__source_env(const char *option, tsms_str name, tsms_str *out, tsms_error *err)
{
    char z[256];
    const char *value = to_z(name, z, sizeof z) ? getenv(z) : NULL;
    if (value == NULL || value[0] == '\0') {
        char quoted[TSMS__QUOTE_SIZE];
        return tsms__error_set(err, TSMS_KIND_INVALID_AUTH_TOKEN,
                               "option '%s': the environment variable %s is not set", option,
                               tsms__quote(name, quoted));
    }
    *out = tsms_str_from(value);
    return TSMS_OK;
}

/* How many bytes were read, or -1 with errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, buf + len, size - len);
        if (n == 0) {
            break;
        }
        if (n > 0) {
            len += (size_t)n;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return (ssize_t)len;
}

tsms_status tsms__source_file(const char *option, tsms_str path, char buf[TSMS__SOURCE_SIZE],
                              tsms_str *out, tsms_error *err)
{
    char z[PATH_MAX];
    int fd = -1;
    ssize_t n = -1;
    errno = EINVAL;
    if (to_z(path, z, sizeof z)) {
        fd = open(z, O_RDONLY | O_CLOEXEC);
    }
    if (fd >= 0) {
        n = read_all(fd, buf, TSMS__SOURCE_SIZE);
    }
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    char quoted[TSMS__QUOTE_SIZE];
    tsms__quote(path, quoted);
    if (n < 0) {
        char why[REASON_SIZE];
        return tsms__error_set(err, TSMS_KIND_INVALID_AUTH_TOKEN, "option '%s': cannot read %s: %s",
                               option, quoted, reason(error, why));
    }
    tsms_str text = {buf, (size_t)n};
    if (text.len == TSMS__SOURCE_SIZE) {
        return tsms__error_set(err, TSMS_KIND_INVALID_AUTH_TOKEN,
                               "option '%s': %s holds more than a secret", option, quoted);
    }
    if (text.len > 0 && text.ptr[text.len - 1] == '\n') {
        text.len--;
    }
    if (text.len > 0 && text.ptr[text.len - 1] == '\r') {
        text.len--;
    }
    if (text.len == 0) {
        return tsms__error_set(err, TSMS_KIND_INVALID_AUTH_TOKEN, "option '%s': %s is empty",
                               option, quoted);
    }
    *out = text;
    return TSMS_OK;
}

tsms_status tsms__source_check(const char *option, const char *path, const char *advice,
                               tsms_error *err)
{
    struct stat info;
    char why[REASON_SIZE] = "it is not a file";
    /* Asked first, because opening a FIFO would wait for a writer. */
    if (stat(path, &info) != 0) {
        reason(errno, why);
    } else if (S_ISREG(info.st_mode)) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)close(fd);
            return TSMS_OK;
        }
        reason(errno, why);
    }
    char quoted[TSMS__QUOTE_SIZE];
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "option '%s': cannot read %s: %s; %s",
                           option, tsms__quote(tsms_str_from(path), quoted), why, advice);
}
