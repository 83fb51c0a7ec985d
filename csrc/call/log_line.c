/* Writes one line of a log. */
#include "log_line.h"

#include <string.h>

/* What ends a line that was cut: the mark, a quote, a brace. */
static const char mark[] = "\xE2\x80\xA6"; /* U+2026 */
enum { RESERVED = 8 };

/* ---- Bytes --------------------------------------------------------------------------------- */

static bool put(tsms__line *line, const char *bytes, size_t n)
{
    size_t most = line->field_most;
    if (line->cut || n > most || line->len > most - n) {
        line->cut = true;
        return false;
    }
    memcpy(line->text + line->len, bytes, n);
    line->len += n;
    return true;
}

static void put_escape(tsms__line *line, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    char escape[6] = {
        '\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    put(line, escape, sizeof escape);
}

/* What could end a line, drive a terminal, hide itself or turn the direction of what follows:
 * controls, line and paragraph separators, invisible and bidirectional format characters, tags. */
static bool is_dangerous(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7F && code_point <= 0x9F) || code_point == 0xAD ||
           code_point == 0x061C || code_point == 0x180E ||
           (code_point >= 0x200B && code_point <= 0x200F) ||
           (code_point >= 0x2028 && code_point <= 0x202E) ||
           (code_point >= 0x2060 && code_point <= 0x206F) || code_point == 0xFEFF ||
           (code_point >= 0xFFF9 && code_point <= 0xFFFB) ||
           (code_point >= 0xE0000 && code_point <= 0xE007F);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/* One character; the escapes are those of JSON, in both formats. Answers its length. */
static size_t put_char(tsms__line *line, tsms_str text, size_t pos)
{
    unsigned char c = (unsigned char)text.ptr[pos];
    if (is_plain(c)) {
        put(line, text.ptr + pos, 1);
        return 1;
    }
    if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t') {
        char escape[2] = {'\\', c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : (char)c};
        put(line, escape, 2);
        return 1;
    }
    size_t end = pos;
    uint32_t code_point;
    if (!tsms__utf8_next(text, &end, &code_point)) {
        put(line, "\xEF\xBF\xBD", 3); /* U+FFFD */
        return 1;
    }
    if (!is_dangerous(code_point)) {
        put(line, text.ptr + pos, end - pos);
    } else if (code_point < 0x10000) {
        put_escape(line, code_point);
    } else if (line->field_most > 12 && line->len <= line->field_most - 12) {
        put_escape(line, 0xD800 + ((code_point - 0x10000) >> 10));
        put_escape(line, 0xDC00 + (code_point & 0x3FF));
    } else {
        line->cut = true; /* not between the halves of a pair */
    }
    return end - pos;
}

/* As much of a run of plain characters as there is room for. */
static void put_plain(tsms__line *line, tsms_str run)
{
    size_t room = line->cut || line->len > line->field_most ? 0 : line->field_most - line->len;
    put(line, run.ptr, run.len < room ? run.len : room);
    line->cut = line->cut || run.len > room;
}

static void put_all(tsms__line *line, tsms_str text)
{
    for (size_t pos = 0; pos < text.len && !line->cut;) {
        size_t start = pos;
        while (pos < text.len && is_plain((unsigned char)text.ptr[pos])) {
            pos++;
        }
        put_plain(line, (tsms_str){text.ptr + start, pos - start});
        pos += pos < text.len ? put_char(line, text, pos) : 0;
    }
}

/* ---- Text without numbers ------------------------------------------------------------------ */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* The length of a SID at pos, 0 when there is none: what Twilio's ids look like, whose digits are
 * no number of anybody. */
static size_t sid_at(tsms_str text, size_t pos)
{
    enum { LENGTH = 34 };
    if (text.len - pos < LENGTH || !is_upper(text.ptr[pos]) || !is_upper(text.ptr[pos + 1])) {
        return 0;
    }
    for (size_t i = pos + 2; i < pos + LENGTH; i++) {
        if (!is_hex(text.ptr[i])) {
            return 0;
        }
    }
    return LENGTH;
}

/* Whether a number may begin with this byte. */
static bool may_begin(unsigned char c)
{
    return (c >= '0' && c <= '9') || c == '+' || c == '%' || c >= 0x80;
}

/* How many characters from pos on are what they are, whatever follows. */
static size_t run_at(tsms_str text, size_t pos)
{
    size_t end = pos;
    while (end < text.len) {
        unsigned char c = (unsigned char)text.ptr[end];
        if (!is_plain(c) || may_begin(c) || is_upper((char)c)) {
            break;
        }
        end++;
    }
    return end - pos;
}

static void put_readable(tsms__line *line, tsms_str text)
{
    size_t checked = 0; /* up to here no number begins */
    for (size_t pos = 0; pos < text.len && !line->cut;) {
        unsigned char c = (unsigned char)text.ptr[pos];
        bool is_number = false;
        size_t n = run_at(text, pos);
        if (n == 0 && is_upper((char)c)) {
            n = sid_at(text, pos);
        } else if (n == 0 && pos >= checked && may_begin(c)) {
            size_t run = tsms__number_at(text, pos, &is_number);
            checked = pos + run;
            n = is_number ? run : 0;
        }
        tsms_str piece = {text.ptr + pos, n};
        if (is_number) {
            char shown[TSMS__NUMBER_SIZE];
            put_all(line, tsms__number_show(piece, line->key, shown));
        } else if (n > 0) {
            put_plain(line, piece);
        } else {
            n = put_char(line, text, pos);
        }
        pos += n;
    }
}

static void put_address(tsms__line *line, tsms_str address)
{
    char shown[TSMS__NUMBER_SIZE];
    put_all(line, tsms__address_show(address, line->key, shown));
}

/* ---- Fields -------------------------------------------------------------------------------- */

typedef struct key_row {
    tsms_str logfmt, json;
} key_row;

static const key_row key_rows[] = {
#define X(id, name, text) {{" " name "=", sizeof name + 1}, {",\"" name "\":", sizeof name + 3}},
    TSMS__LOG_KEYS(X)
#undef X
};

/* Whether there is room for a name and at least a little of a value. */
static bool begin_field(tsms__line *line, tsms_str name, size_t most)
{
    enum { LEAST = 32, END = TSMS__LINE_MOST - RESERVED };
    size_t start = line->len + name.len;
    if (line->full || start + LEAST > END) {
        line->full = true;
        return false;
    }
    line->cut = false;
    line->field_most = END - start < most ? END : start + most;
    put(line, name.ptr, name.len);
    return true;
}

static bool begin_known(tsms__line *line, tsms__log_key key, size_t most)
{
    return begin_field(line, line->json ? key_rows[key].json : key_rows[key].logfmt, most);
}

static void end_field(tsms__line *line, bool quoted)
{
    line->field_most = TSMS__LINE_MOST;
    if (line->cut) {
        line->cut = false;
        put(line, mark, sizeof mark - 1);
    }
    if (quoted) {
        put(line, "\"", 1);
    }
}

static bool needs_quotes(const tsms__line *line, tsms_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (!is_plain(c) || c == ' ' || c == '=') {
            return true;
        }
    }
    return line->json;
}

void tsms__line_int(tsms__line *line, tsms__log_key key, int64_t value)
{
    char digits[20];
    size_t n = 0;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[sizeof digits - ++n] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (begin_known(line, key, TSMS__FIELD_MOST)) {
        if (value < 0) {
            put(line, "-", 1);
        }
        put(line, digits + sizeof digits - n, n);
        end_field(line, false);
    }
}

void tsms__line_word(tsms__line *line, tsms__log_key key, tsms_str word)
{
    if (begin_known(line, key, TSMS__FIELD_MOST)) {
        put(line, "\"", line->json);
        put(line, word.ptr, word.len);
        end_field(line, line->json);
    }
}

static void value_of(tsms__line *line, tsms_str value, bool is_address)
{
    bool quoted = needs_quotes(line, value) || value.len == 0;
    put(line, "\"", quoted);
    (is_address ? put_address : put_readable)(line, value);
    end_field(line, quoted);
}

void tsms__line_text(tsms__line *line, tsms__log_key key, tsms_str text)
{
    if (text.len > 0 && begin_known(line, key, TSMS__FIELD_MOST)) {
        value_of(line, text, false);
    }
}

void tsms__line_address(tsms__line *line, tsms__log_key key, tsms_str address)
{
    if (address.len > 0 && begin_known(line, key, TSMS__FIELD_MOST)) {
        value_of(line, address, true);
    }
}

void tsms__line_own(tsms__line *line, tsms_str name, tsms_str value, tsms__own as)
{
    char key[40];
    size_t len = 0;
    memcpy(key, line->json ? ",\"" : " ", line->json ? 2 : 1);
    len += line->json ? 2 : 1;
    memcpy(key + len, name.ptr, name.len);
    len += name.len;
    memcpy(key + len, line->json ? "\":" : "=", line->json ? 2 : 1);
    len += line->json ? 2 : 1;
    if (!begin_field(line, (tsms_str){key, len}, TSMS__FIELD_MOST)) {
        return;
    } else if (as == TSMS__OWN_BARE) {
        put(line, value.ptr, value.len);
        end_field(line, false);
    } else {
        value_of(line, value, as == TSMS__OWN_ADDRESS);
    }
}

void tsms__line_open(tsms__line *line, tsms__log_key key)
{
    if (begin_known(line, key, TSMS__LINE_MOST)) {
        put(line, "\"", 1);
    } else {
        line->cut = true; /* the pieces go nowhere */
    }
}

void tsms__line_add(tsms__line *line, tsms_str text)
{
    put_readable(line, text);
}

void tsms__line_add_address(tsms__line *line, tsms_str address)
{
    put_address(line, address);
}

void tsms__line_close(tsms__line *line)
{
    if (!line->full) {
        end_field(line, true);
    }
}

/* ---- The whole line ------------------------------------------------------------------------ */

void tsms__line_begin(tsms__line *line, tsms_str time, int ms, const char *level, tsms_str name)
{
    line->len = 0;
    line->full = false;
    line->cut = false;
    line->field_most = TSMS__LINE_MOST - RESERVED;
    char fraction[] = {'.', (char)('0' + ms / 100 % 10), (char)('0' + ms / 10 % 10),
                       (char)('0' + ms % 10), 'Z'};
    const tsms_str parts[2][7] = {{TSMS__STR("time="),
                                   time,
                                   {fraction, sizeof fraction},
                                   TSMS__STR(" level="),
                                   tsms_str_from(level),
                                   TSMS__STR(" event="),
                                   name},
                                  {TSMS__STR("{\"time\":\""),
                                   time,
                                   {fraction, sizeof fraction},
                                   TSMS__STR("\",\"level\":\""),
                                   tsms_str_from(level),
                                   TSMS__STR("\",\"event\":\""),
                                   name}};
    for (size_t i = 0; i < 7; i++) {
        put(line, parts[line->json][i].ptr, parts[line->json][i].len);
    }
    put(line, "\"", line->json);
}

tsms_str tsms__line_end(tsms__line *line)
{
    line->cut = false;
    line->field_most = TSMS__LINE_MOST;
    put(line, "}", line->json);
    return (tsms_str){line->text, line->len};
}
