/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_title.h
 * @brief Layer 2: what ps(1) shows for this process.
 */
#ifndef PM_TITLE_H
#define PM_TITLE_H

/**
 * Set the title of this process.  On Linux the text is written over the
 * memory of the arguments and the environment that execve(2) laid out (proc(5),
 * stat: arg_start to env_end); the environment is copied away first, so
 * getenv() stays right.  Elsewhere setproctitle(3) where there is one, else
 * nothing happens.  Cut to the room there is.
 */
void pm_title_set(const char *title);

#endif /* PM_TITLE_H */
