/* The table of options: finds a key, or the one that was meant. */
#include <string.h>

#include "config.h"
#include "quote.h"

#define FIELD_STR char *
#define FIELD_SECRET tsms__secret *
#define FIELD_INT int64_t
#define FIELD_NUM double
#define FIELD_BOOL bool
#define FIELD_ENUM int64_t
#define FIELD_LIST tsms__texts

/* The setters write through offsets, which no compiler checks; this does. */
#define P(key, TYPE, field, fallback, min, max, unit, sentence)                                    \
    _Static_assert(_Generic(((tsms_config *)0)->field, FIELD_##TYPE : 1, default : 0),             \
                   "the field's type does not fit " key);
#include "props.def"
#undef P

static const tsms__prop props[] = {
#define P(key, TYPE, field, fallback, min, max, unit, sentence)                                    \
    {key, TSMS__PROP_##TYPE, fallback, min, max, unit, sentence, offsetof(tsms_config, field)},
#include "props.def"
#undef P
};

enum { PROP_COUNT = sizeof props / sizeof *props };

const tsms__prop *tsms__props(size_t *count)
{
    *count = PROP_COUNT;
    return props;
}

const tsms__prop *tsms__prop_find(tsms_str key)
{
    for (size_t i = 0; i < PROP_COUNT; i++) {
        if (tsms__str_eq_z(key, props[i].key)) {
            return &props[i];
        }
    }
    return NULL;
}

/* How far `meant` is from the key or from what stands behind one of its dots: people forget that
 * per_second is rate.per_second. */
static size_t distance_to(tsms_str meant, const char *key, size_t limit)
{
    size_t least = limit + 1;
    while (key != NULL) {
        size_t distance = tsms__str_distance(meant, tsms_str_from(key), limit);
        least = distance < least ? distance : least;
        const char *dot = strchr(key, '.');
        key = dot != NULL ? dot + 1 : NULL;
    }
    return least;
}

static const char *nearest(tsms_str key)
{
    char lower[32];
    if (key.len > sizeof lower) {
        return NULL;
    }
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    tsms_str meant = {lower, key.len};
    const char *best = NULL;
    size_t least = (key.len + 2) / 3 + 1;
    for (size_t i = 0; i < PROP_COUNT; i++) {
        size_t distance = distance_to(meant, props[i].key, least - 1);
        if (distance < least) {
            least = distance;
            best = props[i].key;
        }
    }
    return best;
}

/* An option of the group `key`, which is no option itself; NULL when there is none. */
static const char *member_of(tsms_str key)
{
    for (size_t i = 0; i < PROP_COUNT; i++) {
        tsms_str name = tsms_str_from(props[i].key);
        if (key.len > 0 && name.len > key.len && name.ptr[key.len] == '.' &&
            tsms__str_starts(name, key)) {
            return props[i].key;
        }
    }
    return NULL;
}

tsms_status tsms__prop_unknown(tsms_str key, tsms_error *err)
{
    char quoted[TSMS__QUOTE_SIZE];
    tsms__quote(key, quoted);
    const char *member = member_of(key);
    if (member != NULL) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "option %s is a group: set one of its own, such as '%s'", quoted,
                               member);
    }
    const char *meant = nearest(key);
    if (meant == NULL) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "unknown option %s", quoted);
    }
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "unknown option %s; did you mean '%s'?",
                           quoted, meant);
}
