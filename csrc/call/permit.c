/* Who gets a permit of the breaker, and where those go who get none. */
#include "permit.h"

#include "dispatch.h"
#include "report.h"

/* The breaker says no: a first attempt fails fast, unless it is to wait as a later one does. */
static void no_permit(tsms_client *client, tsms__call *call, tsms__now now)
{
    int64_t wait_ms =
        tsms__region_breaker_wait_ms(client->region, &client->breaker_rules, now.mono_ms);
    if (call->attempts == 0 && !call->waits_for_breaker) {
        tsms__count(client, TSMS__COUNT_breaker_refused);
        tsms__call_refuse(call, TSMS_KIND_TEMPORARILY_UNAVAILABLE, wait_ms,
                          "the breaker is open after repeated failures; nothing was sent");
    } else {
        tsms__call_hold(call, now.mono_ms + (wait_ms > 0 ? wait_ms : 1));
    }
    bool held = call->phase == TSMS__PHASE_PAUSE;
    tsms__dispatch_put(client, call, now);
    if (held) {
        tsms__list_push(&client->held, call);
    }
}

/* A probe came back. Those who wait for the breaker need not wait for the end of its lease: all may
 * go when it closed, and one when it wants another probe. */
static void wake_held(tsms_client *client, tsms__now now)
{
    tsms__call *call;
    while ((call = client->held.first) != NULL &&
           tsms__region_breaker_wait_ms(client->region, &client->breaker_rules, now.mono_ms) == 0) {
        tsms__call_wake(call);
        tsms__dispatch_put(client, call, now);
        if (tsms__region_breaker_state(client->region) != TSMS__BREAKER_CLOSED) {
            break;
        }
    }
}

bool tsms__permit_get(tsms_client *client, tsms__call *call, tsms__now now)
{
    tsms__breaker_state before;
    tsms__breaker_state after;
    bool given = tsms__region_acquire(client->region, &client->breaker_rules, now.mono_ms,
                                      &call->permit, &before, &after);
    tsms__report_breaker(client, before, after, now);
    if (!given) {
        no_permit(client, call, now);
    }
    return given;
}

void tsms__permit_give(tsms_client *client, tsms__call *call, tsms__breaker_result result,
                       tsms__now now)
{
    tsms__breaker_state before;
    tsms__breaker_state after;
    tsms__region_report(client->region, &client->breaker_rules, now.mono_ms, call->permit, result,
                        &before, &after);
    tsms__report_breaker(client, before, after, now);
    if (call->permit.probe) {
        wake_held(client, now);
    }
}

bool tsms__permit_peek(tsms_client *client, tsms__call *call, tsms__now now)
{
    if (tsms__region_breaker_wait_ms(client->region, &client->breaker_rules, now.mono_ms) == 0) {
        return true;
    }
    /* Asking in earnest writes down, and reports, that a lease has lapsed. */
    if (!tsms__permit_get(client, call, now)) {
        return false;
    }
    tsms__permit_give(client, call, TSMS__BREAKER_NEUTRAL, now); /* another process was quicker */
    return true;
}

void tsms__permit_drop(tsms_client *client, const tsms__call *call)
{
    /* At the beginning of time no lease has lapsed: a permit that is not stale is given back. */
    tsms__breaker_state before;
    tsms__breaker_state after;
    tsms__region_report(client->region, &client->breaker_rules, 0, call->permit,
                        TSMS__BREAKER_NEUTRAL, &before, &after);
}
