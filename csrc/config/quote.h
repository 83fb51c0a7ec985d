/* A user's text inside an error message: short, and never what may be a secret. */
#ifndef TSMS_CONFIG_QUOTE_H
#define TSMS_CONFIG_QUOTE_H

#include "../base/err.h"

enum { TSMS__QUOTE_SIZE = 48 };

/* Writes 'text' with its quotes into out, cut with "..." when it is long, and replaced as a whole
 * when it looks like a token in the wrong place. Answers out. */
const char *tsms__quote(tsms_str text, char out[TSMS__QUOTE_SIZE]);

#endif
