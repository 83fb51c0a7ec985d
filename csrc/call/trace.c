/* Keeps spans until they are exported, in a buffer of fixed size. */
#include "trace.h"

#include "../base/entropy.h"
#include "../base/json_text.h"

#include <string.h>

enum {
    BUFFER_LEAST = 4096,
    SERVICE_MOST = 256,
};

struct tsms_trace {
    tsms_mem mem;
    size_t owners;
    double sample;

    bool seeded;
    tsms__rand rand; /* of the ids, where there is a seed, or the system has no randomness */
    tsms__entropy_pool pool;

    tsms_buf head; /* of a request, up to its spans */
    tsms_buf span; /* the one that is being written */
    tsms_buf body; /* what tsms_trace_take shows */

    /* Spans as text, one behind the other, each behind its length; those from start to end wait. */
    char *waiting;
    size_t size, start, end;
    size_t pending;

    uint64_t spans, dropped, told; /* of dropped: those that were asked about */
};

typedef uint32_t span_length;

/* ---- Making ---------------------------------------------------------------------------------- */

static tsms_status check_attribute(tsms_param attribute, tsms_error *err)
{
    if (tsms__str_eq(attribute.name, TSMS__STR("service.name"))) { /* no name may come twice */
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "trace.resource: service.name is the option service_name");
    }
    bool ok = attribute.name.len > 0 && tsms__utf8_valid(attribute.name) &&
              tsms__utf8_valid(attribute.value);
    return ok ? TSMS_OK
              : tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                                "trace.resource: attributes are UTF-8 and have a name");
}

static tsms_status check_options(const tsms_trace_options *options, tsms_error *err)
{
    if (!(options->sample >= 0 && options->sample <= 1)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "trace.sample: it is from 0 to 1");
    }
    if (options->buffer_size < BUFFER_LEAST || options->buffer_size > INT32_MAX) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "trace.buffer_size: it is %d bytes or more, and less than 2 GiB",
                               BUFFER_LEAST);
    }
    if (options->service_name.len > SERVICE_MOST || !tsms__utf8_valid(options->service_name)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "trace.service_name: it is UTF-8 of at most %d bytes", SERVICE_MOST);
    }
    tsms_status status = TSMS_OK;
    for (size_t i = 0; i < options->resource_count && status == TSMS_OK; i++) {
        status = check_attribute(options->resource[i], err);
    }
    return status;
}

/* The names of attributes of ours need no escapes; these may. */
static void add_foreign(tsms_buf *out, tsms_param attribute)
{
    tsms__buf_add(out, TSMS__STR(",{\"key\":"));
    tsms__json_put_string(out, attribute.name);
    tsms__buf_add(out, TSMS__STR(",\"value\":{\"stringValue\":"));
    tsms__json_put_string(out, attribute.value);
    tsms__buf_add(out, TSMS__STR("}}"));
}

static void write_head(tsms_buf *out, const tsms_trace_options *options)
{
    tsms__buf_add(out, TSMS__STR("{\"resourceSpans\":[{\"resource\":{\"attributes\":["));
    tsms__span_str(out, "service.name",
                   options->service_name.len > 0 ? options->service_name : TSMS__STR("twilio-sms"));
    for (size_t i = 0; i < options->resource_count; i++) {
        add_foreign(out, options->resource[i]);
    }
    tsms__buf_add(out, TSMS__STR("]},\"scopeSpans\":[{\"scope\":{\"name\":\"twilio-sms\","
                                 "\"version\":\"" TSMS_VERSION "\"},\"spans\":["));
}

static const char TAIL[] = "]}]}]}";

tsms_status tsms_trace_new(const tsms_mem *mem, const tsms_trace_options *given, tsms_trace **out,
                           tsms_error *err)
{
    mem = mem != NULL ? mem : &tsms__mem_libc;
    tsms__error_clear(err);
    tsms_trace_options options = TSMS_TRACE_OPTIONS_INIT;
    if (given != NULL && (given->size < sizeof given->size || given->size > sizeof options)) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "the size of the options is not that of a known layout");
    }
    if (given != NULL) {
        memcpy(&options, given, given->size);
    }
    tsms_status status = check_options(&options, err);
    if (status != TSMS_OK) {
        return status;
    }
    tsms_trace *trace = tsms__calloc(mem, 1, sizeof *trace);
    if (trace == NULL) {
        return tsms__error_nomem(err);
    }
    trace->mem = *mem;
    trace->owners = 1;
    trace->sample = options.sample;
    trace->seeded = options.seed != 0;
    tsms__rand_init(&trace->rand, options.seed);
    trace->size = options.buffer_size;
    trace->waiting = tsms__alloc(mem, trace->size);
    tsms__buf_init(&trace->head, &trace->mem);
    tsms__buf_init(&trace->span, &trace->mem);
    tsms__buf_init(&trace->body, &trace->mem);
    write_head(&trace->head, &options);
    if (trace->waiting == NULL || trace->head.failed) {
        tsms_trace_free(trace);
        return tsms__error_nomem(err);
    }
    *out = trace;
    return TSMS_OK;
}

tsms_trace *tsms__trace_keep(tsms_trace *trace)
{
    trace->owners++;
    return trace;
}

void tsms_trace_free(tsms_trace *trace)
{
    if (trace == NULL || --trace->owners > 0) {
        return;
    }
    tsms__buf_free(&trace->head);
    tsms__buf_free(&trace->span);
    tsms__buf_free(&trace->body);
    tsms__free(&trace->mem, trace->waiting);
    tsms_mem mem = trace->mem;
    tsms__free(&mem, trace);
}

/* ---- Ids ------------------------------------------------------------------------------------- */

static void draw(tsms_trace *trace, unsigned char *out, size_t size)
{
    if (!trace->seeded && tsms__entropy_draw(&trace->pool, out, size)) {
        return;
    }
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t bits = tsms__rand_next(&trace->rand);
        memcpy(out + i, &bits, sizeof bits);
    }
}

void tsms__trace_new_id(tsms_trace *trace, unsigned char *out, size_t size)
{
    unsigned char any = 0;
    while (any == 0) {
        draw(trace, out, size);
        for (size_t i = 0; i < size; i++) {
            any |= out[i];
        }
    }
}

/* As TraceIdRatioBased of OpenTelemetry's Go library, so that its services and ours keep the same
 * traces: the last 8 bytes without their first bit decide. */
bool tsms__trace_samples(const tsms_trace *trace, const unsigned char trace_id[TSMS__TRACE_ID])
{
    uint64_t bits = 0;
    for (size_t i = TSMS__TRACE_ID - sizeof bits; i < TSMS__TRACE_ID; i++) {
        bits = bits << 8 | trace_id[i];
    }
    return trace->sample >= 1 || bits >> 1 < (uint64_t)(trace->sample * 0x1p63);
}

/* ---- Waiting spans --------------------------------------------------------------------------- */

tsms_buf *tsms__trace_start_span(tsms_trace *trace)
{
    tsms__buf_clear(&trace->span);
    return &trace->span;
}

void tsms__trace_add_span(tsms_trace *trace)
{
    span_length length = (span_length)trace->span.len;
    size_t need = sizeof length + trace->span.len;
    trace->spans++;
    if (trace->span.failed || need > trace->size - (trace->end - trace->start)) {
        trace->dropped++;
        return;
    }
    if (need > trace->size - trace->end) { /* once for each time that some were taken, at most */
        memmove(trace->waiting, trace->waiting + trace->start, trace->end - trace->start);
        trace->end -= trace->start;
        trace->start = 0;
    }
    memcpy(trace->waiting + trace->end, &length, sizeof length);
    memcpy(trace->waiting + trace->end + sizeof length, trace->span.ptr, trace->span.len);
    trace->end += need;
    trace->pending++;
}

size_t tsms_trace_pending(const tsms_trace *trace)
{
    return trace->pending;
}

tsms_str tsms_trace_take(tsms_trace *trace, size_t most, size_t *span_count)
{
    size_t at = trace->start;
    size_t count = 0;
    tsms_buf *body = &trace->body;
    *span_count = 0;
    if (trace->pending == 0 || most == 0) {
        return (tsms_str){NULL, 0};
    }
    tsms__buf_clear(body);
    tsms__buf_add(body, tsms__buf_str(&trace->head));
    for (; count < most && at < trace->end; count++) {
        span_length length;
        memcpy(&length, trace->waiting + at, sizeof length);
        if (count > 0) {
            tsms__buf_add_char(body, ',');
        }
        tsms__buf_add(body, (tsms_str){trace->waiting + at + sizeof length, length});
        at += sizeof length + length;
    }
    tsms__buf_add_z(body, TAIL);
    if (body->failed) {
        return (tsms_str){NULL, 0};
    }
    trace->start = at;
    trace->pending -= count;
    if (trace->pending == 0) {
        trace->start = trace->end = 0;
    }
    *span_count = count;
    return tsms__buf_str(body);
}

void tsms_trace_dropped(tsms_trace *trace, size_t span_count)
{
    trace->dropped += span_count;
}

uint64_t tsms__trace_take_dropped(tsms_trace *trace)
{
    uint64_t count = trace->dropped - trace->told;
    trace->told = trace->dropped;
    return count;
}

void tsms__trace_stats_read(const tsms_trace *trace, tsms__trace_stats *out)
{
    *out = (tsms__trace_stats){
        .spans = trace->spans, .dropped = trace->dropped, .pending = trace->pending};
}
