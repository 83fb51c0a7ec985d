/* Keeps the accepted messages and composes the answer to each request. */
#define _GNU_SOURCE /* gmtime_r, strndup */
#include "fault_internal.h"

#include "base/mem.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HUGE_BODY_SIZE = 10 * 1000 * 1000 };

void fault__request_init(fault__request *request)
{
    request->method[0] = '\0';
    tsms__buf_init(&request->path, &tsms__mem_libc);
    tsms__buf_init(&request->body, &tsms__mem_libc);
}

void fault__request_free(fault__request *request)
{
    tsms__buf_free(&request->path);
    tsms__buf_free(&request->body);
}

/* "Thu, 24 Aug 2023 05:01:45" and the zone as mail or as HTTP writes it. */
static void format_date(char *out, size_t size, time_t when, const char *zone)
{
    struct tm utc;
    gmtime_r(&when, &utc);
    size_t len = strftime(out, size, "%a, %d %b %Y %H:%M:%S ", &utc);
    snprintf(out + len, size - len, "%s", zone);
}

/* ---- Form fields, decoded here anew: the truth must not depend on the code under test */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *decode(const char *from, const char *end)
{
    char *text = malloc((size_t)(end - from) + 1);
    MUST(text != NULL);
    char *to = text;
    while (from < end) {
        if (*from == '%' && end - from > 2 && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0) {
            *to++ = (char)(hex_digit(from[1]) * 16 + hex_digit(from[2]));
            from += 3;
        } else {
            *to++ = *from == '+' ? ' ' : *from;
            from++;
        }
    }
    *to = '\0';
    return text;
}

/* The first field of that name, decoded; NULL when there is none. Free it. */
static char *field(const char *form, const char *name)
{
    size_t len = strlen(name);
    for (const char *pair = form; *pair != '\0';) {
        const char *end = strchrnul(pair, '&');
        if (strncmp(pair, name, len) == 0 && pair[len] == '=') {
            return decode(pair + len + 1, end);
        }
        pair = *end == '&' ? end + 1 : end;
    }
    return NULL;
}

/* ---- Messages */

static void add_string_or_null(cJSON *object, const char *name, const char *value)
{
    MUST((value != NULL ? cJSON_AddStringToObject(object, name, value)
                        : cJSON_AddNullToObject(object, name)) != NULL);
}

/* The fields and nulls of a live answer to a create call, in one of the orders seen. */
static cJSON *message_json(const fault__message *message)
{
    char date[40], uri[128], media[140];
    format_date(date, sizeof date, message->created, "+0000");
    snprintf(uri, sizeof uri, "/2010-04-01/Accounts/%s/Messages/%s.json", message->account_sid,
             message->sid);
    snprintf(media, sizeof media, "/2010-04-01/Accounts/%s/Messages/%s/Media.json",
             message->account_sid, message->sid);
    cJSON *json = cJSON_CreateObject();
    MUST(json != NULL);
    add_string_or_null(json, "body", message->body);
    add_string_or_null(json, "num_segments", "1");
    add_string_or_null(json, "direction", "outbound-api");
    add_string_or_null(json, "from", message->from);
    add_string_or_null(json, "date_updated", date);
    add_string_or_null(json, "price", NULL);
    add_string_or_null(json, "error_message", NULL);
    add_string_or_null(json, "uri", uri);
    add_string_or_null(json, "account_sid", message->account_sid);
    add_string_or_null(json, "num_media", "0");
    add_string_or_null(json, "to", message->to);
    add_string_or_null(json, "date_created", date);
    add_string_or_null(json, "status", "queued");
    add_string_or_null(json, "sid", message->sid);
    add_string_or_null(json, "date_sent", NULL);
    add_string_or_null(json, "messaging_service_sid", NULL);
    add_string_or_null(json, "error_code", NULL);
    add_string_or_null(json, "price_unit", "USD");
    add_string_or_null(json, "api_version", "2010-04-01");
    cJSON *subresources = cJSON_AddObjectToObject(json, "subresource_uris");
    MUST(subresources != NULL);
    add_string_or_null(subresources, "media", media);
    return json;
}

static void set_json(fault__answer *answer, int status, cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    MUST(text != NULL);
    cJSON_Delete(json);
    answer->status = status;
    answer->content_type = "application/json;charset=utf-8";
    tsms__buf_clear(&answer->body);
    tsms__buf_add_z(&answer->body, text);
    cJSON_free(text);
}

static void set_error(fault__answer *answer, int status, int code, const char *text)
{
    char more_info[64];
    snprintf(more_info, sizeof more_info, "https://www.twilio.com/docs/errors/%d", code);
    cJSON *json = cJSON_CreateObject();
    MUST(json != NULL && cJSON_AddNumberToObject(json, "code", code) != NULL);
    add_string_or_null(json, "message", text);
    add_string_or_null(json, "more_info", more_info);
    MUST(cJSON_AddNumberToObject(json, "status", status) != NULL);
    set_json(answer, status, json);
}

/* Called under the lock. */
static fault__message *accept_message(fault_server *server, const char *account_sid,
                                      const char *form)
{
    fault__message *messages =
        realloc(server->messages, (server->message_count + 1) * sizeof *messages);
    MUST(messages != NULL);
    server->messages = messages;
    fault__message *message = &messages[server->message_count++];
    memset(message, 0, sizeof *message);
    snprintf(message->sid, sizeof message->sid, "SM%032zx", server->message_count);
    snprintf(message->account_sid, sizeof message->account_sid, "%s", account_sid);
    message->to = field(form, "To");
    message->from = field(form, "From");
    message->body = field(form, "Body");
    message->created = time(NULL);
    server->stats.posts_accepted++;
    return message;
}

/* An absent filter fits everything. */
static bool fits(const char *filter, const char *value)
{
    return filter == NULL || (value != NULL && strcmp(filter, value) == 0);
}

/* One page holds everything, newest first. Called under the lock. */
static cJSON *list_json(const fault_server *server, const char *path, const char *query)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *rows = json != NULL ? cJSON_AddArrayToObject(json, "messages") : NULL;
    MUST(rows != NULL);
    char *to = field(query, "To");
    char *from = field(query, "From");
    int count = 0;
    for (size_t i = server->message_count; i-- > 0;) {
        const fault__message *message = &server->messages[i];
        if (fits(to, message->to) && fits(from, message->from)) {
            MUST(cJSON_AddItemToArray(rows, message_json(message)));
            count++;
        }
    }
    free(to);
    free(from);
    MUST(cJSON_AddNumberToObject(json, "page", 0) != NULL);
    MUST(cJSON_AddNumberToObject(json, "page_size", 1000) != NULL);
    MUST(cJSON_AddNumberToObject(json, "start", 0) != NULL);
    MUST(cJSON_AddNumberToObject(json, "end", count > 0 ? count - 1 : 0) != NULL);
    add_string_or_null(json, "uri", path);
    add_string_or_null(json, "first_page_uri", path);
    add_string_or_null(json, "next_page_uri", NULL);
    add_string_or_null(json, "previous_page_uri", NULL);
    return json;
}

/* ---- Answers */

/* What the fault says in place of the usual answer; transport faults leave that as it is. */
static void spoil_answer(fault__answer *answer, const fault *what, const char *path)
{
    switch (what->id) {
    case FAULT_STATUS_500:
        set_error(answer, 500, 20500, "Internal server error");
        break;
    case FAULT_STATUS_503:
        set_error(answer, 503, 20503, "Service unavailable");
        answer->retry_after = what->retry_after;
        break;
    case FAULT_STATUS_429:
        set_error(answer, 429, 20429, "Too many requests");
        answer->retry_after = what->retry_after;
        break;
    case FAULT_STATUS_302:
        answer->status = 302;
        answer->location = path;
        tsms__buf_clear(&answer->body);
        break;
    case FAULT_HTML_502:
        answer->status = 502;
        answer->content_type = "text/html";
        tsms__buf_clear(&answer->body);
        tsms__buf_add_z(&answer->body, "<html><body><h1>502 Bad Gateway</h1></body></html>\r\n");
        break;
    case FAULT_HUGE_BODY:
        tsms__buf_clear(&answer->body);
        MUST(tsms__buf_reserve(&answer->body, HUGE_BODY_SIZE));
        memset(answer->body.ptr, 'x', HUGE_BODY_SIZE);
        answer->body.len = HUGE_BODY_SIZE;
        break;
    default:
        break;
    }
}

/* The account in ".../Accounts/{account}/Messages.json"; false for any other path. */
static bool parse_path(const char *path, char account_sid[35], const char **query)
{
    int end = 0;
    if (sscanf(path, "/2010-04-01/Accounts/%34[A-Za-z0-9]/Messages.json%n", account_sid, &end) !=
            1 ||
        end == 0) {
        return false;
    }
    *query = path[end] == '?' ? path + end + 1 : path + end;
    return path[end] == '\0' || path[end] == '?';
}

fault fault__handle(fault_server *server, const fault__request *request, fault__answer *answer)
{
    fault what = {.id = FAULT_NONE};
    char account_sid[35];
    const char *query = NULL;
    const char *path = request->path.ptr;
    memset(answer, 0, sizeof *answer);
    tsms__buf_init(&answer->body, &tsms__mem_libc);
    format_date(answer->date, sizeof answer->date, time(NULL), "GMT");
    if (!parse_path(path, account_sid, &query)) {
        set_error(answer, 404, 20404, "The requested resource was not found");
    } else if (strcmp(request->method, "GET") == 0) {
        pthread_mutex_lock(&server->lock);
        server->stats.lookups++;
        set_json(answer, 200, list_json(server, path, query));
        pthread_mutex_unlock(&server->lock);
    } else if (strcmp(request->method, "POST") == 0) {
        what = fault__take(server, FAULT_STAGE_SEND);
        pthread_mutex_lock(&server->lock);
        server->stats.posts_seen_complete++;
        fault_accepts accepts = fault_accepts_of(what.id);
        if (accepts == FAULT_ACCEPTS_ALWAYS || (accepts == FAULT_ACCEPTS_MAYBE && what.accepted)) {
            const char *form = request->body.ptr != NULL ? request->body.ptr : "";
            set_json(answer, 201, message_json(accept_message(server, account_sid, form)));
        } else {
            set_error(answer, 500, 20500, "Internal server error");
        }
        pthread_mutex_unlock(&server->lock);
        spoil_answer(answer, &what, path);
    } else {
        set_error(answer, 405, 20004, "Method not allowed");
    }
    MUST(!answer->body.failed);
    return what;
}
