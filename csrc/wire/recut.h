/* Traces of a request that was cut anew.
 *
 * A signature joins names and values with nothing between, so whoever has seen one request and may
 * choose a part of it, as the sender of a text message chooses its body, could cut the same bytes
 * into other parameters, or move them into the query of the URL. The pairs that the request really
 * had are then left over inside of other values: no honest one looks like that. */
#ifndef TSMS_WIRE_RECUT_H
#define TSMS_WIRE_RECUT_H

#include "../base/str.h"

/* Whether text holds the name of a parameter that each request has, right before such a value. */
bool tsms__recut_in(tsms_str text);
/* Whether a parameter may hold anything, because people write it. */
bool tsms__recut_is_free(tsms_str name);

#endif
