/* An event: the copies of what a request said, in one block of memory. */
#include "webhook.h"

#include <string.h>

struct tsms_webhook_event {
    tsms_mem mem;
    tsms_webhook_info info;
    size_t count;
    tsms_param params[]; /* behind them lie the bytes that all views point to */
};

/* The views of an info that are to be copied. */
static const size_t views[] = {
#define VIEW(name) offsetof(tsms_webhook_info, name)
    VIEW(url),
    VIEW(message_sid),
    VIEW(account_sid),
    VIEW(messaging_service_sid),
    VIEW(from),
    VIEW(to),
    VIEW(body),
    VIEW(opt_out_type),
    VIEW(status),
    VIEW(error_message),
    VIEW(raw_dlr_done_date),
    VIEW(fallback_error_url),
    VIEW(callback_ref),
    VIEW(idempotency_token),
    VIEW(signature),
    VIEW(json),
    VIEW(traceparent),
#undef VIEW
};

enum { VIEW_COUNT = sizeof views / sizeof *views };

static tsms_str *view_of(tsms_webhook_info *info, size_t i)
{
    return (tsms_str *)(void *)((char *)info + views[i]);
}

static tsms_str copy(char **to, tsms_str text)
{
    if (text.len == 0) {
        return text.ptr != NULL ? TSMS__STR("") : text;
    }
    tsms_str made = {*to, text.len};
    memcpy(*to, text.ptr, text.len);
    *to += text.len;
    return made;
}

tsms_status tsms__webhook_event_new(const tsms_mem *mem, const tsms_webhook_info *info,
                                    const tsms__fields *fields, tsms_webhook_event **out,
                                    tsms_error *err)
{
    tsms_webhook_info shown = *info;
    size_t count = fields != NULL ? fields->count : 0;
    size_t bytes = sizeof(tsms_webhook_event) + count * sizeof(tsms_param);
    for (size_t i = 0; i < VIEW_COUNT; i++) {
        bytes += view_of(&shown, i)->len;
    }
    for (size_t i = 0; i < count; i++) {
        bytes += fields->items[i].name.len + fields->items[i].value.len;
    }
    tsms_webhook_event *event = tsms__alloc(mem, bytes);
    if (event == NULL) {
        return tsms__error_nomem(err);
    }
    char *to = (char *)&event->params[count];
    for (size_t i = 0; i < VIEW_COUNT; i++) {
        *view_of(&shown, i) = copy(&to, *view_of(&shown, i));
    }
    for (size_t i = 0; i < count; i++) {
        event->params[i].name = copy(&to, fields->items[i].name);
        event->params[i].value = copy(&to, fields->items[i].value);
    }
    event->mem = *mem;
    event->info = shown;
    event->count = count;
    *out = event;
    return TSMS_OK;
}

void tsms_webhook_event_free(tsms_webhook_event *event)
{
    if (event != NULL) {
        tsms_mem mem = event->mem;
        tsms__free(&mem, event);
    }
}

void tsms_webhook_event_read(const tsms_webhook_event *event, tsms_webhook_info *out)
{
    *out = event->info;
}

bool tsms_webhook_event_param(const tsms_webhook_event *event, size_t index, tsms_param *out)
{
    if (index >= event->count) {
        return false;
    }
    *out = event->params[index];
    return true;
}

tsms_str tsms_webhook_event_field(const tsms_webhook_event *event, const char *name)
{
    for (size_t i = 0; i < event->count; i++) {
        if (tsms__str_eq_z(event->params[i].name, name)) {
            return event->params[i].value;
        }
    }
    return (tsms_str){NULL, 0};
}

const char *tsms_webhook_type_name(tsms_webhook_type type)
{
    static const char *const names[] = {
#define X(id, name) name,
        TSMS_WEBHOOK_TYPES(X)
#undef X
    };
    return (size_t)type < sizeof names / sizeof *names ? names[type] : names[0];
}
