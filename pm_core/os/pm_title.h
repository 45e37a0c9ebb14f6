/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_title.h
 * @brief The title that ps(1) shows for this process.
 */
#ifndef PM_TITLE_H
#define PM_TITLE_H

/**
 * Set the title.  On Linux it is written over the arguments and the environment
 * where execve(2) put them (proc(5), stat: arg_start to env_end); the
 * environment is copied first, so getenv(3) still works.  Elsewhere
 * setproctitle(3) where there is one, else nothing.  Cut to the memory there
 * is.  Call it while the process has one thread.
 */
void pm_title_set(const char *title);

#endif /* PM_TITLE_H */
