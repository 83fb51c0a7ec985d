/* The options of a client: set by name, range-checked, then frozen. */
#ifndef TSMS_CONFIG_CONFIG_H
#define TSMS_CONFIG_CONFIG_H

#include "../base/err.h"
#include "../base/secret.h"

typedef enum tsms__in_doubt {
    TSMS__IN_DOUBT_VERIFY,
    TSMS__IN_DOUBT_RESEND,
    TSMS__IN_DOUBT_STOP,
} tsms__in_doubt;

typedef enum tsms__rate_unit {
    TSMS__UNIT_MESSAGE,
    TSMS__UNIT_SEGMENT,
} tsms__rate_unit;

typedef enum tsms__http_version {
    TSMS__HTTP_AUTO,
    TSMS__HTTP_1_1,
} tsms__http_version;

/* What the metrics say of a recipient's number. */
typedef enum tsms__metric_numbers {
    TSMS__NUMBERS_CALLING_CODE,
    TSMS__NUMBERS_MASKED,
} tsms__metric_numbers;

typedef struct tsms__retry_rule {
    int64_t attempts; /* requests in all, the first included */
    int64_t base_ms;
} tsms__retry_rule;

/* One row of the error table that the user changed. */
typedef struct tsms__code_override {
    int code;
    tsms_kind kind;
    bool retryable;
} tsms__code_override;

/* The value of a list option. */
typedef struct tsms__texts {
    char **items;
    size_t count;
} tsms__texts;

/* The fields are the rows of props.def; text is owned and ends in NUL, absent text is NULL. */
struct tsms_config {
    tsms_mem mem;
    char *account_sid;
    tsms__secret *auth_token;
    char *api_key;
    tsms__secret *api_secret;
    char *from;
    char *messaging_service_sid;
    char *base_url;
    char *region;
    char *edge;
    char *ca_file;
    char *proxy;
    int64_t http_version; /* tsms__http_version */
    int64_t connect_timeout_ms;
    int64_t attempt_timeout_ms;
    int64_t timeout_ms;
    int64_t max_concurrency;
    int64_t in_doubt; /* tsms__in_doubt */
    char *status_callback;
    tsms__texts callback_urls;
    struct {
        tsms__secret *key;
        int64_t lifetime_ms;
    } callback_ref;
    char *shared;
    int64_t seed; /* 0: take one from the system */
    struct {
        int64_t numbers; /* tsms__metric_numbers */
    } metrics;
    struct {
        double per_second; /* 0: no limit */
        int64_t burst;
        double per_number;
        int64_t per_number_burst;
        double per_recipient; /* 0, the default: no limit */
        int64_t unit;         /* tsms__rate_unit */
        bool wait;
        int64_t max_queue;
    } rate;
    struct {
        int64_t failure_threshold; /* 0: the breaker never opens */
        int64_t success_threshold;
        int64_t reset_timeout_ms;
    } breaker;
    struct {
        tsms__retry_rule rate_limit, unavailable, internal, timeout, connection;
        int64_t settle_ms;
        int64_t cap_ms;
        int64_t quota;
    } retry;
    tsms__code_override *errors;
    size_t error_count;
};

/* The field's type in tsms_config stands behind each. */
typedef enum tsms__prop_type {
    TSMS__PROP_STR,    /* char * */
    TSMS__PROP_SECRET, /* tsms__secret * */
    TSMS__PROP_INT,    /* int64_t */
    TSMS__PROP_NUM,    /* double */
    TSMS__PROP_BOOL,   /* bool */
    TSMS__PROP_ENUM,   /* int64_t, the position of the word in `unit` */
    TSMS__PROP_LIST,   /* tsms__texts */
} tsms__prop_type;

/* One option, as the bindings and the documentation see it. */
typedef struct tsms__prop {
    const char *key;
    tsms__prop_type type;
    const char *fallback; /* the default, as text; NULL for none */
    double min, max;      /* INT; NUM, which may also be 0; texts: max is the most bytes */
    const char *unit;     /* "ms", or the words of an ENUM separated by '|'; "" for none */
    const char *sentence;
    size_t offset; /* of the field in tsms_config */
} tsms__prop;

/* The table, in the order of the documentation. */
const tsms__prop *tsms__props(size_t *count);
/* NULL when there is no such key. */
const tsms__prop *tsms__prop_find(tsms_str key);
/* Fills err with "unknown option 'x'; did you mean 'y'?", looking for y among the props. Always
 * answers TSMS_ERROR. */
tsms_status tsms__prop_unknown(tsms_str key, tsms_error *err);

/* Where an option is kept. */
void *tsms__config_field(const tsms_config *config, const tsms__prop *prop);
/* Puts a copy of text, which must not hold a NUL, into an option of type STR or SECRET, wiping what
 * was there, or adds it to a LIST. False, and nothing changed, without memory. */
bool tsms__config_put(tsms_config *config, const tsms__prop *prop, tsms_str text);

/* An environment variable that tsms_config_from_env reads, and the option that it sets. */
typedef struct tsms__env_var {
    const char *name;
    const char *key;
} tsms__env_var;

const tsms__env_var *tsms__env_vars(size_t *count);

/* What must hold before a client can be made: credentials present and well formed, URLs, names and
 * files usable, https only. The shape of `from` is not looked at: the wire layer knows addresses.
 */
tsms_status tsms__config_check(const tsms_config *config, tsms_error *err);
/* Whether a key, unless it is absent, is long enough to sign references with. */
tsms_status tsms__ref_key_check(const char *option, tsms_str key, tsms_error *err);
/* Whether text may be the name of a shared region. */
bool tsms__region_name_is(tsms_str text);
/* A deep copy; *out is NULL without memory. */
tsms_status tsms__config_copy(const tsms_config *config, tsms_config **out);

#endif
