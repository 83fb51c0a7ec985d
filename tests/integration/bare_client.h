/* A bare libcurl client, as a reasonable program has it, that counts when a request is started. */
#ifndef TESTS_BARE_CLIENT_H
#define TESTS_BARE_CLIENT_H

#include <curl/curl.h>
#include <stdbool.h>

typedef struct bare_reply {
    CURLcode code;
    long status;
    int prereqs; /* how often libcurl started to send the request */
    size_t len;
    char text[4096]; /* the beginning of the body */
} bare_reply;

typedef struct bare_client {
    CURL *easy;
    bool guard; /* forbid libcurl to start a request twice; on at first */
    char url[256];
    int prereqs;
    bare_reply *reply;
} bare_client;

/* http_version is one of CURL_HTTP_VERSION_*. */
void bare_client_open(bare_client *client, const char *url, const char *ca_file, long http_version);
void bare_client_close(bare_client *client);
void bare_client_set_timeout_ms(bare_client *client, long timeout_ms);
/* Performs what the easy handle holds. */
bare_reply bare_perform(bare_client *client);
/* Sends a message, the form being given. */
bare_reply bare_post(bare_client *client, const char *form);
bare_reply bare_send_hello(bare_client *client);
/* Asks for the list of messages. */
bare_reply bare_list(bare_client *client, const char *query);

#endif
