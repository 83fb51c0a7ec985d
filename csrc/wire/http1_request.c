/* Writes requests as HTTP/1.1 (RFC 9112). */
#include "http1_request.h"

#include "../config/url.h"

enum { HTTPS_PORT = 443 };

bool tsms__http1_peer_of(tsms_str origin, tsms__http1_peer *out)
{
    tsms__url url;
    if (!tsms__url_parse(origin, &url) || !tsms__str_eq_nocase(url.scheme, TSMS__STR("https"))) {
        return false;
    }
    int64_t port = HTTPS_PORT;
    bool has_port = url.port.len > 0 && tsms__str_to_int(url.port, &port) && port != HTTPS_PORT;
    bool bracketed = url.host.ptr[0] == '[';
    *out = (tsms__http1_peer){
        .host = bracketed ? (tsms_str){url.host.ptr + 1, url.host.len - 2} : url.host,
        .port = (int)port,
        .authority = {url.host.ptr, url.host.len + (has_port ? 1 + url.port.len : 0)},
        .prefix = url.path,
    };
    return true;
}

static tsms_str method_name(tsms__method method)
{
    switch (method) {
    case TSMS__POST:
        return TSMS__STR("POST ");
    case TSMS__DELETE:
        return TSMS__STR("DELETE ");
    case TSMS__GET:
        break;
    }
    return TSMS__STR("GET ");
}

void tsms__http1_request_head(tsms_buf *out, const tsms__http1_peer *peer, tsms__method method,
                              tsms_str path, tsms_str authorization, size_t body_len)
{
    tsms__buf_add(out, method_name(method));
    tsms__buf_add(out, peer->prefix);
    tsms__buf_add(out, path);
    tsms__buf_add(out, TSMS__STR(" HTTP/1.1\r\nHost: "));
    tsms__buf_add(out, peer->authority);
    tsms__buf_add(out, TSMS__STR("\r\nUser-Agent: twilio-sms/" TSMS_VERSION "\r\n"));
    tsms__buf_add(out, authorization);
    tsms__buf_add(out, TSMS__STR("\r\nAccept: application/json\r\n"));
    if (method == TSMS__POST) {
        tsms__buf_add(out, TSMS__STR("Content-Length: "));
        tsms__buf_add_int(out, (int64_t)body_len);
        tsms__buf_add(out, TSMS__STR("\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
    }
    tsms__buf_add(out, TSMS__STR("\r\n"));
}
