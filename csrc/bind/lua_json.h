/* JSON text for Lua code.
 *
 * Objects are tables with string keys, arrays are lists, and an empty table is written as an
 * object. Null is a light userdata, the one that lua-cjson and OpenResty have for it; members that
 * are null are left out when an object is read, and of two members of one name the last one counts.
 */
#ifndef TSMS_BIND_LUA_JSON_H
#define TSMS_BIND_LUA_JSON_H

#include "../base/str.h"
#include "lua_compat.h"

/* Pushes an empty buffer as a userdata, to which its bytes belong. */
tsms_buf *tsms__lua_push_buf(lua_State *L);
/* Appends the value at index to out, until it is longer than `most` bytes. False when it cannot be
 * written; err then names the part, as in "name.tags[2]". Raises when memory runs out, so that out
 * must belong to a userdata. */
bool tsms__lua_json_write(lua_State *L, int index, const char *name, tsms_buf *out, size_t most,
                          tsms_error *err);
/* Pushes the value of a text. False when it is no JSON, or nested deeper than 64; then nothing is
 * pushed. Raises when memory runs out. */
bool tsms__lua_json_read(lua_State *L, tsms_str text, tsms_error *err);
/* Adds json_encode, json_decode and json_null to the module table on top; to be called before
 * tsms__lua_push_buf. */
void tsms__lua_open_json(lua_State *L);

#endif
