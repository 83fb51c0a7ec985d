/* Performs requests with one easy handle. */
#include "bare_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages.json"

enum { TIMEOUT_MS = 10000 };

static int on_prereq(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    bare_client *client = arg;
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    client->prereqs++;
    return client->guard && client->prereqs > 1 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    bare_reply *r = ((bare_client *)arg)->reply;
    size_t most = sizeof r->text - 1;
    size_t kept = r->len < most ? r->len : most;
    size_t more = size * count < most - kept ? size * count : most - kept;
    memcpy(r->text + kept, data, more);
    r->len += size * count;
    return size * count;
}

void bare_client_open(bare_client *client, const char *url, const char *ca_file, long http_version)
{
    *client = (bare_client){.easy = curl_easy_init(), .guard = true};
    if (client->easy == NULL) {
        abort(); /* no memory: there is nothing to test */
    }
    snprintf(client->url, sizeof client->url, "%s" MESSAGES, url);
    curl_easy_setopt(client->easy, CURLOPT_URL, client->url);
    curl_easy_setopt(client->easy, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(client->easy, CURLOPT_HTTP_VERSION, http_version);
    curl_easy_setopt(client->easy, CURLOPT_PREREQFUNCTION, on_prereq);
    curl_easy_setopt(client->easy, CURLOPT_PREREQDATA, client);
    curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
}

void bare_client_close(bare_client *client)
{
    curl_easy_cleanup(client->easy);
}

void bare_client_set_timeout_ms(bare_client *client, long timeout_ms)
{
    curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
}

bare_reply bare_perform(bare_client *client)
{
    bare_reply r = {.code = CURLE_OK};
    client->reply = &r;
    client->prereqs = 0;
    r.code = curl_easy_perform(client->easy);
    r.prereqs = client->prereqs;
    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &r.status);
    client->reply = NULL;
    return r;
}

bare_reply bare_post(bare_client *client, const char *form)
{
    curl_easy_setopt(client->easy, CURLOPT_URL, client->url);
    curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, form);
    return bare_perform(client);
}

bare_reply bare_send_hello(bare_client *client)
{
    return bare_post(client, "To=%2B15005550010&From=%2B15005550006&Body=hello");
}

bare_reply bare_list(bare_client *client, const char *query)
{
    char url[512];
    snprintf(url, sizeof url, "%s?%s", client->url, query);
    curl_easy_setopt(client->easy, CURLOPT_URL, url);
    curl_easy_setopt(client->easy, CURLOPT_HTTPGET, 1L);
    return bare_perform(client);
}
