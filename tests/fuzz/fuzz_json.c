/* base/json.c: any bytes are refused or give a tree that its getters agree about. */
#include "fuzz.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"

/* A tree needs at least one byte of the document for each value in it. */
static size_t check_tree(const tsms__json *node)
{
    tsms__json_type type = tsms__json_type_of(node);
    bool is_parent = type == TSMS__JSON_ARRAY || type == TSMS__JSON_OBJECT;
    int64_t number;
    CHECK((tsms__json_text(node).ptr != NULL) == (type == TSMS__JSON_STRING));
    if (tsms__json_int(node, &number) && type == TSMS__JSON_NUMBER) {
        CHECK((double)number == tsms__json_number(node));
    }
    CHECK(is_parent || tsms__json_first(node) == NULL);
    size_t values = 1;
    for (const tsms__json *child = tsms__json_first(node); child != NULL;
         child = tsms__json_next(child)) {
        tsms_str name = tsms__json_name(child);
        CHECK((name.ptr != NULL) == (type == TSMS__JSON_OBJECT));
        if (name.ptr != NULL) {
            CHECK(tsms__str_eq(tsms__json_name(tsms__json_get(node, name.ptr)), name));
        }
        values += check_tree(child);
    }
    return values;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its own size, so that a read past the end is seen. */
    char *text = malloc(size > 0 ? size : 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    tsms__json *document = tsms__json_parse((tsms_str){text, size});
    free(text);
    if (document != NULL) {
        CHECK(check_tree(document) <= size);
        tsms__json_free(document);
    }
    return 0;
}
