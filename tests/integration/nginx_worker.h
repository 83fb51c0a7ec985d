/* A real nginx with the Lua module, started by a test and reached by a socket in the file system.
 *
 * It has one worker and a directory of its own, loads the Lua modules of the build that the test
 * belongs to (environment TWILIO_SMS_BUILD, else the folder that the test's program lies in), and
 * ends with the test, whatever way that ends. What cannot be provided, and whatever nginx itself
 * complains of, fails the test with nginx's error log.
 */
#ifndef TESTS_NGINX_WORKER_H
#define TESTS_NGINX_WORKER_H

typedef struct nginx_worker nginx_worker;

/* Starts one.
 * http: directives of the http block; server: directives of its one server, which must not listen
 * anywhere, since that is settled. */
nginx_worker *nginx_worker_start(const char *http, const char *server);
/* Asks it to end in peace and waits for that. Fails when it was not in peace: a process that
 * crashed, a socket that was left open, an error of Lua that nobody caught. NULL is allowed. */
void nginx_worker_stop(nginx_worker *worker);
/* Posts a body and answers the body of the answer, which must be a 200. Free it. */
char *nginx_worker_post(nginx_worker *worker, const char *path, const char *body);

#endif
