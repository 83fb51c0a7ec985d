/* The parameters of the create call, and the form body that they make. */
#include "message.h"

#include "date.h"
#include "form.h"

#include <string.h>

#define OFFSET(field) offsetof(tsms_message_options, field)

static const tsms__param params[] = {
#define PARAM(type, field, wire) {#field, wire, TSMS__PARAM_##type, OFFSET(field), 0},
#define PARAM_LIST(field, count, wire)                                                             \
    {#field, wire, TSMS__PARAM_LIST, OFFSET(field), OFFSET(count)},
#include "params.def"
#undef PARAM_LIST
#undef PARAM
};

enum { PARAM_COUNT = sizeof params / sizeof *params };

const tsms__param *tsms__params(size_t *count)
{
    *count = PARAM_COUNT;
    return params;
}

const tsms__param *tsms__param_find(tsms_str name)
{
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        if (tsms__str_eq_z(name, params[i].name)) {
            return &params[i];
        }
    }
    return NULL;
}

tsms_status tsms__message_read(const tsms_message_options *given, tsms_message_options *own,
                               tsms_error *err)
{
    if (given->size < sizeof given->size || given->size > sizeof *own) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                               "the message's size is not set: start from "
                               "TSMS_MESSAGE_OPTIONS_INIT");
    }
    memset(own, 0, sizeof *own);
    memcpy(own, given, given->size);
    own->size = sizeof *own;
    return TSMS_OK;
}

static void encode_text(tsms_buf *form, const char *name, tsms_str value)
{
    if (value.len > 0) {
        tsms__form_add(form, tsms_str_from(name), value);
    }
}

static void encode_list(tsms_buf *form, const char *name, const tsms_str *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        encode_text(form, name, items[i]);
    }
}

static void encode_toggle(tsms_buf *form, const char *name, tsms_toggle value)
{
    if (value != TSMS_UNSET) {
        encode_text(form, name, value == TSMS_TRUE ? TSMS__STR("true") : TSMS__STR("false"));
    }
}

static void encode_int(tsms_buf *form, const char *name, int value)
{
    if (value != 0) {
        tsms__form_add(form, tsms_str_from(name), (tsms_str){NULL, 0});
        tsms__buf_add_int(form, value);
    }
}

/* Twilio ignores SendAt unless it is told that this is a schedule. */
static void encode_time(tsms_buf *form, const char *name, int64_t unix_s)
{
    if (unix_s != 0) {
        tsms__form_add(form, TSMS__STR("ScheduleType"), TSMS__STR("fixed"));
        tsms__form_add(form, tsms_str_from(name), (tsms_str){NULL, 0});
        tsms__date_add_iso8601(form, unix_s); /* its colons may stand in a form as they are */
    }
}

void tsms__message_encode(const tsms_message_options *message, tsms_buf *form)
{
    for (const tsms__param *param = params; param < params + PARAM_COUNT; param++) {
        const void *field = (const char *)message + param->offset;
        if (param->wire == NULL) {
            continue;
        }
        switch (param->type) {
        case TSMS__PARAM_STR:
            encode_text(form, param->wire, *(const tsms_str *)field);
            break;
        case TSMS__PARAM_LIST: {
            const void *count = (const char *)message + param->count_offset;
            encode_list(form, param->wire, *(const tsms_str *const *)field, *(const size_t *)count);
            break;
        }
        case TSMS__PARAM_TOGGLE:
            encode_toggle(form, param->wire, *(const tsms_toggle *)field);
            break;
        case TSMS__PARAM_INT:
            encode_int(form, param->wire, *(const int *)field);
            break;
        case TSMS__PARAM_TIME:
            encode_time(form, param->wire, *(const int64_t *)field);
            break;
        }
    }
}
