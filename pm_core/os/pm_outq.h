/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_outq.h
 * @brief What the other end of a unix socket has not read yet.
 *
 * Linux counts the memory of it (SIOCOUTQ, sockios.h): that of a whole
 * sendmsg() until its last byte was read.  Elsewhere it is not known.
 */
#ifndef PM_OUTQ_H
#define PM_OUTQ_H

/** @return 0: all was read, or that is not known */
int pm_outq(int fd);

#endif /* PM_OUTQ_H */
