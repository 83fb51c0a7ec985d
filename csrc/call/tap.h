/* A list of the HTTP transfers that ended, for recorders: copies, kept while it is switched on. */
#ifndef TSMS_CALL_TAP_H
#define TSMS_CALL_TAP_H

#include "call.h"

/* One transfer. Its views point into the memory behind it. */
typedef struct tsms__tapped {
    uint64_t call_id;
    tsms_operation operation;
    bool lookup; /* it looked for a message in doubt */
    tsms__method method;
    tsms_str path; /* with the query */
    tsms_str form; /* empty: none */
    tsms__transfer transfer;
    int64_t started_ms; /* monotonic */
    int64_t ended_ms;
    struct tsms__tapped *next;
} tsms__tapped;

typedef struct tsms__tap {
    const tsms_mem *mem;
    bool on;
    tsms__tapped *first, *last;
    uint64_t lost; /* transfers that could not be copied, because memory ran out */
} tsms__tap;

void tsms__tap_init(tsms__tap *tap, const tsms_mem *mem);
/* Switches it on or off; off forgets what nobody has taken. */
void tsms__tap_set(tsms__tap *tap, bool on);
/* Copies the transfer of a call that is still on the wire, if the tap is on. */
void tsms__tap_add(tsms__tap *tap, const tsms__call *call, const tsms__transfer *transfer,
                   tsms__now now);
/* How many transfers were lost since the last question. */
uint64_t tsms__tap_lost(tsms__tap *tap);
/* Takes the oldest, to be given to tsms__free with the tap's memory; NULL when there is none. */
tsms__tapped *tsms__tap_take(tsms__tap *tap);

#endif
