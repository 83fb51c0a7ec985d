/* What metrics there are: their names, their labels, and where their numbers are. */
#ifndef TSMS_CALL_METRICS_FAMILIES_H
#define TSMS_CALL_METRICS_FAMILIES_H

#include "shared.h"

enum { TSMS__FAMILIES = 14, TSMS__COUNTED_FAMILIES = 13 };

typedef struct tsms__metric_label {
    const char *name; /* NULL: there is none */
    /* The text of a value; "" for what this version of the library has no name for, and another one
     * may have counted. */
    const char *(*text)(const tsms__metrics *metrics, unsigned value, char buf[TSMS__SENDER_SIZE]);
    int place; /* in the series */
} tsms__metric_label;

/* The first labels of a series. */
typedef struct tsms__metric_key {
    uint16_t first, second;
} tsms__metric_key;

/* A view of an instrument: series that agree in the labels of the family, and are shown by it, are
 * added up.
 *
 * What is rare and matters is known from the beginning, and shown as 0 until it happens: increase()
 * and rate() of Prometheus compare samples of one series, so that of one which is first seen at 1
 * they cannot tell that it grew
 * (https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics). */
typedef struct tsms__family {
    const char *name; /* of a counter: without its _total */
    const char *help;
    tsms__instrument instrument;
    bool is_histogram;
    bool (*shows)(tsms__series series); /* NULL: all */
    tsms__metric_label labels[TSMS__LABELS];
    const tsms__metric_key *known;
    size_t known_count;
} tsms__family;

/* What the region's counters know already. Rows of one family follow each other. */
typedef struct tsms__counted_family {
    const char *name;
    const char *help;   /* NULL: that of the row before */
    const char *labels; /* as they are written, or "" */
    tsms__counter counter;
} tsms__counted_family;

extern const tsms__family tsms__families[TSMS__FAMILIES];
extern const tsms__counted_family tsms__counted_families[TSMS__COUNTED_FAMILIES];

#endif
