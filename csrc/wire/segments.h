/* Whether a text needs the larger of the two encodings, without counting it. */
#ifndef TSMS_WIRE_SEGMENTS_H
#define TSMS_WIRE_SEGMENTS_H

#include "../base/str.h"

/* What tsms_segments_count answers in `encoding`, for a fraction of its time. Text that is not
 * UTF-8 is not GSM-7. */
tsms_encoding tsms__encoding_of(tsms_str text);

#endif
