/* Lets Lua code that only has sockets be the driver of a client: requests are bytes. */
#include "lua_machine_bytes.h"

#include "../wire/authorization.h"
#include "lua_client.h"
#include "lua_machine.h"
#include "lua_tap.h"

/* Wipes the last request: its credentials are no longer needed here. */
static void forget_request(tsms__lua_client *self)
{
    tsms__wipe(self->request.ptr, self->request.len);
    tsms__buf_clear(&self->request);
}

/* What all requests of the client have in common. */
static bool prepare(tsms__lua_client *self)
{
    if (self->authorization == NULL &&
        tsms__http1_peer_of(tsms__buf_str(&self->client->origin), &self->peer)) {
        self->authorization = tsms__authorization_new(self->client->config);
    }
    return self->authorization != NULL;
}

/* Writes a request; its head is the first head_len bytes. False without memory. */
static bool write_request(tsms__lua_client *self, const tsms__call *call, size_t *head_len)
{
    enum { FIXED_MOST = 256 }; /* what the head holds besides */
    forget_request(self);
    if (!prepare(self)) {
        return false;
    }
    tsms_buf *out = &self->request;
    tsms__method method = tsms__client_method(call);
    tsms_str form = method == TSMS__POST ? tsms__buf_str(&call->form) : (tsms_str){NULL, 0};
    tsms_str path = tsms__buf_str(tsms__client_path(call));
    tsms_str authorization = tsms__secret_text(self->authorization);
    /* Room for all of it at once, so that no growing buffer leaves the credentials behind. */
    tsms__buf_reserve(out, FIXED_MOST + self->client->origin.len + path.len + authorization.len +
                               form.len);
    tsms__http1_request_head(out, &self->peer, method, path, authorization, form.len);
    *head_len = out->len;
    tsms__buf_add(out, form);
    return !out->failed;
}

/* The next request, written. One for which there is no memory ends as libcurl's driver ends it. */
static const tsms__call *take_request(tsms__lua_client *self, size_t *head_len)
{
    const tsms__transfer no_memory = {.fault = TSMS_KIND_TEMPORARILY_UNAVAILABLE,
                                      .fault_text = TSMS__STR("out of memory")};
    tsms__call *call;
    while ((call = tsms__client_next(self->client, self->now)) != NULL) {
        if (write_request(self, call, head_len)) {
            break;
        }
        tsms__client_finish(self->client, call, &no_memory, self->now);
    }
    return call;
}

static void add_piece(lua_State *L, int *count, tsms_str piece)
{
    if (piece.len > 0) {
        lua_pushlstring(L, piece.ptr, piece.len);
        lua_rawseti(L, -2, ++*count);
    }
}

/* The head, then "To=", "%2B1...", "&From=" and so on. */
static void push_pieces(lua_State *L, tsms_str head, tsms_str form)
{
    int count = 0;
    lua_createtable(L, 8, 0);
    add_piece(L, &count, head);
    size_t start = 0;
    for (size_t i = 0; i < form.len; i++) {
        bool is_value_next = form.ptr[i] == '=';
        if (is_value_next || form.ptr[i] == '&') {
            size_t end = is_value_next ? i + 1 : i;
            add_piece(L, &count, (tsms_str){form.ptr + start, end - start});
            start = end;
        }
    }
    add_piece(L, &count, (tsms_str){form.ptr + start, form.len - start});
}

/* machine:next_bytes(apart): id, the whole request as HTTP/1.1, its method and timeout_ms; or
 * nothing. As machine:next, with what goes over the wire. The credentials are in the Lua string,
 * which nobody can wipe: it is all that a socket of Lua's takes. When apart is true it is a list of
 * strings, which sockets of nginx take as well: the head is then one and the same string for
 * requests of one length, and LuaJIT, which interns each string by a hash of sixteen of its bytes,
 * does not find all the requests in one place of its table. */
static int machine_next_bytes(lua_State *L)
{
    tsms__lua_client *self = tsms__lua_check_machine(L);
    bool apart = lua_toboolean(L, 2);
    luaL_checkstack(L, 8, NULL); /* a request that was taken must not be lost */
    size_t head_len = 0;
    const tsms__call *call = take_request(self, &head_len);
    if (call == NULL) {
        return 0;
    }
    tsms_str bytes = tsms__buf_str(&self->request);
    tsms__lua_push_int(L, (int64_t)call->id);
    if (apart) {
        push_pieces(L, (tsms_str){bytes.ptr, head_len},
                    (tsms_str){bytes.ptr + head_len, bytes.len - head_len});
    } else {
        lua_pushlstring(L, bytes.ptr, bytes.len);
    }
    forget_request(self);
    lua_pushstring(L, tsms__lua_methods[tsms__client_method(call)]);
    tsms__lua_push_int(L, tsms__client_attempt_ms(self->client, call, self->now));
    return 4;
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text); /* nil for NULL */
    lua_setfield(L, -2, name);
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    tsms__lua_push_int(L, value);
    lua_setfield(L, -2, name);
}

/* machine:transport_options(): where to connect to, and how. */
static int machine_transport_options(lua_State *L)
{
    static const char *const versions[] = {[TSMS__HTTP_AUTO] = "auto", [TSMS__HTTP_1_1] = "1.1"};
    tsms__lua_client *self = tsms__lua_check_machine(L);
    const tsms_config *config = self->client->config;
    tsms__http1_peer peer;
    if (!tsms__http1_peer_of(tsms__buf_str(&self->client->origin), &peer)) {
        return luaL_error(L, "the client's origin is no https URL");
    }
    lua_createtable(L, 0, 7);
    lua_pushlstring(L, peer.host.ptr, peer.host.len);
    lua_setfield(L, -2, "host");
    set_int(L, "port", peer.port);
    set_int(L, "connect_timeout_ms", config->connect_timeout_ms);
    set_int(L, "max_concurrency", config->max_concurrency);
    set_text(L, "ca_file", config->ca_file);
    set_text(L, "proxy", config->proxy);
    set_text(L, "http_version", versions[config->http_version]);
    return 1;
}

void tsms__lua_add_machine_bytes(lua_State *L)
{
    static const luaL_Reg methods[] = {{"next_bytes", machine_next_bytes},
                                       {"transport_options", machine_transport_options},
                                       {NULL, NULL}};
    tsms__lua_setfuncs(L, methods);
}
