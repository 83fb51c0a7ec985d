/* SIGTERM and SIGINT as a wish that the server should stop. */
#include "../twilio_sms_server.h"

#include <signal.h>
#include <stdatomic.h>

#include "server_connection.h"

/* Signals belong to the process, and libevent tells one loop of them: with two, both may lose them,
 * and when one of them is freed nobody gets them any more. */
static atomic_bool taken;

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

tsms_status tsms_server_catch_signals(tsms_server *server, tsms_error *err)
{
    static const int signals[TSMS__SIGNALS] = {SIGTERM, SIGINT};
    tsms__error_clear(err);
    bool others = false;
    if (!server->catches && !atomic_compare_exchange_strong(&taken, &others, true)) {
        return tsms__error_set(err, TSMS_KIND_TEMPORARILY_UNAVAILABLE,
                               "another server of this process catches its signals");
    }
    server->catches = true;
    for (int i = 0; i < TSMS__SIGNALS; i++) {
        if (server->signals[i] == NULL) {
            server->signals[i] =
                evsignal_new(server->base, signals[i], on_signal, &server->signalled);
        }
        if (server->signals[i] == NULL || event_add(server->signals[i], NULL) != 0) {
            return tsms__error_nomem(err);
        }
    }
    return TSMS_OK;
}

bool tsms_server_signalled(const tsms_server *server)
{
    return server->signalled;
}

void tsms__signals_free(tsms_server *server)
{
    for (int i = 0; i < TSMS__SIGNALS; i++) {
        if (server->signals[i] != NULL) {
            event_free(server->signals[i]); /* the old handler is back */
        }
    }
    if (server->catches) {
        atomic_store(&taken, false);
    }
}
