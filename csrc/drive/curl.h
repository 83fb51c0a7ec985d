/* The libcurl driver: many requests at once on one multi handle, driven by epoll. */
#ifndef TSMS_DRIVE_CURL_H
#define TSMS_DRIVE_CURL_H

#include "clock.h"

/* Gives a client its driver. */
tsms_status tsms__curl_attach(tsms_client *client, tsms_error *err);
/* Starts what may start, then handles what the network has, waiting at most timeout_ms for it (-1:
 * as long as something is under way), and returns when there are more than known_news news for the
 * host. */
void tsms__curl_step(tsms_client *client, int timeout_ms, size_t known_news);
/* Starts what may start, and asks the network nothing. */
void tsms__curl_start(tsms_client *client);
/* The epoll descriptor. */
int tsms__curl_fd(const tsms_client *client);
/* Milliseconds until tsms__curl_step wants to be called anyway; -1 for never. */
int tsms__curl_timeout_ms(tsms_client *client);

#endif
