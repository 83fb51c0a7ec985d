/* The metrics of a region as text. */
#ifndef TSMS_CALL_METRICS_TEXT_H
#define TSMS_CALL_METRICS_TEXT_H

#include "shared.h"

/* Appends all metrics: those of the region's series, and those that its counters tell already. */
void tsms__metrics_text(tsms__region *region, tsms_metrics_format format, tsms_buf *out);

#endif
