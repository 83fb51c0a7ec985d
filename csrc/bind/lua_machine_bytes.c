/* Lets Lua code that only has sockets be the driver of a client: requests are bytes. */
#include "lua_machine_bytes.h"

#include "../wire/authorization.h"
#include "lua_client.h"
#include "lua_machine.h"
#include "lua_scratch.h"
#include "lua_tap.h"

/* What all requests of the client have in common. */
static bool prepare(tsms__lua_client *self)
{
    if (self->authorization == NULL &&
        tsms__http1_peer_of(tsms__buf_str(&self->client->origin), &self->peer)) {
        self->authorization = tsms__authorization_new(self->client->config);
    }
    return self->authorization != NULL;
}

/* Writes a request to an empty buffer; its head is the first head_len bytes. False without memory.
 */
static bool write_request(tsms__lua_client *self, const tsms__call *call, tsms_buf *out,
                          size_t *head_len)
{
    enum { FIXED_MOST = 256 }; /* what the head holds besides */
    if (!prepare(self)) {
        return false;
    }
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

/* The next request, written; those for which there is no memory end. */
static const tsms__call *take_request(tsms__lua_client *self, tsms_buf *out, size_t *head_len)
{
    tsms__call *call;
    while ((call = tsms__client_next(self->client, self->now)) != NULL) {
        if (write_request(self, call, out, head_len)) {
            break;
        }
        tsms__client_finish(self->client, call, &tsms__lua_no_memory, self->now);
        tsms__wipe(out->ptr, out->len);
        tsms__buf_clear(out);
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
    (void)tsms__lua_check_machine(L);
    bool apart = lua_toboolean(L, 2);
    luaL_checkstack(L, 8, NULL); /* a request that was taken must not be lost */
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    tsms__lua_client *self = tsms__lua_check_machine(L);
    size_t head_len = 0;
    const tsms__call *call = take_request(self, &scratch->text, &head_len);
    if (call == NULL) {
        tsms__lua_scratch_done(scratch);
        return 0;
    }
    int64_t timeout_ms = tsms__client_attempt_ms(self->client, call, self->now);
    const char *method = tsms__lua_methods[tsms__client_method(call)];
    tsms_str bytes = tsms__buf_str(&scratch->text);
    tsms__lua_push_int(L, (int64_t)call->id);
    if (apart) {
        push_pieces(L, (tsms_str){bytes.ptr, head_len},
                    (tsms_str){bytes.ptr + head_len, bytes.len - head_len});
    } else {
        lua_pushlstring(L, bytes.ptr, bytes.len);
    }
    lua_pushstring(L, method);
    tsms__lua_push_int(L, timeout_ms);
    tsms__lua_scratch_done(scratch);
    return 4;
}

/* Unless it is empty. */
static void set_str(lua_State *L, const char *name, tsms_str text)
{
    if (text.len > 0) {
        lua_pushlstring(L, text.ptr, text.len);
        lua_setfield(L, -2, name);
    }
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
    (void)tsms__lua_check_machine(L);
    tsms__lua_scratch *scratch = tsms__lua_push_scratch(L);
    const tsms_client *client = tsms__lua_check_machine(L)->client;
    const tsms_config *config = client->config;
    tsms__http1_peer peer;
    if (!tsms__http1_peer_of(tsms__buf_str(&client->origin), &peer)) {
        return luaL_error(L, "the client's origin is no https URL");
    }
    const tsms_str ca = tsms_str_from(config->ca_file);
    const tsms_str through = tsms_str_from(config->proxy);
    const int64_t connect_timeout_ms = config->connect_timeout_ms;
    const int64_t max_concurrency = config->max_concurrency;
    const char *version = versions[config->http_version];
    tsms__buf_reserve(&scratch->text, peer.host.len + ca.len + through.len);
    const tsms_str host = tsms__lua_keep(scratch, peer.host);
    const tsms_str ca_file = tsms__lua_keep(scratch, ca);
    const tsms_str proxy = tsms__lua_keep(scratch, through);
    if (scratch->text.failed) {
        return tsms__lua_scratch_fail(L, scratch);
    }
    lua_createtable(L, 0, 7);
    set_str(L, "host", host);
    set_int(L, "port", peer.port);
    set_int(L, "connect_timeout_ms", connect_timeout_ms);
    set_int(L, "max_concurrency", max_concurrency);
    set_str(L, "ca_file", ca_file);
    set_str(L, "proxy", proxy);
    set_str(L, "http_version", tsms_str_from(version));
    tsms__lua_scratch_done(scratch);
    return 1;
}

void tsms__lua_add_machine_bytes(lua_State *L)
{
    static const luaL_Reg methods[] = {{"next_bytes", machine_next_bytes},
                                       {"transport_options", machine_transport_options},
                                       {NULL, NULL}};
    tsms__lua_setfuncs(L, methods);
}
