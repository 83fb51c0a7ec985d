/* Makes the header Authorization from the credentials (RFC 7617). */
#include "authorization.h"

tsms__secret *tsms__authorization_new(const tsms_config *config)
{
    bool key = config->api_key != NULL && config->api_secret != NULL;
    tsms_str password = tsms__secret_text(key ? config->api_secret : config->auth_token);
    tsms_str user = tsms_str_from(key ? config->api_key : config->account_sid);
    tsms_buf pair;
    tsms_buf header;
    tsms__buf_init(&pair, &config->mem);
    tsms__buf_init(&header, &config->mem);
    /* Room for all of it at once, so that no growing buffer leaves a copy behind. */
    size_t len = user.len + 1 + password.len;
    bool has_room =
        tsms__buf_reserve(&pair, len) && tsms__buf_reserve(&header, 64 + (len + 2) / 3 * 4);
    tsms__buf_add(&pair, user);
    tsms__buf_add_char(&pair, ':');
    tsms__buf_add(&pair, password);
    tsms__buf_add(&header, TSMS__STR("Authorization: Basic "));
    tsms__buf_add_base64(&header, tsms__buf_str(&pair));
    tsms__secret *made = has_room ? tsms__secret_new(tsms__buf_str(&header)) : NULL;
    tsms__wipe(pair.ptr, pair.cap);
    tsms__wipe(header.ptr, header.cap);
    tsms__buf_free(&pair);
    tsms__buf_free(&header);
    return made;
}
