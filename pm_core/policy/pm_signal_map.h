/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_signal_map.h
 * @brief Layer 1: what a signal means to the manager, and when.
 *
 * The signal policy of FCGI::Engine::ProcManager as a table of signal and
 * phase.  A handler only notes that a signal came.
 */
#ifndef PM_SIGNAL_MAP_H
#define PM_SIGNAL_MAP_H

/** Where the manager is in its life. */
typedef enum pm_phase {
    PM_PHASE_RUNNING,
    PM_PHASE_DYING /**< told to end; nothing turns that back */
} pm_phase_t;

/** What it is to do. */
typedef enum pm_signal_command {
    PM_SIGNAL_NONE,
    PM_SIGNAL_RELOAD, /**< tell every worker to go, and go on */
    PM_SIGNAL_DIE,    /**< tell every worker to go, then end */
    PM_SIGNAL_REAP    /**< children have ended */
} pm_signal_command_t;

/** The signals the manager takes, 0 at the end, in the order in which they
 *  are looked at when several have come: the end before a reload, and the
 *  dead last, so that who was told is known when they are counted. */
extern const int pm_signal_map_taken[];

/** Signals httpd's processes get that are nothing to the manager; 0 at the
 *  end.  They are ignored. */
extern const int pm_signal_map_ignored[];

pm_signal_command_t pm_signal_map(int sig, pm_phase_t phase);

#endif /* PM_SIGNAL_MAP_H */
