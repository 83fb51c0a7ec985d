/* Decodes the parameters of a request in one pass into one block of memory. */
#include "fields.h"

#include <stdlib.h>
#include <string.h>

void tsms__fields_init(tsms__fields *fields, const tsms_mem *mem)
{
    *fields = (tsms__fields){.mem = mem};
}

void tsms__fields_free(tsms__fields *fields)
{
    tsms__free(fields->mem, fields->text);
    tsms__free(fields->mem, fields->items);
    tsms__free(fields->mem, fields->sorted);
    tsms__fields_init(fields, fields->mem);
}

/* ---- Reading */

static bool reserve_items(tsms__fields *fields, size_t wanted)
{
    size_t cap = fields->cap > 0 ? fields->cap : 32;
    while (cap < wanted) {
        cap *= 2;
    }
    if (cap == fields->cap) {
        return true;
    }
    tsms_param *items = tsms__resize(fields->mem, fields->items, cap, sizeof *items);
    if (items == NULL) {
        return false;
    }
    fields->items = items;
    tsms__sorted_field *sorted = tsms__resize(fields->mem, fields->sorted, cap, sizeof *sorted);
    if (sorted == NULL) {
        return false;
    }
    fields->sorted = sorted;
    fields->cap = cap;
    return true;
}

/* Decoded text is never longer than what it is decoded from. What is there is not kept. */
static bool reserve_text(tsms__fields *fields, size_t wanted)
{
    if (wanted > fields->text_cap) {
        char *text = tsms__alloc(fields->mem, wanted);
        if (text == NULL) {
            return false;
        }
        tsms__free(fields->mem, fields->text);
        fields->text = text;
        fields->text_cap = wanted;
    }
    return true;
}

/* The bytes that do not stand for themselves. */
static const bool is_special[256] = {['%'] = true, ['+'] = true, ['&'] = true, ['='] = true};

/* One more than the value of a hex digit; 0 for all other bytes. */
static const unsigned char hex_digit[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};

/* A form that is being decoded, and where its bytes go. */
typedef struct decoder {
    const unsigned char *at;
    const unsigned char *end;
    char *to;
} decoder;

/* Decodes up to an '&', or to `mark`, or to the end. */
static tsms_str decode(decoder *form, unsigned char mark)
{
    const unsigned char *at = form->at;
    char *to = form->to;
    for (; at < form->end; at++) {
        unsigned char c = *at;
        if (is_special[c]) {
            if (c == '&' || c == mark) {
                break;
            }
            if (c == '+') {
                c = ' ';
            } else if (c == '%' && form->end - at > 2 && hex_digit[at[1]] && hex_digit[at[2]]) {
                c = (unsigned char)((hex_digit[at[1]] - 1) << 4 | (hex_digit[at[2]] - 1));
                at += 2;
            }
        }
        *to++ = (char)c;
    }
    tsms_str text = {form->to, (size_t)(to - form->to)};
    form->at = at;
    form->to = to;
    return text;
}

tsms__fields_status tsms__fields_read(tsms__fields *fields, tsms_str form, size_t most)
{
    fields->count = 0;
    if (form.len == 0) {
        return TSMS__FIELDS_OK;
    }
    if (!reserve_text(fields, form.len)) {
        return TSMS__FIELDS_NOMEM;
    }
    most = most < TSMS__FIELDS_MOST ? most : TSMS__FIELDS_MOST;
    const unsigned char *bytes = (const unsigned char *)form.ptr;
    decoder rest = {bytes, bytes + form.len, fields->text};
    size_t count = 0;
    while (rest.at < rest.end) {
        if (*rest.at == '&') {
            rest.at++;
            continue;
        }
        if (count == most) {
            return TSMS__FIELDS_TOO_MANY;
        }
        if (count == fields->cap && !reserve_items(fields, count + 1)) {
            return TSMS__FIELDS_NOMEM;
        }
        tsms_param *item = &fields->items[count++];
        item->name = decode(&rest, '=');
        rest.at += rest.at < rest.end && *rest.at == '=';
        item->value = decode(&rest, '&');
    }
    fields->count = count;
    return TSMS__FIELDS_OK;
}

tsms__fields_status tsms__fields_take(tsms__fields *fields, const tsms_param *params, size_t count)
{
    fields->count = 0;
    if (count > TSMS__FIELDS_MOST) {
        return TSMS__FIELDS_TOO_MANY;
    }
    if (count > 0) {
        if (!reserve_items(fields, count)) {
            return TSMS__FIELDS_NOMEM;
        }
        memcpy(fields->items, params, count * sizeof *params);
    }
    fields->count = count;
    return TSMS__FIELDS_OK;
}

tsms_str tsms__fields_get(const tsms__fields *fields, tsms_str name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (tsms__str_eq(fields->items[i].name, name)) {
            return fields->items[i].value;
        }
    }
    return (tsms_str){NULL, 0};
}

/* ---- Sorting */

static uint64_t head_of(tsms_str name)
{
    uint64_t head = 0;
    size_t len = name.len < 8 ? name.len : 8;
    for (size_t i = 0; i < len; i++) {
        head |= (uint64_t)(unsigned char)name.ptr[i] << (56 - 8 * i);
    }
    return head;
}

static int compare_bytes(tsms_str a, tsms_str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *left, const void *right)
{
    const tsms__sorted_field *a = left;
    const tsms__sorted_field *b = right;
    if (a->head != b->head) {
        return a->head < b->head ? -1 : 1;
    }
    int order = compare_bytes(a->param->name, b->param->name);
    return order != 0 ? order : compare_bytes(a->param->value, b->param->value);
}

bool tsms__sorted_field_eq(const tsms__sorted_field *a, const tsms__sorted_field *b)
{
    return compare(a, b) == 0;
}

/* The fastest for the few parameters of a usual request, and quadratic for more. */
static void sort_few(tsms__sorted_field *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        tsms__sorted_field moved = list[i];
        size_t gap = i;
        for (; gap > 0 && compare(&moved, &list[gap - 1]) < 0; gap--) {
            list[gap] = list[gap - 1];
        }
        list[gap] = moved;
    }
}

void tsms__fields_sort(tsms__fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        const tsms_param *item = &fields->items[i];
        fields->sorted[i] = (tsms__sorted_field){head_of(item->name), item};
    }
    if (fields->count <= 64) {
        sort_few(fields->sorted, fields->count);
    } else {
        qsort(fields->sorted, fields->count, sizeof *fields->sorted, compare);
    }
}
