/* How a client shows who it is. */
#ifndef TSMS_WIRE_AUTHORIZATION_H
#define TSMS_WIRE_AUTHORIZATION_H

#include "../config/config.h"

/* "Authorization: Basic ..." for the API key of a checked configuration, or for its account when
 * there is none. Pre-emptive: waiting for a challenge would send every request twice. The caller
 * frees it; NULL without memory. */
tsms__secret *tsms__authorization_new(const tsms_config *config);

#endif
