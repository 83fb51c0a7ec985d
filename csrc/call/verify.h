/* The half of the call's machine that works while a message is in doubt. */
#ifndef TSMS_CALL_VERIFY_H
#define TSMS_CALL_VERIFY_H

#include "call.h"

/* The plan was to look for the message. */
void tsms__verify_begin(tsms__call *call, const tsms__call_env *env, const tsms__retry_plan *plan,
                        tsms__now now);
/* The request of a look-up came to this. */
void tsms__verify_finish(tsms__call *call, const tsms__call_env *env,
                         const tsms__transfer *transfer, tsms__now now,
                         tsms__call_effects *effects);

/* Steps of the machine that both halves take. */
/* Ends it with records, which it takes over. */
void tsms__call_end_ok(tsms__call *call, tsms__records records);
/* Ends it with the error that its result holds. */
void tsms__call_end_failed(tsms__call *call);
/* Another attempt follows and takes its cost from the quota. */
void tsms__call_pay(tsms__call *call, int64_t cost, tsms__call_effects *effects);

#endif
