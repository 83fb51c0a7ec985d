/* The server's side of TLS; the one file that sees OpenSSL's TLS and certificates. */
#ifndef TSMS_DRIVE_SERVER_TLS_H
#define TSMS_DRIVE_SERVER_TLS_H

#include "../base/err.h"

struct ssl_st;
typedef struct ssl_ctx_st tsms__tls;

/* Uses a certificate chain and its key from PEM files. */
tsms_status tsms__tls_from_files(const char *certificate_file, const char *key_file,
                                 tsms__tls **out, tsms_error *err);
/* Makes a CA and a server certificate that live as long as the result, and writes the CA's
 * certificate to ca_file. */
tsms_status tsms__tls_throw_away(const char *ca_file, tsms__tls **out, tsms_error *err);
void tsms__tls_free(tsms__tls *tls);
/* A session that waits for a handshake; NULL without memory. Yours to free, or to give away. */
struct ssl_st *tsms__tls_accept(tsms__tls *tls);
/* Tells the peer that nothing more will follow, if the handshake is over. NULL is allowed. */
void tsms__tls_say_goodbye(struct ssl_st *session);

#endif
