/* The states of a message, by name and by number. */
#include "../base/str.h"

typedef struct status_row {
    const char *name;
    bool terminal;
} status_row;

static const status_row statuses[] = {
#define X(id, name, terminal) {name, terminal},
    TSMS_MESSAGE_STATUSES(X)
#undef X
};

enum { STATUS_COUNT = sizeof statuses / sizeof *statuses };

static const status_row *status_find(tsms_message_status status)
{
    return &statuses[(unsigned)status < STATUS_COUNT ? status : TSMS_MESSAGE_UNKNOWN];
}

const char *tsms_message_status_name(tsms_message_status status)
{
    return status_find(status)->name;
}

tsms_message_status tsms_message_status_from(tsms_str name)
{
    for (int i = TSMS_MESSAGE_UNKNOWN + 1; i < STATUS_COUNT; i++) {
        if (tsms__str_eq_z(name, statuses[i].name)) {
            return (tsms_message_status)i;
        }
    }
    return TSMS_MESSAGE_UNKNOWN;
}

bool tsms_message_status_is_terminal(tsms_message_status status)
{
    return status_find(status)->terminal;
}
