/* Reading JSON; the one file that sees the JSON library. */
#ifndef TSMS_BASE_JSON_H
#define TSMS_BASE_JSON_H

#include "mem.h"

/* A value inside a document, or the document itself. */
typedef struct tsms__json tsms__json;

typedef enum tsms__json_type {
    TSMS__JSON_NULL, /* also what a NULL node counts as */
    TSMS__JSON_BOOL,
    TSMS__JSON_NUMBER,
    TSMS__JSON_STRING,
    TSMS__JSON_ARRAY,
    TSMS__JSON_OBJECT,
} tsms__json_type;

/* Parses one whole document; only white space may follow it. NULL when it is malformed, nested too
 * deep, or memory ran out. */
tsms__json *tsms__json_parse(tsms_str text);
/* Frees a whole document; NULL is allowed. */
void tsms__json_free(tsms__json *document);
/* The getters take NULL for any node, so that they can be chained. */
tsms__json_type tsms__json_type_of(const tsms__json *node);
/* A member of an object by exact name; NULL when there is none. */
const tsms__json *tsms__json_get(const tsms__json *object, const char *name);
/* The first child of an object or array, and the next one behind it; NULL at the end. */
const tsms__json *tsms__json_first(const tsms__json *parent);
const tsms__json *tsms__json_next(const tsms__json *child);
/* The name of an object's member. */
tsms_str tsms__json_name(const tsms__json *member);
/* A string's text, up to an escaped NUL if it has one; absent for every other type. */
tsms_str tsms__json_text(const tsms__json *node);
/* A number, or a string that holds a decimal integer; false for anything else, also for fractions
 * and what does not fit. */
bool tsms__json_int(const tsms__json *node, int64_t *out);
/* 0 for every other type. */
double tsms__json_number(const tsms__json *node);
bool tsms__json_bool(const tsms__json *node);

#endif
