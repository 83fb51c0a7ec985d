/* Phone numbers in text, made unreadable: masked, or replaced by keyed pseudonyms. */
#ifndef TSMS_CALL_LOG_NUMBER_H
#define TSMS_CALL_LOG_NUMBER_H

#include "../base/sha.h"
#include "../base/str.h"

/* The length of a run of digits at pos, with what separates them, and *is_number: whether it may be
 * a phone number. The run may begin with a plus, as it is or percent-encoded. 0 when there is none.
 * A number is 7 digits in a row, 7 behind a plus however they are separated, or 10 elsewhere. */
size_t tsms__number_at(tsms_str text, size_t pos, bool *is_number);

enum { TSMS__NUMBER_SIZE = 256 };

/* What is shown of a run that tsms__number_at found, or of a whole address; key NULL masks it. Cut
 * to the size; UTF-8 only where text is, and not ended. */
tsms_str tsms__number_show(tsms_str run, tsms__hmac *key, char out[TSMS__NUMBER_SIZE]);
tsms_str tsms__address_show(tsms_str address, tsms__hmac *key, char out[TSMS__NUMBER_SIZE]);

#endif
