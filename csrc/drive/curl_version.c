/* Tells which libcurl the program runs with, which may be another one than it was built with. */
#include "curl_version.h"

#include <curl/curl.h>
#include <stddef.h>

const char *tsms__curl_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

const char *tsms__curl_tls(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    return (info->features & CURL_VERSION_SSL) != 0 ? info->ssl_version : NULL;
}
