/* The table of claims: sets of eight words, each of which is changed by compare-and-swap alone.
 *
 * A word is one entry: 37 bits of its key (13 more are the number of its set), the time, what is
 * known, and its state. To claim a key is to put a CLAIM into the set, to look through the set
 * again, and only then to make the claim RUNNING. Of two that claim at once at least one sees the
 * other: the lower place wins, and the winner first takes the loser's word away, so that its last
 * step fails. Each claim has a number; without it a loser could mistake the word of a third for its
 * own. */
#include "replay_answers.h"

#include <stdalign.h>
#include <stdatomic.h>

enum {
    SETS = 8192,
    WAYS = 8,
    TRIES = 16, /* of a claim that others disturb; then it counts as RUNNING */
};

/* The parts of a word, the lowest first. An empty place is 0. */
enum {
    STATE_BITS = 2,
    DETAIL_BITS = 9, /* the number of a claim, or the status of an answer from 100 on */
    TIME_BITS = 16,  /* comes round after three days and 49 minutes */
    DETAIL_SHIFT = STATE_BITS,
    TIME_SHIFT = DETAIL_SHIFT + DETAIL_BITS,
    TAG_SHIFT = TIME_SHIFT + TIME_BITS,
    TIME_UNIT_MS = 4000,
    AHEAD_MOST_MS = 600000, /* an entry's time may lie so far ahead, when a clock was set back */
    FIRST_STATUS = 100,
    NO_CONTENT = 204,
};

typedef enum entry_state {
    EMPTY,
    CLAIM, /* somebody tries to claim it */
    RUNNING,
    DONE,
} entry_state;

struct tsms__replay {
    alignas(64) _Atomic uint64_t words[SETS][WAYS];
    _Atomic uint16_t cells[SETS][WAYS]; /* where an entry's answer may be */
    _Atomic uint64_t claims;            /* how many were tried: their numbers */
    _Atomic uint64_t evicted;
    tsms__answers answers;
};

/* The set of a key, as one caller sees it. */
typedef struct view {
    _Atomic uint64_t *words;
    _Atomic uint16_t *cells;
    uint64_t tag;
    int64_t window_ms;
    int64_t now_ms;
} view;

size_t tsms__replay_size(void)
{
    return sizeof(tsms__replay);
}

uint64_t tsms__replay_evicted(tsms__replay *replay)
{
    return atomic_load_explicit(&replay->evicted, memory_order_relaxed);
}

static view view_of(tsms__replay *replay, tsms__replay_key key, int64_t window_ms, int64_t now_ms)
{
    size_t set = key.hash[0] % SETS;
    return (view){.words = replay->words[set],
                  .cells = replay->cells[set],
                  .tag = key.hash[1] >> TAG_SHIFT,
                  .window_ms = window_ms < TSMS__REPLAY_WINDOW_MOST_MS
                                   ? window_ms
                                   : TSMS__REPLAY_WINDOW_MOST_MS,
                  .now_ms = now_ms > 0 ? now_ms : 0};
}

/* ---- Words --------------------------------------------------------------------------------- */

static uint64_t part(uint64_t word, int shift, int bits)
{
    return word >> shift & ((UINT64_C(1) << bits) - 1);
}

static entry_state state_of(uint64_t word)
{
    return (entry_state)part(word, 0, STATE_BITS);
}

static uint64_t word_of(const view *v, entry_state state, uint64_t detail)
{
    uint64_t time = (uint64_t)(v->now_ms / TIME_UNIT_MS);
    return v->tag << TAG_SHIFT | part(time, 0, TIME_BITS) << TIME_SHIFT |
           part(detail, 0, DETAIL_BITS) << DETAIL_SHIFT | (uint64_t)state;
}

static bool is_ours(const view *v, uint64_t word)
{
    return state_of(word) != EMPTY && word >> TAG_SHIFT == v->tag;
}

/* How old a word is, to four seconds; negative when it is from the future, because a clock was set
 * back or the caller slept after it read its own. */
static int64_t age_ms(const view *v, uint64_t word)
{
    enum { AHEAD_MOST = AHEAD_MOST_MS / TIME_UNIT_MS };
    uint64_t now = (uint64_t)(v->now_ms / TIME_UNIT_MS);
    uint64_t apart = part(now - part(word, TIME_SHIFT, TIME_BITS) + AHEAD_MOST, 0, TIME_BITS);
    return ((int64_t)apart - AHEAD_MOST) * TIME_UNIT_MS;
}

static bool is_live(const view *v, uint64_t word)
{
    int64_t counts_ms = state_of(word) == DONE ? v->window_ms : TSMS__REPLAY_LEASE_MS;
    return state_of(word) != EMPTY && age_ms(v, word) < counts_ms + TIME_UNIT_MS;
}

/* ---- Claims -------------------------------------------------------------------------------- */

/* What a set says about a key. */
typedef struct sight {
    entry_state found; /* EMPTY: nothing that counts */
    size_t place;      /* of what is DONE, or for a new entry; WAYS when there is none */
    uint64_t word;     /* what is in that place */
} sight;

/* What it costs that a word gives way, the least first: nothing, an old answer, the guard against
 * handling something twice. A claim lasts for microseconds and is never taken away for another key.
 */
static int64_t price_of(const view *v, uint64_t word)
{
    enum { MOST = INT32_MAX }; /* above every age */
    if (!is_live(v, word)) {
        return -1;
    }
    int64_t youth = MOST - AHEAD_MOST_MS - age_ms(v, word);
    return state_of(word) == DONE ? youth : state_of(word) == RUNNING ? youth + MOST : INT64_MAX;
}

static sight look_around(const view *v)
{
    sight seen = {.found = EMPTY, .place = WAYS};
    int64_t least = INT64_MAX;
    for (size_t way = 0; way < WAYS; way++) {
        uint64_t word = atomic_load(&v->words[way]);
        if (is_ours(v, word) && is_live(v, word)) {
            if (state_of(word) == DONE) {
                return (sight){.found = DONE, .place = way, .word = word};
            }
            seen.found = RUNNING;
        }
        int64_t price = price_of(v, word);
        if (price < least) {
            least = price;
            seen.place = way;
            seen.word = word;
        }
    }
    return seen;
}

/* Puts a word where look_around found a place; false when somebody else was faster. */
static bool put(tsms__replay *replay, const view *v, const sight *seen, uint64_t word)
{
    uint64_t before = seen->word;
    if (!atomic_compare_exchange_strong(&v->words[seen->place], &before, word)) {
        return false;
    }
    if (is_live(v, before) && !is_ours(v, before)) {
        atomic_fetch_add_explicit(&replay->evicted, 1, memory_order_relaxed);
    }
    return true;
}

/* Takes away what stands against the claim in `own`: lapsed entries of the key, even claims,
 * because whoever made them may wake up, and claims in higher places. False when an entry has the
 * better right. */
static bool prevails(const view *v, size_t own)
{
    for (size_t way = 0; way < WAYS; way++) {
        uint64_t word = way != own ? atomic_load(&v->words[way]) : 0;
        while (is_ours(v, word)) {
            if (is_live(v, word) && !(state_of(word) == CLAIM && way > own)) {
                return false;
            }
            if (atomic_compare_exchange_strong(&v->words[way], &word, 0)) {
                break;
            }
        }
    }
    return true;
}

static void read_answer(tsms__replay *replay, const view *v, tsms__replay_key key,
                        const sight *seen, tsms__replay_answer *answer);

tsms_seen tsms__replay_claim(tsms__replay *replay, tsms__replay_key key, int64_t window_ms,
                             int64_t now_ms, tsms__replay_answer *answer)
{
    view v = view_of(replay, key, window_ms, now_ms);
    for (int i = 0; i < TRIES; i++) {
        sight seen = look_around(&v);
        if (seen.found == DONE) {
            read_answer(replay, &v, key, &seen, answer);
            return TSMS_SEEN_DONE;
        }
        if (seen.found != EMPTY) {
            break;
        }
        uint64_t number = atomic_fetch_add_explicit(&replay->claims, 1, memory_order_relaxed);
        uint64_t claim = word_of(&v, CLAIM, number);
        if (seen.place == WAYS || !put(replay, &v, &seen, claim)) {
            continue;
        }
        uint64_t next = prevails(&v, seen.place) ? word_of(&v, RUNNING, number) : 0;
        if (atomic_compare_exchange_strong(&v.words[seen.place], &claim, next) && next != 0) {
            return TSMS_SEEN_NEW;
        }
    }
    return TSMS_SEEN_RUNNING;
}

void tsms__replay_release(tsms__replay *replay, tsms__replay_key key)
{
    view v = view_of(replay, key, 0, 0);
    for (size_t way = 0; way < WAYS; way++) {
        uint64_t word = atomic_load(&v.words[way]);
        while (is_ours(&v, word) && state_of(word) == RUNNING) {
            if (atomic_compare_exchange_strong(&v.words[way], &word, 0)) {
                return; /* whatever is found from now on is the next one's */
            }
        }
    }
}

/* ---- Answers ------------------------------------------------------------------------------- */

static void read_answer(tsms__replay *replay, const view *v, tsms__replay_key key,
                        const sight *seen, tsms__replay_answer *answer)
{
    answer->http_status = (int)part(seen->word, DETAIL_SHIFT, DETAIL_BITS) + FIRST_STATUS;
    answer->type_len = 0;
    answer->body_len = 0;
    uint16_t cell = atomic_load_explicit(&v->cells[seen->place], memory_order_relaxed);
    answer->has_body = answer->http_status == NO_CONTENT ||
                       tsms__answers_read(&replay->answers, cell, key, answer);
}

/* Where the key's entry is; a place for one when it has none. */
static sight find_or_make_room(const view *v)
{
    for (size_t way = 0; way < WAYS; way++) {
        uint64_t word = atomic_load(&v->words[way]);
        if (is_ours(v, word)) {
            return (sight){.place = way, .word = word};
        }
    }
    return look_around(v);
}

/* Claims of the key that did not see our entry must not succeed any more. Another entry that is
 * DONE stays: two that finish at once must not take away each other's. */
static void clear_claims(const view *v)
{
    for (size_t way = 0; way < WAYS; way++) {
        uint64_t word = atomic_load(&v->words[way]);
        while (is_ours(v, word) && state_of(word) != DONE &&
               !atomic_compare_exchange_strong(&v->words[way], &word, 0)) {
        }
    }
}

void tsms__replay_finish(tsms__replay *replay, tsms__replay_key key, int64_t now_ms,
                         const tsms_webhook_answer *answer)
{
    view v = view_of(replay, key, TSMS__REPLAY_WINDOW_MOST_MS, now_ms);
    int status = answer->http_status;
    bool fits = status >= FIRST_STATUS && status < FIRST_STATUS + (1 << DETAIL_BITS);
    uint64_t done = word_of(&v, DONE, (uint64_t)((fits ? status : 500) - FIRST_STATUS));
    uint16_t cell = status != NO_CONTENT ? tsms__answers_keep(&replay->answers, key, answer) : 0;
    for (int i = 0; i < TRIES; i++) {
        sight seen = find_or_make_room(&v);
        if (seen.place < WAYS) {
            atomic_store_explicit(&v.cells[seen.place], cell, memory_order_relaxed);
            if (put(replay, &v, &seen, done)) {
                clear_claims(&v);
                return;
            }
        }
    }
}
