/* Keeps what a server says back of a request out of errors and logs. */
#ifndef TSMS_WIRE_ECHO_H
#define TSMS_WIRE_ECHO_H

#include "../config/config.h"

/* Puts stars over what the texts of an error hold of the credentials, and of the text and the
 * variables of the message in `form`, which may be empty. Pieces too short to tell anything stay.
 */
void tsms__echo_hide(tsms_error *err, const tsms_config *config, tsms_str form);
/* The same for one text, which ends in NUL; size is that of its place. */
void tsms__echo_hide_text(char *text, size_t size, const tsms_config *config, tsms_str form);

#endif
