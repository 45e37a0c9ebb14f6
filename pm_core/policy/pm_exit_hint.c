/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_exit_hint.h"

#include <string.h>

#include "apr_lib.h"

/* A CGI program begins its answer with one of these (RFC 3875). */
static const char *const hint_headers[] = {
    "Content-type:", "Status:", "Location:", "X-Powered-By: PHP"};

static int hint_is_cgi(const char *said)
{
    unsigned i;

    for (; said; said = strchr(said, '\n') ? strchr(said, '\n') + 1 : NULL) {
        for (i = 0; i < sizeof(hint_headers) / sizeof(hint_headers[0]); i++) {
            if (!strncasecmp(said, hint_headers[i], strlen(hint_headers[i]))) {
                return 1;
            }
        }
    }
    return 0;
}

/* "php8.2" of /usr/bin/php8.2 */
static int hint_is_version_of(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t len = strlen(name);

    return !strncmp(base, name, len)
           && base[len + strspn(base + len, "0123456789.")] == '\0';
}

static int hint_ends(const char *word, const char *end)
{
    size_t len = strlen(word), n = strlen(end);

    return len > n && !strcmp(word + len - n, end);
}

static int hint_any_ends(const char *const *command, int n, const char *end)
{
    int i;

    for (i = 0; i < n; i++) {
        if (hint_ends(command[i], end)) {
            return 1;
        }
    }
    return 0;
}

const char *pm_exit_hint(const char *const *command, int n, const char *said,
                         int clean)
{
    if (n && hint_is_version_of(command[0], "php")) {
        return "this is PHP's command line: FastCGI is spoken by php-cgi";
    }
    if (n && hint_is_version_of(command[0], "php-fpm")) {
        return "php-fpm manages workers itself: FcgiPMCommand is php-cgi";
    }
    if (hint_any_ends(command, n, ".wsgi")) {
        return "a WSGI file is no server: have uwsgi --protocol fastcgi load "
               "it (--wsgi-file)";
    }
    if (hint_is_cgi(said)) {
        return "it has answered as a CGI program, without waiting for a "
               "request: run it by fcgiwrap, or by mod_cgid";
    }
    return clean ? "it has not waited for a request: a FastCGI program accepts "
                   "connections on descriptor 0, and goes on"
                 : "";
}

/* --- workers that count requests ------------------------------------------ */

int pm_exit_left_note(pm_exit_left_t *left, apr_int64_t requests,
                      apr_time_t now)
{
    if (left->said || requests < PM_EXIT_LEFT_REQUESTS) {
        return 0;
    }
    if (!left->n || now - left->since > PM_EXIT_LEFT_TIME) {
        left->n = 0;
        left->since = now;
    }
    left->n++;
    left->said = left->n == PM_EXIT_LEFT_WORKERS;
    return left->said;
}

const char *pm_exit_left_hint(const char *const *command, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        if (hint_is_version_of(command[i], "php-cgi")) {
            return "FcgiPMSetEnv PHP_FCGI_MAX_REQUESTS 0 turns php-cgi's own "
                   "count off";
        }
    }
    return "a count of the program's own is to be off";
}
