/* Keeps the latest answers where every process finds them. */
#include "replay_answers.h"

#include <string.h>

/* The finisher of splitmix64, once for each word. */
static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * 0xBF58476D1CE4E5B9u;
    sum = (sum ^ sum >> 27) * 0x94D049BB133111EBu;
    return sum ^ sum >> 31;
}

static uint64_t sum_of(tsms__replay_key key, uint64_t lengths)
{
    return mix(mix(mix(1, key.hash[0]), key.hash[1]), lengths);
}

static void store(_Atomic uint64_t *at, uint64_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

uint16_t tsms__answers_keep(tsms__answers *answers, tsms__replay_key key,
                            const tsms_webhook_answer *answer)
{
    tsms_str type = answer->content_type;
    tsms_str body = answer->body;
    if (type.len > TSMS__REPLAY_TYPE_MOST || body.len > TSMS__REPLAY_ANSWER_MOST) {
        return 0;
    }
    uint64_t text[TSMS__ANSWER_WORDS] = {0};
    if (type.len > 0) {
        memcpy(text, type.ptr, type.len);
    }
    if (body.len > 0) {
        memcpy((char *)text + type.len, body.ptr, body.len);
    }
    uint64_t index =
        atomic_fetch_add_explicit(&answers->kept, 1, memory_order_relaxed) % TSMS__ANSWERS;
    tsms__answer_cell *cell = &answers->cells[index];
    uint64_t lengths = type.len | (uint64_t)body.len << 16;
    uint64_t sum = sum_of(key, lengths);
    store(&cell->lengths, lengths);
    for (size_t i = 0; i < (type.len + body.len + 7) / 8; i++) {
        store(&cell->text[i], text[i]);
        sum = mix(sum, text[i]);
    }
    store(&cell->sum, sum);
    return (uint16_t)(index + 1);
}

bool tsms__answers_read(tsms__answers *answers, uint16_t number, tsms__replay_key key,
                        tsms__replay_answer *answer)
{
    if (number == 0 || number > TSMS__ANSWERS) {
        return false;
    }
    const tsms__answer_cell *cell = &answers->cells[number - 1];
    uint64_t lengths = load(&cell->lengths);
    size_t type_len = lengths & 0xFFFF;
    size_t body_len = lengths >> 16;
    if (type_len > TSMS__REPLAY_TYPE_MOST || body_len > TSMS__REPLAY_ANSWER_MOST) {
        return false;
    }
    uint64_t text[TSMS__ANSWER_WORDS];
    uint64_t sum = sum_of(key, lengths);
    for (size_t i = 0; i < (type_len + body_len + 7) / 8; i++) {
        text[i] = load(&cell->text[i]);
        sum = mix(sum, text[i]);
    }
    if (load(&cell->sum) != sum) {
        return false;
    }
    answer->type_len = type_len;
    answer->body_len = body_len;
    memcpy(answer->type, text, type_len);
    memcpy(answer->body, (char *)text + type_len, body_len);
    return true;
}
