/* The parameters of one request: decoded once, kept in the order in which they came, and sorted for
 * the signature. */
#ifndef TSMS_WIRE_FIELDS_H
#define TSMS_WIRE_FIELDS_H

#include "../base/str.h"

enum { TSMS__FIELDS_MOST = 1000 };

typedef struct tsms__sorted_field {
    uint64_t head; /* the first 8 bytes of the name as a number, which decides most comparisons */
    const tsms_param *param;
} tsms__sorted_field;

/* Reused from request to request: after the first ones, reading allocates nothing. */
typedef struct tsms__fields {
    const tsms_mem *mem;
    char *text; /* all decoded bytes */
    size_t text_cap;
    tsms_param *items;
    tsms__sorted_field *sorted; /* after tsms__fields_sort */
    size_t count;
    size_t cap; /* of items and sorted */
} tsms__fields;

typedef enum tsms__fields_status {
    TSMS__FIELDS_OK,
    TSMS__FIELDS_TOO_MANY,
    TSMS__FIELDS_NOMEM,
} tsms__fields_status;

void tsms__fields_init(tsms__fields *fields, const tsms_mem *mem);
void tsms__fields_free(tsms__fields *fields);
/* Decodes a form (WHATWG URL, section 5, as tsms__form_next does) of at most `most` parameters, and
 * never more than TSMS__FIELDS_MOST. The views in items live until the next call; form need not.
 * After a failure there are none. */
tsms__fields_status tsms__fields_read(tsms__fields *fields, tsms_str form, size_t most);
/* Takes pairs that are decoded already, at most TSMS__FIELDS_MOST; their bytes must stay alive. */
tsms__fields_status tsms__fields_take(tsms__fields *fields, const tsms_param *params, size_t count);
/* Sorts by the bytes of the name, then of the value. */
void tsms__fields_sort(tsms__fields *fields);
/* Whether a and b, of one list that was sorted, are the same pair. */
bool tsms__sorted_field_eq(const tsms__sorted_field *a, const tsms__sorted_field *b);
/* The first value of that name; absent when there is none. */
tsms_str tsms__fields_get(const tsms__fields *fields, tsms_str name);

#endif
