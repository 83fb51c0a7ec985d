/* The file that a store is opened on. */
#ifndef TSMS_DRIVE_STORE_FILE_H
#define TSMS_DRIVE_STORE_FILE_H

#include "../base/err.h"

/* Checks that SQLite can keep a store at this path, and makes an empty file with mode 0600 if there
 * is none. What SQLite puts beside it gets the same mode. InvalidOption says what to do. */
tsms_status tsms__store_file_prepare(const char *path, tsms_error *err);
/* Whether a type of file system (statfs(2)) is one that other hosts may share. */
bool tsms__store_file_is_remote(unsigned long type);

#endif
