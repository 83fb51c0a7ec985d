/* Writes metrics in the text formats of Prometheus (version 0.0.4) and OpenMetrics (1.0.0). */
#include "metrics_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics_families.h"

typedef struct writer {
    tsms__region *region;
    const tsms__metrics *metrics;
    tsms_metrics_format format;
    tsms_buf *out;
} writer;

/* ---- Lines --------------------------------------------------------------------------------- */

/* In OpenMetrics the _total of a counter belongs to its samples only. */
static void add_head(const writer *w, const char *name, const char *type, const char *help)
{
    bool total = w->format == TSMS_METRICS_PROMETHEUS && strcmp(type, "counter") == 0;
    const char *const words[] = {"# HELP ", name, total ? "_total" : "", " ", help, "\n",
                                 "# TYPE ", name, total ? "_total" : "", " ", type, "\n"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        tsms__buf_add_z(w->out, words[i]);
    }
}

static void add_number(tsms_buf *out, uint64_t number)
{
    tsms__buf_add_char(out, ' ');
    tsms__buf_add_int(out, (int64_t)(number & INT64_MAX));
    tsms__buf_add_char(out, '\n');
}

static void add_counter(const writer *w, const char *name, const char *labels, uint64_t number)
{
    tsms__buf_add_z(w->out, name);
    tsms__buf_add_z(w->out, "_total");
    tsms__buf_add_z(w->out, labels);
    add_number(w->out, number);
}

/* As decimal seconds; one zero at least behind the point, as OpenMetrics writes bounds. */
static void add_seconds(tsms_buf *out, uint64_t ms)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%llu.%03u", (unsigned long long)(ms / 1000),
                       (unsigned)(ms % 1000));
    while (text[len - 1] == '0' && text[len - 2] != '.') {
        len--;
    }
    tsms__buf_add(out, (tsms_str){text, (size_t)len});
}

/* Backslash, quote and line end are the ones that both formats escape. */
static void add_escaped(tsms_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            tsms__buf_add_z(out, "\\n");
            continue;
        }
        if (*text == '"' || *text == '\\') {
            tsms__buf_add_char(out, '\\');
        }
        tsms__buf_add_char(out, *text);
    }
}

static void add_label(const writer *w, const tsms__metric_label *one, tsms__series series)
{
    char buf[TSMS__SENDER_SIZE];
    unsigned value = tsms__series_label(series, one->place);
    const char *text =
        value == TSMS__LABEL_OVERFLOW ? "__overflow__" : one->text(w->metrics, value, buf);
    tsms__buf_add_z(w->out, one->name);
    tsms__buf_add_z(w->out, "=\"");
    add_escaped(w->out, text);
    if (text[0] == '\0') {
        tsms__buf_add_int(w->out, (int64_t)value);
    }
    tsms__buf_add_char(w->out, '"');
}

/* The labels of a series; bound_ms is that of a bucket, 0 for none, UINT64_MAX for the last. */
static void add_labels(const writer *w, const tsms__family *of, tsms__series series,
                       uint64_t bound_ms)
{
    const char *before = "{";
    for (size_t i = 0; i < TSMS__LABELS && of->labels[i].name != NULL; i++) {
        tsms__buf_add_z(w->out, before);
        add_label(w, &of->labels[i], series);
        before = ",";
    }
    if (bound_ms > 0) {
        tsms__buf_add_z(w->out, before);
        tsms__buf_add_z(w->out, "le=\"");
        if (bound_ms == UINT64_MAX) {
            tsms__buf_add_z(w->out, "+Inf");
        } else {
            add_seconds(w->out, bound_ms);
        }
        tsms__buf_add_char(w->out, '"');
        before = ",";
    }
    if (before[0] == ',') {
        tsms__buf_add_char(w->out, '}');
    }
}

static void add_part(const writer *w, const tsms__family *of, const char *part, tsms__series series,
                     uint64_t bound_ms)
{
    tsms__buf_add_z(w->out, of->name);
    tsms__buf_add_z(w->out, part);
    add_labels(w, of, series, bound_ms);
}

/* The buckets were read once: the last of them and the count are the same number. */
static void add_histogram(const writer *w, const tsms__family *of, const tsms__sample *sample)
{
    uint64_t count = 0;
    for (size_t i = 0; i < TSMS__BUCKETS; i++) {
        count += sample->buckets[i];
        bool last = i == TSMS__BUCKETS - 1;
        add_part(w, of, "_bucket", sample->series,
                 last ? UINT64_MAX : (uint64_t)tsms__bounds_ms[i]);
        add_number(w->out, count);
    }
    add_part(w, of, "_sum", sample->series, 0);
    tsms__buf_add_char(w->out, ' ');
    add_seconds(w->out, sample->sum_ms);
    tsms__buf_add_char(w->out, '\n');
    add_part(w, of, "_count", sample->series, 0);
    add_number(w->out, count);
}

static void add_sample(const writer *w, const tsms__family *of, const tsms__sample *sample)
{
    if (of->is_histogram) {
        add_histogram(w, of, sample);
    } else {
        add_part(w, of, "_total", sample->series, 0);
        add_number(w->out, sample->count);
    }
}

/* ---- Views --------------------------------------------------------------------------------- */

typedef struct row {
    tsms__series series; /* with the labels of the family only */
    bool counted;
    size_t slot; /* of what is counted */
} row;

static tsms__series cut_to(const tsms__family *of, tsms__series series)
{
    unsigned kept[TSMS__LABELS] = {0};
    for (size_t i = 0; i < TSMS__LABELS && of->labels[i].name != NULL; i++) {
        int place = of->labels[i].place;
        kept[place] = tsms__series_label(series, place);
    }
    return tsms__series_of(of->instrument, kept[0], kept[1], kept[2]);
}

static int by_series(const void *a, const void *b)
{
    const row *x = a;
    const row *y = b;
    return (x->series > y->series) - (x->series < y->series);
}

static size_t collect(const writer *w, const tsms__family *of, row *rows)
{
    size_t count = 0;
    for (size_t i = 0; i < of->known_count; i++) {
        const tsms__metric_key *key = &of->known[i];
        rows[count++] =
            (row){.series = tsms__series_of(of->instrument, key->first, key->second, 0)};
    }
    for (size_t slot = 0; slot < tsms__metrics_slots(of->instrument); slot++) {
        tsms__series series = tsms__metrics_at(w->metrics, of->instrument, slot);
        if (series != 0 && (of->shows == NULL || of->shows(series))) {
            rows[count++] = (row){cut_to(of, series), true, slot};
        }
    }
    qsort(rows, count, sizeof *rows, by_series);
    return count;
}

static void add_family(const writer *w, const tsms__family *of)
{
    size_t most = of->known_count + tsms__metrics_slots(of->instrument);
    row *rows = tsms__calloc(w->out->mem, most, sizeof *rows);
    if (rows == NULL) {
        w->out->failed = true;
        return;
    }
    add_head(w, of->name, of->is_histogram ? "histogram" : "counter", of->help);
    size_t count = collect(w, of, rows);
    for (size_t i = 0; i < count;) {
        tsms__sample sample = {.series = rows[i].series};
        for (; i < count && rows[i].series == sample.series; i++) {
            if (rows[i].counted) {
                tsms__metrics_add(w->metrics, of->instrument, rows[i].slot, &sample);
            }
        }
        add_sample(w, of, &sample);
    }
    tsms__free(w->out->mem, rows);
}

/* ---- All of them --------------------------------------------------------------------------- */

static void add_counted(const writer *w)
{
    for (size_t i = 0; i < TSMS__COUNTED_FAMILIES; i++) {
        const tsms__counted_family *one = &tsms__counted_families[i];
        if (one->help != NULL) {
            add_head(w, one->name, "counter", one->help);
        }
        add_counter(w, one->name, one->labels, tsms__region_counter(w->region, one->counter));
    }
}

static void add_breaker(const writer *w)
{
    static const char name[] = "twilio_breaker_state";
    tsms__breaker_state state = tsms__region_breaker_state(w->region);
    add_head(w, name, "gauge", "1 for the state that the breaker is in, 0 for the others.");
    for (tsms__breaker_state i = TSMS__BREAKER_CLOSED; i <= TSMS__BREAKER_HALF_OPEN; i++) {
        tsms__buf_add_z(w->out, name);
        tsms__buf_add_z(w->out, "{state=\"");
        tsms__buf_add_z(w->out, tsms__breaker_state_name(i));
        tsms__buf_add_z(w->out, "\"}");
        add_number(w->out, i == state);
    }
}

static void add_losses(const writer *w)
{
    add_head(w, "twilio_replay_evicted", "counter",
             "Handled webhooks that were forgotten early because the table of them was full.");
    add_counter(w, "twilio_replay_evicted", "",
                tsms__replay_evicted(tsms__region_replay(w->region)));
    add_head(w, "twilio_series_overflow", "counter",
             "Observations counted under __overflow__ because there was no room for their series.");
    add_counter(w, "twilio_series_overflow", "", tsms__metrics_overflowed(w->metrics));
}

void tsms__metrics_text(tsms__region *region, tsms_metrics_format format, tsms_buf *out)
{
    const writer w = {region, tsms__region_metrics(region), format, out};
    for (size_t i = 0; i < TSMS__FAMILIES; i++) {
        add_family(&w, &tsms__families[i]);
    }
    add_counted(&w);
    add_breaker(&w);
    add_losses(&w);
    if (format == TSMS_METRICS_OPENMETRICS) {
        tsms__buf_add_z(out, "# EOF\n");
    }
}
