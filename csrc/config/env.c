/* Sets options from the environment of the process. */
#include <stdlib.h>

#include "config.h"

static const tsms__env_var vars[] = {
    {"TWILIO_ACCOUNT_SID", "account_sid"},
    {"TWILIO_AUTH_TOKEN", "auth_token"},
    {"TWILIO_API_KEY", "api_key"},
    {"TWILIO_API_SECRET", "api_secret"},
    {"TWILIO_FROM", "from"},
    {"TWILIO_MESSAGING_SERVICE_SID", "messaging_service_sid"},
    {"TWILIO_REGION", "region"},
    {"TWILIO_EDGE", "edge"},
    {"TWILIO_BASE_URL", "base_url"},
    {"TWILIO_CA_FILE", "ca_file"},
};

const tsms__env_var *tsms__env_vars(size_t *count)
{
    *count = sizeof vars / sizeof *vars;
    return vars;
}

tsms_status tsms_config_from_env(tsms_config *config, tsms_error *err)
{
    /* Filled in aside and then swapped in, so that a bad variable changes nothing. */
    tsms_config *draft;
    if (tsms__config_copy(config, &draft) != TSMS_OK) {
        return tsms__error_nomem(err);
    }
    tsms_status status = TSMS_OK;
    for (size_t i = 0; i < sizeof vars / sizeof *vars && status == TSMS_OK; i++) {
        const char *value = getenv(vars[i].name);
        if (value != NULL && value[0] != '\0') {
            status = tsms_config_set(draft, vars[i].key, tsms_str_from(value), err);
        }
    }
    if (status == TSMS_OK) {
        tsms_config old = *config;
        *config = *draft;
        *draft = old;
    }
    tsms_config_free(draft);
    return status;
}
