/* What was handled before: a bounded table of claims in the shared region.
 *
 * Changed only by atomics, all-zero is a valid empty table, and a process that is killed in the
 * middle of a change leaves it valid. For each key, over all processes, one claim at a time is NEW.
 * When the table is full the oldest entries give way; they are then NEW again. */
#ifndef TSMS_CALL_REPLAY_H
#define TSMS_CALL_REPLAY_H

#include "../base/str.h"

enum {
    TSMS__REPLAY_ANSWER_MOST = 2000,         /* bytes of a body that is kept */
    TSMS__REPLAY_TYPE_MOST = 60,             /* bytes of its content type */
    TSMS__REPLAY_LEASE_MS = 60000,           /* how long a claim that nobody ended is believed */
    TSMS__REPLAY_WINDOW_MOST_MS = 259200000, /* three days; a longer window counts as this */
};

/* Part of the region: its fields are laid out for good and belong to replay.c. */
typedef struct tsms__replay tsms__replay;

/* The bytes that it takes in the region, at an address that 64 divides. */
size_t tsms__replay_size(void);

/* What a key stands for in the table: bits of a digest, all of them as good as random. */
typedef struct tsms__replay_key {
    uint64_t hash[2];
} tsms__replay_key;

/* The copy of an answer that was given. */
typedef struct tsms__replay_answer {
    int http_status;
    size_t type_len;
    size_t body_len;
    bool has_body; /* false: it was too long, or its place has been taken since */
    char type[TSMS__REPLAY_TYPE_MOST];
    char body[TSMS__REPLAY_ANSWER_MOST];
} tsms__replay_answer;

/* now_ms is a clock that all processes share; it may be set back. window_ms is how long an entry
 * counts, and with the lease it is kept to four seconds; the time in an entry comes round after 72
 * hours and 49 minutes, and one that is still there then counts again. DONE fills *answer. */
tsms_seen tsms__replay_claim(tsms__replay *replay, tsms__replay_key key, int64_t window_ms,
                             int64_t now_ms, tsms__replay_answer *answer);
/* From its end on the key is DONE, also when its claim has lapsed. A status outside of 100 to 611
 * is kept as 500. */
void tsms__replay_finish(tsms__replay *replay, tsms__replay_key key, int64_t now_ms,
                         const tsms_webhook_answer *answer);
/* Nothing happens when no claim is running. To be called within the lease: later the running claim
 * may be somebody else's. */
void tsms__replay_release(tsms__replay *replay, tsms__replay_key key);
/* Entries that gave way before their window was over. */
uint64_t tsms__replay_evicted(tsms__replay *replay);

#endif
