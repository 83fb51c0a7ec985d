/* Results and their accessors. */
#include "result.h"

tsms_result *tsms__result_new(const tsms_mem *mem)
{
    tsms_result *result = tsms__calloc(mem, 1, sizeof *result);
    if (result != NULL) {
        result->mem = *mem;
    }
    return result;
}

void tsms_result_free(tsms_result *result)
{
    if (result != NULL) {
        tsms_mem mem = result->mem;
        tsms__records_free(&result->records);
        tsms__free(&mem, result);
    }
}

uint64_t tsms_result_call_id(const tsms_result *result)
{
    return result->call_id;
}

const tsms_error *tsms_result_error(const tsms_result *result)
{
    return result->failed ? &result->error : NULL;
}

tsms_outcome tsms_result_outcome(const tsms_result *result)
{
    return result->outcome;
}

int tsms_result_attempts(const tsms_result *result)
{
    return result->attempts;
}

bool tsms_result_verified(const tsms_result *result)
{
    return result->verified;
}

tsms_str tsms_result_callback_ref(const tsms_result *result)
{
    return tsms_str_from(result->callback_ref[0] != '\0' ? result->callback_ref : NULL);
}

size_t tsms_result_count(const tsms_result *result)
{
    return result->verified ? 1 : result->records.count;
}

const tsms__json *tsms__result_record(const tsms_result *result, size_t index)
{
    if (index >= tsms_result_count(result)) {
        return NULL;
    }
    return tsms__records_at(&result->records, result->first + index);
}

bool tsms_result_message(const tsms_result *result, size_t index, tsms_message *out)
{
    const tsms__json *record = tsms__result_record(result, index);
    tsms__shape shape = result->records.shape;
    if (record == NULL || (shape != TSMS__SHAPE_MESSAGE && shape != TSMS__SHAPE_MESSAGE_PAGE)) {
        return false;
    }
    tsms__message_from_json(record, out);
    return true;
}

bool tsms_result_media(const tsms_result *result, size_t index, tsms_media *out)
{
    const tsms__json *record = tsms__result_record(result, index);
    tsms__shape shape = result->records.shape;
    if (record == NULL || (shape != TSMS__SHAPE_MEDIA && shape != TSMS__SHAPE_MEDIA_PAGE)) {
        return false;
    }
    tsms__media_from_json(record, out);
    return true;
}

tsms_str tsms_result_field(const tsms_result *result, size_t index, const char *name)
{
    return tsms__json_text(tsms__json_get(tsms__result_record(result, index), name));
}

tsms_str tsms_result_next_page_uri(const tsms_result *result)
{
    /* The page on which a look-up found a message is no page of the caller's. */
    return result->verified ? (tsms_str){NULL, 0} : tsms__records_next_page_uri(&result->records);
}
