/* Repeats of a webhook: names a key by its digest, and asks the table of the region. */
#include "webhook.h"

#include <string.h>

/* False without memory. */
static bool key_of(tsms_str key, tsms__replay_key *out)
{
    unsigned char digest[TSMS__DIGEST_MOST];
    bool made = tsms__sha256(key, digest);
    if (made) {
        memcpy(out->hash, digest, sizeof out->hash);
    }
    return made;
}

tsms_seen tsms_webhook_claim(tsms_webhook *webhook, tsms_str key, int64_t wall_ms,
                             tsms_webhook_answer *answer)
{
    tsms__replay_key hashed;
    tsms__replay_answer *repeated = &webhook->repeated;
    if (!key_of(key, &hashed)) {
        return TSMS_SEEN_RUNNING; /* the sender may try again, when there is memory */
    }
    tsms_seen seen = tsms__replay_claim(tsms__region_replay(webhook->region), hashed,
                                        webhook->replay_window_ms, wall_ms, repeated);
    if (seen == TSMS_SEEN_DONE) {
        *answer = (tsms_webhook_answer){.http_status = repeated->http_status};
        if (repeated->has_body) {
            answer->content_type = (tsms_str){repeated->type, repeated->type_len};
            answer->body = (tsms_str){repeated->body, repeated->body_len};
        }
    }
    return seen;
}

void tsms_webhook_finish(tsms_webhook *webhook, tsms_str key, int64_t wall_ms,
                         const tsms_webhook_answer *answer)
{
    tsms__replay_key hashed;
    if (key_of(key, &hashed)) {
        tsms__replay_finish(tsms__region_replay(webhook->region), hashed, wall_ms, answer);
    }
}

void tsms_webhook_release(tsms_webhook *webhook, tsms_str key)
{
    tsms__replay_key hashed;
    if (key_of(key, &hashed)) {
        tsms__replay_release(tsms__region_replay(webhook->region), hashed);
    }
}
