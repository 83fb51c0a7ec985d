/* wire/public_url.c, wire/network.c, wire/webhook_fields.c and wire/webhook_event.c: whatever a
 * peer sends, a URL that is made out is one, and an event that is taken is complete.
 *
 * The input is a request: its target or URL, a line for each header, an empty line, the body. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "wire/public_url.h"
#include "wire/webhook.h"

enum { HEADERS_MOST = 16 };

typedef struct parsed {
    tsms_webhook_request request;
    tsms_param headers[HEADERS_MOST];
} parsed;

static tsms_str cut_line(tsms_str *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    tsms_str line = {rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len};
    size_t used = line.len + (end != NULL);
    *rest = (tsms_str){rest->len > 0 ? rest->ptr + used : NULL, rest->len - used};
    return line;
}

static void parse(tsms_str input, parsed *out)
{
    out->request = (tsms_webhook_request)TSMS_WEBHOOK_REQUEST_INIT;
    out->request.headers = out->headers;
    out->request.url = cut_line(&input);
    while (input.len > 0) {
        tsms_str line = cut_line(&input);
        const char *colon = line.len > 0 ? memchr(line.ptr, ':', line.len) : NULL;
        if (colon == NULL) {
            break;
        }
        size_t name = (size_t)(colon - line.ptr);
        if (out->request.header_count < HEADERS_MOST) {
            tsms_param *header = &out->headers[out->request.header_count++];
            header->name = (tsms_str){line.ptr, name};
            header->value = (tsms_str){colon + 1, line.len - name - 1};
        }
    }
    (void)tsms__header_find(&out->request, "Peer", &out->request.peer);
    out->request.body = input;
}

static void check_network(tsms_str peer)
{
    tsms__network network;
    if (!tsms__network_parse(peer, &network)) {
        return;
    }
    CHECK(network.bits <= (network.v6 ? 128 : 32));
    if (memchr(peer.ptr, '/', peer.len) == NULL) {
        CHECK(tsms__network_has(&network, peer));
    }
}

static void check_url(const parsed *given)
{
    tsms__network proxy;
    CHECK(tsms__network_parse(tsms_str_from("10.0.0.0/8"), &proxy));
    tsms_buf url;
    tsms_buf again;
    tsms__buf_init(&url, &tsms__mem_libc);
    tsms__buf_init(&again, &tsms__mem_libc);
    tsms__url_origin origin;
    tsms_error err;
    if (tsms__public_url_make(&given->request, &proxy, 1, &url, &origin, &err) == TSMS_OK) {
        tsms_str made = tsms__buf_str(&url);
        CHECK(tsms__public_url_is(made));
        CHECK(memchr(made.ptr, '#', made.len) == NULL);
        tsms_webhook_request request = TSMS_WEBHOOK_REQUEST_INIT;
        request.url = made;
        CHECK(tsms__public_url_make(&request, NULL, 0, &again, &origin, &err) == TSMS_OK);
        CHECK(tsms__str_eq(made, tsms__buf_str(&again)));
        tsms_str found = tsms__public_url_find(&made, 1, made);
        CHECK(found.ptr != NULL || memchr(made.ptr, '.', made.len) != NULL ||
              memchr(made.ptr, '%', made.len) != NULL);
        CHECK(!tsms__public_url_respell(made, made, &again));
    } else {
        CHECK(err.http_status == 400 && err.message[0] != '\0');
    }
    tsms__buf_free(&again);
    tsms__buf_free(&url);
}

static void check_typed(const tsms__fields *fields, const tsms_webhook_info *info)
{
    if (info->type == TSMS_WEBHOOK_UNKNOWN) {
        return;
    }
    CHECK(info->message_sid.len == 34);
    if (info->type == TSMS_WEBHOOK_STATUS) {
        CHECK(info->status.len > 0 && info->error_code >= 0);
        return;
    }
    CHECK(info->from.len > 0 && info->to.len > 0 && info->num_segments >= 0);
    for (int i = 0; i < info->num_media; i++) {
        char name[24];
        int len = snprintf(name, sizeof name, "MediaUrl%d", i);
        CHECK(tsms__fields_get(fields, (tsms_str){name, (size_t)len}).len > 0);
    }
}

static void check_event(tsms_str form)
{
    tsms__fields fields;
    tsms_webhook_info info = {.type = TSMS_WEBHOOK_UNKNOWN};
    tsms_error err;
    tsms__fields_init(&fields, &tsms__mem_libc);
    if (tsms__fields_read(&fields, form, 100) == TSMS__FIELDS_OK) {
        if (tsms__webhook_type_fields(&fields, &info, &err) == TSMS_OK) {
            tsms_webhook_event *event = NULL;
            tsms_webhook_info copied;
            tsms_param param;
            check_typed(&fields, &info);
            CHECK(tsms__webhook_event_new(&tsms__mem_libc, &info, &fields, &event, &err) ==
                  TSMS_OK);
            tsms_webhook_event_read(event, &copied);
            CHECK(tsms__str_eq(copied.body, info.body) && tsms__str_eq(copied.from, info.from));
            for (size_t i = 0; i < fields.count; i++) {
                CHECK(tsms_webhook_event_param(event, i, &param));
                CHECK(tsms__str_eq(param.name, fields.items[i].name));
                CHECK(tsms__str_eq(param.value, fields.items[i].value));
                CHECK(tsms__webhook_is_text(param.name) && tsms__webhook_is_text(param.value));
            }
            tsms_webhook_event_free(event);
        } else {
            CHECK(err.http_status == 400 && err.message[0] != '\0');
        }
    }
    tsms__fields_free(&fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parsed given;
    parse((tsms_str){(const char *)data, size}, &given);
    check_network(given.request.peer);
    check_url(&given);
    check_event(given.request.body);
    return 0;
}
