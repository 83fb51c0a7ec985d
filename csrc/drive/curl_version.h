/* Which libcurl the program runs with. */
#ifndef TSMS_DRIVE_CURL_VERSION_H
#define TSMS_DRIVE_CURL_VERSION_H

/* The first one that has all that is used here: CURLOPT_PROTOCOLS_STR is the newest of it
 * (https://curl.se/libcurl/c/symbols-in-versions.html). */
#define TSMS__CURL_LEAST "7.85.0"

/* Its version, such as "7.88.1"; lives as long as the program. */
const char *tsms__curl_version(void);
/* What it does TLS with, such as "OpenSSL/3.0.17"; NULL when it cannot. */
const char *tsms__curl_tls(void);

#endif
