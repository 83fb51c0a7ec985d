/* Prints the messages that come in, and answers each of them.
 *
 *     export TWILIO_ACCOUNT_SID=AC... TWILIO_AUTH_TOKEN=...
 *     receive 8443 cert.pem key.pem
 *
 * It ends with SIGTERM or Ctrl-C. For real use give the public URLs (options.urls), and keep the
 * opt-out list: only the Lua modules do that by themselves. */
#include <twilio_sms.h>
#include <twilio_sms_server.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEADERS_MOST = 64 };

static int64_t wall_ms(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int report(const tsms_error *err)
{
    fprintf(stderr, "%s: %s\n", tsms_kind_type(err->kind), err->message);
    return 1;
}

/* What to say to an event: TwiML, or nothing. */
static tsms_twiml *reply_to(const tsms_webhook_event *event)
{
    tsms_webhook_info info;
    tsms_webhook_event_read(event, &info);
    if (info.type != TSMS_WEBHOOK_INBOUND) {
        printf("%.*s %.*s\n", (int)info.message_sid.len, info.message_sid.ptr, (int)info.status.len,
               info.status.ptr);
        return NULL;
    }
    printf("%.*s: %.*s\n", (int)info.from.len, info.from.ptr, (int)info.body.len, info.body.ptr);
    tsms_twiml *twiml;
    if (tsms_twiml_new(NULL, &twiml, NULL) != TSMS_OK) {
        return NULL;
    }
    tsms_twiml_message message = TSMS_TWIML_MESSAGE_INIT;
    message.body = tsms_str_from("Thank you.");
    tsms_error err;
    if (tsms_twiml_add_message(twiml, &message, &err) != TSMS_OK) {
        report(&err);
    }
    return twiml;
}

static void send_answer(tsms_server_request *request, const tsms_webhook_answer *given)
{
    tsms_server_header type = {tsms_str_from("Content-Type"), given->content_type};
    tsms_server_answer answer = {.http_status = given->http_status,
                                 .headers = &type,
                                 .header_count = given->content_type.len > 0,
                                 .body = given->body};
    tsms_error err;
    if (tsms_server_reply(request, &answer, &err) != TSMS_OK) {
        report(&err);
        tsms_server_drop(request, TSMS_SERVER_DROP_CLOSE);
    }
}

/* A genuine request: answered once, and the same way again when it comes again. */
static void handle_event(tsms_webhook *webhook, const tsms_webhook_event *event,
                         tsms_server_request *request)
{
    tsms_webhook_info info;
    tsms_webhook_event_read(event, &info);
    tsms_webhook_answer answer = {.http_status = 204};
    tsms_seen seen = tsms_webhook_claim(webhook, info.signature, wall_ms(), &answer);
    if (seen == TSMS_SEEN_RUNNING) {
        answer = (tsms_webhook_answer){.http_status = 503};
    }
    tsms_twiml *twiml = seen == TSMS_SEEN_NEW ? reply_to(event) : NULL;
    if (twiml != NULL && tsms_twiml_count(twiml) > 0) {
        answer = (tsms_webhook_answer){.http_status = 200,
                                       .content_type = tsms_str_from("text/xml; charset=utf-8"),
                                       .body = tsms_twiml_text(twiml)};
    }
    if (seen == TSMS_SEEN_NEW) {
        tsms_webhook_finish(webhook, info.signature, wall_ms(), &answer);
    }
    send_answer(request, &answer);
    tsms_twiml_free(twiml);
}

static void handle(tsms_webhook *webhook, tsms_server_request *request)
{
    tsms_param headers[HEADERS_MOST];
    size_t count = 0;
    while (count < HEADERS_MOST &&
           tsms_server_request_header_at(request, count, &headers[count].name,
                                         &headers[count].value)) {
        count++;
    }
    tsms_webhook_request came = TSMS_WEBHOOK_REQUEST_INIT;
    came.method = tsms_server_request_method(request);
    came.url = tsms_server_request_target(request);
    came.tls = true;
    came.peer = tsms_server_request_peer(request);
    came.headers = headers;
    came.header_count = count;
    came.body = tsms_server_request_body(request);
    tsms_error err;
    tsms_webhook_event *event;
    tsms_status status = tsms_webhook_read(webhook, &came, wall_ms(), &event, &err);
    if (status == TSMS_OK) {
        handle_event(webhook, event, request);
        tsms_webhook_event_free(event);
        return;
    }
    char explanation[2000];
    tsms_webhook_explain(webhook, &came, explanation, sizeof explanation);
    fprintf(stderr, "%s: %s\n%s", tsms_kind_type(err.kind), err.message, explanation);
    int http_status = status == TSMS_NOMEM ? 500 : err.http_status;
    send_answer(request, &(tsms_webhook_answer){.http_status = http_status});
}

static void serve(tsms_server *server, tsms_webhook *webhook)
{
    while (!tsms_server_signalled(server)) {
        tsms_server_step(server, -1);
        tsms_server_request *request;
        while ((request = tsms_server_next(server)) != NULL) {
            handle(webhook, request);
        }
    }
    tsms_server_stop(server);
    while (tsms_server_connections(server) > 0) {
        tsms_server_step(server, -1);
    }
}

/* The number in a text, which must hold nothing else; -1 when it is no port. */
static int port_from(const char *text)
{
    size_t len = strspn(text, "0123456789");
    bool is_number = len > 0 && len <= 5 && text[len] == '\0';
    int port = is_number ? atoi(text) : -1;
    return port <= 65535 ? port : -1;
}

int main(int argc, char **argv)
{
    int port = argc == 4 ? port_from(argv[1]) : -1;
    if (port < 0) {
        fprintf(stderr, "usage: receive PORT CERTIFICATE_FILE KEY_FILE\n"
                        "PORT is a number from 0 to 65535; 0 lets the system pick one\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    tsms_error err;
    tsms_webhook *webhook = NULL;
    tsms_server *server = NULL;
    tsms_webhook_options options = TSMS_WEBHOOK_OPTIONS_INIT;
    options.account_sid = tsms_str_from(getenv("TWILIO_ACCOUNT_SID"));
    tsms_status status = tsms_webhook_new(&options, &webhook, &err);
    if (status == TSMS_OK) {
        tsms_str token = tsms_str_from(getenv("TWILIO_AUTH_TOKEN"));
        status = tsms_webhook_add_token(webhook, (tsms_str){0}, token, &err);
    }
    if (status == TSMS_OK) {
        tsms_server_options listening = TSMS_SERVER_OPTIONS_INIT;
        listening.port = port;
        listening.certificate_file = tsms_str_from(argv[2]);
        listening.key_file = tsms_str_from(argv[3]);
        status = tsms_server_new(&listening, &server, &err);
    }
    if (status == TSMS_OK) {
        status = tsms_server_catch_signals(server, &err);
    }
    if (status == TSMS_OK) {
        printf("listening on port %d\n", tsms_server_port(server));
        serve(server, webhook);
    }
    tsms_server_free(server);
    tsms_webhook_free(webhook);
    return status == TSMS_OK ? 0 : report(&err);
}
