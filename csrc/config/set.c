/* Sets an option by its name, from text, a number or a boolean, if the table allows the value. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "quote.h"
#include "source.h"

/* What a setter was given that it cannot take. */
static tsms_status refuse(const tsms__prop *prop, const char *got, tsms_error *err)
{
    const tsms_kind kind = TSMS_KIND_INVALID_OPTION;
    switch (prop->type) {
    case TSMS__PROP_INT:
        return tsms__error_set(
            err, kind, "option '%s' must be a whole number from %.0f to %.0f%s%s, got %s",
            prop->key, prop->min, prop->max, prop->unit[0] != '\0' ? " " : "", prop->unit, got);
    case TSMS__PROP_NUM:
        return tsms__error_set(err, kind, "option '%s' must be 0 or a number from %g to %g, got %s",
                               prop->key, prop->min, prop->max, got);
    case TSMS__PROP_BOOL:
        return tsms__error_set(err, kind, "option '%s' must be true or false, got %s", prop->key,
                               got);
    case TSMS__PROP_ENUM:
        return tsms__error_set(err, kind, "option '%s' must be one of %s, got %s", prop->key,
                               prop->unit, got);
    case TSMS__PROP_STR:
    case TSMS__PROP_SECRET:
    case TSMS__PROP_LIST:
        break;
    }
    /* What it got is not repeated: it may be a number that stands for a secret. */
    return tsms__error_set(err, kind, "option '%s' must be text, not a number or a boolean",
                           prop->key);
}

/* Digits, perhaps with a fraction, whatever the locale. Fifteen digits and a power of ten below
 * 10^22 are exact as doubles, so that one division rounds correctly. */
static bool to_decimal(tsms_str text, double *out)
{
    double digits = 0;
    double scale = 1;
    size_t count = 0;
    bool fraction = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && !fraction && i > 0 && i + 1 < text.len) {
            fraction = true;
        } else if (c >= '0' && c <= '9' && count < 15) {
            digits = digits * 10 + (c - '0');
            scale = fraction ? scale * 10 : scale;
            count++;
        } else {
            return false;
        }
    }
    *out = digits / scale;
    return count > 0;
}

/* The range refuses NaN and the infinities, because they compare false. */
static tsms_status keep_int(tsms_config *config, const tsms__prop *prop, double value,
                            const char *got, tsms_error *err)
{
    if (!(value >= prop->min && value <= prop->max) || (double)(int64_t)value != value) {
        return refuse(prop, got, err);
    }
    *(int64_t *)tsms__config_field(config, prop) = (int64_t)value;
    return TSMS_OK;
}

static tsms_status keep_num(tsms_config *config, const tsms__prop *prop, double value,
                            const char *got, tsms_error *err)
{
    if (value != 0 && !(value >= prop->min && value <= prop->max)) {
        return refuse(prop, got, err);
    }
    *(double *)tsms__config_field(config, prop) = value;
    return TSMS_OK;
}

/* Finds the word among those of the option: by its text, or, when text is absent, by its value. */
static tsms_status keep_word(tsms_config *config, const tsms__prop *prop, tsms_str text,
                             double value, const char *got, tsms_error *err)
{
    int64_t index = 0;
    for (const char *word = prop->unit; *word != '\0'; index++) {
        size_t len = strcspn(word, "|");
        tsms_str this_word = {word, len};
        double number;
        if (text.ptr != NULL ? tsms__str_eq(text, this_word)
                             : to_decimal(this_word, &number) && number == value) {
            *(int64_t *)tsms__config_field(config, prop) = index;
            return TSMS_OK;
        }
        word += len + (word[len] == '|');
    }
    return refuse(prop, got, err);
}

/* The kind that a malformed text of this option deserves. */
static tsms_kind text_kind(const tsms__prop *prop)
{
    if (strcmp(prop->key, "auth_token") == 0 || strcmp(prop->key, "api_secret") == 0) {
        return TSMS_KIND_INVALID_AUTH_TOKEN;
    }
    if (strcmp(prop->key, "account_sid") == 0) {
        return TSMS_KIND_INVALID_ACCOUNT_SID;
    }
    return strcmp(prop->key, "from") == 0 ? TSMS_KIND_INVALID_PHONE_NUMBER
                                          : TSMS_KIND_INVALID_OPTION;
}

static tsms_status check_text(const tsms__prop *prop, tsms_str text, tsms_error *err)
{
    tsms_kind kind = text_kind(prop);
    if (text.ptr == NULL || text.len == 0) {
        return tsms__error_set(err, kind, "option '%s' must not be empty", prop->key);
    }
    if ((double)text.len > prop->max) {
        return tsms__error_set(err, kind, "option '%s' must be at most %.0f bytes long, got %zu",
                               prop->key, prop->max, text.len);
    }
    size_t pos = 0;
    while (pos < text.len) {
        uint32_t code_point;
        if (!tsms__utf8_next(text, &pos, &code_point)) {
            return tsms__error_set(err, kind, "option '%s' must be UTF-8", prop->key);
        }
        if (code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0)) {
            return tsms__error_set(
                err, kind, "option '%s' must not hold line ends or other control characters",
                prop->key);
        }
    }
    return TSMS_OK;
}

static tsms_status keep_text(tsms_config *config, const tsms__prop *prop, tsms_str text,
                             tsms_error *err)
{
    tsms_status status = check_text(prop, text, err);
    if (status == TSMS_OK && !tsms__config_put(config, prop, text)) {
        status = tsms__error_nomem(err);
    }
    return status;
}

static tsms_status set_text(tsms_config *config, const tsms__prop *prop, tsms_str text,
                            tsms_error *err)
{
    char got[TSMS__QUOTE_SIZE];
    text = text.ptr != NULL ? text : TSMS__STR("");
    switch (prop->type) {
    case TSMS__PROP_INT: {
        int64_t value;
        tsms__quote(text, got);
        return tsms__str_to_int(text, &value) ? keep_int(config, prop, (double)value, got, err)
                                              : refuse(prop, got, err);
    }
    case TSMS__PROP_NUM: {
        double value;
        tsms__quote(text, got);
        return to_decimal(text, &value) ? keep_num(config, prop, value, got, err)
                                        : refuse(prop, got, err);
    }
    case TSMS__PROP_BOOL: {
        bool yes = tsms__str_eq_z(text, "true");
        if (!yes && !tsms__str_eq_z(text, "false")) {
            return refuse(prop, tsms__quote(text, got), err);
        }
        *(bool *)tsms__config_field(config, prop) = yes;
        return TSMS_OK;
    }
    case TSMS__PROP_ENUM:
        return keep_word(config, prop, text, 0, tsms__quote(text, got), err);
    case TSMS__PROP_STR:
    case TSMS__PROP_SECRET:
    case TSMS__PROP_LIST:
        break;
    }
    return keep_text(config, prop, text, err);
}

/* The secret option that key names when `suffix` is cut off; NULL when there is none. */
static const tsms__prop *secret_before(tsms_str key, const char *suffix)
{
    size_t len = strlen(suffix);
    if (key.len < len || memcmp(key.ptr + key.len - len, suffix, len) != 0) {
        return NULL;
    }
    const tsms__prop *prop = tsms__prop_find((tsms_str){key.ptr, key.len - len});
    return prop != NULL && prop->type == TSMS__PROP_SECRET ? prop : NULL;
}

tsms_status tsms_config_set(tsms_config *config, const char *key, tsms_str value, tsms_error *err)
{
    tsms_str name = tsms_str_from(key);
    const tsms__prop *prop = tsms__prop_find(name);
    if (prop != NULL) {
        return set_text(config, prop, value, err);
    }
    tsms_str secret;
    prop = secret_before(name, ".env");
    if (prop != NULL) {
        tsms_status status = tsms__source_env(key, value, &secret, err);
        return status == TSMS_OK ? keep_text(config, prop, secret, err) : status;
    }
    prop = secret_before(name, ".file");
    if (prop != NULL) {
        char buf[TSMS__SOURCE_SIZE];
        tsms_status status = tsms__source_file(key, value, buf, &secret, err);
        status = status == TSMS_OK ? keep_text(config, prop, secret, err) : status;
        tsms__wipe(buf, sizeof buf);
        return status;
    }
    return tsms__prop_unknown(name, err);
}

tsms_status tsms_config_set_number(tsms_config *config, const char *key, double value,
                                   tsms_error *err)
{
    const tsms__prop *prop = tsms__prop_find(tsms_str_from(key));
    if (prop == NULL) {
        return tsms__prop_unknown(tsms_str_from(key), err);
    }
    char got[32];
    snprintf(got, sizeof got, "%.15g", value);
    switch (prop->type) {
    case TSMS__PROP_INT:
        return keep_int(config, prop, value, got, err);
    case TSMS__PROP_NUM:
        return keep_num(config, prop, value, got, err);
    case TSMS__PROP_ENUM:
        return keep_word(config, prop, (tsms_str){NULL, 0}, value, got, err);
    case TSMS__PROP_BOOL:
    case TSMS__PROP_STR:
    case TSMS__PROP_SECRET:
    case TSMS__PROP_LIST:
        break;
    }
    return refuse(prop, got, err);
}

tsms_status tsms_config_set_bool(tsms_config *config, const char *key, bool value, tsms_error *err)
{
    const tsms__prop *prop = tsms__prop_find(tsms_str_from(key));
    if (prop == NULL) {
        return tsms__prop_unknown(tsms_str_from(key), err);
    }
    if (prop->type != TSMS__PROP_BOOL) {
        return refuse(prop, value ? "true" : "false", err);
    }
    *(bool *)tsms__config_field(config, prop) = value;
    return TSMS_OK;
}

tsms_status tsms_config_set_error(tsms_config *config, int api_code, tsms_kind kind, bool retryable,
                                  tsms_error *err)
{
    if (api_code < 1 || api_code > 999999) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "option 'errors': a code must lie between 1 and 999999, got %d",
                               api_code);
    }
    if ((int)kind <= TSMS_KIND_NONE || (int)kind >= TSMS_KIND_COUNT) {
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "option 'errors': code %d must get one of the error kinds",
                               api_code);
    }
    tsms__code_override row = {api_code, kind, retryable};
    for (size_t i = 0; i < config->error_count; i++) {
        if (config->errors[i].code == api_code) {
            config->errors[i] = row;
            return TSMS_OK;
        }
    }
    tsms__code_override *rows =
        tsms__resize(&config->mem, config->errors, config->error_count + 1, sizeof *rows);
    if (rows == NULL) {
        return tsms__error_nomem(err);
    }
    rows[config->error_count] = row;
    config->errors = rows;
    config->error_count++;
    return TSMS_OK;
}
