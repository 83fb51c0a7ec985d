/* Accepts the connections of the CONNECT proxy. */
#include "server_proxy.h"

#include <event2/event.h>
#include <event2/listener.h>
#include <unistd.h>

#include "clock.h"
#include "server_os.h"
#include "server_tunnel.h"

enum { ACCEPT_PAUSE_MS = 100 }; /* after accept failed, mostly for want of descriptors */

struct tsms__proxy {
    tsms__tunnels tunnels;
    struct evconnlistener *listener; /* NULL when it was stopped */
    int port;
    size_t max_connections;
    bool is_paused;
    int64_t resume_ms; /* of a pause after an error */
};

static void pause_accepting(tsms__proxy *proxy, int64_t until_ms)
{
    evconnlistener_disable(proxy->listener);
    proxy->is_paused = true;
    proxy->resume_ms = until_ms;
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
                        struct sockaddr *address, int len, void *arg)
{
    (void)listener;
    (void)address;
    (void)len;
    tsms__proxy *proxy = arg;
    tsms__tunnel_begin(&proxy->tunnels, fd);
    if (proxy->tunnels.count >= proxy->max_connections) {
        pause_accepting(proxy, 0);
    }
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    (void)listener;
    pause_accepting(arg, tsms__clock_now().mono_ms + ACCEPT_PAUSE_MS);
}

static bool open_listener(tsms__proxy *proxy, int fd)
{
    proxy->listener = evconnlistener_new(proxy->tunnels.base, on_accepted, proxy,
                                         LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (proxy->listener == NULL) {
        close(fd);
        return false;
    }
    evconnlistener_set_error_cb(proxy->listener, on_accept_error);
    return true;
}

tsms_status tsms__proxy_new(const tsms__proxy_options *options, tsms__proxy **out, tsms_error *err)
{
    tsms__proxy *proxy = tsms__calloc(options->mem, 1, sizeof *proxy);
    if (proxy == NULL) {
        return tsms__error_nomem(err);
    }
    tsms__tunnels *tunnels = &proxy->tunnels;
    tunnels->base = options->base;
    tunnels->mem = *options->mem;
    tunnels->timeout_ms = options->timeout_ms;
    tunnels->target_len = tsms__address_of_listener(options->target_fd, &tunnels->target);
    proxy->max_connections = options->max_connections;
    int fd = -1;
    tsms_status status =
        tunnels->target_len == 0
            ? tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "there is nothing to lead to")
            : tsms__listen("127.0.0.1", options->port, true, &fd, &proxy->port, err);
    if (status == TSMS_OK && !open_listener(proxy, fd)) {
        status = tsms__error_nomem(err);
    }
    if (status != TSMS_OK) {
        tsms__proxy_free(proxy);
        return status;
    }
    *out = proxy;
    return TSMS_OK;
}

void tsms__proxy_free(tsms__proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    if (proxy->listener != NULL) {
        evconnlistener_free(proxy->listener);
    }
    tsms__tunnels_clear(&proxy->tunnels);
    tsms_mem mem = proxy->tunnels.mem;
    tsms__free(&mem, proxy);
}

int tsms__proxy_port(const tsms__proxy *proxy)
{
    return proxy != NULL ? proxy->port : -1;
}

size_t tsms__proxy_connections(const tsms__proxy *proxy)
{
    return proxy != NULL ? proxy->tunnels.count : 0;
}

void tsms__proxy_stop(tsms__proxy *proxy)
{
    if (proxy != NULL && proxy->listener != NULL) {
        evconnlistener_free(proxy->listener);
        proxy->listener = NULL;
        proxy->is_paused = false;
        tsms__tunnels_close_idle(&proxy->tunnels);
    }
}

void tsms__proxy_tend(tsms__proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    int64_t now_ms = tsms__clock_now().mono_ms;
    tsms__tunnels_expire(&proxy->tunnels, now_ms);
    if (proxy->is_paused && proxy->resume_ms <= now_ms &&
        proxy->tunnels.count < proxy->max_connections) {
        proxy->is_paused = false;
        evconnlistener_enable(proxy->listener);
    }
}

int64_t tsms__proxy_due_ms(const tsms__proxy *proxy)
{
    if (proxy == NULL) {
        return INT64_MAX;
    }
    int64_t due_ms = tsms__tunnels_due_ms(&proxy->tunnels);
    bool will_resume = proxy->is_paused && proxy->resume_ms != 0;
    return will_resume && proxy->resume_ms < due_ms ? proxy->resume_ms : due_ms;
}
