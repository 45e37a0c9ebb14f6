/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_outq.h"

#ifdef __linux__

#include <linux/sockios.h>
#include <sys/ioctl.h>

int pm_outq(int fd)
{
    int bytes = 0;

    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? bytes : 0;
}

#else

int pm_outq(int fd)
{
    (void)fd;
    return 0;
}

#endif
