/* Initialising libcurl once per process, with memory that is wiped when it is freed. */
#ifndef TSMS_DRIVE_CURL_GLOBAL_H
#define TSMS_DRIVE_CURL_GLOBAL_H

#include <stdbool.h>

/* Safe from any thread; false when libcurl cannot be initialised. */
bool tsms__curl_global_init(void);

#endif
