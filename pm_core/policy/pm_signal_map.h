/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_signal_map.h
 * @brief What a signal means to the manager in each phase.
 *
 * The signal policy of FCGI::Engine::ProcManager (its section "Signals"), as a
 * table of signal and phase.  The handler only notes that a signal came
 * (pm_signals.h); the manager's loop asks here what to do.
 */
#ifndef PM_SIGNAL_MAP_H
#define PM_SIGNAL_MAP_H

/** The phase the manager is in. */
typedef enum pm_phase {
    PM_PHASE_RUNNING,
    PM_PHASE_DYING /**< it is to end; no signal changes that */
} pm_phase_t;

/** What the manager has to do. */
typedef enum pm_signal_command {
    PM_SIGNAL_NONE,
    PM_SIGNAL_RELOAD, /**< stop every worker and replace it */
    PM_SIGNAL_DIE,    /**< stop every worker, then end */
    PM_SIGNAL_REAP    /**< reap children that have ended */
} pm_signal_command_t;

/** The signals the manager handles, 0 at the end, in the order in which it
 *  carries them out when several have come: an end before a reload, and SIGCHLD
 *  last, so that workers that were told to stop are known when their exits are
 *  counted. */
extern const int pm_signal_map_taken[];

/** Signals that people send to all of httpd's processes and that mean nothing
 *  to the manager, 0 at the end.  It ignores them. */
extern const int pm_signal_map_ignored[];

/** @return what @a sig means in @a phase; PM_SIGNAL_NONE for any other signal
 */
pm_signal_command_t pm_signal_map(int sig, pm_phase_t phase);

#endif /* PM_SIGNAL_MAP_H */
