/* wire/twiml.c: any bytes in any field are refused, and leave the document as it was, or make one
 * that is well-formed and gives the same bytes back. */
#include "fuzz.h"

#include "../twiml_reader.h"

static tsms_twiml *new_document(void)
{
    tsms_twiml *twiml;
    CHECK(tsms_twiml_new(NULL, &twiml, NULL) == TSMS_OK);
    return twiml;
}

static bool check_message(const tsms_twiml_message *message)
{
    tsms_twiml *twiml = new_document();
    tsms_error err;
    tsms_status status = tsms_twiml_add_message(twiml, message, &err);
    CHECK(status == TSMS_OK || status == TSMS_ERROR);
    CHECK(status == TSMS_OK || err.category == TSMS_CATEGORY_MESSAGE);
    CHECK(tsms_twiml_count(twiml) == (status == TSMS_OK));
    CHECK(twiml_is(tsms_twiml_text(twiml), message, status == TSMS_OK));
    tsms_twiml_free(twiml);
    return status == TSMS_OK;
}

static void check_redirect(tsms_str url)
{
    tsms_twiml *twiml = new_document();
    xml_reader reader;
    tsms_status status = tsms_twiml_add_redirect(twiml, url, (tsms_str){NULL, 0}, NULL);
    CHECK(xml_begin(&reader, tsms_twiml_text(twiml)));
    CHECK(xml_next_is(&reader, XML_START, "Response", NULL));
    CHECK(status != TSMS_OK || xml_next_is_element(&reader, "Redirect", url));
    CHECK(xml_next_is(&reader, XML_END, "Response", NULL));
    CHECK(xml_next(&reader) == XML_DONE);
    xml_free(&reader);
    tsms_twiml_free(twiml);
}

/* The bytes in one field, beside a body that is good. */
static void check_field(size_t offset, tsms_str bytes)
{
    tsms_twiml_message message = TSMS_TWIML_MESSAGE_INIT;
    message.body = TSMS__STR("x");
    *(tsms_str *)(void *)((char *)&message + offset) = bytes;
    check_message(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tsms_str bytes = {(const char *)data, size};
    check_field(offsetof(tsms_twiml_message, body), bytes);
    check_field(offsetof(tsms_twiml_message, to), bytes);
    check_field(offsetof(tsms_twiml_message, from), bytes);
    check_field(offsetof(tsms_twiml_message, action), bytes);
    check_field(offsetof(tsms_twiml_message, method), bytes);
    check_field(offsetof(tsms_twiml_message, status_callback), bytes);
    tsms_str media[2] = {bytes, TSMS__STR("/map.png")};
    tsms_twiml_message message = TSMS_TWIML_MESSAGE_INIT;
    message.media = media;
    message.media_count = 2;
    check_message(&message);
    check_redirect(bytes);
    return 0;
}
