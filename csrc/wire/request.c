/* Turns an operation into the request line and the body that the server expects. */
#include "request.h"

#include "date.h"
#include "form.h"
#include "message.h"
#include "phone.h"

#include <string.h>

#define REFUSE(err, ...) tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, __VA_ARGS__)

enum { SID_LENGTH = 34, MOST_PAGE_SIZE = 1000 };

static const char accounts_path[] = "/2010-04-01/Accounts/";

/* A feedback may be repeated as well: it says what is so, and does not count. */
static const tsms__endpoint endpoints[TSMS_OP_COUNT] = {
    [TSMS_OP_SEND] = {TSMS__POST, false, TSMS__SHAPE_MESSAGE},
    [TSMS_OP_FETCH] = {TSMS__GET, true, TSMS__SHAPE_MESSAGE},
    [TSMS_OP_LIST] = {TSMS__GET, true, TSMS__SHAPE_MESSAGE_PAGE},
    [TSMS_OP_CANCEL] = {TSMS__POST, true, TSMS__SHAPE_MESSAGE},
    [TSMS_OP_REDACT] = {TSMS__POST, true, TSMS__SHAPE_MESSAGE},
    [TSMS_OP_DELETE] = {TSMS__DELETE, true, TSMS__SHAPE_NONE},
    [TSMS_OP_MEDIA_LIST] = {TSMS__GET, true, TSMS__SHAPE_MEDIA_PAGE},
    [TSMS_OP_MEDIA_FETCH] = {TSMS__GET, true, TSMS__SHAPE_MEDIA},
    [TSMS_OP_MEDIA_DELETE] = {TSMS__DELETE, true, TSMS__SHAPE_NONE},
    [TSMS_OP_FEEDBACK] = {TSMS__POST, true, TSMS__SHAPE_FEEDBACK},
};

const tsms__endpoint *tsms__endpoint_of(tsms_operation operation)
{
    return &endpoints[operation];
}

static bool is_operation(tsms_operation operation)
{
    return (unsigned)operation < TSMS_OP_COUNT;
}

const char *tsms_operation_name(tsms_operation operation)
{
    static const char *const names[] = {
#define X(id, name) name,
        TSMS_OPERATIONS(X)
#undef X
    };
    return is_operation(operation) ? names[operation] : "";
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool tsms__sid_is(tsms_str sid, const char *prefix)
{
    if (sid.len != SID_LENGTH || memcmp(sid.ptr, prefix, 2) != 0) {
        return false;
    }
    for (size_t i = 2; i < SID_LENGTH; i++) {
        if (!is_hex(sid.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool tsms__sid_is_message(tsms_str sid)
{
    return tsms__sid_is(sid, "SM") || tsms__sid_is(sid, "MM");
}

/* https://www.twilio.com/docs/global-infrastructure/using-the-twilio-rest-api-in-a-non-us-region */
void tsms__origin_add(tsms_buf *out, const char *base_url, const char *region, const char *edge)
{
    tsms_str base = tsms_str_from(base_url);
    while (base.len > 0 && base.ptr[base.len - 1] == '/') {
        base.len--;
    }
    if (base.len > 0) {
        tsms__buf_add(out, base);
        return;
    }
    tsms_str labels[] = {tsms_str_from(edge), tsms_str_from(region)};
    if (labels[0].len > 0 && labels[1].len == 0) {
        labels[1] = TSMS__STR("us1");
    }
    tsms__buf_add(out, TSMS__STR("https://api"));
    for (size_t i = 0; i < 2; i++) {
        if (labels[i].len > 0) {
            tsms__buf_add_char(out, '.');
            tsms__buf_add(out, labels[i]);
        }
    }
    tsms__buf_add(out, TSMS__STR(".twilio.com"));
}

tsms_status tsms__request_read(const tsms_request *given, tsms_request *own, tsms_error *err)
{
    if (given->size < sizeof given->size || given->size > sizeof *own) {
        return REFUSE(err, "the request's size is not set: start from TSMS_REQUEST_INIT");
    }
    memset(own, 0, sizeof *own);
    memcpy(own, given, given->size);
    own->size = sizeof *own;
    return TSMS_OK;
}

static bool cut_prefix(tsms_str *rest, tsms_str prefix)
{
    if (!tsms__str_starts(*rest, prefix)) {
        return false;
    }
    *rest = (tsms_str){rest->ptr + prefix.len, rest->len - prefix.len};
    return true;
}

/* Whether a page_uri names the list of the operation, of this account and no other, and is nothing
 * but that: it is sent as it is, with our credentials. */
static bool is_own_page(const tsms_request *request, tsms_str account_sid)
{
    tsms_str rest = request->page_uri;
    if (!cut_prefix(&rest, TSMS__STR(accounts_path)) || !cut_prefix(&rest, account_sid) ||
        !cut_prefix(&rest, TSMS__STR("/Messages"))) {
        return false;
    }
    if (request->operation == TSMS_OP_MEDIA_LIST) {
        tsms_str sid = {rest.ptr + 1, SID_LENGTH};
        if (rest.len <= SID_LENGTH || rest.ptr[0] != '/' || !tsms__sid_is_message(sid)) {
            return false;
        }
        rest = (tsms_str){rest.ptr + 1 + SID_LENGTH, rest.len - 1 - SID_LENGTH};
        if (!cut_prefix(&rest, TSMS__STR("/Media"))) {
            return false;
        }
    }
    if (!cut_prefix(&rest, TSMS__STR(".json")) || (rest.len > 0 && rest.ptr[0] != '?')) {
        return false;
    }
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] <= ' ' || rest.ptr[i] >= 0x7F || strchr("#\\", rest.ptr[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static tsms_status check_address_filter(const char *name, tsms_str address, tsms_error *err)
{
    if (address.len > 0 && tsms__address_of(address) == TSMS__ADDRESS_INVALID) {
        return REFUSE(err, "%s is not a phone number, short code or other address", name);
    }
    return TSMS_OK;
}

static tsms_status check_day_filter(const char *name, tsms_str day, tsms_error *err)
{
    if (day.len > 0 && !tsms__date_is_day(day)) {
        return REFUSE(err, "%s is not a day written as YYYY-MM-DD", name);
    }
    return TSMS_OK;
}

static tsms_status check_page(const tsms_request *request, tsms_str account_sid, tsms_error *err)
{
    if (request->page_uri.len > 0) {
        return is_own_page(request, account_sid)
                   ? TSMS_OK
                   : REFUSE(err, "page_uri is no next_page_uri of this account's %s",
                            tsms_operation_name(request->operation));
    }
    if (request->page_size < 0 || request->page_size > MOST_PAGE_SIZE) {
        return REFUSE(err, "page_size is not 1 to %d", MOST_PAGE_SIZE);
    }
    if (request->operation != TSMS_OP_LIST) {
        return TSMS_OK;
    }
    if (check_address_filter("to", request->to, err) != TSMS_OK ||
        check_address_filter("from", request->from, err) != TSMS_OK ||
        check_day_filter("date_sent", request->date_sent, err) != TSMS_OK ||
        check_day_filter("date_sent_before", request->date_sent_before, err) != TSMS_OK) {
        return TSMS_ERROR;
    }
    return check_day_filter("date_sent_after", request->date_sent_after, err);
}

static bool is_page(const tsms_request *request)
{
    return request->operation == TSMS_OP_LIST || request->operation == TSMS_OP_MEDIA_LIST;
}

static bool needs_sid(const tsms_request *request)
{
    return request->operation != TSMS_OP_SEND && request->operation != TSMS_OP_LIST &&
           !(is_page(request) && request->page_uri.len > 0);
}

static bool needs_media_sid(const tsms_request *request)
{
    return request->operation == TSMS_OP_MEDIA_FETCH || request->operation == TSMS_OP_MEDIA_DELETE;
}

tsms_status tsms__request_check(const tsms_request *request, tsms_str account_sid, int64_t wall_s,
                                tsms_error *err)
{
    if (request->size != sizeof *request) {
        return REFUSE(err, "the request's size is wrong");
    }
    if (!is_operation(request->operation)) {
        return REFUSE(err, "there is no operation %d", (int)request->operation);
    }
    if (request->timeout_ms < 0) {
        return REFUSE(err, "timeout_ms is negative");
    }
    if (needs_sid(request) && !tsms__sid_is_message(request->sid)) {
        return REFUSE(err, "sid is not \"SM\" or \"MM\" followed by 32 hex digits");
    }
    if (needs_media_sid(request) && !tsms__sid_is(request->media_sid, "ME")) {
        return REFUSE(err, "media_sid is not \"ME\" followed by 32 hex digits");
    }
    if (is_page(request)) {
        return check_page(request, account_sid, err);
    }
    if (request->operation != TSMS_OP_SEND) {
        return TSMS_OK;
    }
    if (request->message == NULL) {
        return REFUSE(err, "there is no message to send");
    }
    return tsms__message_check(request->message, wall_s, err);
}

/* name is already encoded: the operators of the date filters are part of it. */
static void add_query(tsms_buf *out, char *mark, const char *name, tsms_str value)
{
    if (value.len > 0) {
        tsms__buf_add_char(out, *mark);
        tsms__buf_add_z(out, name);
        tsms__buf_add_char(out, '=');
        tsms__form_encode(out, value);
        *mark = '&';
    }
}

static void add_page_query(tsms_buf *out, const tsms_request *request)
{
    char mark = '?';
    if (request->operation == TSMS_OP_LIST) {
        add_query(out, &mark, "To", request->to);
        add_query(out, &mark, "From", request->from);
        add_query(out, &mark, "DateSent", request->date_sent);
        add_query(out, &mark, "DateSent%3C", request->date_sent_before);
        add_query(out, &mark, "DateSent%3E", request->date_sent_after);
    }
    if (request->page_size > 0) {
        tsms__buf_add_char(out, mark);
        tsms__buf_add(out, TSMS__STR("PageSize="));
        tsms__buf_add_int(out, request->page_size);
    }
}

void tsms__request_path(const tsms_request *request, tsms_str account_sid, tsms_buf *out)
{
    if (is_page(request) && request->page_uri.len > 0) {
        tsms__buf_add(out, request->page_uri);
        return;
    }
    tsms__buf_add(out, TSMS__STR(accounts_path));
    tsms__buf_add(out, account_sid);
    tsms__buf_add(out, TSMS__STR("/Messages"));
    if (needs_sid(request)) {
        tsms__buf_add_char(out, '/');
        tsms__buf_add(out, request->sid);
    }
    if (request->operation == TSMS_OP_FEEDBACK) {
        tsms__buf_add(out, TSMS__STR("/Feedback"));
    }
    if (request->operation == TSMS_OP_MEDIA_LIST) {
        tsms__buf_add(out, TSMS__STR("/Media"));
    }
    if (needs_media_sid(request)) {
        tsms__buf_add(out, TSMS__STR("/Media/"));
        tsms__buf_add(out, request->media_sid);
    }
    tsms__buf_add(out, TSMS__STR(".json"));
    if (is_page(request)) {
        add_page_query(out, request);
    }
}

void tsms__request_body(const tsms_request *request, tsms_buf *out)
{
    switch (request->operation) {
    case TSMS_OP_SEND:
        tsms__message_encode(request->message, out);
        break;
    case TSMS_OP_CANCEL:
        tsms__buf_add(out, TSMS__STR("Status=canceled"));
        break;
    case TSMS_OP_REDACT:
        tsms__buf_add(out, TSMS__STR("Body="));
        break;
    case TSMS_OP_FEEDBACK:
        tsms__buf_add(out, request->confirmed ? TSMS__STR("Outcome=confirmed")
                                              : TSMS__STR("Outcome=unconfirmed"));
        break;
    default:
        break;
    }
}
