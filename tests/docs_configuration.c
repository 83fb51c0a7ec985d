/* Prints docs/configuration.md, made from the table of options. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"

static const char head[] =
    "# Configuration\n"
    "\n"
    "<!-- Generated from csrc/config/props.def by tests/docs_configuration.c; do not edit. -->\n"
    "\n"
    "Options are set by name before a client is made; the client keeps a copy that does not\n"
    "change. In Lua they are one table, in which a dot is a table within the table:\n"
    "\n"
    "```lua\n"
    "local client = sms.assert(sms.new {\n"
    "    account_sid = \"AC00000000000000000000000000000000\",\n"
    "    auth_token = { env = \"TWILIO_AUTH_TOKEN\" },\n"
    "    from = \"+15005550006\",\n"
    "    rate = { per_second = 5, burst = 10 },\n"
    "})\n"
    "```\n"
    "\n"
    "In C the names are used as they stand here:\n"
    "\n"
    "```c\n"
    "tsms_config *config;\n"
    "tsms_error err;\n"
    "if (tsms_config_new(NULL, &config) == TSMS_OK &&\n"
    "    tsms_config_from_env(config, &err) == TSMS_OK &&\n"
    "    tsms_config_set_number(config, \"rate.per_second\", 5, &err) == TSMS_OK) {\n"
    "    /* tsms_client_new */\n"
    "}\n"
    "```\n"
    "\n"
    "A name that does not exist is an error that tells the nearest one. A value of the\n"
    "wrong type or out of its range is an error that tells what is allowed; the old value\n"
    "then stays. In C, numbers, booleans and words can also be given as text, and a list\n"
    "takes one element by each call.\n"
    "\n"
    "Texts are UTF-8 without control characters and not empty. An option without a default\n"
    "is absent until it is set. `account_sid` must be set, and `auth_token`, or `api_key`\n"
    "with `api_secret`, or all three: then requests use the API key, and webhooks, which no\n"
    "API key can verify, use the token.\n";

static const char objects[] =
    "\n"
    "## Objects\n"
    "\n"
    "In Lua `sms.new` and `sms.from_env` take these besides. They are objects and tables of\n"
    "the program, so neither C nor the environment has them; of a configuration file the\n"
    "[command line](command-line.md#logs-and-traces) takes the options of `log` and `trace`.\n"
    "\n"
    "| Option | What it is |\n"
    "|---|---|\n"
    "| `log` | the options of a [log](logs.md), or one that was made before |\n"
    "| `trace` | the options of a [trace](traces.md), or one that was made before |\n"
    "| `optout` | the [opt-out list](opt-out.md) that is asked before each message; `false` for "
    "none. Default: one in memory |\n"
    "| `track` | a [tracker](tracking.md), which is told of what is sent |\n"
    "| `driver` | what [carries the requests](loops.md#drivers). Default: libcurl |\n"
    "| `errors` | [what a code means](#what-an-error-code-means) |\n"
    "\n"
    "[Metrics](metrics.md) need no option: `client:metrics()` answers them. `shared` makes them\n"
    "those of all processes.\n";

static const char secrets[] =
    "\n"
    "## Secrets\n"
    "\n"
    "`auth_token`, `api_secret` and `callback_ref.key` are kept in locked memory that is\n"
    "wiped when it is freed, and no message repeats them. They need not pass through the\n"
    "program at all: `auth_token.env` names an environment variable and `auth_token.file` a\n"
    "file to take the token from (in Lua `auth_token = { env = ... }` and `auth_token = {\n"
    "file = ... }`); the same holds for the other two. They are read at once, when the\n"
    "option is set. A line end at the end of the file is not part of the secret.\n"
    "\n"
    "## Environment\n"
    "\n"
    "`tsms_config_from_env`, in Lua `sms.from_env`, reads these variables; empty ones count\n"
    "as absent. If one is refused, none is taken.\n"
    "\n"
    "| Variable | Option |\n"
    "|---|---|\n";

static const char errors[] =
    "\n"
    "## What an error code means\n"
    "\n"
    "`tsms_config_set_error`, in Lua the table `errors`, changes for one client which kind\n"
    "of error a code of Twilio's is and whether it may be retried.\n";

static const char *const types[] = {
    [TSMS__PROP_STR] = "text",   [TSMS__PROP_SECRET] = "secret", [TSMS__PROP_INT] = "integer",
    [TSMS__PROP_NUM] = "number", [TSMS__PROP_BOOL] = "boolean",  [TSMS__PROP_ENUM] = "word",
    [TSMS__PROP_LIST] = "list",
};

/* The words of an ENUM, between backticks and commas. */
static void print_words(const char *words)
{
    while (*words != '\0') {
        size_t len = strcspn(words, "|");
        printf("`%.*s`", (int)len, words);
        words += len;
        if (*words == '|') {
            words++;
            fputs(strchr(words, '|') != NULL ? ", " : " or ", stdout);
        }
    }
}

static void print_range(const tsms__prop *prop)
{
    switch (prop->type) {
    case TSMS__PROP_STR:
    case TSMS__PROP_SECRET:
    case TSMS__PROP_LIST:
        printf("up to %.0f bytes", prop->max);
        break;
    case TSMS__PROP_INT:
        printf("%.0f to %.0f%s%s", prop->min, prop->max, prop->unit[0] != '\0' ? " " : "",
               prop->unit);
        break;
    case TSMS__PROP_NUM:
        printf("0 (no limit), or %g to %g %s", prop->min, prop->max, prop->unit);
        break;
    case TSMS__PROP_BOOL:
        fputs("`true` or `false`", stdout);
        break;
    case TSMS__PROP_ENUM:
        print_words(prop->unit);
        break;
    }
}

static void print_prop(const tsms__prop *prop)
{
    printf("| `%s` | %s | ", prop->key, types[prop->type]);
    if (prop->fallback != NULL) {
        printf("`%s`", prop->fallback);
    }
    fputs(" | ", stdout);
    print_range(prop);
    printf(" | %s |\n", prop->sentence);
}

/* The heading above the options whose keys begin like this one. */
static const char *section_of(const char *key)
{
    static const struct {
        const char *prefix, *title;
    } sections[] = {
        {"rate.", "Rate limits"},
        {"breaker.", "Circuit breaker"},
        {"retry.", "Retries"},
    };
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        if (strncmp(key, sections[i].prefix, strlen(sections[i].prefix)) == 0) {
            return sections[i].title;
        }
    }
    return "Account, network and calls";
}

int main(void)
{
    fputs(head, stdout);
    size_t count;
    const tsms__prop *props = tsms__props(&count);
    const char *section = "";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(section, section_of(props[i].key)) != 0) {
            section = section_of(props[i].key);
            printf("\n## %s\n\n| Option | Type | Default | Allowed | Meaning |\n", section);
            puts("|---|---|---|---|---|");
        }
        print_prop(&props[i]);
    }
    fputs(objects, stdout);
    fputs(secrets, stdout);
    const tsms__env_var *vars = tsms__env_vars(&count);
    for (size_t i = 0; i < count; i++) {
        printf("| `%s` | `%s` |\n", vars[i].name, vars[i].key);
    }
    fputs(errors, stdout);
    return ferror(stdout) || fclose(stdout) != 0;
}
