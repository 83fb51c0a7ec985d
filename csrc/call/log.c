/* A log: which lines are written, and where they wait until the host pulls them. */
#include "log.h"

#include <string.h>

#include "../wire/date.h"
#include "log_ring.h"

enum {
    MS_PER_S = 1000,
    TIME_SIZE = 24,
    LEVELS = TSMS_LOG_TRACE + 1,
    /* The host's own events have a rate for each level, so that many of one level hide none of a
     * worse one. */
    RATES = TSMS__LOG_OWN + LEVELS,
};

/* How many lines of one event there were in its second. */
typedef struct rate {
    int64_t start_ms;
    int lines;
    uint64_t suppressed; /* not told of yet */
} rate;

struct tsms_log {
    size_t owners;
    tsms_mem mem;
    tsms_log_level level;
    bool bodies;
    int per_second;
    rate rates[RATES];
    tsms__ring ring;
    bool taken;     /* the oldest line was, and lives until the next call */
    size_t written; /* bytes of the oldest line */
    bool torn;      /* a part of a line was written that will not get its rest */
    tsms__log_place place;
    uint64_t dropped; /* since the last question */
    uint64_t untold;  /* of these, what no line has told of yet */
    int64_t second;   /* that `time` shows */
    char time[TIME_SIZE];
    tsms__hmac *key; /* of pseudonyms; NULL: numbers are masked */
    tsms__told last;
    tsms_log_level line_level;
    tsms__line line; /* that is being written */
};

typedef struct row {
    tsms_str name;
    tsms_log_level level;
} row;

static const row rows[] = {
#define X(id, name, level, text) {{name, sizeof name - 1}, TSMS_LOG_##level},
    TSMS__LOG_EVENTS(X)
#undef X
};

/* ---- Levels -------------------------------------------------------------------------------- */

static const char *const level_names[] = {
#define X(id, name) name,
    TSMS_LOG_LEVELS(X)
#undef X
};

const char *tsms_log_level_name(tsms_log_level level)
{
    return (size_t)level < sizeof level_names / sizeof *level_names ? level_names[level] : "";
}

bool tsms_log_level_from(tsms_str name, tsms_log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (tsms__str_eq_z(name, level_names[i])) {
            *out = (tsms_log_level)i;
            return true;
        }
    }
    return false;
}

bool tsms__log_wants(const tsms_log *log, tsms_log_level level)
{
    return level <= log->level;
}

bool tsms__log_shows_bodies(const tsms_log *log)
{
    return log->bodies;
}

tsms__told *tsms__log_last(tsms_log *log)
{
    return &log->last;
}

/* ---- Making one ---------------------------------------------------------------------------- */

static tsms_status invalid(tsms_error *err, const char *option, const char *why)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "log.%s: it %s", option, why);
}

static tsms_status check_options(const tsms_log_options *options, tsms_error *err)
{
    if ((unsigned)options->level > TSMS_LOG_TRACE) {
        return invalid(err, "level", "is no level");
    } else if ((unsigned)options->format > TSMS_LOG_JSON) {
        return invalid(err, "format", "is no format");
    } else if (options->pseudonym_key.ptr != NULL &&
               options->pseudonym_key.len < TSMS__LOG_KEY_LEAST) {
        return invalid(err, "pseudonym_key", "must have 16 bytes or more");
    } else if (options->per_second < 0) {
        return invalid(err, "per_second", "must be 0 or more");
    } else if (options->buffer_size < 2 * TSMS__LINE_MOST ||
               options->buffer_size > UINT32_MAX / 2) {
        return invalid(err, "buffer_size", "must be 16384 to 2147483647");
    }
    return TSMS_OK;
}

static bool fill_in(tsms_log *log, const tsms_log_options *options)
{
    if (options->pseudonym_key.ptr != NULL) {
        log->key = tsms__hmac_new(&log->mem, TSMS__SHA256, options->pseudonym_key);
        if (log->key == NULL) {
            return false;
        }
    }
    return tsms__ring_init(&log->ring, &log->mem, options->buffer_size);
}

tsms_status tsms_log_new(const tsms_mem *mem, const tsms_log_options *given, tsms_log **out,
                         tsms_error *err)
{
    tsms_log_options options = TSMS_LOG_OPTIONS_INIT;
    tsms__error_clear(err);
    if (given->size < sizeof given->size || given->size > sizeof options) {
        return invalid(err, "size", "is not that of a known layout; use TSMS_LOG_OPTIONS_INIT");
    }
    memcpy(&options, given, given->size);
    tsms_status status = check_options(&options, err);
    if (status != TSMS_OK) {
        return status;
    }
    mem = mem != NULL ? mem : &tsms__mem_libc;
    tsms_log *log = tsms__calloc(mem, 1, sizeof *log);
    if (log == NULL) {
        return tsms__error_nomem(err);
    }
    log->owners = 1;
    log->mem = *mem;
    log->level = options.level;
    log->bodies = options.bodies;
    log->per_second = options.per_second;
    log->second = -1;
    if (!fill_in(log, &options)) {
        tsms_log_free(log);
        return tsms__error_nomem(err);
    }
    log->line.json = options.format == TSMS_LOG_JSON;
    log->line.key = log->key;
    *out = log;
    return TSMS_OK;
}

tsms_log *tsms__log_keep(tsms_log *log)
{
    log->owners++;
    return log;
}

void tsms_log_free(tsms_log *log)
{
    if (log == NULL || --log->owners > 0) {
        return;
    }
    tsms_mem mem = log->mem;
    tsms__hmac_free(log->key);
    tsms__ring_free(&log->ring, &mem);
    tsms__wipe(log, sizeof *log); /* the last line may hold texts */
    tsms__free(&mem, log);
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* Whether one more line of an event may be written. A clock that goes back begins a second, too. */
static bool admit(tsms_log *log, rate *of, int64_t wall_ms)
{
    if (wall_ms < of->start_ms || wall_ms - of->start_ms >= MS_PER_S) {
        of->start_ms = wall_ms;
        of->lines = 0;
    }
    if (log->per_second > 0 && of->lines >= log->per_second) {
        of->suppressed++;
        return false;
    }
    of->lines++;
    return true;
}

/* The moment without its fraction; written anew once a second only. */
static tsms_str time_text(tsms_log *log, int64_t second)
{
    enum { LENGTH = sizeof "2026-11-23T06:40:00" - 1 };
    if (log->second != second) {
        tsms_buf text = {.mem = &log->mem, .ptr = log->time, .cap = sizeof log->time};
        tsms__date_add_iso8601(&text, second);
        log->second = second;
    }
    return (tsms_str){log->time, LENGTH};
}

static void tell(tsms__line *line, tsms__log_key key, uint64_t *count)
{
    if (*count > 0) {
        tsms__line_int(line, key, *count < INT64_MAX ? (int64_t)*count : INT64_MAX);
        *count = 0;
    }
}

static rate *rate_of(tsms_log *log, tsms__log_id id, tsms_log_level level)
{
    return &log->rates[id == TSMS__LOG_OWN ? TSMS__LOG_OWN + (size_t)level : (size_t)id];
}

static tsms__line *begin(tsms_log *log, tsms__log_id id, tsms_log_level level, tsms_str name,
                         int64_t wall_ms)
{
    rate *of = rate_of(log, id, level);
    static const int64_t last_ms = INT64_C(253402300799999); /* of the year 9999 */
    wall_ms = wall_ms < 0 ? 0 : wall_ms > last_ms ? last_ms : wall_ms;
    if (!tsms__log_wants(log, level) || !admit(log, of, wall_ms)) {
        return NULL;
    }
    log->line_level = level;
    tsms__line_begin(&log->line, time_text(log, wall_ms / MS_PER_S), (int)(wall_ms % MS_PER_S),
                     tsms_log_level_name(level), name);
    tell(&log->line, TSMS__KEY_SUPPRESSED, &of->suppressed);
    return &log->line;
}

tsms__line *tsms__log_begin(tsms_log *log, tsms__log_id id, int64_t wall_ms)
{
    return begin(log, id, rows[id].level, rows[id].name, wall_ms);
}

/* What is dropped tells of itself in the first line that finds room again. */
void tsms__log_end(tsms_log *log)
{
    uint64_t untold = log->untold;
    size_t len = log->line.len;
    tell(&log->line, TSMS__KEY_DROPPED, &untold);
    bool told = log->line.len > len; /* a long line may have no room for it */
    bool kept = tsms__ring_add(&log->ring, log->line_level, tsms__line_end(&log->line));
    if (!kept) {
        log->untold++;
    } else if (told) {
        log->untold = 0;
    }
    log->dropped += !kept;
}

void tsms_log_settle(tsms_log *log, int64_t wall_ms)
{
    /* A log of errors alone tells of the errors that it left out. */
    tsms_log_level tell_at = tsms__log_wants(log, rows[TSMS__LOG_SUPPRESSED].level)
                                 ? rows[TSMS__LOG_SUPPRESSED].level
                                 : log->level;
    for (size_t i = 0; i < RATES; i++) {
        uint64_t *left = &log->rates[i].suppressed;
        bool is_own = i >= TSMS__LOG_OWN;
        tsms_str name = is_own ? TSMS__STR("other") : rows[i].name;
        tsms_log_level level = is_own ? (tsms_log_level)(i - TSMS__LOG_OWN) : rows[i].level;
        if (*left > 0) {
            log->rates[TSMS__LOG_SUPPRESSED].lines = 0;
            tsms__line *line =
                begin(log, TSMS__LOG_SUPPRESSED, tell_at, rows[TSMS__LOG_SUPPRESSED].name, wall_ms);
            if (line != NULL) {
                tsms__line_word(line, TSMS__KEY_EVENT_NAME, name);
                tsms__line_word(line, TSMS__KEY_EVENT_LEVEL,
                                tsms_str_from(tsms_log_level_name(level)));
                tell(line, TSMS__KEY_SUPPRESSED, left);
                tsms__log_end(log);
            }
        }
    }
}

/* ---- Lines of the host --------------------------------------------------------------------- */

static bool is_name(tsms_str name)
{
    bool good = name.len > 0 && name.len <= 32;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    return good;
}

/* Whether a line has this name already, or may have. */
static bool is_reserved(tsms_str name)
{
    static const char *const names[] = {"time", "level", "event", "suppressed", "dropped"};
    bool is = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        is = is || tsms__str_eq_z(name, names[i]);
    }
    return is;
}

void tsms__log_add(tsms_log *log, tsms_log_level level, const char *event, const tsms_param *fields,
                   const bool *bare, size_t field_count, int64_t wall_ms)
{
    tsms_str name = tsms_str_from(event);
    if ((unsigned)level > TSMS_LOG_TRACE || !is_name(name)) {
        return;
    }
    size_t id = 0;
    while (id < TSMS__LOG_OWN && !tsms__str_eq(rows[id].name, name)) {
        id++;
    }
    tsms__line *line = begin(log, (tsms__log_id)id, level, name, wall_ms);
    if (line == NULL) {
        return;
    }
    for (size_t i = 0; i < field_count; i++) {
        tsms_str key = fields[i].name;
        bool is_address = tsms__str_eq_z(key, "to") || tsms__str_eq_z(key, "from") ||
                          tsms__str_eq_z(key, "number");
        if (is_name(key) && !is_reserved(key)) {
            tsms__line_own(line, key, fields[i].value,
                           is_address                ? TSMS__OWN_ADDRESS
                           : bare != NULL && bare[i] ? TSMS__OWN_BARE
                                                     : TSMS__OWN_TEXT);
        }
    }
    tsms__log_end(log);
}

void tsms_log_add(tsms_log *log, tsms_log_level level, const char *event, const tsms_param *fields,
                  size_t field_count, int64_t wall_ms)
{
    tsms__log_add(log, level, event, fields, NULL, field_count, wall_ms);
}

/* ---- Pulling ------------------------------------------------------------------------------- */

/* What was taken, or written to its end, makes room. */
static void release(tsms_log *log)
{
    if (log->taken) {
        log->taken = false;
        log->written = 0;
        tsms__ring_drop(&log->ring);
    }
}

bool tsms_log_take(tsms_log *log, tsms_log_level *level, tsms_str *line)
{
    size_t next;
    release(log);
    log->taken = tsms__ring_at(&log->ring, 0, log->ring.first, level, line, &next);
    return log->taken;
}

void tsms_log_pull(tsms_log *log, tsms_log_sink sink, void *context)
{
    tsms_log_level level;
    tsms_str line;
    while (tsms_log_take(log, &level, &line)) {
        sink(context, level, line);
    }
}

size_t tsms__log_pending(const tsms_log *log)
{
    return log->ring.count - log->taken;
}

uint64_t tsms__log_take_dropped(tsms_log *log)
{
    uint64_t dropped = log->dropped;
    log->dropped = 0;
    return dropped;
}

size_t tsms__log_peek(tsms_log *log, char *out, size_t size)
{
    release(log);
    size_t used = 0;
    if (log->torn && size > 0) { /* or the next line would stand behind the part */
        out[used++] = '\n';
    }
    size_t place = log->ring.first;
    tsms_log_level level;
    tsms_str line;
    for (size_t i = 0; tsms__ring_at(&log->ring, i, place, &level, &line, &place); i++) {
        size_t skipped = i == 0 ? log->written : 0;
        size_t n = line.len + 1 - skipped; /* with its newline */
        if (used > 0 && n > size - used) {
            break;
        }
        n = n < size - used ? n : size - used;
        memcpy(out + used, line.ptr + skipped, n);
        used += n;
    }
    return used;
}

void tsms__log_skip(tsms_log *log, size_t size)
{
    tsms_log_level level;
    tsms_str line;
    size_t next;
    if (log->torn && size > 0) {
        log->torn = false;
        size--;
    }
    while (size > 0 && tsms__ring_at(&log->ring, 0, log->ring.first, &level, &line, &next)) {
        size_t left = line.len + 1 - log->written;
        if (size < left) {
            log->written += size;
            return;
        }
        size -= left;
        log->written = 0;
        tsms__ring_drop(&log->ring);
    }
}

void tsms__log_skip_line(tsms_log *log)
{
    log->torn = log->torn || log->written > 0;
    log->written = 0;
    if (log->ring.count > 0) {
        tsms__ring_drop(&log->ring);
        log->dropped++;
        log->untold++;
    }
}

tsms__log_place *tsms__log_place_of(tsms_log *log)
{
    return &log->place;
}
