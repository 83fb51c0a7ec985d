/* Tells Lua which libraries the program runs with. */
#include "lua_versions.h"

#include "../base/sha.h"
#include "../drive/curl_version.h"

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text); /* nil for NULL */
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, int number)
{
    lua_pushinteger(L, number);
    lua_setfield(L, -2, name);
}

/* versions(): libcurl, and libcurl_least, which it must be at least; tls, what libcurl does TLS
 * with, nil when it cannot; openssl; openssl_major and openssl_built_major, that of its headers. */
static int versions(lua_State *L)
{
    const tsms__sha_library openssl = tsms__sha_library_in_use();
    lua_newtable(L);
    set_text(L, "libcurl", tsms__curl_version());
    set_text(L, "libcurl_least", TSMS__CURL_LEAST);
    set_text(L, "tls", tsms__curl_tls());
    set_text(L, "openssl", openssl.version);
    set_number(L, "openssl_major", openssl.major);
    set_number(L, "openssl_built_major", openssl.built_major);
    return 1;
}

void tsms__lua_open_versions(lua_State *L)
{
    static const luaL_Reg functions[] = {{"versions", versions}, {NULL, NULL}};
    tsms__lua_setfuncs(L, functions);
}
