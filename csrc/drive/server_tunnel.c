/* Carries the bytes of one CONNECT request (RFC 9110 section 9.3.6) to the target and back. */
#include "server_tunnel.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "clock.h"
#include "server_os.h"

enum {
    HEAD_MOST = 8192,        /* bytes of the request line and the headers */
    BUFFER_MOST = 256 << 10, /* bytes on their way in one direction before its reading pauses */
};

struct tsms__tunnel {
    tsms__tunnels *all;
    tsms__tunnel *prev, *next;
    tsms__tunnel_list *list;
    int64_t deadline_ms;
    struct bufferevent *client;
    struct bufferevent *target; /* NULL before the request is read, and when nothing goes there */
    bool is_asking;             /* its request is not complete yet */
    bool client_ended;          /* nothing more will come from it */
    bool target_ended;
};

typedef struct refusal {
    const char *status;
    const char *why;
} refusal;

static const refusal malformed = {"400 Bad Request",
                                  "A proxy is asked with CONNECT host:port HTTP/1.1."};
static const refusal elsewhere = {
    "403 Forbidden", "This proxy leads to one server, which stands for api.twilio.com and other "
                     "names of *.twilio.com, port 443. It leads nowhere else."};
static const refusal no_connect = {
    "405 Method Not Allowed\r\nAllow: CONNECT",
    "This proxy is for https only, so that it knows no method but CONNECT."};
static const refusal too_large = {"431 Request Header Fields Too Large",
                                  "The headers of the request are too large."};
static const refusal unreachable = {"502 Bad Gateway", "The server behind this proxy is gone."};

/* ---- Lists ----------------------------------------------------------------------------------- */

static void list_remove(tsms__tunnel *t)
{
    tsms__tunnel_list *list = t->list;
    if (list != NULL) {
        *(t->prev != NULL ? &t->prev->next : &list->first) = t->next;
        *(t->next != NULL ? &t->next->prev : &list->last) = t->prev;
        t->prev = t->next = NULL;
        t->list = NULL;
    }
}

static void list_append(tsms__tunnel *t, tsms__tunnel_list *list)
{
    list_remove(t);
    t->list = list;
    t->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = t;
    list->last = t;
}

/* All deadlines lie equally far ahead, so that the end is the right place. */
static void start_deadline(tsms__tunnel *t)
{
    t->deadline_ms = tsms__clock_now().mono_ms + t->all->timeout_ms;
    list_append(t, &t->all->waiting);
}

static void tunnel_free(tsms__tunnel *t)
{
    list_remove(t);
    if (t->target != NULL) {
        bufferevent_free(t->target);
    }
    if (t->client != NULL) {
        bufferevent_free(t->client);
    }
    t->all->count--;
    tsms__free(&t->all->mem, t);
}

/* ---- Ending ---------------------------------------------------------------------------------- */

static size_t left_to_write(struct bufferevent *stream)
{
    return evbuffer_get_length(bufferevent_get_output(stream));
}

static void end_writing(struct bufferevent *stream)
{
    shutdown(bufferevent_getfd(stream), SHUT_WR);
}

static void on_last_data(struct bufferevent *client, void *arg)
{
    (void)arg;
    struct evbuffer *input = bufferevent_get_input(client);
    evbuffer_drain(input, evbuffer_get_length(input));
}

static void on_last_written(struct bufferevent *client, void *arg)
{
    tsms__tunnel *t = arg;
    if (t->client_ended) {
        tunnel_free(t);
    } else {
        end_writing(client);
    }
}

static void on_last_event(struct bufferevent *client, short what, void *arg)
{
    tsms__tunnel *t = arg;
    t->client_ended = true;
    if ((what & BEV_EVENT_ERROR) != 0 || left_to_write(client) == 0) {
        tunnel_free(t);
    }
}

/* Lets the client take what is left for it. Until it has gone, or its time is over, it is read
 * from: a socket that is closed with unread bytes is reset, which may cost the peer the last ones
 * of ours. */
static void linger(tsms__tunnel *t)
{
    if (t->target != NULL) {
        bufferevent_free(t->target);
        t->target = NULL;
    }
    start_deadline(t);
    bufferevent_setcb(t->client, on_last_data, on_last_written, on_last_event, t);
    on_last_data(t->client, t);
    if (!t->client_ended) {
        bufferevent_enable(t->client, EV_READ);
    }
    if (left_to_write(t->client) == 0) {
        on_last_written(t->client, t);
    }
}

static void refuse(tsms__tunnel *t, const refusal *with)
{
    t->is_asking = false;
    int done = evbuffer_add_printf(bufferevent_get_output(t->client),
                                   "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
                                   "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                                   with->status, strlen(with->why) + 1, with->why);
    if (done < 0) {
        tunnel_free(t);
    } else {
        linger(t);
    }
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static struct bufferevent *other_end(const tsms__tunnel *t, const struct bufferevent *stream)
{
    return stream == t->client ? t->target : t->client;
}

static void on_data(struct bufferevent *from, void *arg)
{
    tsms__tunnel *t = arg;
    struct bufferevent *to = other_end(t, from);
    if (bufferevent_write_buffer(to, bufferevent_get_input(from)) != 0) {
        tunnel_free(t);
    } else if (left_to_write(to) >= BUFFER_MOST) {
        bufferevent_disable(from, EV_READ);
        if (from == t->target) {
            start_deadline(t); /* the target is not heard, not even when it breaks off */
        }
    }
}

/* Everything was written to this end: the other one may be read again, or has said its last. */
static void on_written(struct bufferevent *to, void *arg)
{
    tsms__tunnel *t = arg;
    bool from_ended = to == t->client ? t->target_ended : t->client_ended;
    if (!from_ended) {
        bufferevent_enable(other_end(t, to), EV_READ);
        if (to == t->client) {
            list_append(t, &t->all->open);
        }
        return;
    }
    end_writing(to);
    if (t->client_ended && t->target_ended && left_to_write(other_end(t, to)) == 0) {
        tunnel_free(t);
    }
}

/* A reset is passed on. Once the target has said all and closed, it is no loss that it takes no
 * more.
 */
static void break_off(tsms__tunnel *t, struct bufferevent *stream)
{
    if (stream == t->target && t->target_ended) {
        linger(t);
        return;
    }
    tsms__socket_reset(bufferevent_getfd(other_end(t, stream)));
    tunnel_free(t);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    tsms__tunnel *t = arg;
    if ((what & BEV_EVENT_ERROR) != 0) {
        break_off(t, stream);
        return;
    }
    *(stream == t->client ? &t->client_ended : &t->target_ended) = true;
    if (stream == t->target) {
        start_deadline(t);
    }
    struct bufferevent *to = other_end(t, stream);
    if (left_to_write(to) == 0) {
        on_written(to, t);
    }
}

/* ---- The target ------------------------------------------------------------------------------ */

static void on_connected(struct bufferevent *target, short what, void *arg)
{
    static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    tsms__tunnel *t = arg;
    if ((what & BEV_EVENT_CONNECTED) == 0) {
        refuse(t, &unreachable);
        return;
    }
    list_append(t, &t->all->open);
    bufferevent_setcb(target, on_data, on_written, on_event, t);
    bufferevent_setcb(t->client, on_data, on_written, on_event, t);
    bufferevent_setwatermark(t->client, EV_READ, 0, 0);
    if (bufferevent_write(t->client, established, sizeof established - 1) != 0 ||
        bufferevent_enable(target, EV_READ) != 0 || bufferevent_enable(t->client, EV_READ) != 0) {
        tunnel_free(t);
        return;
    }
    on_data(t->client, t); /* some do not wait for the answer */
}

static void connect_to_target(tsms__tunnel *t)
{
    const struct sockaddr *address = (const struct sockaddr *)&t->all->target;
    int fd = tsms__stream_socket(address->sa_family);
    t->target = fd < 0 ? NULL : bufferevent_socket_new(t->all->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (t->target == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        refuse(t, &unreachable);
        return;
    }
    bufferevent_setcb(t->target, NULL, NULL, on_connected, t);
    if (bufferevent_socket_connect(t->target, address, (int)t->all->target_len) != 0) {
        refuse(t, &unreachable);
    }
}

/* ---- The request ----------------------------------------------------------------------------- */

/* The names that the throw-away certificate is made for: api.twilio.com and one label in front of
 * twilio.com. */
static bool is_twilio(const char *authority)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789";
    size_t label_len = strspn(authority, letters);
    return label_len > 0 && strcasecmp(authority + label_len, ".twilio.com:443") == 0;
}

/* Reads "CONNECT host:port HTTP/1.1" and cuts it up. NULL when it may pass. */
static const refusal *judge(char *head)
{
    head[strcspn(head, "\r\n")] = '\0';
    char *space = strchr(head, ' ');
    char *version = space != NULL ? strchr(space + 1, ' ') : NULL;
    if (version == NULL || strncmp(version, " HTTP/1.", 8) != 0) {
        return &malformed;
    }
    *space = *version = '\0';
    if (strcmp(head, "CONNECT") != 0) {
        return &no_connect;
    }
    if (strchr(space + 1, ':') == NULL) {
        return &malformed;
    }
    return is_twilio(space + 1) ? NULL : &elsewhere;
}

static void on_head(struct bufferevent *client, void *arg)
{
    static const char head_end[] = "\r\n\r\n";
    tsms__tunnel *t = arg;
    struct evbuffer *input = bufferevent_get_input(client);
    struct evbuffer_ptr end = evbuffer_search(input, head_end, sizeof head_end - 1, NULL);
    if (end.pos < 0) {
        if (evbuffer_get_length(input) >= HEAD_MOST) {
            refuse(t, &too_large);
        }
        return;
    }
    char head[HEAD_MOST + 1];
    int len = evbuffer_remove(input, head, (size_t)end.pos + sizeof head_end - 1);
    head[len > 0 ? len : 0] = '\0';
    const refusal *objection = judge(head);
    if (objection != NULL) {
        refuse(t, objection);
        return;
    }
    t->is_asking = false;
    bufferevent_disable(client, EV_READ);
    connect_to_target(t);
}

/* Whoever goes before the request is complete wants nothing. */
static void on_head_event(struct bufferevent *client, short what, void *arg)
{
    (void)client;
    (void)what;
    tunnel_free(arg);
}

void tsms__tunnel_begin(tsms__tunnels *tunnels, int fd)
{
    tsms__tunnel *t = tsms__calloc(&tunnels->mem, 1, sizeof *t);
    struct bufferevent *client =
        t != NULL ? bufferevent_socket_new(tunnels->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
    if (client == NULL) {
        tsms__free(&tunnels->mem, t);
        close(fd);
        return;
    }
    t->all = tunnels;
    t->client = client;
    t->is_asking = true;
    tunnels->count++;
    start_deadline(t);
    bufferevent_setcb(client, on_head, NULL, on_head_event, t);
    bufferevent_setwatermark(client, EV_READ, 0, HEAD_MOST);
    if (bufferevent_enable(client, EV_READ) != 0) {
        tunnel_free(t);
    }
}

void tsms__tunnels_expire(tsms__tunnels *tunnels, int64_t now_ms)
{
    while (tunnels->waiting.first != NULL && tunnels->waiting.first->deadline_ms <= now_ms) {
        tunnel_free(tunnels->waiting.first);
    }
}

void tsms__tunnels_close_idle(tsms__tunnels *tunnels)
{
    tsms__tunnel *next;
    for (tsms__tunnel *t = tunnels->waiting.first; t != NULL; t = next) {
        next = t->next;
        if (t->is_asking) {
            tunnel_free(t);
        }
    }
}

int64_t tsms__tunnels_due_ms(const tsms__tunnels *tunnels)
{
    return tunnels->waiting.first != NULL ? tunnels->waiting.first->deadline_ms : INT64_MAX;
}

void tsms__tunnels_clear(tsms__tunnels *tunnels)
{
    tsms__tunnels_expire(tunnels, INT64_MAX);
    while (tunnels->open.first != NULL) {
        tunnel_free(tunnels->open.first);
    }
}
