/* For tests in C: a simulator of Twilio for the test that runs, and what it must have been sent.
 *
 *     static void welcomes(void **state)
 *     {
 *         tsms_testing sim;
 *         tsms_testing_start(&sim, NULL);
 *         tsms_config *config;
 *         tsms_config_new(NULL, &config);
 *         tsms_testing_configure(&sim, config);
 *         ...
 *         tsms_testing_assert_sent(&sim, "+15558675310", "Welcome!");
 *         tsms_testing_stop(&sim);
 *     }
 *
 * Everything is in this header; programs that include it link cmocka and libcurl. The simulator is
 * a process of its own that ends with the program. What goes wrong fails the test with a text that
 * says why. Without cmocka define TSMS_TESTING_FAIL(file, line, text) first, which must not return.
 *
 * Needs POSIX. This project is not affiliated with Twilio Inc. Since 0.1.0.
 */
#ifndef TWILIO_SMS_TESTING_H
#define TWILIO_SMS_TESTING_H

#include <curl/curl.h>
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "twilio_sms.h"

#ifndef TSMS_TESTING_FAIL
#ifdef __cplusplus
extern "C" {
#endif
#include <cmocka.h>
#ifdef __cplusplus
}
#endif
#define TSMS_TESTING_FAIL(file, line, text) (print_error("%s\n", (text)), _fail((file), (line)))
#endif

/* The account that the simulator knows unless its options say otherwise. */
#define TSMS_TESTING_ACCOUNT_SID "AC00000000000000000000000000000001"
#define TSMS_TESTING_AUTH_TOKEN "00000000000000000000000000000002"

/* What a text may be long, encoded for a URL: 1,600 characters of four bytes each, and some more.
 */
enum { TSMS_TESTING_TEXT_MOST = 32768 };

/* A simulator that runs. base_url and ca_file are for the client under test, and others may be
 * pointed there too. The rest is for the functions below. */
typedef struct tsms_testing {
    char base_url[64];
    char ca_file[256];
    char *answer; /* of the last control request */
    size_t answer_len;
    CURL *curl;
    pid_t process;
    int lifeline; /* the simulator's standard input: it ends when this is closed */
} tsms_testing;

/* Each of these fails the test that calls it when something is wrong. */

/* Starts a simulator. `options` are those of docs/simulator.md, as the inside of a Lua table
 * ("seed = 7"); NULL for none. With the environment variable TWILIO_SMS_SIM, which is a command
 * that prints the same line and ends with its input, that one is run instead, without options. */
#define tsms_testing_start(sim, options) tsms_testing__start(sim, options, __FILE__, __LINE__)
/* Tells a config where the simulator is, whom to trust, and the account. */
#define tsms_testing_configure(sim, config) tsms_testing__configure(sim, config, __FILE__, __LINE__)
/* At least one message to this number was accepted, with exactly this body; NULL for any body. */
#define tsms_testing_assert_sent(sim, to, body)                                                    \
    tsms_testing__assert_sent(sim, -1, to, body, __FILE__, __LINE__)
/* None was. */
#define tsms_testing_assert_not_sent(sim, to, body)                                                \
    tsms_testing__assert_sent(sim, 0, to, body, __FILE__, __LINE__)
/* So many were. */
#define tsms_testing_assert_sent_times(sim, times, to, body)                                       \
    tsms_testing__assert_sent(sim, times, to, body, __FILE__, __LINE__)
/* Lets the simulator's time pass: messages are delivered, scheduled ones are sent. */
#define tsms_testing_advance(sim, seconds) tsms_testing__advance(sim, seconds, __FILE__, __LINE__)
/* A person writes. */
#define tsms_testing_inbound(sim, from, to, body)                                                  \
    tsms_testing__inbound(sim, from, to, body, __FILE__, __LINE__)
/* Something goes wrong from now on: a rule of a script as a form,
 * "on=send&times=1&action=drop_after". */
#define tsms_testing_fault(sim, rule)                                                              \
    tsms_testing__ask(sim, "POST", "/_sim/faults", rule, __FILE__, __LINE__)
/* Nothing that tsms_testing_fault said holds any longer. */
#define tsms_testing_clear_faults(sim)                                                             \
    tsms_testing__ask(sim, "DELETE", "/_sim/faults", NULL, __FILE__, __LINE__)

/* ---- What is behind them ------------------------------------------------------------------- */

/* Ends the simulator and frees everything. Of one that is all zero, and more than once, it does
 * nothing more. */
static inline void tsms_testing_stop(tsms_testing *sim)
{
    if (sim->process > 0) {
        close(sim->lifeline);
        waitpid(sim->process, NULL, 0);
        sim->process = 0;
    }
    curl_easy_cleanup(sim->curl);
    sim->curl = NULL;
    free(sim->answer);
    sim->answer = NULL;
    sim->answer_len = 0;
}

/* Runs a program with pipes as its input and output. False when it cannot be run. */
static inline bool tsms_testing__spawn(char *const argv[], pid_t *process, int *input, int *output)
{
    extern char **environ;
    int to[2], from[2];
    if (pipe(to) != 0) {
        return false;
    }
    if (pipe(from) != 0) {
        close(to[0]);
        close(to[1]);
        return false;
    }
    /* Another simulator that inherited these ends would keep the first one alive. */
    const int ends[] = {to[0], to[1], from[0], from[1]};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    }
    bool is_running = false;
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) == 0) {
        is_running = posix_spawn_file_actions_adddup2(&actions, to[0], 0) == 0 &&
                     posix_spawn_file_actions_adddup2(&actions, from[1], 1) == 0 &&
                     posix_spawnp(process, argv[0], &actions, NULL, argv, environ) == 0;
        posix_spawn_file_actions_destroy(&actions);
    }
    close(to[0]);
    close(from[1]);
    if (!is_running) {
        close(to[1]);
        close(from[0]);
        return false;
    }
    *input = to[1];
    *output = from[0];
    return true;
}

static inline void tsms_testing__read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    while (len + 1 < size && read(fd, line + len, 1) == 1 && line[len] != '\n') {
        len++;
    }
    line[len] = '\0';
}

static inline bool tsms_testing__open(tsms_testing *sim, char *const argv[])
{
    int output;
    if (!tsms_testing__spawn(argv, &sim->process, &sim->lifeline, &output)) {
        sim->process = 0;
        return false;
    }
    char line[512];
    int port = 0;
    tsms_testing__read_line(output, line, sizeof line);
    close(output);
    const char *ca_file = strstr(line, " ca_file=");
    int len = ca_file == NULL ? 0
                              : snprintf(sim->ca_file, sizeof sim->ca_file, "%s",
                                         ca_file + strlen(" ca_file="));
    if (len <= 0 || (size_t)len >= sizeof sim->ca_file ||
        sscanf(line, "ready port=%d", &port) != 1) {
        return false;
    }
    snprintf(sim->base_url, sizeof sim->base_url, "https://localhost:%d", port);
    sim->curl = curl_easy_init();
    return sim->curl != NULL;
}

static inline void tsms_testing__start(tsms_testing *sim, const char *options, const char *file,
                                       int line)
{
    static const char PROGRAM[] = "require('twilio_sms.sim.server').run { %s }";
    char lua[] = "lua5.4", execute[] = "-e", shell[] = "sh", run[] = "-c";
    char text[TSMS_TESTING_TEXT_MOST];
    const char *command = getenv("TWILIO_SMS_SIM");
    int len = command != NULL
                  ? snprintf(text, sizeof text, "%s", command)
                  : snprintf(text, sizeof text, PROGRAM, options != NULL ? options : "");
    char *argv[] = {command != NULL ? shell : lua, command != NULL ? run : execute, text, NULL};
    memset(sim, 0, sizeof *sim);
    if (len < 0 || (size_t)len >= sizeof text || !tsms_testing__open(sim, argv)) {
        tsms_testing_stop(sim);
        TSMS_TESTING_FAIL(file, line, "the simulator does not start");
    }
}

static inline void tsms_testing__configure(tsms_testing *sim, tsms_config *config, const char *file,
                                           int line)
{
    const char *const options[][2] = {
        {"base_url", sim->base_url},
        {"ca_file", sim->ca_file},
        {"account_sid", TSMS_TESTING_ACCOUNT_SID},
        {"auth_token", TSMS_TESTING_AUTH_TOKEN},
        {"retry.settle_ms", "0"}, /* a test need not wait for a list that does not lag */
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        tsms_error err;
        if (tsms_config_set(config, options[i][0], tsms_str_from(options[i][1]), &err) != TSMS_OK) {
            TSMS_TESTING_FAIL(file, line, err.message);
        }
    }
}

static inline size_t tsms_testing__take(char *bytes, size_t size, size_t count, void *user)
{
    tsms_testing *sim = (tsms_testing *)user;
    size_t len = size * count;
    char *grown = (char *)realloc(sim->answer, sim->answer_len + len + 1);
    if (grown == NULL) {
        return 0; /* which libcurl reports as a failed write */
    }
    memcpy(grown + sim->answer_len, bytes, len);
    sim->answer = grown;
    sim->answer_len += len;
    grown[sim->answer_len] = '\0';
    return len;
}

/* Asks a control endpoint; the answer's body is in sim->answer. */
static inline void tsms_testing__ask(tsms_testing *sim, const char *method, const char *path,
                                     const char *form, const char *file, int line)
{
    char url[TSMS_TESTING_TEXT_MOST + sizeof sim->base_url], why[2 * CURL_ERROR_SIZE] = "";
    char fault[CURL_ERROR_SIZE] = "";
    long status = 0;
    free(sim->answer);
    sim->answer = NULL;
    sim->answer_len = 0;
    if (sim->curl == NULL) {
        TSMS_TESTING_FAIL(file, line, "no simulator runs");
        return;
    }
    snprintf(url, sizeof url, "%s%s", sim->base_url, path);
    curl_easy_reset(sim->curl);
    curl_easy_setopt(sim->curl, CURLOPT_URL, url);
    curl_easy_setopt(sim->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(sim->curl, CURLOPT_CAINFO, sim->ca_file);
    curl_easy_setopt(sim->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(sim->curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(sim->curl, CURLOPT_ERRORBUFFER, fault);
    curl_easy_setopt(sim->curl, CURLOPT_WRITEFUNCTION, tsms_testing__take);
    curl_easy_setopt(sim->curl, CURLOPT_WRITEDATA, sim);
    if (form != NULL) {
        curl_easy_setopt(sim->curl, CURLOPT_POSTFIELDS, form);
    }
    CURLcode code = curl_easy_perform(sim->curl);
    curl_easy_getinfo(sim->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status / 100 != 2) {
        snprintf(why, sizeof why, "%s %s: HTTP %ld %.200s", method, path, status,
                 code != CURLE_OK      ? fault
                 : sim->answer == NULL ? ""
                                       : sim->answer);
        TSMS_TESTING_FAIL(file, line, why);
    }
}

/* Puts name=value&name=value behind what is in a buffer, from name, value, ..., NULL; a value that
 * is NULL is left out with its name. False when there is no room. */
static inline bool tsms_testing__form(tsms_testing *sim, char *out, size_t size, ...)
{
    va_list list;
    const char *name, *separator = "";
    bool has_room = true;
    va_start(list, size);
    while (has_room && (name = va_arg(list, const char *)) != NULL) {
        const char *value = va_arg(list, const char *);
        if (value != NULL) {
            size_t len = strlen(out);
            char *escaped = curl_easy_escape(sim->curl, value, 0);
            int more = snprintf(out + len, size - len, "%s%s=%s", separator, name,
                                escaped != NULL ? escaped : "");
            has_room = escaped != NULL && more >= 0 && (size_t)more < size - len;
            curl_free(escaped);
            separator = "&";
        }
    }
    va_end(list);
    return has_room;
}

static inline void tsms_testing__advance(tsms_testing *sim, double seconds, const char *file,
                                         int line)
{
    char form[64];
    /* In whole numbers, because some locales write a comma. */
    long ms = (long)(seconds * 1000 + 0.5);
    snprintf(form, sizeof form, "Seconds=%ld.%03ld", ms / 1000, ms % 1000);
    tsms_testing__ask(sim, "POST", "/_sim/advance", form, file, line);
}

static inline void tsms_testing__inbound(tsms_testing *sim, const char *from, const char *to,
                                         const char *body, const char *file, int line)
{
    char form[TSMS_TESTING_TEXT_MOST] = "";
    if (!tsms_testing__form(sim, form, sizeof form, "From", from, "To", to, "Body", body, NULL)) {
        TSMS_TESTING_FAIL(file, line, "that is too long for a message");
    }
    tsms_testing__ask(sim, "POST", "/_sim/inbound", form, file, line);
}

/* Counts the messages of a JSON list that did not come from persons, and breaks it into lines. */
static inline int tsms_testing__count(char *json)
{
    int count = 0, depth = 0;
    bool in_string = false;
    for (char *at = json; at != NULL && *at != '\0'; at++) {
        if (in_string && *at == '\\' && at[1] != '\0') {
            at++;
        } else if (*at == '"') {
            /* No text can hold this, because quotes in it are escaped. */
            if (!in_string && strncmp(at, "\"direction\":\"inbound\"", 21) == 0) {
                count--;
            }
            in_string = !in_string;
        } else if (!in_string && *at == '{') {
            count += depth == 0;
            depth++;
        } else if (!in_string && *at == '}') {
            depth--;
        } else if (!in_string && *at == ',' && depth == 0) {
            *at = '\n';
        }
    }
    return count;
}

/* Asks for messages; those that match are in sim->answer, one a line. */
static inline int tsms_testing__find(tsms_testing *sim, const char *to, const char *body,
                                     const char *file, int line)
{
    char path[TSMS_TESTING_TEXT_MOST] = "/_sim/messages?";
    if (!tsms_testing__form(sim, path, sizeof path, "To", to, "Body", body, NULL)) {
        TSMS_TESTING_FAIL(file, line, "that is too long for a message");
    }
    tsms_testing__ask(sim, "GET", path, NULL, file, line);
    return tsms_testing__count(sim->answer);
}

/* `times` -1 stands for at least one. */
static inline void tsms_testing__assert_sent(tsms_testing *sim, int times, const char *to,
                                             const char *body, const char *file, int line)
{
    char why[TSMS_TESTING_TEXT_MOST];
    int count = tsms_testing__find(sim, to, body, file, line);
    if (times < 0 ? count > 0 : count == times) {
        return;
    }
    const char *what = "these were";
    if (count == 0) {
        what = "what was sent to this number";
        if (to == NULL || tsms_testing__find(sim, to, NULL, file, line) == 0) {
            what = "what was sent to others";
            tsms_testing__find(sim, NULL, NULL, file, line);
        }
    }
    snprintf(why, sizeof why, "%d messages to %s with the body %s%s%s, not %s%d; %s:\n%s", count,
             to != NULL ? to : "anybody", body != NULL ? "\"" : "",
             body != NULL ? body : "of any kind", body != NULL ? "\"" : "",
             times < 0 ? "at least " : "", times < 0 ? 1 : times, what, sim->answer);
    TSMS_TESTING_FAIL(file, line, why);
}

#endif
