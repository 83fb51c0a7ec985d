/* Keeps libcurl from waiting for names that nobody resolves. */
#ifndef TSMS_DRIVE_CURL_NAMES_H
#define TSMS_DRIVE_CURL_NAMES_H

#include <curl/curl.h>

/* For each handle, before its first transfer. */
void tsms__curl_no_wait_for_names(CURL *easy);

#endif
