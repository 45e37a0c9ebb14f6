/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_metric_rows.h
 * @brief What is told of managers, pools and workers, a row each.
 *
 * Not an ordinary header: whoever includes it defines PM_METRIC first, with
 *
 *   PM_METRIC(object, member, type, known, page, section, table, top, width,
 *             family, label, value, help)
 *
 *   object   MANAGER, POOL or WORKER: whose figure it is
 *   member   its name in the status (JSON), in docs/admin/control.md; the
 *            rows stand in the order of the members
 *   type     what it is, its unit and how it adds up: pm_metric_type_t
 *   known    BOARD: httpd's processes can tell it from shared memory;
 *            MANAGER: only the manager can
 *   page, section, table, top
 *            its column's head on the status page, in the section of
 *            mod_status ("In flight" is InFlight in ?auto), in `fcgipmctl
 *            status` and in `fcgipmctl top`; NULL: it has none there
 *   width    of the column on a terminal
 *   family   of OpenMetrics, without _total; NULL: it has none.  Rows that
 *            share one follow each other, and the first one's help is its
 *   label, value
 *            what tells such rows apart; NULL: nothing does
 *   help     a sentence
 *
 * A new figure is a row here, a value in pm_report_status.c, and a line in
 * docs/admin/control.md and, with a family, docs/admin/status.md.
 */

/* --- the manager ---------------------------------------------------------- */
PM_METRIC(MANAGER, pid, NUMBER, BOARD, NULL, NULL, NULL, NULL, 0, NULL, NULL,
          NULL, "Its process.")
PM_METRIC(MANAGER, uptime, SECONDS, MANAGER, NULL, NULL, NULL, NULL, 0,
          "fcgipm_manager_uptime_seconds", NULL, NULL,
          "How long this manager has been running.")
PM_METRIC(MANAGER, restarts, COUNTER, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_manager_restarts", NULL, NULL,
          "Managers that died and were replaced.")
PM_METRIC(MANAGER, reloads, COUNTER, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_manager_reloads", NULL, NULL,
          "Reloads that were carried out.")
PM_METRIC(MANAGER, loop_max, SECONDS, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_manager_loop_max_seconds", NULL, NULL,
          "The longest time in which the manager listened to nobody.")
PM_METRIC(MANAGER, answers, FLAG, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_manager_up", NULL, NULL, "Does the manager answer?")
PM_METRIC(MANAGER, error, TEXT, BOARD, NULL, NULL, NULL, NULL, 0, NULL, NULL,
          NULL, "Why the manager does not answer.")

/* --- a pool --------------------------------------------------------------- */
PM_METRIC(POOL, name, TEXT, BOARD, "Pool", NULL, "POOL", "POOL", 17, NULL, NULL,
          NULL, "Its name.")
PM_METRIC(POOL, state, STATE, BOARD, "State", NULL, "STATE", "STATE", 9,
          "fcgipm_pool_state", NULL, NULL, "The state of the pool.")
PM_METRIC(POOL, command, TEXT, BOARD, NULL, NULL, NULL, NULL, 0, NULL, NULL,
          NULL, "What its workers execute.")
PM_METRIC(POOL, listen, TEXT, BOARD, NULL, NULL, NULL, NULL, 0, NULL, NULL,
          NULL, "The address of its socket.")
PM_METRIC(POOL, min, NUMBER, BOARD, "Min", NULL, NULL, NULL, 0,
          "fcgipm_pool_workers_min", NULL, NULL,
          "The minimum of FcgiPMProcesses.")
PM_METRIC(POOL, max, NUMBER, BOARD, "Max", NULL, "MAX", NULL, 4,
          "fcgipm_pool_workers_max", NULL, NULL,
          "The maximum of FcgiPMProcesses.")
PM_METRIC(POOL, requests_per_worker, NUMBER, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_requests_per_worker", NULL, NULL,
          "Requests a worker is given at once (FcgiPMRequestsPerWorker).")
PM_METRIC(POOL, workers, NUMBER, BOARD, "Workers", "Workers", "LIVE", "LIVE", 5,
          NULL, NULL, NULL, "Workers that were not told to stop.")
PM_METRIC(POOL, idle, NUMBER, MANAGER, "Idle", NULL, "IDLE", "IDLE", 5,
          "fcgipm_pool_workers", "state", "idle",
          "Workers of the pool by what they do.")
PM_METRIC(POOL, busy, NUMBER, MANAGER, "Busy", NULL, "BUSY", "BUSY", 5,
          "fcgipm_pool_workers", "state", "busy",
          "Workers that have a request.")
PM_METRIC(POOL, starting, NUMBER, MANAGER, "Starting", NULL, NULL, NULL, 0,
          "fcgipm_pool_workers", "state", "starting",
          "Workers that are not yet waiting for a request.")
PM_METRIC(POOL, stopping, NUMBER, MANAGER, "Stopping", NULL, NULL, NULL, 0,
          "fcgipm_pool_workers", "state", "stopping",
          "Workers that were told to stop.")
PM_METRIC(POOL, queue, NUMBER, MANAGER, "Waiting", "Waiting", "QUEUE", "QUEUE",
          5, "fcgipm_pool_requests_queued", NULL, NULL,
          "Requests of httpd that wait for a worker.")
PM_METRIC(POOL, parked, NUMBER, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_requests_waiting", "state", "parked",
          "Requests that wait in httpd: parked ones hold no thread.")
PM_METRIC(POOL, blocked, NUMBER, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_requests_waiting", "state", "blocked",
          "Requests that wait in httpd, each holding a thread.")
PM_METRIC(POOL, in_flight, NUMBER, BOARD, NULL, "In flight", NULL, NULL, 0,
          "fcgipm_pool_requests_in_flight", NULL, NULL,
          "Requests of httpd that a worker has or that wait for one.")
PM_METRIC(POOL, requests, COUNTER, BOARD, "Requests", "Requests", "REQUESTS",
          "REQUESTS", 8, "fcgipm_pool_requests", NULL, NULL,
          "Requests a worker has begun to answer.")
PM_METRIC(POOL, aborted, COUNTER, BOARD, "Aborted", "Aborted", NULL, NULL, 0,
          "fcgipm_pool_requests_aborted", NULL, NULL,
          "Requests whose client went before the worker was done.")
PM_METRIC(POOL, retried, COUNTER, BOARD, "Retried", "Retried", NULL, NULL, 0,
          "fcgipm_pool_requests_retried", NULL, NULL,
          "Requests that were given to a second worker.")
PM_METRIC(POOL, reused, COUNTER, BOARD, "Reused", "Reused", NULL, NULL, 0,
          "fcgipm_pool_requests_reused", NULL, NULL,
          "Requests that were sent on a kept connection.")
PM_METRIC(POOL, refused, COUNTER, BOARD, "Refused", "Refused", NULL, NULL, 0,
          NULL, NULL, NULL, "Requests that got 503 from httpd itself.")
PM_METRIC(POOL, refused_limit, COUNTER, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_requests_refused", "reason", "queue_limit",
          "Requests answered with 503 as none of the pool's workers was to be "
          "had.")
PM_METRIC(POOL, refused_timeout, COUNTER, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_requests_refused", "reason", "queue_timeout",
          "Because no worker was free within FcgiPMQueueTimeout.")
PM_METRIC(POOL, refused_unavailable, COUNTER, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_requests_refused", "reason", "unavailable",
          "Because the pool could not answer at all.")
PM_METRIC(POOL, request_time, HISTOGRAM, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_request_duration_seconds", NULL, NULL,
          "How long workers had requests that have ended.")
PM_METRIC(POOL, queue_time, HISTOGRAM, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_queue_duration_seconds", NULL, NULL,
          "How long requests waited for a worker, including in vain.")
PM_METRIC(POOL, spawned, COUNTER, BOARD, "Started", NULL, NULL, NULL, 0,
          "fcgipm_pool_workers_started", NULL, NULL,
          "Workers that were started.")
PM_METRIC(POOL, exited, COUNTER, BOARD, "Exited", NULL, NULL, NULL, 0,
          "fcgipm_pool_workers_ended", "cause", "exited",
          "Workers that have ended.")
PM_METRIC(POOL, crashed, COUNTER, BOARD, "Crashed", "Crashed", "CRASH", "CRASH",
          5, "fcgipm_pool_workers_ended", "cause", "crashed",
          "Workers that ended by a signal or status of their own.")
PM_METRIC(POOL, killed, COUNTER, BOARD, "Killed", "Killed", "KILL", "KILL", 4,
          "fcgipm_pool_workers_ended", "cause", "killed",
          "Workers that got SIGKILL from the manager.")
PM_METRIC(POOL, recycled, COUNTER, BOARD, "Recycled", NULL, NULL, NULL, 0,
          "fcgipm_pool_workers_recycled", NULL, NULL,
          "Workers that were replaced for a limit of requests, age or size, "
          "or by a rolling reload.")
PM_METRIC(POOL, timed_out, COUNTER, BOARD, "Over time", NULL, NULL, NULL, 0,
          "fcgipm_pool_workers_timed_out", NULL, NULL,
          "Workers that were ended because of FcgiPMRequestTimeout.")
PM_METRIC(POOL, strangers, COUNTER, BOARD, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_strangers", NULL, NULL,
          "Connections that workers closed because of FcgiPMListenClients.")
PM_METRIC(POOL, preload, TEXT, MANAGER, "Preloaded", NULL, NULL, NULL, 0, NULL,
          NULL, NULL, "FcgiPMPreload: on, or why not.")
PM_METRIC(POOL, fork_server, NUMBER, MANAGER, NULL, NULL, NULL, NULL, 0, NULL,
          NULL, NULL, "The process its workers are forked from.")
PM_METRIC(POOL, warmup, TEXT, MANAGER, NULL, NULL, NULL, NULL, 0, NULL, NULL,
          NULL, "FcgiPMWarmup: how the last requests were answered.")
PM_METRIC(POOL, last_error, TEXT, MANAGER, NULL, NULL, NULL, NULL, 0, NULL,
          NULL, NULL, "The last thing that went wrong.")
PM_METRIC(POOL, last_error_age, SECONDS, MANAGER, NULL, NULL, NULL, NULL, 0,
          NULL, NULL, NULL, "How long ago that was.")
PM_METRIC(POOL, last_stderr, TEXT, MANAGER, NULL, NULL, NULL, NULL, 0, NULL,
          NULL, NULL, "What its workers wrote last.")
PM_METRIC(POOL, retry_in, SECONDS, MANAGER, NULL, NULL, NULL, NULL, 0,
          "fcgipm_pool_next_start_seconds", NULL, NULL,
          "Time until a worker is started again after failures.")
PM_METRIC(POOL, failed_starts, NUMBER, MANAGER, NULL, NULL, NULL, NULL, 0, NULL,
          NULL, NULL, "Starts in a row that have failed.")

/* --- a worker ------------------------------------------------------------- */
PM_METRIC(WORKER, pid, NUMBER, MANAGER, "Pid", NULL, "PID", "PID", 8, NULL,
          NULL, NULL, "Its process.")
PM_METRIC(WORKER, state, STATE, MANAGER, "State", NULL, "STATE", "STATE", 9,
          NULL, NULL, NULL, "What the worker does.")
PM_METRIC(WORKER, in_flight, NUMBER, MANAGER, "In flight", NULL, "NOW", NULL, 4,
          "fcgipm_worker_requests_in_flight", NULL, NULL,
          "Requests the worker has.")
PM_METRIC(WORKER, requests, COUNTER, MANAGER, "Requests", NULL, "REQUESTS",
          "REQUESTS", 9, "fcgipm_worker_requests", NULL, NULL,
          "Connections the worker has accepted.")
PM_METRIC(WORKER, uptime, SECONDS, MANAGER, "Age", NULL, "UPTIME", "UPTIME", 7,
          "fcgipm_worker_uptime_seconds", NULL, NULL,
          "How long the worker has been running.")
PM_METRIC(WORKER, busy_for, SECONDS, MANAGER, "Busy for", NULL, "BUSY FOR",
          "BUSY", 8, "fcgipm_worker_busy_seconds", NULL, NULL,
          "How long the worker has had its request, the oldest of several.")
PM_METRIC(WORKER, rss, BYTES, MANAGER, "Memory", NULL, "MEMORY", "MEMORY", 8,
          "fcgipm_worker_resident_memory_bytes", NULL, NULL,
          "Memory the worker occupies.")
PM_METRIC(WORKER, private_memory, BYTES, MANAGER, "Own memory", NULL, "OWN",
          NULL, 6, NULL, NULL, NULL,
          "Memory shared with no other process; of preloaded pools.")
PM_METRIC(WORKER, pss, BYTES, MANAGER, NULL, NULL, NULL, NULL, 0, NULL, NULL,
          NULL, "Its share of memory that several have, and its own.")

#undef PM_METRIC
