/* What libcurl's error codes mean for a person who has to do something about them. */
#ifndef TSMS_DRIVE_FAULT_H
#define TSMS_DRIVE_FAULT_H

#include "../twilio_sms.h"

#include <curl/curl.h>

/* The kind of a failed transfer, and one line of text that says what to do where something can be
 * done. sendings counts how often a request was about to leave; ca_file is NULL for the system's.
 */
tsms_kind tsms__curl_fault(CURLcode code, int sendings, bool too_large, const char *detail,
                           const char *ca_file, char *text, size_t size);

#endif
