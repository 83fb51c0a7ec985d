/* The slots of series, and the names of senders. */
#include "metrics.h"

#include <stdatomic.h>
#include <string.h>

enum {
    SENDERS = 255,
    NAME_WORDS = TSMS__SENDER_SIZE / sizeof(uint64_t),
    PROBES = 64,
    LABEL_BITS = 16,
    COUNTER_WORDS = 2,               /* key, count */
    TIMER_WORDS = 2 + TSMS__BUCKETS, /* key, sum, buckets */
    LABELS_MASK = TSMS__LABEL_OVERFLOW,
};

/* Up to 10 s those of OpenTelemetry's HTTP conventions (http.client.request.duration); a message
 * may wait for longer. */
const int tsms__bounds_ms[TSMS__BUCKETS - 1] = {5,    10,    25,    50,    75,     100,
                                                250,  500,   750,   1000,  2500,   5000,
                                                7500, 10000, 30000, 60000, 300000, 600000};

/* Where the words of each instrument begin. */
enum {
#define X(id, slots) FIRST_##id, LAST_##id = FIRST_##id + (slots)*COUNTER_WORDS - 1,
    TSMS__COUNTED(X)
#undef X
#define X(id, slots) FIRST_##id, LAST_##id = FIRST_##id + (slots)*TIMER_WORDS - 1,
        TSMS__TIMED(X)
#undef X
            WORDS
};

typedef struct range {
    size_t first, slots, width; /* width: words of a slot */
} range;

static const range ranges[TSMS__INSTRUMENTS] = {
#define X(id, slots) {FIRST_##id, (slots), COUNTER_WORDS},
    TSMS__COUNTED(X)
#undef X
#define X(id, slots) {FIRST_##id, (slots), TIMER_WORDS},
        TSMS__TIMED(X)
#undef X
};

typedef struct sender {
    _Atomic uint64_t hash; /* 0: free */
    _Atomic uint64_t name[NAME_WORDS];
} sender;

struct tsms__metrics {
    _Atomic uint64_t overflowed;
    sender senders[SENDERS];
    _Atomic uint64_t words[WORDS];
};

size_t tsms__metrics_size(void)
{
    return sizeof(tsms__metrics);
}

/* ---- Series -------------------------------------------------------------------------------- */

tsms__series tsms__series_of(tsms__instrument instrument, unsigned first, unsigned second,
                             unsigned third)
{
    return (uint64_t)(instrument + 1) << TSMS__LABELS * LABEL_BITS |
           (uint64_t)(first & LABELS_MASK) << 2 * LABEL_BITS |
           (uint64_t)(second & LABELS_MASK) << LABEL_BITS | (third & LABELS_MASK);
}

unsigned tsms__series_label(tsms__series series, int place)
{
    return (unsigned)(series >> (TSMS__LABELS - 1 - place) * LABEL_BITS) & LABELS_MASK;
}

static tsms__instrument instrument_of(tsms__series series)
{
    return (tsms__instrument)((series >> TSMS__LABELS * LABEL_BITS) - 1);
}

/* What finds no room any more is counted without its least bounded labels; there is a slot for each
 * of the other values, so that sums by those stay right. */
static const struct {
    size_t slots;        /* behind the first */
    tsms__series labels; /* those that are given up */
} rests[TSMS__INSTRUMENTS] = {
    [TSMS__MESSAGES] = {31, UINT64_C(0xFFFFFFFF0000)}, /* by status */
    [TSMS__WEBHOOKS] = {127, UINT64_C(0xFFFF)},        /* by status and verdict */
};

/* The slot of a series among `count`; NULL when they are full. Slots are never freed, so the first
 * free one on a key's path is the same for every process that looks for it: whoever loses the
 * exchange finds the key there. */
static _Atomic uint64_t *find(_Atomic uint64_t *slots, size_t count, size_t width,
                              tsms__series series)
{
    uint64_t hash = (series * UINT64_C(0x9E3779B97F4A7C15)) >> 32;
    for (size_t i = 0; i < PROBES && i < count; i++) {
        _Atomic uint64_t *slot = slots + (hash + i) % count * width;
        uint64_t found = atomic_load_explicit(slot, memory_order_relaxed);
        if (found == series ||
            (found == 0 &&
             (atomic_compare_exchange_strong(slot, &found, series) || found == series))) {
            return slot;
        }
    }
    return NULL;
}

/* The words of a series: its key and its numbers. */
static _Atomic uint64_t *slot_of(tsms__metrics *metrics, tsms__series series)
{
    tsms__instrument instrument = instrument_of(series);
    const range *own = &ranges[instrument];
    size_t kept_back = 1 + rests[instrument].slots;
    _Atomic uint64_t *first = &metrics->words[own->first];
    _Atomic uint64_t *slot =
        find(first + kept_back * own->width, own->slots - kept_back, own->width, series);
    if (slot != NULL) {
        return slot;
    }
    atomic_fetch_add_explicit(&metrics->overflowed, 1, memory_order_relaxed);
    slot = find(first + own->width, rests[instrument].slots, own->width,
                series | rests[instrument].labels);
    if (slot != NULL) {
        return slot;
    }
    unsigned all = TSMS__LABEL_OVERFLOW;
    atomic_store_explicit(first, tsms__series_of(instrument, all, all, all), memory_order_relaxed);
    return first;
}

static void add(_Atomic uint64_t *number, uint64_t amount)
{
    atomic_fetch_add_explicit(number, amount, memory_order_relaxed);
}

void tsms__metrics_count(tsms__metrics *metrics, tsms__series series, uint64_t amount)
{
    add(slot_of(metrics, series) + 1, amount);
}

void tsms__metrics_time(tsms__metrics *metrics, tsms__series series, int64_t time_ms)
{
    size_t bucket = 0;
    while (bucket < TSMS__BUCKETS - 1 && time_ms > tsms__bounds_ms[bucket]) {
        bucket++;
    }
    _Atomic uint64_t *slot = slot_of(metrics, series);
    if (time_ms > 0) {
        add(slot + 1, (uint64_t)time_ms);
    }
    add(slot + 2 + bucket, 1);
}

/* ---- Senders ------------------------------------------------------------------------------- */

/* Written also by those who find the name there: whoever claimed its place may have been killed
 * before the name was whole. All write the same words, and count under it only after that. */
static void write_name(sender *place, tsms_str name)
{
    uint64_t words[NAME_WORDS] = {0};
    memcpy(words, name.ptr, name.len);
    for (size_t i = 0; i < NAME_WORDS; i++) {
        atomic_store_explicit(&place->name[i], words[i], memory_order_relaxed);
    }
}

unsigned tsms__metrics_sender(tsms__metrics *metrics, tsms_str name)
{
    uint64_t hash = tsms__str_hash(name);
    uint64_t wanted = hash != 0 ? hash : 1;
    /* A sender ID may be the word that OTHER is shown as: two series must not look the same. */
    if (name.len == 0 || name.len >= TSMS__SENDER_SIZE || tsms__str_eq_z(name, TSMS__SENDER_REST)) {
        return TSMS__SENDER_OTHER;
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        unsigned at = (unsigned)((wanted + i) % SENDERS);
        sender *place = &metrics->senders[at];
        uint64_t found = 0;
        if (atomic_compare_exchange_strong(&place->hash, &found, wanted) || found == wanted) {
            write_name(place, name);
            return at + 1;
        }
    }
    return TSMS__SENDER_OTHER;
}

void tsms__metrics_sender_name(const tsms__metrics *metrics, unsigned number,
                               char out[TSMS__SENDER_SIZE])
{
    uint64_t words[NAME_WORDS] = {0};
    if (number >= 1 && number <= SENDERS) {
        for (size_t i = 0; i < NAME_WORDS; i++) {
            words[i] =
                atomic_load_explicit(&metrics->senders[number - 1].name[i], memory_order_relaxed);
        }
    }
    memcpy(out, words, TSMS__SENDER_SIZE);
    out[TSMS__SENDER_SIZE - 1] = '\0';
}

/* ---- Reading ------------------------------------------------------------------------------- */

size_t tsms__metrics_slots(tsms__instrument instrument)
{
    return ranges[instrument].slots;
}

static const _Atomic uint64_t *slot_at(const tsms__metrics *metrics, tsms__instrument instrument,
                                       size_t slot)
{
    return &metrics->words[ranges[instrument].first + slot * ranges[instrument].width];
}

/* With acquire: behind the key the name of its sender is whole. */
tsms__series tsms__metrics_at(const tsms__metrics *metrics, tsms__instrument instrument,
                              size_t slot)
{
    return atomic_load_explicit(slot_at(metrics, instrument, slot), memory_order_acquire);
}

void tsms__metrics_add(const tsms__metrics *metrics, tsms__instrument instrument, size_t slot,
                       tsms__sample *sample)
{
    const _Atomic uint64_t *words = slot_at(metrics, instrument, slot);
    uint64_t number = atomic_load_explicit(words + 1, memory_order_relaxed);
    if (ranges[instrument].width == COUNTER_WORDS) {
        sample->count += number;
        return;
    }
    sample->sum_ms += number;
    for (size_t i = 0; i < TSMS__BUCKETS; i++) {
        uint64_t count = atomic_load_explicit(words + 2 + i, memory_order_relaxed);
        sample->buckets[i] += count;
        sample->count += count;
    }
}

uint64_t tsms__metrics_overflowed(const tsms__metrics *metrics)
{
    return atomic_load_explicit(&metrics->overflowed, memory_order_relaxed);
}
