/* What a document of TwiML says, for the test and the fuzz target of csrc/wire/twiml.c: a strict
 * reader for the part of XML 1.0 that TwiML needs. It knows elements, attributes, text and
 * references; there are no comments, sections or document types in TwiML. What it gives out is what
 * an XML processor gives to a program: references are replaced, line ends are normalised
 * (section 2.11), and white space in attributes is made plain spaces (section 3.3.3). */
#ifndef TESTS_TWIML_READER_H
#define TESTS_TWIML_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

typedef enum xml_event {
    XML_START,     /* name */
    XML_ATTRIBUTE, /* name and value; behind the start of its element */
    XML_TEXT,      /* value; never empty, never twice in a row */
    XML_END,       /* name */
    XML_DONE,      /* the root is closed, and nothing is behind it */
    XML_BROKEN,    /* not well-formed */
} xml_event;

enum { XML_DEPTH = 8, XML_ATTRIBUTES = 8 };

typedef struct xml_reader {
    tsms_str text;
    size_t pos;
    bool in_tag;
    tsms_str open[XML_DEPTH];
    size_t depth;
    tsms_str attributes[XML_ATTRIBUTES];
    size_t attribute_count;
    tsms_str name; /* of the last event */
    char *value;   /* of the last event, as long as the document at most */
    size_t value_len;
} xml_reader;

static inline void xml_free(xml_reader *reader)
{
    free(reader->value);
    reader->value = NULL;
}

static inline bool xml_take(xml_reader *reader, const char *wanted)
{
    size_t len = strlen(wanted);
    if (reader->text.len - reader->pos < len ||
        memcmp(reader->text.ptr + reader->pos, wanted, len) != 0) {
        return false;
    }
    reader->pos += len;
    return true;
}

/* Reads the declaration, which TwiML always has. Free the reader, whatever this answers. */
static inline bool xml_begin(xml_reader *reader, tsms_str text)
{
    *reader = (xml_reader){.text = text, .value = malloc(text.len + 1)};
    return reader->value != NULL && tsms__utf8_valid(text) &&
           xml_take(reader, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
}

static inline bool xml_has(const xml_reader *reader, char c)
{
    return reader->pos < reader->text.len && reader->text.ptr[reader->pos] == c;
}

/* TwiML's names are letters. */
static inline bool xml_take_name(xml_reader *reader, tsms_str *name)
{
    size_t start = reader->pos;
    while (reader->pos < reader->text.len && ((reader->text.ptr[reader->pos] | 32) >= 'a') &&
           ((reader->text.ptr[reader->pos] | 32) <= 'z')) {
        reader->pos++;
    }
    *name = (tsms_str){reader->text.ptr + start, reader->pos - start};
    return name->len > 0;
}

static inline bool xml_is_character(uint32_t c)
{
    return c == 0x9 || c == 0xA || c == 0xD || (c >= 0x20 && c <= 0xD7FF) ||
           (c >= 0xE000 && c <= 0xFFFD) || (c >= 0x10000 && c <= 0x10FFFF);
}

/* The five names, and decimal numbers up to 127, which are all that one byte holds. */
static inline bool xml_take_reference(xml_reader *reader, char *out)
{
    static const char *const names[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&apos;"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (xml_take(reader, names[i])) {
            *out = "<>&\"'"[i];
            return true;
        }
    }
    uint32_t number = 0;
    if (!xml_take(reader, "&#")) {
        return false;
    }
    while (reader->pos < reader->text.len && reader->text.ptr[reader->pos] >= '0' &&
           reader->text.ptr[reader->pos] <= '9' && number <= 127) {
        number = number * 10 + (uint32_t)(reader->text.ptr[reader->pos++] - '0');
    }
    *out = (char)number;
    return number <= 127 && xml_is_character(number) && xml_take(reader, ";");
}

/* Up to `end`, which is not taken: '<' for text, '"' for the value of an attribute. */
static inline bool xml_take_value(xml_reader *reader, char end)
{
    for (reader->value_len = 0; !xml_has(reader, end); reader->value_len++) {
        char *out = reader->value + reader->value_len;
        size_t start = reader->pos;
        uint32_t code_point;
        if (xml_has(reader, '&')) {
            if (!xml_take_reference(reader, out)) {
                return false;
            }
            continue;
        }
        if (xml_has(reader, '<') || (end == '<' && xml_take(reader, "]]>")) ||
            !tsms__utf8_next(reader->text, &reader->pos, &code_point) ||
            !xml_is_character(code_point)) {
            return false;
        }
        size_t len = reader->pos - start;
        memcpy(out, reader->text.ptr + start, len);
        reader->value_len += len - 1;
        if (code_point == '\r') {
            xml_take(reader, "\n");
            *out = '\n';
        }
        if (end == '"' && code_point < ' ') {
            *out = ' ';
        }
    }
    return true;
}

static inline xml_event xml_read_attribute(xml_reader *reader)
{
    if (!xml_take(reader, " ") || !xml_take_name(reader, &reader->name) ||
        !xml_take(reader, "=\"") || !xml_take_value(reader, '"') || !xml_take(reader, "\"") ||
        reader->attribute_count == XML_ATTRIBUTES) {
        return XML_BROKEN;
    }
    for (size_t i = 0; i < reader->attribute_count; i++) {
        if (tsms__str_eq(reader->attributes[i], reader->name)) {
            return XML_BROKEN;
        }
    }
    reader->attributes[reader->attribute_count++] = reader->name;
    return XML_ATTRIBUTE;
}

static inline xml_event xml_next(xml_reader *reader)
{
    if (reader->in_tag) {
        if (!xml_take(reader, ">")) {
            return xml_read_attribute(reader);
        }
        reader->in_tag = false;
    }
    if (reader->depth == 0 && reader->name.len > 0) {
        return reader->pos == reader->text.len ? XML_DONE : XML_BROKEN;
    }
    if (xml_take(reader, "</")) {
        if (reader->depth == 0 || !xml_take_name(reader, &reader->name) ||
            !tsms__str_eq(reader->name, reader->open[--reader->depth]) || !xml_take(reader, ">")) {
            return XML_BROKEN;
        }
        return XML_END;
    }
    if (xml_take(reader, "<")) {
        if (reader->depth == XML_DEPTH || !xml_take_name(reader, &reader->name)) {
            return XML_BROKEN;
        }
        reader->open[reader->depth++] = reader->name;
        reader->attribute_count = 0;
        reader->in_tag = true;
        return XML_START;
    }
    return reader->depth > 0 && xml_take_value(reader, '<') ? XML_TEXT : XML_BROKEN;
}

/* Whether the next event is this one; NULL for a name or a value that does not matter. */
static inline bool xml_next_is(xml_reader *reader, xml_event event, const char *name,
                               const tsms_str *value)
{
    return xml_next(reader) == event && (name == NULL || tsms__str_eq_z(reader->name, name)) &&
           (value == NULL || tsms__str_eq((tsms_str){reader->value, reader->value_len}, *value));
}

static inline bool xml_next_is_element(xml_reader *reader, const char *name, tsms_str value)
{
    return value.len == 0 || (xml_next_is(reader, XML_START, name, NULL) &&
                              xml_next_is(reader, XML_TEXT, NULL, &value) &&
                              xml_next_is(reader, XML_END, name, NULL));
}

static inline bool xml_next_is_attribute(xml_reader *reader, const char *name, tsms_str value)
{
    return value.len == 0 || xml_next_is(reader, XML_ATTRIBUTE, name, &value);
}

/* Whether a <Message> comes next that says just what was asked for. */
static inline bool twiml_next_is(xml_reader *reader, const tsms_twiml_message *message)
{
    bool good = xml_next_is(reader, XML_START, "Message", NULL) &&
                xml_next_is_attribute(reader, "to", message->to) &&
                xml_next_is_attribute(reader, "from", message->from) &&
                xml_next_is_attribute(reader, "action", message->action) &&
                xml_next_is_attribute(reader, "method", message->method) &&
                xml_next_is_attribute(reader, "statusCallback", message->status_callback) &&
                xml_next_is_element(reader, "Body", message->body);
    for (size_t i = 0; good && i < message->media_count; i++) {
        good = xml_next_is_element(reader, "Media", message->media[i]);
    }
    return good && xml_next_is(reader, XML_END, "Message", NULL);
}

/* Whether a document holds these messages and nothing else. */
static inline bool twiml_is(tsms_str text, const tsms_twiml_message *messages, size_t count)
{
    xml_reader reader;
    bool good = xml_begin(&reader, text) && xml_next_is(&reader, XML_START, "Response", NULL);
    for (size_t i = 0; good && i < count; i++) {
        good = twiml_next_is(&reader, &messages[i]);
    }
    good = good && xml_next_is(&reader, XML_END, "Response", NULL) && xml_next(&reader) == XML_DONE;
    xml_free(&reader);
    return good;
}

#endif
