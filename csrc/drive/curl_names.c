/* Lets go of the thread that resolves a name when its transfer ends.
 *
 * Without that libcurl joins it, and nobody answers it: a time-out and an end then take as long as
 * the resolver likes, 5 to 10 s (measured with a silent name server), in which nothing else moves.
 */
#include "curl_names.h"

void tsms__curl_no_wait_for_names(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A libcurl that is older at run time does not know it. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#else
    (void)easy;
#endif
}
