/* Sends one message and prints its sid.
 *
 *     export TWILIO_ACCOUNT_SID=AC... TWILIO_AUTH_TOKEN=... TWILIO_FROM=+15005550006
 *     send +15551234567 "Hello"
 */
#include <twilio_sms.h>

#include <stdio.h>

static int report(const tsms_error *err)
{
    fprintf(stderr, "%s: %s\n", tsms_kind_type(err->kind), err->message);
    if (err->outcome == TSMS_OUTCOME_IN_DOUBT) {
        fprintf(stderr, "It may have been sent: look before you send it again.\n");
    }
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: send +15551234567 \"text\"\n");
        return 2;
    }
    tsms_error err;
    tsms_config *config;
    if (tsms_config_new(NULL, &config) != TSMS_OK) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    tsms_client *client = NULL;
    tsms_status status = tsms_config_from_env(config, &err);
    if (status == TSMS_OK) {
        status = tsms_client_new(config, &client, &err);
    }
    tsms_config_free(config);
    if (status != TSMS_OK) {
        return report(&err);
    }

    tsms_message_options message = TSMS_MESSAGE_OPTIONS_INIT;
    message.to = tsms_str_from(argv[1]);
    message.body = tsms_str_from(argv[2]);
    tsms_result *result;
    status = tsms_client_send(client, &message, &result, &err);
    if (status == TSMS_OK) {
        tsms_message sent;
        if (tsms_result_message(result, 0, &sent)) {
            printf("%.*s %.*s\n", (int)sent.sid.len, sent.sid.ptr, (int)sent.status.len,
                   sent.status.ptr);
        }
        tsms_result_free(result);
    }
    tsms_client_free(client);
    return status == TSMS_OK ? 0 : report(&err);
}
