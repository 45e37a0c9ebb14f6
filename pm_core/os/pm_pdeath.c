/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_pdeath.h"

#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

int pm_pdeath_set(int sig, pid_t parent)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0);
#else
    (void)sig;
#endif
    return getppid() == parent;
}
