/* What a call ends with: records or an error. */
#ifndef TSMS_CALL_RESULT_H
#define TSMS_CALL_RESULT_H

#include "../wire/callback_ref.h"
#include "../wire/response.h"

struct tsms_result {
    tsms_mem mem;
    uint64_t call_id;
    tsms_operation operation;
    tsms_outcome outcome;
    int attempts;
    bool verified;
    char callback_ref[TSMS__REF_ID_MOST + 1]; /* ends in NUL; empty: none */
    bool failed;
    tsms_error error;
    tsms__records records;
    size_t first; /* a look-up's page holds other messages too: the found one is at first */
    struct tsms_result *next;
};

/* NULL without memory. */
tsms_result *tsms__result_new(const tsms_mem *mem);
/* The record at index, NULL past the end. */
const tsms__json *tsms__result_record(const tsms_result *result, size_t index);

#endif
