/* Reads JSON with cJSON, and keeps that library out of every other file. */
#include "json.h"

#include "str.h"

#include <cjson/cJSON.h>
#include <string.h>

static const cJSON *peek(const tsms__json *node)
{
    return (const cJSON *)node;
}

static const tsms__json *wrap(const cJSON *node)
{
    return (const tsms__json *)node;
}

/* Before 1.7.18 cJSON reads one byte past the end of a text that ends in a comma (CVE-2023-53154).
 * No JSON does, so such a text is not shown to it. */
tsms__json *tsms__json_parse(tsms_str text)
{
    text = tsms__str_trim(text);
    if (text.len == 0 || text.ptr[text.len - 1] == ',') {
        return NULL;
    }
    const char *end = NULL;
    cJSON *document = cJSON_ParseWithLengthOpts(text.ptr, text.len, &end, false);
    if (document != NULL && end != text.ptr + text.len) {
        cJSON_Delete(document);
        document = NULL;
    }
    return (tsms__json *)document;
}

void tsms__json_free(tsms__json *document)
{
    cJSON_Delete((cJSON *)document);
}

tsms__json_type tsms__json_type_of(const tsms__json *node)
{
    if (node == NULL) {
        return TSMS__JSON_NULL;
    }
    switch (peek(node)->type & 0xFF) {
    case cJSON_False:
    case cJSON_True:
        return TSMS__JSON_BOOL;
    case cJSON_Number:
        return TSMS__JSON_NUMBER;
    case cJSON_String:
        return TSMS__JSON_STRING;
    case cJSON_Array:
        return TSMS__JSON_ARRAY;
    case cJSON_Object:
        return TSMS__JSON_OBJECT;
    default:
        return TSMS__JSON_NULL;
    }
}

const tsms__json *tsms__json_get(const tsms__json *object, const char *name)
{
    if (tsms__json_type_of(object) != TSMS__JSON_OBJECT) {
        return NULL;
    }
    for (const cJSON *member = peek(object)->child; member != NULL; member = member->next) {
        if (strcmp(member->string, name) == 0) {
            return wrap(member);
        }
    }
    return NULL;
}

const tsms__json *tsms__json_first(const tsms__json *parent)
{
    return parent != NULL ? wrap(peek(parent)->child) : NULL;
}

const tsms__json *tsms__json_next(const tsms__json *child)
{
    return child != NULL ? wrap(peek(child)->next) : NULL;
}

tsms_str tsms__json_name(const tsms__json *member)
{
    return tsms_str_from(member != NULL ? peek(member)->string : NULL);
}

tsms_str tsms__json_text(const tsms__json *node)
{
    return tsms_str_from(node != NULL ? peek(node)->valuestring : NULL);
}

bool tsms__json_int(const tsms__json *node, int64_t *out)
{
    if (tsms__json_type_of(node) == TSMS__JSON_STRING) {
        return tsms__str_to_int(tsms__json_text(node), out);
    }
    /* Past 2^53 a double no longer tells which integer was written. */
    const double limit = 9007199254740992.0;
    double number = tsms__json_number(node);
    if (tsms__json_type_of(node) != TSMS__JSON_NUMBER || number <= -limit || number >= limit ||
        number != (double)(int64_t)number) {
        return false;
    }
    *out = (int64_t)number;
    return true;
}

double tsms__json_number(const tsms__json *node)
{
    return tsms__json_type_of(node) == TSMS__JSON_NUMBER ? peek(node)->valuedouble : 0;
}

bool tsms__json_bool(const tsms__json *node)
{
    return node != NULL && (peek(node)->type & 0xFF) == cJSON_True;
}
