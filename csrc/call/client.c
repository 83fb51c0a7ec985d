/* The calls of a client: taking requests in, asking the host, handing results out. */
#include "client.h"

#include "../wire/message.h"
#include "../wire/phone.h"
#include "dispatch.h"
#include "log.h"
#include "measure.h"
#include "permit.h"
#include "reference.h"
#include "report.h"
#include "trace.h"

enum {
    SLOT_BITS = 20, /* of a call id: its slot; the rest counts uses, so that old ids find nothing */
    SLOT_LIMIT = 1 << SLOT_BITS,
    LEASE_MARGIN_MS = 1000,
};

/* Ids stay below 2^53, so that a Lua number holds them. */
#define GENERATIONS (UINT64_C(1) << (53 - SLOT_BITS))

void tsms__list_push(tsms__call_list *list, tsms__call *call)
{
    call->list = list;
    call->next = NULL;
    call->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = call;
    list->last = call;
    list->count++;
}

void tsms__list_remove(tsms__call *call)
{
    tsms__call_list *list = call->list;
    if (list == NULL) {
        return;
    }
    *(call->prev != NULL ? &call->prev->next : &list->first) = call->next;
    *(call->next != NULL ? &call->next->prev : &list->last) = call->prev;
    list->count--;
    call->prev = call->next = NULL;
    call->list = NULL;
}

tsms__call *tsms__list_pop(tsms__call_list *list)
{
    tsms__call *call = list->first;
    if (call != NULL) {
        tsms__list_remove(call);
    }
    return call;
}

static tsms_status allocate_parts(tsms_client *client, tsms_error *err)
{
    const tsms_config *config = client->config;
    tsms__buf_init(&client->origin, &client->mem);
    tsms__buf_init(&client->callback, &client->mem);
    tsms__buf_init(&client->metrics_text, &client->mem);
    tsms__timers_init(&client->timers, &client->mem);
    tsms__tap_init(&client->tap, &client->mem);
    tsms_status status =
        tsms__region_open(config->shared, config->account_sid, &client->region, err);
    if (status != TSMS_OK) {
        return status;
    }
    tsms__measure_senders(client);
    client->account_level = (tsms__level){
        .cell = tsms__region_account(client->region),
        .rate = tsms__rate_of(config->rate.per_second, (uint64_t)config->rate.burst),
    };
    client->number_rate =
        tsms__rate_of(config->rate.per_number, (uint64_t)config->rate.per_number_burst);
    client->recipient_rate = tsms__rate_of(config->rate.per_recipient, 1);
    client->queue = tsms__queue_new(&client->mem, client->account_level);
    client->events = tsms__events_new(&client->mem);
    client->claims = tsms__calloc(&client->mem, 1, sizeof *client->claims);
    tsms__origin_add(&client->origin, config->base_url, config->region, config->edge);
    tsms_str ref_key = tsms__secret_text(config->callback_ref.key);
    if (ref_key.ptr != NULL) {
        client->ref_key = tsms__hmac_new(&client->mem, TSMS__SHA256, ref_key);
        if (client->ref_key == NULL) {
            return tsms__error_nomem(err);
        }
    }
    if (client->queue == NULL || client->events == NULL || client->claims == NULL ||
        tsms__buf_z(&client->origin) == NULL) {
        return tsms__error_nomem(err);
    }
    return TSMS_OK;
}

tsms_status tsms__client_new(const tsms_config *config, uint64_t seed, tsms_client **out,
                             tsms_error *err)
{
    tsms__error_clear(err);
    tsms_status status = tsms__config_check(config, err);
    if (status != TSMS_OK) {
        return status;
    }
    if (config->from != NULL &&
        tsms__address_of(tsms_str_from(config->from)) == TSMS__ADDRESS_INVALID) {
        return tsms__error_set(err, TSMS_KIND_INVALID_PHONE_NUMBER,
                               "from: '%s' is no sender; use E.164 ('+' and the country code "
                               "first), a short code or a "
                               "sender ID of at most 11 letters and digits",
                               config->from);
    }
    tsms_client *client = tsms__calloc(&config->mem, 1, sizeof *client);
    if (client == NULL) {
        return tsms__error_nomem(err);
    }
    client->mem = config->mem;
    if (tsms__config_copy(config, &client->config) != TSMS_OK) {
        tsms__free(&client->mem, client);
        return tsms__error_nomem(err);
    }
    tsms__rand_init(&client->rand, config->seed != 0 ? (uint64_t)config->seed : seed);
    client->ceiling = (double)config->max_concurrency;
    client->breaker_rules = (tsms__breaker_rules){
        .failure_threshold = (uint32_t)config->breaker.failure_threshold,
        .success_threshold = (uint32_t)config->breaker.success_threshold,
        .reset_timeout_ms = config->breaker.reset_timeout_ms,
        .lease_ms = config->attempt_timeout_ms + LEASE_MARGIN_MS,
    };
    status = allocate_parts(client, err);
    if (status != TSMS_OK) {
        tsms__client_free(client);
        return status;
    }
    *out = client;
    return TSMS_OK;
}

void tsms__client_free(tsms_client *client)
{
    if (client == NULL) {
        return;
    }
    if (client->driver != NULL) {
        client->driver_free(client->driver);
    }
    for (size_t i = 0; i < client->slot_count; i++) {
        tsms__call *call = client->slots[i];
        if (call->phase == TSMS__PHASE_WIRE) {
            tsms__permit_drop(client, call);
        }
        tsms__queue_remove(client->queue, &call->waiter);
        tsms__call_free(call);
        tsms__free(&client->mem, call);
    }
    tsms_result *result;
    while ((result = tsms_client_result(client)) != NULL) {
        tsms_result_free(result);
    }
    tsms__free(&client->mem, client->slots);
    tsms__timers_free(&client->timers);
    tsms__queue_free(client->queue);
    tsms__events_free(client->events);
    tsms__measure_dropped(client->region, client->log, client->trace);
    tsms_log_free(client->log);
    tsms_trace_free(client->trace);
    tsms__free(&client->mem, client->claims);
    tsms__tap_set(&client->tap, false);
    tsms__buf_free(&client->origin);
    tsms__buf_free(&client->callback);
    tsms__buf_free(&client->metrics_text);
    tsms__hmac_free(client->ref_key);
    tsms__region_close(client->region);
    tsms_config_free(client->config);
    tsms_mem mem = client->mem;
    tsms__free(&mem, client);
}

/* A free call, new or used before. NULL without memory. */
static tsms__call *call_get(tsms_client *client)
{
    tsms__call *call = tsms__list_pop(&client->free);
    if (call != NULL) {
        return call;
    }
    if (client->slot_count == client->slot_cap) {
        size_t cap = client->slot_cap > 0 ? client->slot_cap * 2 : 32;
        tsms__call **slots = tsms__resize(&client->mem, client->slots, cap, sizeof *slots);
        if (slots == NULL) {
            return NULL;
        }
        client->slots = slots;
        client->slot_cap = cap;
    }
    if (!tsms__timers_reserve(&client->timers, client->slot_count + 1)) {
        return NULL;
    }
    call = tsms__alloc(&client->mem, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    tsms__call_init(call, &client->mem);
    call->slot = client->slot_count;
    client->slots[client->slot_count++] = call;
    return call;
}

static tsms__call *call_find(const tsms_client *client, uint64_t id)
{
    size_t slot = id % SLOT_LIMIT;
    if (slot >= client->slot_count || client->slots[slot]->id != id ||
        client->slots[slot]->phase == TSMS__PHASE_FREE) {
        return NULL;
    }
    return client->slots[slot];
}

tsms__call *tsms__client_on_wire(const tsms_client *client, uint64_t call_id)
{
    tsms__call *call = call_find(client, call_id);
    return call != NULL && call->phase == TSMS__PHASE_WIRE ? call : NULL;
}

size_t tsms__client_waiting(const tsms_client *client)
{
    return client->slot_count - client->free.count - client->wire.count;
}

static void fill_defaults(const tsms_config *config, tsms_message_options *message)
{
    if (message->from.len == 0 && message->messaging_service_sid.len == 0) {
        message->from = tsms_str_from(config->from);
        message->messaging_service_sid = tsms_str_from(config->messaging_service_sid);
    }
    if (message->status_callback.len == 0) {
        message->status_callback = tsms_str_from(config->status_callback);
    }
}

/* The request has been checked. */
static tsms_status submit(tsms_client *client, const tsms_request *request, const tsms__span *span,
                          tsms__now now, uint64_t *call_id, tsms_error *err)
{
    size_t waiting = tsms__client_waiting(client);
    if (waiting >= (size_t)client->config->rate.max_queue ||
        (client->free.count == 0 && client->slot_count >= SLOT_LIMIT)) {
        return tsms__error_set(err, TSMS_KIND_QUEUE_FULL,
                               "%zu calls are waiting already (rate.max_queue)", waiting);
    }
    tsms__call *call = call_get(client);
    if (call == NULL) {
        return tsms__error_nomem(err);
    }
    client->generation = (client->generation + 1) % GENERATIONS;
    uint64_t id = client->generation << SLOT_BITS | call->slot;
    tsms_status status = tsms__call_begin(call, id, request, client->config, now, err);
    if (status != TSMS_OK) {
        tsms__list_push(&client->free, call);
        return status;
    }
    call->span = *span;
    tsms__count(client, TSMS__COUNT_submitted);
    *call_id = id;
    tsms__dispatch_put(client, call, now);
    return TSMS_OK;
}

tsms_status tsms__client_submit(tsms_client *client, const tsms_request *given, tsms__now now,
                                uint64_t *call_id, tsms_error *err)
{
    tsms_request request = TSMS_REQUEST_INIT; /* for the log, when what was given is not read */
    tsms_message_options message;
    char own_ref[TSMS__RANDOM_REF_SIZE];
    tsms_error ignored;
    err = err != NULL ? err : &ignored;
    tsms__error_clear(err);
    tsms__span span = {.kept = false};
    tsms_status status = tsms__request_read(given, &request, err);
    if (status == TSMS_OK && request.operation == TSMS_OP_SEND && request.message != NULL) {
        status = tsms__message_read(request.message, &message, err);
        request.message = &message;
    }
    if (status == TSMS_OK && request.message == &message) {
        fill_defaults(client->config, &message);
    }
    if (status == TSMS_OK) {
        status = tsms__request_check(&request, tsms_str_from(client->config->account_sid),
                                     now.wall_ms / 1000, err);
    }
    if (status == TSMS_OK && client->trace != NULL) {
        span = tsms__trace_begin(client->trace, request.traceparent, now);
    }
    if (status == TSMS_OK && request.message == &message) {
        status = tsms__reference_add(client, &message, &span, now, own_ref, err);
    }
    if (status == TSMS_OK) {
        status = submit(client, &request, &span, now, call_id, err);
    }
    if (status != TSMS_OK) {
        err->outcome = TSMS_OUTCOME_NOT_SENT;
        tsms__measure_refused(client, err->kind);
        if (client->log != NULL) {
            tsms__log_refused(client->log, request.operation, err, now.wall_ms);
        }
    }
    return status;
}

void tsms_client_set_log(tsms_client *client, tsms_log *log)
{
    tsms__measure_switch_log(client->region, &client->log, log);
}

void tsms_client_set_trace(tsms_client *client, tsms_trace *trace)
{
    tsms__measure_switch_trace(client->region, &client->trace, trace);
}

bool tsms__client_cancel(tsms_client *client, uint64_t call_id, tsms__now now)
{
    tsms__call *call = call_find(client, call_id);
    if (call == NULL) {
        return false;
    }
    tsms__call_cancel(call);
    if (call->phase == TSMS__PHASE_DONE) {
        tsms__dispatch_put(client, call, now);
    }
    return true;
}

void tsms_client_set_checks(tsms_client *client, bool on)
{
    client->checks = on;
    /* What was let through, or was to be asked about, under the old rule. */
    tsms__call_list *list = on ? &client->cleared : &client->unasked;
    for (size_t left = list->count; left > 0; left--) {
        list->first->phase = TSMS__PHASE_CHECK;
        tsms__dispatch_put(client, list->first, (tsms__now){0});
    }
}

bool tsms_client_check(tsms_client *client, tsms_check *out)
{
    tsms__call *call = tsms__list_pop(&client->unasked);
    if (call == NULL) {
        return false;
    }
    tsms__list_push(&client->asked, call);
    *out = (tsms_check){.call_id = call->id,
                        .to = call->to,
                        .from = call->from,
                        .messaging_service_sid = call->messaging_service_sid,
                        .body = call->body,
                        .send_at = call->send_at,
                        .attempts = call->attempts};
    return true;
}

bool tsms__client_answer(tsms_client *client, uint64_t call_id, tsms_verdict verdict,
                         tsms_str reason, int64_t defer_ms, tsms__now now)
{
    tsms__call *call = call_find(client, call_id);
    if (call == NULL || call->list != &client->asked) {
        return false;
    }
    if (verdict == TSMS_ALLOW) {
        tsms__call_allow(call);
    } else if (verdict == TSMS_DEFER) {
        tsms__call_defer(call, tsms__after_ms(now.mono_ms, defer_ms > 0 ? defer_ms : 1));
    } else {
        tsms__count(client, TSMS__COUNT_denied);
        tsms_event event = tsms__event_of(TSMS_EVENT_DENIED, call, now);
        tsms__error_text(event.text, sizeof event.text, reason);
        tsms__report(client, call, &event);
        if (verdict == TSMS_CANNOT_TELL) {
            tsms__call_cannot_tell(call, reason);
        } else {
            tsms__call_deny(call, reason);
        }
    }
    tsms__dispatch_put(client, call, now);
    return true;
}

tsms_result *tsms_client_result(tsms_client *client)
{
    tsms_result *result = client->done_first;
    if (result != NULL) {
        client->done_first = result->next;
        client->done_last = result->next != NULL ? client->done_last : NULL;
        client->done_count--;
        result->next = NULL;
    }
    return result;
}

size_t tsms_client_pending(const tsms_client *client)
{
    return client->slot_count - client->free.count + client->done_count;
}

size_t tsms__client_news(const tsms_client *client)
{
    return client->done_count + client->unasked.count;
}

void tsms__client_count_prevented(tsms_client *client)
{
    tsms__count(client, TSMS__COUNT_resends_prevented);
}
