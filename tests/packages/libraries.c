/* Calls each library, so that what they link to has to be there. Its argument is a file for the
 * store. */
#include <twilio_sms.h>
#include <twilio_sms_server.h>
#include <twilio_sms_store.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    tsms_error err;
    tsms_store_options in_file = TSMS_STORE_OPTIONS_INIT;
    in_file.path = tsms_str_from(argc > 1 ? argv[1] : "");
    tsms_store *store;
    if (tsms_store_open(&in_file, &store, &err) != TSMS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    tsms_store_free(store);

    tsms_server_options on_any_port = TSMS_SERVER_OPTIONS_INIT;
    on_any_port.tls = false;
    tsms_server *server;
    if (tsms_server_new(&on_any_port, &server, &err) != TSMS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    tsms_server_free(server);
    printf("%s\n", tsms_version());
    return 0;
}
