/* A driver for tests: its time is virtual, and its answers are words.
 *
 *     virtual_driver d;
 *     virtual_open(&d, NULL, "rate.per_second=20 retry.timeout.base_ms=1000");
 *     d.script = "reset none ok";
 *     virtual_send(&d, "+15005550001", "+15005550006", "hello");
 *     virtual_run(&d, 60000);
 *     assert_result(&d, "ok 2");
 *     virtual_close(&d);
 *
 * Each request takes the next word of the script; when there is none it is answered well ("ok", a
 * look-up "none"). The words are in virtual_answer. */
#ifndef TESTS_VIRTUAL_DRIVER_H
#define TESTS_VIRTUAL_DRIVER_H

#include "support.h"

#include "call/client.h"

#include <inttypes.h>
#include <time.h>

#define VIRTUAL_ACCOUNT "AC0123456789abcdef0123456789abcdef"
#define VIRTUAL_FROM "+15005550006"
#define VIRTUAL_SERVICE "MG0123456789abcdef0123456789abcdef"
#define VIRTUAL_SID "SM0123456789abcdef0123456789abcdef"
#define VIRTUAL_NEXT_PAGE "/2010-04-01/Accounts/" VIRTUAL_ACCOUNT "/Messages.json?Page=1"

enum { VIRTUAL_FLIGHTS = 512, VIRTUAL_TAKES_MS = 100 };

/* A request on the wire. The transfer's views lie in body, which belongs to it, and in date. */
typedef struct virtual_flight {
    tsms__call *call;
    int64_t ends_ms;
    tsms__transfer transfer;
    char *body;
    char date[48];
    char retry_after[16];
} virtual_flight;

typedef struct virtual_driver virtual_driver;

struct virtual_driver {
    tsms_client *client;
    tsms__now now;
    int64_t server_ahead_s; /* of the wall clock */
    const char *script;     /* the answers to come */
    int64_t takes_ms;       /* how long each answer takes */
    /* What answers instead of the script, and who answers checks; NULL for nobody. */
    void (*serve)(virtual_driver *d, virtual_flight *flight);
    void (*judge)(virtual_driver *d, const tsms_check *check);
    void *world; /* theirs */
    virtual_flight flights[VIRTUAL_FLIGHTS];
    size_t in_flight, most_in_flight;
    size_t posts, gets, checks;
    uint64_t sids; /* of the messages that "ok" has accepted */
};

/* ---- Answers ------------------------------------------------------------------------------- */

/* As it stands in Twilio's answers. */
static inline void virtual_date(int64_t unix_s, char *out, size_t size)
{
    time_t time = (time_t)unix_s;
    strftime(out, size, "%a, %d %b %Y %H:%M:%S +0000", gmtime(&time));
}

/* A row of the message list; texts must need no escapes. NULL is null. */
typedef struct virtual_row {
    const char *sid, *to, *from, *service, *body, *direction, *num_media;
    int64_t created_s;
} virtual_row;

static inline size_t virtual_add_text(char *out, size_t size, const char *name, const char *text)
{
    const char *quote = text != NULL ? "\"" : "";
    return (size_t)snprintf(out, size, ",\"%s\":%s%s%s", name, quote, text != NULL ? text : "null",
                            quote);
}

/* Appends it at out, which has room for 2500 bytes; returns how many were used. */
static inline size_t virtual_add_row(char *out, const virtual_row *row)
{
    enum { ROOM = 2500 };
    char date[48];
    virtual_date(row->created_s, date, sizeof date);
    size_t used = (size_t)snprintf(out, ROOM, "{\"status\":\"queued\",\"date_created\":\"%s\"",
                                   row->created_s != 0 ? date : "");
    used += virtual_add_text(out + used, ROOM - used, "sid", row->sid);
    used += virtual_add_text(out + used, ROOM - used, "to", row->to);
    used += virtual_add_text(out + used, ROOM - used, "from", row->from);
    used += virtual_add_text(out + used, ROOM - used, "messaging_service_sid", row->service);
    used += virtual_add_text(out + used, ROOM - used, "body", row->body);
    used += virtual_add_text(out + used, ROOM - used, "direction", row->direction);
    used += virtual_add_text(out + used, ROOM - used, "num_media", row->num_media);
    used += (size_t)snprintf(out + used, ROOM - used, "}");
    assert_true(used < ROOM);
    return used;
}

/* The message list with these rows. next may be NULL. */
static inline char *virtual_page(const virtual_row *rows, size_t count, const char *next)
{
    char *page = malloc(256 + count * 2500);
    assert_non_null(page);
    size_t used = (size_t)sprintf(page, "{\"messages\":[");
    for (size_t i = 0; i < count; i++) {
        used += i > 0 ? (size_t)sprintf(page + used, ",") : 0;
        used += virtual_add_row(page + used, &rows[i]);
    }
    used += (size_t)sprintf(page + used, "]");
    used += virtual_add_text(page + used, 200, "next_page_uri", next);
    sprintf(page + used, "}");
    return page;
}

/* The row of a call's message, as a server would list it that accepted it at created_s. */
static inline virtual_row virtual_row_of(const tsms__call *call, const char *sid, int64_t created_s)
{
    return (virtual_row){.sid = sid,
                         .to = call->to.ptr,
                         .from = call->from.ptr,
                         .service = call->messaging_service_sid.ptr,
                         .body = call->body.ptr,
                         .direction = "outbound-api",
                         .created_s = created_s};
}

/* Takes over body. */
static inline void virtual_respond(virtual_flight *flight, int status, char *body)
{
    flight->body = body;
    flight->transfer = (tsms__transfer){
        .sent = true,
        .response = {.http_status = status,
                     .complete = true,
                     .body = tsms_str_from(body),
                     .date = tsms_str_from(flight->date),
                     .retry_after = tsms_str_from(
                         flight->retry_after[0] != '\0' ? flight->retry_after : NULL)}};
}

static inline char *virtual_copy(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    assert_non_null(copy);
    return strcpy(copy, text);
}

/* The good answer to whatever the call asks; a send's message gets this sid. */
static inline void virtual_accept(virtual_flight *flight, const char *sid, int64_t created_s)
{
    const tsms__call *call = flight->call;
    virtual_row row = virtual_row_of(call, sid, created_s);
    char *body;
    switch (tsms__endpoint_of(call->operation)->shape) {
    case TSMS__SHAPE_NONE:
        virtual_respond(flight, 204, NULL);
        return;
    case TSMS__SHAPE_MESSAGE:
        body = malloc(2500);
        assert_non_null(body);
        virtual_add_row(body, &row);
        virtual_respond(flight, call->operation == TSMS_OP_SEND ? 201 : 200, body);
        return;
    case TSMS__SHAPE_MESSAGE_PAGE:
        virtual_respond(flight, 200, virtual_page(&row, 1, NULL));
        return;
    case TSMS__SHAPE_MEDIA:
        body = virtual_copy("{\"sid\":\"ME0123456789abcdef0123456789abcdef\"}");
        break;
    case TSMS__SHAPE_MEDIA_PAGE:
        body = virtual_copy("{\"media_list\":[{\"sid\":\"ME0123456789abcdef0123456789abcdef\"}]}");
        break;
    case TSMS__SHAPE_FEEDBACK:
    default:
        body = virtual_copy("{\"message_sid\":\"" VIRTUAL_SID "\"}");
        break;
    }
    virtual_respond(flight, 200, body);
}

static inline void virtual_break(virtual_flight *flight, bool sent, tsms_kind fault,
                                 const char *text)
{
    flight->transfer =
        (tsms__transfer){.sent = sent, .fault = fault, .fault_text = tsms_str_from(text)};
}

static inline bool virtual_is(tsms_str word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.ptr, text, word.len) == 0;
}

/* Answers a request with what the word says:
 *
 *     ok             a good answer
 *     cut            the status line says 201, the body ends in the middle
 *     garbled        a complete 201 that nobody can read
 *     400 503 ...    that status, with a JSON error; "429:7" with a Retry-After of 7 seconds
 *     refused dns late nomem   nothing was sent: no connection, no address, no time, no memory
 *     reset timeout  the request left, and no answer came
 *     none mine      a look-up's page: empty, or with the call's message
 *     others         a full page of other messages with a further page behind it */
static inline void virtual_answer(virtual_flight *flight, tsms_str word, int64_t server_s,
                                  uint64_t sid_number)
{
    static const struct {
        const char *word;
        bool sent;
        tsms_kind fault;
        const char *text;
    } faults[] = {
        {"refused", false, TSMS_KIND_CONNECTION_FAILED, "connection refused"},
        {"dns", false, TSMS_KIND_DNS_RESOLUTION_FAILED, "no such host"},
        {"late", false, TSMS_KIND_TIMEOUT, "no connection in time"},
        {"nomem", false, TSMS_KIND_TEMPORARILY_UNAVAILABLE, "out of memory"},
        {"reset", true, TSMS_KIND_CONNECTION_FAILED, "connection reset"},
        {"timeout", true, TSMS_KIND_TIMEOUT, "no answer in time"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (virtual_is(word, faults[i].word)) {
            virtual_break(flight, faults[i].sent, faults[i].fault, faults[i].text);
            return;
        }
    }
    char sid[40];
    snprintf(sid, sizeof sid, "SM%032" PRIx64, sid_number);
    virtual_date(server_s, flight->date, sizeof flight->date);
    flight->retry_after[0] = '\0';
    virtual_row row = virtual_row_of(flight->call, sid, server_s);
    if (virtual_is(word, "ok")) {
        virtual_accept(flight, sid, server_s);
    } else if (virtual_is(word, "cut")) {
        virtual_respond(flight, 201, virtual_copy("{\"sid\":\"SM01234"));
        flight->transfer.response.complete = false;
        flight->transfer.fault = TSMS_KIND_CONNECTION_FAILED;
        flight->transfer.fault_text = tsms_str_from("transfer closed");
    } else if (virtual_is(word, "garbled")) {
        virtual_respond(flight, 201, virtual_copy("<html>Created</html>"));
    } else if (virtual_is(word, "none")) {
        virtual_respond(flight, 200, virtual_page(NULL, 0, NULL));
    } else if (virtual_is(word, "mine")) {
        virtual_respond(flight, 200, virtual_page(&row, 1, NULL));
    } else if (virtual_is(word, "others")) {
        row.to = "+15005559999";
        virtual_respond(flight, 200, virtual_page(&row, 1, VIRTUAL_NEXT_PAGE));
    } else {
        int status = atoi(word.ptr);
        assert_in_range(status, 300, 599);
        if (word.len > 4 && word.ptr[3] == ':') {
            snprintf(flight->retry_after, sizeof flight->retry_after, "%d", atoi(word.ptr + 4));
        }
        const char *code = status == 400 ? "21211" : status == 401 ? "20003" : "null";
        char body[64];
        snprintf(body, sizeof body, "{\"code\":%s,\"message\":\"no\"}", code);
        virtual_respond(flight, status, virtual_copy(body));
    }
}

/* Cuts the next word off. False at the end. */
static inline bool virtual_word(const char **script, tsms_str *word)
{
    const char *at = *script != NULL ? *script + strspn(*script, " ") : "";
    *word = (tsms_str){at, strcspn(at, " ")};
    *script = at + word->len;
    return word->len > 0;
}

static inline void virtual_serve_script(virtual_driver *d, virtual_flight *flight)
{
    tsms_str word;
    if (!virtual_word(&d->script, &word)) {
        word = tsms_str_from(flight->call->looking_up ? "none" : "ok");
    }
    virtual_answer(flight, word, d->now.wall_ms / 1000 + d->server_ahead_s, ++d->sids);
}

/* ---- Opening and closing ------------------------------------------------------------------- */

/* Credentials and what `options` says: "key=value key=value". */
static inline tsms_config *virtual_config(const tsms_mem *mem, const char *options)
{
    tsms_config *config = NULL;
    assert_int_equal(tsms_config_new(mem, &config), TSMS_OK);
    const tsms_str token = tsms_str_from("0123456789abcdef0123456789abcdef");
    assert_int_equal(tsms_config_set(config, "account_sid", tsms_str_from(VIRTUAL_ACCOUNT), NULL),
                     TSMS_OK);
    assert_int_equal(tsms_config_set(config, "auth_token", token, NULL), TSMS_OK);
    tsms_str word;
    while (virtual_word(&options, &word)) {
        char key[64];
        const char *value = memchr(word.ptr, '=', word.len);
        assert_non_null(value);
        snprintf(key, sizeof key, "%.*s", (int)(value - word.ptr), word.ptr);
        tsms_error err;
        if (tsms_config_set(config, key,
                            (tsms_str){value + 1, word.len - (size_t)(value + 1 - word.ptr)},
                            &err) != TSMS_OK) {
            fail_msg("%s", err.message);
        }
    }
    return config;
}

/* Before a client is put in: the clocks and the answers. */
static inline void virtual_init(virtual_driver *d)
{
    memset(d, 0, sizeof *d);
    d->now = (tsms__now){.mono_ms = 1000000, .wall_ms = INT64_C(1700000000000)};
    d->takes_ms = VIRTUAL_TAKES_MS;
    d->serve = virtual_serve_script;
}

static inline void virtual_open(virtual_driver *d, const tsms_mem *mem, const char *options)
{
    virtual_init(d);
    tsms_config *config = virtual_config(mem, options);
    tsms_error err;
    if (tsms__client_new(config, 1, &d->client, &err) != TSMS_OK) {
        fail_msg("%s", err.message);
    }
    tsms_config_free(config);
}

static inline void virtual_close(virtual_driver *d)
{
    tsms__client_free(d->client);
    for (size_t i = 0; i < d->in_flight; i++) {
        free(d->flights[i].body);
    }
}

/* ---- Running ------------------------------------------------------------------------------- */

static inline void virtual_launch(virtual_driver *d, tsms__call *call)
{
    assert_in_range(d->in_flight, 0, VIRTUAL_FLIGHTS - 1);
    virtual_flight *flight = &d->flights[d->in_flight++];
    *flight = (virtual_flight){.call = call};
    *(tsms__client_method(call) == TSMS__GET ? &d->gets : &d->posts) += 1;
    int64_t most_ms = tsms__client_attempt_ms(d->client, call, d->now);
    d->serve(d, flight);
    int64_t takes_ms = d->takes_ms;
    if (takes_ms > most_ms) {
        free(flight->body);
        flight->body = NULL;
        virtual_break(flight, true, TSMS_KIND_TIMEOUT, "no answer in time");
        takes_ms = most_ms;
    }
    flight->ends_ms = d->now.mono_ms + takes_ms;
    d->most_in_flight = d->in_flight > d->most_in_flight ? d->in_flight : d->most_in_flight;
}

/* The flight that ends first; NULL when there is none. */
static inline virtual_flight *virtual_first_flight(virtual_driver *d)
{
    virtual_flight *first = NULL;
    for (size_t i = 0; i < d->in_flight; i++) {
        if (first == NULL || d->flights[i].ends_ms < first->ends_ms) {
            first = &d->flights[i];
        }
    }
    return first;
}

static inline void virtual_land(virtual_driver *d, virtual_flight *flight)
{
    virtual_flight done = *flight;
    size_t behind = (size_t)(d->flights + d->in_flight - flight) - 1;
    memmove(flight, flight + 1, behind * sizeof *flight);
    d->in_flight--;
    /* The views into the flight itself moved with the copy. */
    tsms__response *response = &done.transfer.response;
    response->date.ptr = response->date.ptr != NULL ? done.date : NULL;
    response->retry_after.ptr = response->retry_after.ptr != NULL ? done.retry_after : NULL;
    tsms__client_finish(d->client, done.call, &done.transfer, d->now);
    free(done.body);
}

/* Everything moves that can move at this moment. Fails when the client says that it has something
 * to do and then does nothing, for ever. */
static inline void virtual_turn(virtual_driver *d)
{
    bool moved = true;
    while (moved) {
        moved = false;
        virtual_flight *flight = virtual_first_flight(d);
        if (flight != NULL && flight->ends_ms <= d->now.mono_ms) {
            virtual_land(d, flight);
            moved = true;
        }
        tsms__call *call;
        while ((call = tsms__client_next(d->client, d->now)) != NULL) {
            virtual_launch(d, call);
            moved = true;
        }
        tsms_check check;
        while (d->judge != NULL && tsms_client_check(d->client, &check)) {
            d->checks++;
            d->judge(d, &check);
            moved = true;
        }
    }
    assert_true(tsms__client_due_ms(d->client, d->now) > d->now.mono_ms);
}

/* Moves both clocks, and nothing else. */
static inline void virtual_wait(virtual_driver *d, int64_t ms)
{
    d->now.mono_ms += ms;
    d->now.wall_ms += ms;
}

/* Runs for so long; both clocks stand at the end of it then. */
static inline void virtual_run(virtual_driver *d, int64_t ms)
{
    int64_t until_ms = d->now.mono_ms + ms;
    for (;;) {
        virtual_turn(d);
        int64_t next_ms = tsms__client_due_ms(d->client, d->now);
        const virtual_flight *flight = virtual_first_flight(d);
        if (flight != NULL && flight->ends_ms < next_ms) {
            next_ms = flight->ends_ms;
        }
        if (next_ms > until_ms) {
            break;
        }
        virtual_wait(d, next_ms - d->now.mono_ms);
    }
    virtual_wait(d, until_ms - d->now.mono_ms);
}

/* ---- Calls and their results --------------------------------------------------------------- */

static inline tsms_status virtual_submit(virtual_driver *d, const tsms_message_options *message,
                                         int64_t timeout_ms, uint64_t *id, tsms_error *err)
{
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_SEND;
    request.message = message;
    request.timeout_ms = timeout_ms;
    return tsms__client_submit(d->client, &request, d->now, id, err);
}

static inline tsms_status virtual_try_send(virtual_driver *d, const char *to, const char *from,
                                           const char *body, uint64_t *id, tsms_error *err)
{
    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(to);
    message.from = tsms_str_from(from);
    message.body = tsms_str_from(body);
    return virtual_submit(d, &message, 0, id, err);
}

static inline uint64_t virtual_send(virtual_driver *d, const char *to, const char *from,
                                    const char *body)
{
    uint64_t id = 0;
    tsms_error err;
    if (virtual_try_send(d, to, from, body, &id, &err) != TSMS_OK) {
        fail_msg("%s", err.message);
    }
    return id;
}

static inline uint64_t virtual_fetch(virtual_driver *d, int64_t timeout_ms)
{
    tsms_request request = TSMS_REQUEST_INIT;
    request.operation = TSMS_OP_FETCH;
    request.sid = tsms_str_from(VIRTUAL_SID);
    request.timeout_ms = timeout_ms;
    uint64_t id = 0;
    assert_int_equal(tsms__client_submit(d->client, &request, d->now, &id, NULL), TSMS_OK);
    return id;
}

/* "ok 1", "verified 2" or "Timeout in_doubt 3": how it ended and after how many requests. */
static inline const char *virtual_summary(const tsms_result *result, char *out, size_t size)
{
    const tsms_error *err = tsms_result_error(result);
    if (err == NULL) {
        snprintf(out, size, "%s %d", tsms_result_verified(result) ? "verified" : "ok",
                 tsms_result_attempts(result));
    } else {
        snprintf(out, size, "%s %s %d", tsms_kind_name(err->kind), tsms_outcome_name(err->outcome),
                 err->attempts);
    }
    return out;
}

/* The next finished call must have ended so; "" when there must be none. */
#define assert_result(d, want) virtual_assert_result((d), (want), __FILE__, __LINE__)

static inline void virtual_assert_result(virtual_driver *d, const char *want, const char *file,
                                         int line)
{
    char got[160] = "";
    tsms_result *result = tsms_client_result(d->client);
    if (result != NULL) {
        virtual_summary(result, got, sizeof got);
        tsms_result_free(result);
    }
    if (strcmp(got, want) != 0) {
        print_error("got  \"%s\"\nwant \"%s\"\n", got, want);
        _fail(file, line);
    }
}

/* The same for one that was refused with advice when to try again. */
static inline void virtual_assert_refused(virtual_driver *d, const char *want,
                                          int64_t retry_after_ms)
{
    tsms_result *result = tsms_client_result(d->client);
    assert_non_null(result);
    char text[160];
    assert_string_equal(virtual_summary(result, text, sizeof text), want);
    assert_int_equal(tsms_result_error(result)->retry_after_ms, retry_after_ms);
    tsms_result_free(result);
}

/* Takes all results; returns how many were good. */
static inline size_t virtual_collect(virtual_driver *d)
{
    size_t good = 0;
    tsms_result *result;
    while ((result = tsms_client_result(d->client)) != NULL) {
        good += tsms_result_error(result) == NULL;
        tsms_result_free(result);
    }
    return good;
}

static inline tsms_stats virtual_stats(const virtual_driver *d)
{
    tsms_stats stats;
    tsms_client_stats(d->client, &stats);
    return stats;
}

#endif
