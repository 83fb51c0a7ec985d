/* The bodies of the latest answers, in a ring that processes share.
 *
 * Nobody waits for anybody: two may write one cell at once, or die in the middle. A sum over key,
 * lengths and text tells the reader whether what it read is one whole answer to its key. */
#ifndef TSMS_CALL_REPLAY_ANSWERS_H
#define TSMS_CALL_REPLAY_ANSWERS_H

#include "replay.h"

#include <stdatomic.h>

enum {
    TSMS__ANSWERS = 512,
    TSMS__ANSWER_WORDS = (TSMS__REPLAY_TYPE_MOST + TSMS__REPLAY_ANSWER_MOST + 7) / 8,
};

typedef struct tsms__answer_cell {
    _Atomic uint64_t sum;
    _Atomic uint64_t lengths; /* of the type, in the low 16 bits, and of the body */
    _Atomic uint64_t text[TSMS__ANSWER_WORDS];
} tsms__answer_cell;

typedef struct tsms__answers {
    _Atomic uint64_t kept;
    tsms__answer_cell cells[TSMS__ANSWERS];
} tsms__answers;

/* Copies content type and body into the next cell. Answers with a number to find them by; 0 when
 * they are too long. */
uint16_t tsms__answers_keep(tsms__answers *answers, tsms__replay_key key,
                            const tsms_webhook_answer *answer);
/* Fills in type and body. False, and nothing is changed, when the cell holds something else, or is
 * about to; any number is allowed. */
bool tsms__answers_read(tsms__answers *answers, uint16_t number, tsms__replay_key key,
                        tsms__replay_answer *answer);

#endif
