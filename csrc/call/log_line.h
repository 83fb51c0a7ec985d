/* One line of a log: fields as logfmt or JSON, escaped, with numbers unreadable, of limited length.
 *
 * What comes from outside goes through tsms__line_text, tsms__line_address or the pieces of a long
 * field; everything else is a word or a number of ours. What finds no room is cut with a mark. */
#ifndef TSMS_CALL_LOG_LINE_H
#define TSMS_CALL_LOG_LINE_H

#include "log_events.h"
#include "log_number.h"

enum { TSMS__LINE_MOST = 8192, TSMS__FIELD_MOST = 1024 };

typedef struct tsms__line {
    bool json;
    tsms__hmac *key;   /* of pseudonyms; NULL: numbers are masked */
    bool full;         /* a field was cut for lack of room: none follows */
    size_t field_most; /* where the field that is being written is cut */
    bool cut;          /* it was */
    size_t len;
    char text[TSMS__LINE_MOST];
} tsms__line;

/* Empties it, and writes its first fields. time is "2026-11-23T06:40:00"; name needs no escape. */
void tsms__line_begin(tsms__line *line, tsms_str time, int ms, const char *level, tsms_str name);
tsms_str tsms__line_end(tsms__line *line);
void tsms__line_int(tsms__line *line, tsms__log_key key, int64_t value);
/* Printable ASCII without quotes, backslashes, spaces and '='. */
void tsms__line_word(tsms__line *line, tsms__log_key key, tsms_str word);
/* Absent and empty values are left out by the three below. */
void tsms__line_text(tsms__line *line, tsms__log_key key, tsms_str text);
void tsms__line_address(tsms__line *line, tsms__log_key key, tsms_str address);
/* What the value of a host's field is. */
typedef enum tsms__own {
    TSMS__OWN_TEXT,
    TSMS__OWN_ADDRESS,
    TSMS__OWN_BARE, /* a number, true or false, as JSON writes it: it stands as it is */
} tsms__own;
/* A field of a host; name is 1 to 32 of a-z, 0-9 and _. */
void tsms__line_own(tsms__line *line, tsms_str name, tsms_str value, tsms__own as);

/* A field of pieces, as long as the line has room. */
void tsms__line_open(tsms__line *line, tsms__log_key key);
void tsms__line_add(tsms__line *line, tsms_str text); /* numbers unreadable */
void tsms__line_add_address(tsms__line *line, tsms_str address);
void tsms__line_close(tsms__line *line);

#endif
