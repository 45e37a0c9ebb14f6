/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_privs.h"

#include <errno.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifdef PM_HAVE_LIBCAP_NG
#include <cap-ng.h>

static const int needed[] = {
    CAP_CHOWN,    CAP_DAC_OVERRIDE, CAP_FOWNER, /* sockets, logs, pid file */
    CAP_KILL,     CAP_SETGID,       CAP_SETUID,    CAP_SYS_CHROOT,
    CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_SYS_PTRACE /* /proc/PID/smaps_rollup */
};

static int is_needed(int cap)
{
    unsigned i;

    for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (needed[i] == cap) {
            return 1;
        }
    }
    return 0;
}

/* Capabilities are only dropped, never added: in a container root can have
 * fewer. */
void pm_privs_keep_needed(void)
{
    const capng_type_t sets =
        CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE;
    int cap;

    if (capng_get_caps_process()) {
        return;
    }
    for (cap = 0; cap <= CAP_LAST_CAP; cap++) {
        if (!is_needed(cap)) {
            capng_update(CAPNG_DROP, sets, (unsigned)cap);
        }
    }
    capng_apply(CAPNG_SELECT_CAPS);
}
#else
void pm_privs_keep_needed(void)
{
}
#endif

int pm_privs_set_no_new(void)
{
#ifdef PR_SET_NO_NEW_PRIVS
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? errno : 0;
#else
    return 0;
#endif
}
