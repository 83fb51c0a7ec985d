/* What an option only points at: an environment variable or a file. */
#ifndef TSMS_CONFIG_SOURCE_H
#define TSMS_CONFIG_SOURCE_H

#include "../base/err.h"

enum { TSMS__SOURCE_SIZE = 1024 };

/* Views the value of an environment variable. InvalidAuthToken, naming option and variable, when it
 * is missing or empty. */
tsms_status tsms__source_env(const char *option, tsms_str name, tsms_str *out, tsms_error *err);
/* Reads a file into buf, which the caller wipes, and views what is there up to a final line end.
 * InvalidAuthToken, naming option, path and reason, when it cannot be read, is empty or too long.
 */
tsms_status tsms__source_file(const char *option, tsms_str path, char buf[TSMS__SOURCE_SIZE],
                              tsms_str *out, tsms_error *err);
/* InvalidOption when the file cannot be opened for reading; `advice` ends the message. */
tsms_status tsms__source_check(const char *option, const char *path, const char *advice,
                               tsms_error *err);

#endif
