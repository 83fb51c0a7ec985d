/* Counters and histograms in a fixed block that processes share: one slot for each series.
 *
 * Changed only by atomics, and all-zero is a valid empty block. A slot is claimed for good by one
 * compare-and-swap, from 0 to the series' key, and with that it is complete: its numbers have been
 * 0 all the time. So a process that is killed before has changed nothing, and one that is killed
 * after leaves a series that stands at 0 and belongs to whoever counts it next. */
#ifndef TSMS_CALL_METRICS_H
#define TSMS_CALL_METRICS_H

#include "../base/str.h"

/* X(id, slots): what is counted. The slots are an instrument's own, so that no other one can take
 * them; the first ones are for what finds no room any more. Labels in comments, in their order; all
 * but those of MESSAGES and WEBHOOKS come from short lists, which fit. A recipient is a calling
 * code, or from TSMS__MASKED on a masked number. */
#define TSMS__COUNTED(X)                                                                           \
    X(MESSAGES, 2000)  /* sender, recipient, status */                                             \
    X(WEBHOOKS, 2000)  /* status, verdict, calling code */                                         \
    X(ERRORS, 64)      /* kind */                                                                  \
    X(RETRIES, 64)     /* kind */                                                                  \
    X(SUPPRESSED, 64)  /* kind */                                                                  \
    X(SEGMENTS, 8)     /* encoding */                                                              \
    X(TRANSITIONS, 16) /* states of the breaker: from, to */

/* The same for what is measured in milliseconds. */
#define TSMS__TIMED(X)                                                                             \
    X(REQUESTS, 256) /* operation, outcome, hundreds of the HTTP status */                         \
    X(SENDS, 2)      /* none */                                                                    \
    X(WAITS, 8)      /* level of the limiter */

typedef enum tsms__instrument {
#define X(id, slots) TSMS__##id,
    TSMS__COUNTED(X) TSMS__TIMED(X)
#undef X
        TSMS__INSTRUMENTS
} tsms__instrument;

enum {
    TSMS__BUCKETS = 19,
    TSMS__LABELS = 3,
    TSMS__LABEL_OVERFLOW = 0xFFFF, /* of what finds no room: any number of values */
    TSMS__SENDER_OTHER = 0,
    TSMS__SENDER_SIZE = 64, /* a longer name is OTHER */
    /* Labels beside those of the public enums, to which more may be appended. */
    TSMS__STATUS_IN_DOUBT = 0x100, /* of MESSAGES: it may have been accepted */
    TSMS__STATUS_NONE = 0x101,     /* of WEBHOOKS: neither a message nor a status */
    TSMS__OPERATION_LOOKUP = 0x100,
    TSMS__ENCODING_NONE = 0x100, /* of SEGMENTS: no text of the caller's alone */
    /* Masked numbers begin here, behind all calling codes: 100 for each code, in the order of the
     * codes, by the last two digits. */
    TSMS__MASKED = 1000,
};

/* What OTHER is shown as. */
#define TSMS__SENDER_REST "other"

/* The upper bounds of all buckets but the last, which has none. */
extern const int tsms__bounds_ms[TSMS__BUCKETS - 1];

/* An instrument and its labels, 16 bits each, so that numbers sort as labels do; never 0. */
typedef uint64_t tsms__series;

tsms__series tsms__series_of(tsms__instrument instrument, unsigned first, unsigned second,
                             unsigned third);
/* place is 0 to TSMS__LABELS - 1. */
unsigned tsms__series_label(tsms__series series, int place);

/* Part of the region: its fields are laid out for good and belong to metrics.c. */
typedef struct tsms__metrics tsms__metrics;

/* The bytes that it takes in the region, at an address that 64 divides. */
size_t tsms__metrics_size(void);

/* Adds an amount to a series of TSMS__COUNTED. */
void tsms__metrics_count(tsms__metrics *metrics, tsms__series series, uint64_t amount);
/* Adds an observation to a series of TSMS__TIMED; a negative time counts as 0. */
void tsms__metrics_time(tsms__metrics *metrics, tsms__series series, int64_t time_ms);
/* The label of a sender, the same in all processes. OTHER for an absent one, for one that is called
 * so, and when there are 255 others already. */
unsigned tsms__metrics_sender(tsms__metrics *metrics, tsms_str name);
/* The name of a sender; empty for OTHER and for what is none. */
void tsms__metrics_sender_name(const tsms__metrics *metrics, unsigned sender,
                               char out[TSMS__SENDER_SIZE]);

/* What a slot holds. */
typedef struct tsms__sample {
    tsms__series series;
    uint64_t count; /* of TSMS__COUNTED */
    uint64_t sum_ms;
    uint64_t buckets[TSMS__BUCKETS]; /* each by itself */
} tsms__sample;

size_t tsms__metrics_slots(tsms__instrument instrument);
/* The key in a slot; 0 when it is free. */
tsms__series tsms__metrics_at(const tsms__metrics *metrics, tsms__instrument instrument,
                              size_t slot);
/* Adds the numbers of a slot to those of *sample. */
void tsms__metrics_add(const tsms__metrics *metrics, tsms__instrument instrument, size_t slot,
                       tsms__sample *sample);
/* How often something found no room. */
uint64_t tsms__metrics_overflowed(const tsms__metrics *metrics);

#endif
