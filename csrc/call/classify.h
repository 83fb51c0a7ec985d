/* From what a driver saw to the outcome of one attempt. */
#ifndef TSMS_CALL_CLASSIFY_H
#define TSMS_CALL_CLASSIFY_H

#include "../wire/response.h"

/* How one HTTP request ended. */
typedef struct tsms__transfer {
    bool sent;       /* a byte of the request may have left */
    tsms_kind fault; /* what the network did; NONE when a whole answer came */
    tsms_str fault_text;
    tsms__response response;
} tsms__transfer;

/* Decides the outcome. For ACCEPTED *records holds the parsed
 * answer, which the caller frees; otherwise *err tells what went wrong. */
tsms_outcome tsms__classify(const tsms__transfer *transfer, tsms__shape shape,
                            const tsms_config *config, tsms__records *records, tsms_error *err);

#endif
