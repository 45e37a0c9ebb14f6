/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_activation.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "apr_strings.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

/* @return the number that a variable holds, or -1 */
static long env_number(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long n;

    if (!text || !*text) {
        return -1;
    }
    errno = 0;
    n = strtol(text, &end, 10);
    return errno || *end ? -1 : n;
}

static const char *write_address(const struct sockaddr_storage *sa,
                                 socklen_t len, apr_pool_t *p)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)sa;
    char host[NI_MAXHOST], port[NI_MAXSERV];

    switch (sa->ss_family) {
    case AF_UNIX:
        return len > sizeof(sa_family_t) && un->sun_path[0] ? apr_psprintf(
                   p, "unix:%.*s",
                   (int)(len - offsetof(struct sockaddr_un, sun_path)),
                   un->sun_path)
                                                            : NULL;
    case AF_INET:
    case AF_INET6: /* with its interface, if it is link-local */
        return getnameinfo((const struct sockaddr *)sa, len, host, sizeof(host),
                           port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV)
                   ? NULL
                   : apr_psprintf(
                       p, sa->ss_family == AF_INET ? "%s:%s" : "[%s]:%s", host,
                       port);
    default:
        return NULL;
    }
}

static int socket_option(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

static apr_status_t take_one(pm_activation_t *a, int fd, const char *name,
                             apr_pool_t *p, pm_reason_t *why)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    const char *address;

    memset(&sa, 0, sizeof(sa));
    if (socket_option(fd, SO_TYPE) != SOCK_STREAM
        || socket_option(fd, SO_ACCEPTCONN) != 1
        || getsockname(fd, (struct sockaddr *)&sa, &len)
        || !(address = write_address(&sa, len, p))) {
        return pm_fail(why, EINVAL,
                       "descriptor %d, which was passed as \"%.100s\", is not "
                       "a listening stream socket with an address "
                       "(ListenStream= without Accept=yes)",
                       fd, name);
    }
    if (pm_activation_find(a, name)) {
        return pm_fail(why, EINVAL,
                       "two sockets were passed as \"%.100s\": give each the "
                       "name of its pool (FileDescriptorName=)",
                       name);
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    APR_ARRAY_PUSH(a->passed, pm_passed_t) =
        (pm_passed_t){apr_pstrdup(p, name), address, fd};
    return APR_SUCCESS;
}

static apr_status_t take_all(pm_activation_t *a, int n, apr_pool_t *p,
                             pm_reason_t *why)
{
    const char *names = getenv("LISTEN_FDNAMES");
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < n && rv == APR_SUCCESS; i++) {
        size_t len = names ? strcspn(names, ":") : 0;
        const char *name = names ? apr_pstrmemdup(p, names, len) : "unknown";

        rv = take_one(a, FIRST_FD + i, name, p, why);
        names = names && names[len] ? names + len + 1 : NULL;
    }
    return rv;
}

apr_status_t pm_activation_take(pm_activation_t *a, apr_pool_t *p,
                                pm_reason_t *why)
{
    long n = env_number("LISTEN_FDS");
    long pid = env_number("LISTEN_PID");
    apr_status_t rv = APR_SUCCESS;

    a->passed = apr_array_make(p, 4, sizeof(pm_passed_t));
    a->other = n > 0 && pid > 0 && pid != (long)getpid() ? pid : 0;
    if (n > 0 && pid == (long)getpid()) {
        rv = n <= PM_ACTIVATION_MAX
                 ? take_all(a, (int)n, p, why)
                 : pm_fail(why, EINVAL,
                           "LISTEN_FDS: %ld sockets, %d are allowed", n,
                           PM_ACTIVATION_MAX);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return rv;
}

const char *pm_activation_warning(const pm_passed_t *passed, apr_pool_t *p)
{
    return apr_psprintf(p,
                        "the socket %s, which was passed as \"%s\", belongs "
                        "to no pool: no worker accepts connections to it; its "
                        "name (FileDescriptorName=) has to be that of a pool",
                        passed->address, passed->name);
}

const pm_passed_t *pm_activation_find(const pm_activation_t *a,
                                      const char *name)
{
    int i;

    for (i = 0; a && i < a->passed->nelts; i++) {
        const pm_passed_t *passed = &APR_ARRAY_IDX(a->passed, i, pm_passed_t);

        if (!strcmp(passed->name, name)) {
            return passed;
        }
    }
    return NULL;
}
