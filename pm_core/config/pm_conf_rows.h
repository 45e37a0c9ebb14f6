/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_conf_rows.h
 * @brief The settings, a row each; see pm_row_t for the columns.
 *
 * Not an ordinary header: the file that includes it defines PM_ROW first, with
 *
 *   PM_ROW(field, name, type, struct, init, min, max, choices, change, help)
 *
 * pm_conf.c makes pm_conf_rows of it, httpd's glue its command_rec.
 */
#define PM_MS APR_INT64_C(1000)
#define PM_S  APR_INT64_C(1000000)
#define PM_H  (3600 * PM_S)

/* --- the manager's own ---------------------------------------------------- */
PM_ROW(socket, "FcgiPMSocket", PM_T_PATH, pm_global_t, NULL, 1, 107, NULL,
       PM_CHANGE_NOTHING, "path of the control socket")
PM_ROW(socket_mode, "FcgiPMSocketMode", PM_T_OCTAL, pm_global_t, "0600", 0,
       0777, NULL, PM_CHANGE_NOTHING, "mode of the control socket")
PM_ROW(runtime_dir, "FcgiPMRuntimeDir", PM_T_PATH, pm_global_t, NULL, 1, 4095,
       NULL, PM_CHANGE_NOTHING, "directory of the sockets")
PM_ROW(pid_file, "FcgiPMPidFile", PM_T_PATH, pm_global_t, NULL, 1, 4095, NULL,
       PM_CHANGE_NOTHING, "file that holds the manager's pid")
PM_ROW(die_timeout, "FcgiPMDieTimeout", PM_T_TIME, pm_global_t, "3s", 0, PM_H,
       NULL, PM_CHANGE_NOTHING,
       "time from SIGTERM to SIGKILL when the manager ends")
PM_ROW(drain_grace, "FcgiPMDrainGrace", PM_T_TIME, pm_global_t, "0", 0, PM_H,
       NULL, PM_CHANGE_NOTHING,
       "time to serve while not ready before fcgipm-run ends")
PM_ROW(manager_name, "FcgiPMManagerName", PM_T_STRING, pm_global_t,
       "fcgipm-manager", 1, 255, NULL, PM_CHANGE_NOTHING,
       "title of the manager in ps")
PM_ROW(graceful, "FcgiPMGraceful", PM_T_CHOICE, pm_global_t, "hup", 0, 0,
       "hup|changed|none", PM_CHANGE_NOTHING,
       "what a graceful does to pools that did not change")
PM_ROW(max_processes, "FcgiPMMaxProcesses", PM_T_NUMBER, pm_global_t, "0", 0,
       1000000, NULL, PM_CHANGE_NOTHING,
       "workers of all pools together; 0: no limit")
PM_ROW(max_scripts, "FcgiPMMaxScripts", PM_T_NUMBER, pm_global_t, "256", 0,
       2048, NULL, PM_CHANGE_NOTHING, "pools of scripts at once")
PM_ROW(park, "FcgiPMPark", PM_T_CHOICE, pm_global_t, "on", 0, 0, "off|on",
       PM_CHANGE_NOTHING, "requests that wait for a worker hold no thread")
PM_ROW(max_threads, "FcgiPMMaxThreads", PM_T_NUMBER, pm_global_t, "0", 0,
       1000000, NULL, PM_CHANGE_NOTHING,
       "threads of an httpd child that pools hold together; 0: seven eighths")

/* --- a pool --------------------------------------------------------------- */
PM_ROW(command, "FcgiPMCommand", PM_T_WORDS, pm_conf_t, NULL, 1, 256, NULL,
       PM_CHANGE_WORKERS, "program and arguments of a worker (no shell)")
PM_ROW(processes, "FcgiPMProcesses", PM_T_RANGE, pm_conf_t, "1", 0, 10000, NULL,
       PM_CHANGE_SCALE, "number of workers, or minimum and maximum")
PM_ROW(requests_per_worker, "FcgiPMRequestsPerWorker", PM_T_NUMBER, pm_conf_t,
       "1", 1, 1024, NULL, PM_CHANGE_SCALE, "requests a worker has at once")
PM_ROW(idle_timeout, "FcgiPMIdleTimeout", PM_T_TIME, pm_conf_t, "60s", 0,
       24 * PM_H, NULL, PM_CHANGE_SCALE,
       "time after which workers that were not needed go; 0: never")
PM_ROW(spare, "FcgiPMSpareProcesses", PM_T_NUMBER, pm_conf_t, "0", 0, 10000,
       NULL, PM_CHANGE_SCALE, "idle workers beyond what is needed")
PM_ROW(listen, "FcgiPMListen", PM_T_STRING, pm_conf_t, NULL, 1, 255, NULL,
       PM_CHANGE_LISTEN, "unix:/path or host:port the workers accept on")
PM_ROW(listen_backlog, "FcgiPMListenBacklog", PM_T_NUMBER, pm_conf_t, "511", 1,
       65535, NULL, PM_CHANGE_NOTHING, "length of the kernel's queue")
PM_ROW(listen_mode, "FcgiPMListenMode", PM_T_OCTAL, pm_conf_t, "0600", 0, 0777,
       NULL, PM_CHANGE_NOTHING, "mode of a unix listening socket")
PM_ROW(listen_owner, "FcgiPMListenOwner", PM_T_STRING, pm_conf_t, NULL, 1, 255,
       NULL, PM_CHANGE_NOTHING,
       "user[:group] that owns a unix listening socket")
PM_ROW(listen_clients, "FcgiPMListenClients", PM_T_CLIENTS, pm_conf_t, NULL, 1,
       64, NULL, PM_CHANGE_WORKERS,
       "addresses that may connect to a TCP socket, or any")
PM_ROW(user, "FcgiPMUser", PM_T_STRING, pm_conf_t, NULL, 1, 255, NULL,
       PM_CHANGE_WORKERS, "user of the workers")
PM_ROW(group, "FcgiPMGroup", PM_T_STRING, pm_conf_t, NULL, 1, 255, NULL,
       PM_CHANGE_WORKERS, "group of the workers")
PM_ROW(directory, "FcgiPMDirectory", PM_T_PATH, pm_conf_t, NULL, 1, 4095, NULL,
       PM_CHANGE_WORKERS, "working directory of the workers")
PM_ROW(chroot, "FcgiPMChroot", PM_T_PATH, pm_conf_t, NULL, 1, 4095, NULL,
       PM_CHANGE_WORKERS, "root directory of the workers")
PM_ROW(umask, "FcgiPMUmask", PM_T_OCTAL, pm_conf_t, "0022", 0, 0777, NULL,
       PM_CHANGE_WORKERS, "umask of the workers")
PM_ROW(nice, "FcgiPMNice", PM_T_NUMBER, pm_conf_t, "0", -20, 19, NULL,
       PM_CHANGE_WORKERS, "nice value of the workers")
PM_ROW(setenv, "FcgiPMSetEnv", PM_T_PAIR, pm_conf_t, NULL, 1, 2, NULL,
       PM_CHANGE_WORKERS, "a variable and its value for the workers")
PM_ROW(passenv, "FcgiPMPassEnv", PM_T_NAMES, pm_conf_t, NULL, 1, 256, NULL,
       PM_CHANGE_WORKERS, "variables of httpd's own that workers get too")
PM_ROW(php_value, "FcgiPMPhpValue", PM_T_PHP, pm_conf_t, NULL, 2, 2, NULL,
       PM_CHANGE_WORKERS, "a setting of PHP and its value, for php-cgi")
PM_ROW(php_admin_value, "FcgiPMPhpAdminValue", PM_T_PHP, pm_conf_t, NULL, 2, 2,
       NULL, PM_CHANGE_WORKERS, "the same, which scripts cannot change")
PM_ROW(rlimit, "FcgiPMRLimit", PM_T_RLIMIT, pm_conf_t, NULL, 2, 3,
       "cpu|as|nofile|nproc|core", PM_CHANGE_WORKERS,
       "cpu|as|nofile|nproc|core, soft and hard limit")
PM_ROW(process_name, "FcgiPMProcessName", PM_T_STRING, pm_conf_t, NULL, 1, 255,
       NULL, PM_CHANGE_WORKERS, "title of the workers in ps")
PM_ROW(guard, "FcgiPMGuard", PM_T_CHOICE, pm_conf_t, "on", 0, 0, "off|on",
       PM_CHANGE_WORKERS, "whether the guard is preloaded into the workers")
PM_ROW(preload, "FcgiPMPreload", PM_T_CHOICE, pm_conf_t, "off", 0, 0,
       "off|auto|on", PM_CHANGE_WORKERS,
       "whether workers are forked from one that has loaded the program")
PM_ROW(warmup, "FcgiPMWarmup", PM_T_URLS, pm_conf_t, NULL, 1, 32, NULL,
       PM_CHANGE_NOTHING,
       "URLs that a worker answers before it counts as ready")
PM_ROW(no_new_privs, "FcgiPMNoNewPrivs", PM_T_CHOICE, pm_conf_t, "on", 0, 0,
       "off|on", PM_CHANGE_WORKERS,
       "whether workers are kept from gaining rights (setuid programs)")
PM_ROW(cgroup, "FcgiPMCgroup", PM_T_PATH, pm_conf_t, NULL, 1, 4095, NULL,
       PM_CHANGE_WORKERS, "directory of the cgroup (v2) of the workers")
PM_ROW(start_delay, "FcgiPMStartDelay", PM_T_TIME, pm_conf_t, "0", 0, PM_H,
       NULL, PM_CHANGE_SCALE, "pause between two starts")
PM_ROW(start_timeout, "FcgiPMStartTimeout", PM_T_TIME, pm_conf_t, "1min", 0,
       PM_H, NULL, PM_CHANGE_NOTHING,
       "time until a worker waits for its first request; 0: any")
PM_ROW(drain_timeout, "FcgiPMDrainTimeout", PM_T_TIME, pm_conf_t, "0", 0,
       24 * PM_H, NULL, PM_CHANGE_SCALE,
       "time from SIGTERM to SIGKILL for a worker; 0: never")
PM_ROW(max_requests, "FcgiPMMaxRequests", PM_T_JITTERED, pm_conf_t, "0", 0,
       1000000000, NULL, PM_CHANGE_NOTHING,
       "requests after which a worker is replaced; 0: none")
PM_ROW(lifetime, "FcgiPMProcessLifetime", PM_T_TIME, pm_conf_t, "0", 0,
       365 * 24 * PM_H, NULL, PM_CHANGE_NOTHING,
       "time after which a worker is replaced; 0: none")
PM_ROW(request_timeout, "FcgiPMRequestTimeout", PM_T_TIME, pm_conf_t, "0", 0,
       24 * PM_H, NULL, PM_CHANGE_NOTHING,
       "time a worker may take for a request; 0: any")
PM_ROW(size_check, "FcgiPMSizeCheckRequests", PM_T_NUMBER, pm_conf_t, "10", 1,
       1000000, NULL, PM_CHANGE_NOTHING,
       "requests between two checks of a worker's memory")
PM_ROW(max_size, "FcgiPMMaxProcessSize", PM_T_SIZE, pm_conf_t, "off", 0,
       APR_INT64_C(1) << 40, NULL, PM_CHANGE_NOTHING,
       "resident memory beyond which a worker is replaced")
PM_ROW(max_unshared, "FcgiPMMaxUnsharedSize", PM_T_SIZE, pm_conf_t, "off", 0,
       APR_INT64_C(1) << 40, NULL, PM_CHANGE_NOTHING,
       "unshared memory beyond which a worker is replaced")
PM_ROW(min_share, "FcgiPMMinShareSize", PM_T_SIZE, pm_conf_t, "off", 0,
       APR_INT64_C(1) << 40, NULL, PM_CHANGE_NOTHING,
       "shared memory below which a worker is replaced")
PM_ROW(reload, "FcgiPMReload", PM_T_CHOICE, pm_conf_t, "all", 0, 0,
       "all|rolling", PM_CHANGE_NOTHING,
       "whether a reload replaces all workers at once or one by one")
PM_ROW(error_log, "FcgiPMErrorLog", PM_T_STRING, pm_conf_t, NULL, 1, 4095, NULL,
       PM_CHANGE_NOTHING, "file, or |program, for the workers' output")
PM_ROW(log_limit, "FcgiPMLogLimit", PM_T_NUMBER, pm_conf_t, "1000", 0, 10000000,
       NULL, PM_CHANGE_NOTHING,
       "lines of its workers logged within ten seconds; 0: any number")
PM_ROW(slow_log, "FcgiPMSlowLog", PM_T_TIMED, pm_conf_t, "0", 0, 24 * PM_H,
       NULL, PM_CHANGE_NOTHING,
       "time after which a request is logged as slow, and a command; 0: none")
PM_ROW(watch, "FcgiPMWatch", PM_T_PATHS, pm_conf_t, NULL, 1, 16, NULL,
       PM_CHANGE_NOTHING, "files that reload the pool when they are touched")
PM_ROW(connect_timeout, "FcgiPMConnectTimeout", PM_T_TIME, pm_conf_t, "5s",
       PM_MS, PM_H, NULL, PM_CHANGE_NOTHING,
       "time to connect to the pool's socket")
PM_ROW(io_timeout, "FcgiPMIOTimeout", PM_T_TIME, pm_conf_t, "0", 0, 24 * PM_H,
       NULL, PM_CHANGE_NOTHING,
       "time a worker may be silent; 0: httpd's Timeout")
PM_ROW(keep_connections, "FcgiPMKeepConnections", PM_T_CHOICE, pm_conf_t, "on",
       0, 0, "off|on", PM_CHANGE_NOTHING,
       "whether connections to workers are kept from request to request")
PM_ROW(request_buffer, "FcgiPMRequestBuffer", PM_T_SIZE, pm_conf_t, "64K", 0,
       APR_INT64_C(1) << 30, NULL, PM_CHANGE_NOTHING,
       "memory for a request's body before a file takes over, or off")
PM_ROW(response_buffer, "FcgiPMResponseBuffer", PM_T_SIZE, pm_conf_t, "64K", 0,
       APR_INT64_C(1) << 30, NULL, PM_CHANGE_NOTHING,
       "memory for what a slow client has not taken, or off")
PM_ROW(header_limit, "FcgiPMResponseHeaderLimit", PM_T_SIZE, pm_conf_t, "256K",
       4096, APR_INT64_C(16) << 20, NULL, PM_CHANGE_NOTHING,
       "size of a response's header, all lines together")
PM_ROW(queue_limit, "FcgiPMQueueLimit", PM_T_NUMBER, pm_conf_t, "0", 0, 1000000,
       NULL, PM_CHANGE_NOTHING,
       "requests that may wait for a worker; 0: any number")
PM_ROW(queue_timeout, "FcgiPMQueueTimeout", PM_T_TIME, pm_conf_t, "60s", PM_MS,
       24 * PM_H, NULL, PM_CHANGE_NOTHING,
       "time a request may wait for a worker")
PM_ROW(ignore_abort, "FcgiPMIgnoreClientAbort", PM_T_CHOICE, pm_conf_t, "auto",
       0, 0, "auto|on|off", PM_CHANGE_NOTHING,
       "whether a request goes on when its client has gone")
PM_ROW(xsendfile, "FcgiPMXSendfile", PM_T_CHOICE, pm_conf_t, "off", 0, 0,
       "off|on", PM_CHANGE_NOTHING,
       "whether a worker may name a file (X-Sendfile) for httpd to send")
PM_ROW(xsendfile_path, "FcgiPMXSendfilePath", PM_T_PATHS, pm_conf_t, NULL, 1,
       256, NULL, PM_CHANGE_NOTHING,
       "directories with files that X-Sendfile may name")
PM_ROW(allow, "FcgiPMAllow", PM_T_NAMES, pm_conf_t, NULL, 1, 256, NULL,
       PM_CHANGE_NOTHING,
       "directories, locations and hosts whose requests the pool takes")
PM_ROW(file_owner, "FcgiPMFileOwner", PM_T_CHOICE, pm_conf_t, "any", 0, 0,
       "any|user", PM_CHANGE_NOTHING,
       "whether the file requested must belong to the pool's user")

/* --- what scripts have to be like ----------------------------------------- */
PM_ROW(wrapper, "FcgiPMWrapper", PM_T_WRAPPER, pm_rules_t, NULL, 1, 3, NULL,
       PM_CHANGE_WORKERS,
       "command that runs the scripts, .suffix of their names, virtual")
PM_ROW(script_user, "FcgiPMScriptUser", PM_T_CHOICE, pm_rules_t, "configured",
       0, 0, "configured|owner", PM_CHANGE_WORKERS,
       "which user a script runs as: its owner, or a configured one")
PM_ROW(script_owner, "FcgiPMScriptOwner", PM_T_CHOICE, pm_rules_t, "auto", 0, 0,
       "auto|user|root|any", PM_CHANGE_NOTHING,
       "which owner a script must have")
PM_ROW(min_uid, "FcgiPMScriptMinUid", PM_T_NUMBER, pm_rules_t, "100", 1,
       2147483647, NULL, PM_CHANGE_NOTHING,
       "the lowest uid whose scripts FcgiPMScriptUser owner runs")
PM_ROW(min_gid, "FcgiPMScriptMinGid", PM_T_NUMBER, pm_rules_t, "100", 1,
       2147483647, NULL, PM_CHANGE_NOTHING,
       "the lowest gid in which FcgiPMScriptUser owner runs scripts")

#undef PM_ROW
#undef PM_MS
#undef PM_S
#undef PM_H
