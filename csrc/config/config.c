/* Keeps a set of options in memory: makes it with the defaults, copies it, wipes it. */
#include "config.h"

#include <string.h>

void *tsms__config_field(const tsms_config *config, const tsms__prop *prop)
{
    return (char *)config + prop->offset;
}

/* Any text may be private: proxies and callback URLs can hold passwords. */
static void text_free(const tsms_mem *mem, char *text)
{
    if (text != NULL) {
        tsms__wipe(text, strlen(text));
        tsms__free(mem, text);
    }
}

static bool list_add(const tsms_mem *mem, tsms__texts *list, tsms_str text)
{
    char *copy = tsms__str_dup(mem, text);
    if (copy == NULL) {
        return false;
    }
    char **items = tsms__resize(mem, list->items, list->count + 1, sizeof *items);
    if (items == NULL) {
        text_free(mem, copy);
        return false;
    }
    items[list->count] = copy;
    list->items = items;
    list->count++;
    return true;
}

bool tsms__config_put(tsms_config *config, const tsms__prop *prop, tsms_str text)
{
    if (prop->type == TSMS__PROP_LIST) {
        return list_add(&config->mem, tsms__config_field(config, prop), text);
    }
    if (prop->type == TSMS__PROP_SECRET) {
        tsms__secret *secret = tsms__secret_new(text);
        if (secret == NULL) {
            return false;
        }
        tsms__secret **field = tsms__config_field(config, prop);
        tsms__secret_free(*field);
        *field = secret;
        return true;
    }
    char *copy = tsms__str_dup(&config->mem, text);
    if (copy == NULL) {
        return false;
    }
    char **field = tsms__config_field(config, prop);
    text_free(&config->mem, *field);
    *field = copy;
    return true;
}

tsms_status tsms_config_new(const tsms_mem *mem, tsms_config **out)
{
    mem = mem != NULL ? mem : &tsms__mem_libc;
    tsms_config *config = tsms__calloc(mem, 1, sizeof *config);
    *out = config;
    if (config == NULL) {
        return TSMS_NOMEM;
    }
    config->mem = *mem;
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        if (props[i].fallback != NULL) {
            /* Needs no memory, because no text has a default; a test proves that all are valid. */
            (void)tsms_config_set(config, props[i].key, tsms_str_from(props[i].fallback), NULL);
        }
    }
    return TSMS_OK;
}

static void field_free(tsms_config *config, const tsms__prop *prop)
{
    void *field = tsms__config_field(config, prop);
    if (prop->type == TSMS__PROP_STR) {
        text_free(&config->mem, *(char **)field);
    } else if (prop->type == TSMS__PROP_SECRET) {
        tsms__secret_free(*(tsms__secret **)field);
    } else if (prop->type == TSMS__PROP_LIST) {
        tsms__texts *list = field;
        for (size_t i = 0; i < list->count; i++) {
            text_free(&config->mem, list->items[i]);
        }
        tsms__free(&config->mem, list->items);
    }
}

void tsms_config_free(tsms_config *config)
{
    if (config == NULL) {
        return;
    }
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count; i++) {
        field_free(config, &props[i]);
    }
    tsms_mem mem = config->mem;
    tsms__free(&mem, config->errors);
    tsms__free(&mem, config);
}

/* False without memory. */
static bool field_copy(const tsms_config *config, const tsms__prop *prop, tsms_config *copy)
{
    const void *from = tsms__config_field(config, prop);
    void *to = tsms__config_field(copy, prop);
    tsms_str text = {NULL, 0};
    switch (prop->type) {
    case TSMS__PROP_INT:
    case TSMS__PROP_ENUM:
        *(int64_t *)to = *(const int64_t *)from;
        break;
    case TSMS__PROP_NUM:
        *(double *)to = *(const double *)from;
        break;
    case TSMS__PROP_BOOL:
        *(bool *)to = *(const bool *)from;
        break;
    case TSMS__PROP_STR:
        text = tsms_str_from(*(char *const *)from);
        break;
    case TSMS__PROP_SECRET:
        text = tsms__secret_text(*(tsms__secret *const *)from);
        break;
    case TSMS__PROP_LIST: {
        const tsms__texts *list = from;
        for (size_t i = 0; i < list->count; i++) {
            if (!tsms__config_put(copy, prop, tsms_str_from(list->items[i]))) {
                return false;
            }
        }
        break;
    }
    }
    return text.ptr == NULL || tsms__config_put(copy, prop, text);
}

static bool errors_copy(const tsms_config *config, tsms_config *copy)
{
    if (config->error_count == 0) {
        return true;
    }
    size_t size = config->error_count * sizeof *config->errors;
    copy->errors = tsms__alloc(&copy->mem, size);
    if (copy->errors == NULL) {
        return false;
    }
    memcpy(copy->errors, config->errors, size);
    copy->error_count = config->error_count;
    return true;
}

tsms_status tsms__config_copy(const tsms_config *config, tsms_config **out)
{
    tsms_config *copy;
    *out = NULL;
    if (tsms_config_new(&config->mem, &copy) != TSMS_OK) {
        return TSMS_NOMEM;
    }
    bool done = errors_copy(config, copy);
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    for (size_t i = 0; i < count && done; i++) {
        done = field_copy(config, &props[i], copy);
    }
    if (!done) {
        tsms_config_free(copy);
        return TSMS_NOMEM;
    }
    *out = copy;
    return TSMS_OK;
}
