/* Keeps copies of finished transfers until a recorder takes them. */
#include "tap.h"

#include "client.h"

#include <string.h>

void tsms__tap_init(tsms__tap *tap, const tsms_mem *mem)
{
    *tap = (tsms__tap){.mem = mem};
}

tsms__tapped *tsms__tap_take(tsms__tap *tap)
{
    tsms__tapped *first = tap->first;
    if (first != NULL) {
        tap->first = first->next;
        tap->last = first->next != NULL ? tap->last : NULL;
        first->next = NULL;
    }
    return first;
}

void tsms__tap_set(tsms__tap *tap, bool on)
{
    tsms__tapped *left;
    while (!on && (left = tsms__tap_take(tap)) != NULL) {
        tsms__free(tap->mem, left);
    }
    tap->lost = on ? tap->lost : 0;
    tap->on = on;
}

uint64_t tsms__tap_lost(tsms__tap *tap)
{
    uint64_t lost = tap->lost;
    tap->lost = 0;
    return lost;
}

enum { TEXTS = 7 };

/* All views of an entry. */
static void texts_of(tsms__tapped *entry, tsms_str *texts[TEXTS])
{
    tsms__response *response = &entry->transfer.response;
    texts[0] = &entry->path;
    texts[1] = &entry->form;
    texts[2] = &entry->transfer.fault_text;
    texts[3] = &response->body;
    texts[4] = &response->retry_after;
    texts[5] = &response->date;
    texts[6] = &response->request_id;
}

void tsms__tap_add(tsms__tap *tap, const tsms__call *call, const tsms__transfer *transfer,
                   tsms__now now)
{
    if (!tap->on) {
        return;
    }
    bool posts = tsms__client_method(call) == TSMS__POST;
    tsms__tapped given = {.call_id = call->id,
                          .operation = call->operation,
                          .lookup = call->looking_up,
                          .method = tsms__client_method(call),
                          .path = tsms__buf_str(tsms__client_path(call)),
                          .form = posts ? tsms__buf_str(&call->form) : (tsms_str){NULL, 0},
                          .transfer = *transfer,
                          .started_ms = call->wire_ms,
                          .ended_ms = now.mono_ms};
    tsms_str *texts[TEXTS];
    texts_of(&given, texts);
    size_t size = sizeof given;
    for (size_t i = 0; i < TEXTS; i++) {
        size += texts[i]->len;
    }
    tsms__tapped *entry = tsms__alloc(tap->mem, size);
    if (entry == NULL) {
        tap->lost++;
        return;
    }
    char *place = (char *)(entry + 1);
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i]->ptr != NULL) {
            memcpy(place, texts[i]->ptr, texts[i]->len);
            texts[i]->ptr = place;
            place += texts[i]->len;
        }
    }
    *entry = given;
    *(tap->last != NULL ? &tap->last->next : &tap->first) = entry;
    tap->last = entry;
}
