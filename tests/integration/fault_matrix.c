/* Plays the table of faults, and scripts of chance, with any kind of client. */
#include "fault_matrix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef enum mode { VERIFY, STOP, RESEND, MODES } mode;

const char *const MATRIX_MODE_NAMES[] = {"verify", "stop", "resend"};
const char *const MATRIX_VERSIONS[] = {"1.1", "auto"};
static const char *const VERSION_NAMES[] = {"HTTP/1.1", "HTTP/2"};

matrix_settings fault_matrix_settings(const fault_server *server, const char *http_version,
                                      const char *in_doubt)
{
    return (matrix_settings){fault_server_url(server), fault_server_ca_file(server), http_version,
                             in_doubt, MATRIX_TIMEOUT_MS};
}

enum {
    H1 = 1,
    H2 = 2,
    FRESH = 4,
    REUSED = 8,
    EITHER = H1 | H2,
    ALWAYS = FRESH | REUSED,
    HANGS = 16,
    FINAL = 32, /* what answered so is not the API: nothing is sent again */
};

/* What the attempt that meets the fault must be taken for. */
typedef struct row {
    fault_id id;
    unsigned where;
    tsms_outcome outcome;
} row;

static const row ROWS[] = {
    {FAULT_NONE, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_TLS_CLOSE_BEFORE, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_RESET_BEFORE, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_CLOSE_IN, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_RESET_IN, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_PLAINTEXT, EITHER | FRESH, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_HANG, EITHER | FRESH | HANGS, TSMS_OUTCOME_NOT_SENT},
    {FAULT_TLS_CLOSE_AFTER, EITHER | FRESH, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_UNREAD_CLOSE, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_UNREAD_RESET, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_CLOSE, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_RESET, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HANG, EITHER | ALWAYS | HANGS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HALF_STATUS, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HALF_HEADER, H1 | ALWAYS, TSMS_OUTCOME_ACCEPTED_NO_SID},
    {FAULT_HALF_HEADER, H2 | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HALF_BODY, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED_NO_SID},
    {FAULT_GARBAGE, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STATUS_500, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STATUS_503, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STATUS_429, EITHER | ALWAYS, TSMS_OUTCOME_THROTTLED},
    {FAULT_STATUS_302, EITHER | ALWAYS | FINAL, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HTML_502, EITHER | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_HUGE_BODY, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED_NO_SID},
    {FAULT_ANSWER_RESET, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_ANSWER_FIN, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_ANSWER_CLOSE, EITHER | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_ANSWER_GOAWAY, H2 | ALWAYS, TSMS_OUTCOME_ACCEPTED},
    {FAULT_GOAWAY, H2 | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STREAM_INTERNAL, H2 | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_STREAM_REFUSED, H2 | ALWAYS, TSMS_OUTCOME_IN_DOUBT},
    {FAULT_ANSWER_STREAM_NO_ERROR, H2 | FRESH, TSMS_OUTCOME_ACCEPTED},
    {FAULT_ANSWER_STREAM_NO_ERROR, H2 | REUSED | HANGS, TSMS_OUTCOME_ACCEPTED},
};

typedef struct cell {
    const row *row;
    int version;
    bool reused;
    bool accepted; /* the attempt that met the fault */
    mode mode;
} cell;

/* What must be reported, and how many messages must exist, after one fault and nothing but good
 * answers behind it. */
typedef struct end_state {
    tsms_outcome outcome;
    int attempts;
    bool verified;
    unsigned messages;
} end_state;

static end_state expected_end(const cell *at)
{
    unsigned made = at->accepted ? 1 : 0;
    end_state sent_again = {TSMS_OUTCOME_ACCEPTED, 2, false, made + 1};
    end_state given_up = {at->row->outcome, 1, false, made};
    end_state found = {TSMS_OUTCOME_ACCEPTED, 1, true, made};
    switch (at->row->outcome) {
    case TSMS_OUTCOME_ACCEPTED:
        return (end_state){TSMS_OUTCOME_ACCEPTED, 1, false, 1};
    case TSMS_OUTCOME_ACCEPTED_NO_SID:
        return at->mode == STOP ? given_up : found;
    case TSMS_OUTCOME_IN_DOUBT:
        if (at->mode == STOP) {
            return given_up;
        }
        if (at->mode == VERIFY && at->accepted) {
            return found;
        }
        return at->row->where & FINAL ? given_up : sent_again;
    default:
        return sent_again;
    }
}

/* Whether what was reported can be said of what the server knows about this message. */
static bool is_true(const matrix_report *r, unsigned messages)
{
    switch (r->outcome) {
    case TSMS_OUTCOME_ACCEPTED:
        return messages >= 1 && r->sid[0] != '\0';
    case TSMS_OUTCOME_ACCEPTED_NO_SID:
        return messages >= 1;
    case TSMS_OUTCOME_IN_DOUBT:
        return true;
    default:
        return messages == 0;
    }
}

static bool play_cell(const matrix_client *with, const cell *at)
{
    fault_server *server = fault_server_start(NULL, 0);
    matrix_settings settings =
        fault_matrix_settings(server, MATRIX_VERSIONS[at->version], MATRIX_MODE_NAMES[at->mode]);
    if (at->row->where & HANGS) {
        settings.timeout_ms = MATRIX_SHORT_TIMEOUT_MS;
    }
    void *client = with->open(&settings);
    matrix_report first = {.sid = ""};
    if (at->reused) {
        fault_server_push(server, (fault){.id = FAULT_NONE});
    }
    fault_server_push(server,
                      (fault){.id = at->row->id, .accepted = at->accepted, .retry_after = "0"});
    if (at->reused) {
        first = with->send(client);
        assert_int_equal(first.outcome, TSMS_OUTCOME_ACCEPTED);
    }
    matrix_report r = with->send(client);
    fault_stats stats = fault_server_stats(server);
    unsigned messages = stats.posts_accepted - (at->reused ? 1 : 0);
    end_state expected = expected_end(at);

    bool once = at->mode == RESEND || messages <= 1;
    bool own_sid = r.sid[0] == '\0' || strcmp(r.sid, first.sid) != 0;
    bool ok = once && own_sid && is_true(&r, messages) && r.outcome == expected.outcome &&
              r.attempts == expected.attempts && r.verified == expected.verified &&
              messages == expected.messages && stats.script_left == 0;
    if (!ok) {
        print_error("%s, %s, %s connection, %s, in_doubt=%s: %s, %d attempts, %s, %u "
                    "messages; expected %s, %d attempts, %s, %u messages%s\n",
                    fault_name(at->row->id), VERSION_NAMES[at->version],
                    at->reused ? "reused" : "fresh", at->accepted ? "accepted" : "not accepted",
                    MATRIX_MODE_NAMES[at->mode], tsms_outcome_name(r.outcome), r.attempts,
                    r.verified ? "found" : "not found", messages,
                    tsms_outcome_name(expected.outcome), expected.attempts,
                    expected.verified ? "found" : "not found", expected.messages,
                    once ? "" : ": TEXTED TWICE");
    }
    with->close(client);
    fault_server_stop(server);
    return ok;
}

int fault_matrix_play(const matrix_client *client)
{
    int cells = 0, wrong = 0;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        fault_accepts accepts = fault_accepts_of(ROWS[i].id);
        for (unsigned variant = 0; variant < 8 * MODES; variant++) {
            cell at = {&ROWS[i], variant & 1, variant & 2, variant & 4, (mode)(variant / 8)};
            if (at.version >= client->version_count ||
                !(ROWS[i].where & (at.version == 0 ? H1 : H2)) ||
                !(ROWS[i].where & (at.reused ? REUSED : FRESH)) ||
                (at.accepted ? accepts == FAULT_ACCEPTS_NEVER : accepts == FAULT_ACCEPTS_ALWAYS)) {
                continue;
            }
            cells++;
            wrong += play_cell(client, &at) ? 0 : 1;
        }
    }
    print_message("%d cells\n", cells);
    return wrong;
}

/* ---- Any script */

/* Numerical Recipes' generator; its high bits are good enough to draw faults. */
static unsigned draw(uint32_t *seed, unsigned below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 16) % below;
}

static fault draw_fault(uint32_t *seed)
{
    fault_id id;
    do {
        id = (fault_id)draw(seed, FAULT_COUNT);
    } while (id == FAULT_HANG || id == FAULT_TLS_HANG || id == FAULT_HUGE_BODY ||
             id == FAULT_ANSWER_STREAM_NO_ERROR); /* these only take time */
    return (fault){.id = id, .accepted = draw(seed, 2) == 1, .retry_after = "0"};
}

/* Eight identical messages, one after the other, through faults at every second step. */
static void play_script(const matrix_client *with, uint32_t seed)
{
    enum { FAULTS_IN_SCRIPT = 12, SENDS = 8 };
    fault script[FAULTS_IN_SCRIPT];
    uint32_t chance = seed;
    for (size_t i = 0; i < FAULTS_IN_SCRIPT; i++) {
        script[i] = i % 2 == 0 ? draw_fault(&chance) : (fault){.id = FAULT_NONE};
    }
    mode in_doubt = draw(&chance, 2) == 0 ? VERIFY : STOP;
    fault_server *server = fault_server_start(script, FAULTS_IN_SCRIPT);
    const char *version = MATRIX_VERSIONS[draw(&chance, (unsigned)with->version_count)];
    matrix_settings settings = fault_matrix_settings(server, version, MATRIX_MODE_NAMES[in_doubt]);
    void *client = with->open(&settings);
    for (int i = 0; i < SENDS; i++) {
        unsigned before = fault_server_stats(server).posts_accepted;
        matrix_report r = with->send(client);
        unsigned messages = fault_server_stats(server).posts_accepted - before;
        if (messages > 1 || !is_true(&r, messages)) {
            fail_msg("seed %u, message %d: %s, but there are %u", seed, i,
                     tsms_outcome_name(r.outcome), messages);
        }
    }
    with->close(client);
    fault_server_stop(server);
}

void fault_matrix_play_scripts(const matrix_client *client, uint32_t count)
{
    for (uint32_t seed = 1; seed <= count; seed++) {
        play_script(client, seed);
    }
}
