/* SPDX-License-Identifier: Apache-2.0 */
/* Linux tells by /proc (proc(5)); elsewhere nothing is known of other
 * processes. */
#include "ctl_where.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "apr_user.h"
#include "ctl_text.h"
#include "pm_core/os/pm_procinfo.h"

/* Where httpd's runtime directory and that of fcgipm-run can be. */
static const char *const where_patterns[] = {
    "/run/*/fcgipm.sock", "/run/*/*/fcgipm.sock", "/run/fcgipm*/*.sock",
    "/usr/local/*/logs/fcgipm.sock", "/opt/*/logs/fcgipm.sock"};

/* Sockets, and httpds, that are told at the most. */
#define WHERE_MOST 3

static const char *where_user(uid_t uid, apr_pool_t *p)
{
    char *name;

    return apr_uid_name_get(&name, uid, p) == APR_SUCCESS
               ? name
               : apr_psprintf(p, "%u", uid);
}

static void where_put(FILE *out, const char *text)
{
    ctl_text_wrap(out, "  ", text);
}

/* --- the socket ----------------------------------------------------------- */

/* @return what is wrong with it, as far as the file tells; NULL: it is not
 *         there */
static const char *where_socket(const char *path, apr_pool_t *p)
{
    struct stat st;

    if (stat(path, &st)) {
        return errno == EACCES
                   ? apr_psprintf(p,
                                  "User %s may not search a directory on the "
                                  "way to it: use sudo.",
                                  where_user(geteuid(), p))
                   : NULL;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return "This is not a socket.";
    }
    return access(path, W_OK)
               ? apr_psprintf(p,
                              "The socket belongs to user %s, its mode is %04o "
                              "(FcgiPMSocketMode): use sudo.",
                              where_user(st.st_uid, p),
                              (unsigned)st.st_mode & 07777)
               : "The socket is there, but no manager listens on it.";
}

/* The name is a hint, and any user's: whose it is is told as well.  (Which
 * process listens the kernel tells by a name that the socket no longer has.) */
static void where_put_others(FILE *out, const char *tried, apr_pool_t *p)
{
    glob_t found = {0};
    struct stat st;
    size_t i;
    int n = 0;

    for (i = 0; i < sizeof(where_patterns) / sizeof(where_patterns[0]); i++) {
        glob(where_patterns[i], i ? GLOB_APPEND : 0, NULL, &found);
    }
    for (i = 0; i < found.gl_pathc && n < WHERE_MOST; i++) {
        const char *path = found.gl_pathv[i];

        if (strcmp(path, tried) && stat(path, &st) == 0
            && S_ISSOCK(st.st_mode)) {
            where_put(out, apr_psprintf(p,
                                        "User %s has a socket there: fcgipmctl "
                                        "-s %s",
                                        where_user(st.st_uid, p), path));
            n++;
        }
    }
    globfree(&found);
}

/* --- httpd ---------------------------------------------------------------- */

static int where_is_httpd(pid_t pid)
{
    char path[40], comm[20] = "";
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    f = fopen(path, "re");
    if (f) {
        if (!fgets(comm, sizeof(comm), f)) {
            comm[0] = '\0';
        }
        fclose(f);
    }
    return !strcmp(comm, "apache2\n") || !strcmp(comm, "httpd\n");
}

/* httpd's parent, not a child: its own parent is none. */
static int where_is_parent(pid_t pid)
{
    apr_uint64_t started;

    return where_is_httpd(pid)
           && !where_is_httpd(pm_procinfo_parent(pid, &started));
}

static void where_put_httpd(FILE *out, pid_t pid, apr_pool_t *p)
{
    static const char *const texts[] = {
        "; whether it has mod_fcgipm only root can see.",
        ", but mod_fcgipm is not loaded: LoadModule, on Debian \"a2enmod "
        "fcgipm\", and restart it.",
        " and has mod_fcgipm. It has a manager when it has a pool "
        "(<FcgiPMPool>, <FcgiPMScripts>); why one cannot be started is in its "
        "error log."};

    where_put(out, apr_psprintf(
                       p, "httpd runs (process %d)%s", (int)pid,
                       texts[pm_procinfo_has_library(pid, "/mod_fcgipm") + 1]));
}

static void where_put_servers(FILE *out, apr_pool_t *p)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    int n = 0;

    if (!proc || access("/proc/self/comm", R_OK)) {
        n = -1; /* nothing is known */
    }
    while (n >= 0 && n < WHERE_MOST && (entry = readdir(proc))) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (pid > 0 && where_is_parent(pid)) {
            where_put_httpd(out, pid, p);
            n++;
        }
    }
    if (n == 0) {
        where_put(out, "No httpd runs here: no process is called apache2 or "
                       "httpd.");
    }
    if (proc) {
        closedir(proc);
    }
}

void ctl_where_explain(FILE *out, const char *path, const char *named,
                       apr_pool_t *p)
{
    const char *wrong = where_socket(path, p);

    where_put(out, apr_psprintf(p,
                                "That is %s. -s SOCKET names another; "
                                "FcgiPMSocket in httpd's configuration says "
                                "which.",
                                named));
    if (wrong) {
        where_put(out, wrong);
    }
    where_put_others(out, path, p);
    where_put_servers(out, p);
}
