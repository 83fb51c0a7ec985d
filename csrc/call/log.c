/* Writes lines of the log. */
#include "log.h"

struct tsms_log {
    size_t owners;
};

tsms_log *tsms__log_keep(tsms_log *log)
{
    log->owners++;
    return log;
}

void tsms_log_free(tsms_log *log)
{
    (void)log;
}

bool tsms__log_wants(const tsms_log *log, tsms_log_level level)
{
    return log->owners > 0 && level == TSMS_LOG_ERROR;
}

void tsms__log_event(tsms_log *log, const tsms__call *call, const tsms_event *event)
{
    (void)log;
    (void)call;
    (void)event;
}

void tsms__log_request(tsms_log *log, const tsms__call *call, tsms__now now)
{
    (void)log;
    (void)call;
    (void)now;
}

void tsms__log_response(tsms_log *log, const tsms__call *call, const tsms__transfer *transfer,
                        tsms__now now)
{
    (void)log;
    (void)call;
    (void)transfer;
    (void)now;
}

void tsms__log_webhook(tsms_log *log, const tsms_webhook_info *info, tsms_webhook_verdict verdict,
                       int64_t wall_ms)
{
    (void)log;
    (void)info;
    (void)verdict;
    (void)wall_ms;
}

void tsms__log_refused_webhook(tsms_log *log, tsms_webhook_verdict verdict, const tsms_error *err,
                               int64_t wall_ms)
{
    (void)log;
    (void)verdict;
    (void)err;
    (void)wall_ms;
}

uint64_t tsms__log_take_dropped(tsms_log *log)
{
    (void)log;
    return 0;
}
