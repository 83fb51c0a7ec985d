/* The region that the clients of one account share: limits, breaker, retry quota and counters.
 *
 * A fixed layout, changed only by atomics, in which all-zero is a valid fresh state: nobody has to
 * initialise it, and a process that is killed in the middle of a change leaves it valid. Anonymous
 * by default; a named mapping when several processes share it. */
#ifndef TSMS_CALL_SHARED_H
#define TSMS_CALL_SHARED_H

#include "../base/err.h"
#include "../policy/breaker.h"
#include "../policy/limiter.h"
#include "metrics.h"
#include "replay.h"

typedef enum tsms__counter {
#define X(name, text) TSMS__COUNT_##name,
    TSMS_COUNTERS(X)
#undef X
        TSMS__COUNTER_COUNT
} tsms__counter;

typedef struct tsms__region tsms__region;

/* Maps the region `name` of an account, making it if need be; NULL or "" gives one of our own. The
 * number of the layout is part of its file's name: processes of another version have a file of
 * their own, and neither disturbs the other. What belongs to another user, or is no region, is
 * refused. */
tsms_status tsms__region_open(const char *name, const char *account_sid, tsms__region **out,
                              tsms_error *err);
/* The same as if the layout had another number. */
tsms_status tsms__region_open_layout(unsigned layout, const char *name, const char *account_sid,
                                     tsms__region **out, tsms_error *err);
/* Unmaps it; what is shared stays for the others. */
void tsms__region_close(tsms__region *region);
/* Removes a name, so that the next open makes a fresh region; those who have it mapped keep it, and
 * so do processes of other versions. */
void tsms__region_unlink(const char *name, const char *account_sid);

tsms__cell *tsms__region_account(tsms__region *region);
/* The cell of a sender. A full table hands out one of a few overflow cells: senders that share one
 * wait for each other, and no limit is exceeded. */
tsms__cell *tsms__region_sender(tsms__region *region, uint64_t key);
/* The cell of a recipient, by hash: two recipients may share one and then wait for each other. */
tsms__cell *tsms__region_recipient(tsms__region *region, uint64_t key);

tsms__breaker_state tsms__region_breaker_state(tsms__region *region);
/* 0 when a permit may be had now. */
int64_t tsms__region_breaker_wait_ms(tsms__region *region, const tsms__breaker_rules *rules,
                                     int64_t now_ms);
/* *before and *after, where the state changed, tell from what to what. */
bool tsms__region_acquire(tsms__region *region, const tsms__breaker_rules *rules, int64_t now_ms,
                          tsms__permit *permit, tsms__breaker_state *before,
                          tsms__breaker_state *after);
void tsms__region_report(tsms__region *region, const tsms__breaker_rules *rules, int64_t now_ms,
                         tsms__permit permit, tsms__breaker_result result,
                         tsms__breaker_state *before, tsms__breaker_state *after);

/* What is left of a quota of `capacity`. */
int64_t tsms__region_quota_left(tsms__region *region, int64_t capacity);
/* Takes cost if that much is left; never deducts while refusing. */
bool tsms__region_quota_take(tsms__region *region, int64_t capacity, int64_t cost);
void tsms__region_quota_give(tsms__region *region, int64_t amount);

/* The table of webhooks that were handled. */
tsms__replay *tsms__region_replay(tsms__region *region);

/* The series of metrics. */
tsms__metrics *tsms__region_metrics(tsms__region *region);

void tsms__region_count(tsms__region *region, tsms__counter counter);
void tsms__region_count_more(tsms__region *region, tsms__counter counter, uint64_t amount);
uint64_t tsms__region_counter(tsms__region *region, tsms__counter counter);

#endif
