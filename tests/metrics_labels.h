/* What the values of labels may be, and sums over the samples of a text of metrics. */
#ifndef TESTS_METRICS_LABELS_H
#define TESTS_METRICS_LABELS_H

#include "support.h"

static inline bool is_any(const char *value, const char *const *words)
{
    while (*words != NULL && strcmp(*words, value) != 0) {
        words++;
    }
    return *words != NULL;
}

static inline bool is_sender(const char *value)
{
    return strncmp(value, "+1555", 5) == 0 && strspn(value + 1, "0123456789") == 11 &&
           value[12] == '\0';
}

/* "+1", "+44", "+1********34". */
static inline bool is_number(const char *value)
{
    size_t code = value[0] == '+' ? strspn(value + 1, "0123456789") : 0;
    const char *rest = value + 1 + code;
    return code >= 1 && code <= 3 &&
           (*rest == '\0' || (strncmp(rest, "********", 8) == 0 &&
                              strspn(rest + 8, "0123456789") == 2 && rest[10] == '\0'));
}

static inline bool is_kind(const char *value)
{
    return tsms_kind_from_name(tsms_str_from(value)) != TSMS_KIND_NONE;
}

static inline bool is_status(const char *value)
{
    return strcmp(value, "unknown") == 0 ||
           tsms_message_status_from(tsms_str_from(value)) != TSMS_MESSAGE_UNKNOWN;
}

static inline bool is_bound(const char *value)
{
    return strcmp(value, "+Inf") == 0 || strspn(value, "0123456789.") == strlen(value);
}

/* What the values of a label may be: words, or what a function says. */
static const struct {
    const char *name;
    bool (*is)(const char *value);
    const char *words[9];
} metric_labels[] = {
    {"from_number", is_sender, {"other"}},
    {"to_number", is_number, {"other"}},
    {"status", is_status, {"in_doubt", "none"}},
    {"error_type", is_kind, {NULL}},
    {"reason", is_kind, {NULL}},
    {"le", is_bound, {NULL}},
    {"operation", NULL, {"send", "lookup"}},
    {"outcome",
     NULL,
     {"not_sent", "throttled", "rejected", "accepted", "accepted_no_sid", "in_doubt"}},
    {"code_class", NULL, {"none", "2xx", "3xx", "4xx", "5xx", "7xx", "9xx"}},
    {"verdict", NULL, {"ok", "replay", "failed", "bad_signature", "unknown_ref", "malformed"}},
    {"encoding", NULL, {"GSM-7", "UCS-2"}},
    {"level", NULL, {"account"}}, /* a 429 holds it back */
    {"state", NULL, {"closed", "open", "half_open"}},
    {"from", NULL, {"closed", "open", "half_open"}},
    {"to", NULL, {"closed", "open", "half_open"}},
    {"result", NULL, {"succeeded", "failed"}},
    {"source", NULL, {"client", "server"}},
    {"evidence", NULL, {"list"}},
};

static inline void metric_label_check(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof metric_labels / sizeof *metric_labels; i++) {
        if (strcmp(metric_labels[i].name, name) == 0) {
            if (strcmp(value, "__overflow__") != 0 && !is_any(value, metric_labels[i].words) &&
                (metric_labels[i].is == NULL || !metric_labels[i].is(value))) {
                fail_msg("%s=\"%s\"", name, value);
            }
            return;
        }
    }
    fail_msg("unknown label %s", name);
}

/* The labels of a sample: there is nothing to unescape, because no value holds a quote. */
static inline void metric_labels_check(const char *line)
{
    const char *at = strchr(line, '{');
    while (at != NULL && *at != '}') {
        char name[64];
        char value[128];
        int used = 0;
        if (sscanf(at + 1, "%63[a-z_]=\"%127[^\"\n]\"%n", name, value, &used) != 2 || used == 0) {
            fail_msg("%.200s", line);
        }
        metric_label_check(name, value);
        at += 1 + used;
    }
}

/* Sums the samples of a name in whose line `piece` stands, and counts them. */
static inline uint64_t metric_total_with(const char *text, const char *name, const char *piece,
                                         size_t *series)
{
    uint64_t sum = 0;
    size_t len = strlen(name);
    *series = 0;
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *number = strchr(line, ' ');
        if (strncmp(line, name, len) == 0 && (line[len] == '{' || line[len] == ' ')) {
            const char *found = strstr(line, piece);
            if (found != NULL && found < number) {
                sum += strtoull(number + 1, NULL, 10);
                ++*series;
            }
        }
    }
    return sum;
}

static inline uint64_t metric_total(const char *text, const char *name)
{
    size_t series;
    return metric_total_with(text, name, "", &series);
}

#endif
