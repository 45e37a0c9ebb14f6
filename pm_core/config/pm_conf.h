/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_conf.h
 * @brief Layer 0: what an administrator says, as data.
 *
 * One table, pm_conf_rows, is all there is to know about a setting: its
 * name, the field it fills, its type, default and bounds, and what a change
 * of it asks for.  Everything else is a loop over that table: httpd's
 * command_rec, fcgipm-run's options, defaults, merge, comparison, the text
 * that goes from httpd to the manager.  A new directive is a new row.
 *
 * Three structures are filled: pm_conf_t, the definition of a pool;
 * pm_global_t, what belongs to the manager as a whole; and pm_rules_t, what
 * <FcgiPMScripts> asks of its scripts.
 */
#ifndef PM_CONF_H
#define PM_CONF_H

#include "apr_tables.h"
#include "pm_core/base/pm_base.h"

/** FcgiPMProcesses: how many workers.  min == max is a static pool. */
typedef struct pm_range {
    apr_int64_t min;
    apr_int64_t max;
} pm_range_t;

/** FcgiPMMaxRequests: a number, of which up to some per cent are taken. */
typedef struct pm_jittered {
    apr_int64_t n;
    apr_int64_t percent;
} pm_jittered_t;

/** PM_ROW_die_timeout: the row's index in pm_conf_rows, bit in @c set. */
enum {
#define PM_ROW(field, name, type, st, init, min, max, choices, change, help)   \
    PM_ROW_##field,
#include "pm_core/config/pm_conf_rows.h"
    PM_ROWS
};

/** FcgiPMSlowLog: a time, and what is executed when it is over. */
typedef struct pm_timed {
    apr_time_t time;
    apr_array_header_t *command; /**< of const char *; NULL: nothing */
} pm_timed_t;

/** A pool's definition.  Strings and arrays belong to the apr_pool_t it was
 *  made in; a definition is never changed after it has been handed on. */
typedef struct pm_conf {
    apr_uint64_t set;           /**< bit i: pm_conf_rows[i] was given */
    const char *where[PM_ROWS]; /**< see pm_conf_note() */
    const char *name;           /**< of the pool; [A-Za-z0-9._-]{1,64} */

    apr_array_header_t *command; /**< of const char *: program, arguments */
    pm_range_t processes;
    apr_time_t idle_timeout; /**< 0: who was started stays */
    apr_int64_t spare;       /**< idle workers ahead of the need */
    const char *listen;      /**< "unix:/path" or "host:port"; NULL:
                              *   NAME.sock in the runtime directory */
    apr_int64_t listen_backlog;
    apr_int64_t listen_mode;  /**< of a unix socket's file */
    const char *listen_owner; /**< "user[:group]"; NULL: httpd's user */

    const char *user;      /**< NULL: httpd's user */
    const char *group;     /**< NULL: the user's own */
    const char *directory; /**< NULL: "/" */
    const char *chroot;    /**< NULL: none */
    apr_int64_t umask;
    apr_int64_t nice;
    apr_array_header_t *setenv;  /**< of "NAME=value" */
    apr_array_header_t *passenv; /**< of "NAME" */
    apr_array_header_t *rlimit;  /**< of "resource soft hard", checked */
    const char *process_name;    /**< argv[0] of workers; NULL: as it is */

    apr_int64_t guard;          /**< 1: on */
    apr_int64_t no_new_privs;   /**< 1: on */
    const char *cgroup;         /**< its directory; NULL: httpd's own */
    apr_time_t start_delay;     /**< between two starts in one pool */
    apr_time_t start_timeout;   /**< 0: none */
    apr_time_t drain_timeout;   /**< 0: never */
    pm_jittered_t max_requests; /**< 0: no limit */
    apr_time_t lifetime;        /**< 0: for ever */
    apr_time_t request_timeout; /**< 0: none */
    apr_int64_t size_check;     /**< requests between two looks at sizes */
    apr_int64_t max_size;       /**< bytes; less than 1: no limit */
    apr_int64_t max_unshared;   /**< likewise */
    apr_int64_t min_share;      /**< likewise */
    apr_int64_t reload;         /**< 1: rolling */
    apr_array_header_t *watch;  /**< of const char *, absolute */
    const char *error_log;      /**< file or "|program"; NULL: httpd's */
    pm_timed_t slow_log;        /**< time 0: none */
    apr_int64_t log_limit;      /**< lines in ten seconds; 0: any number */

    apr_time_t connect_timeout;  /**< the exchange; httpd's side only */
    apr_time_t io_timeout;       /**< 0: httpd's Timeout */
    apr_int64_t request_buffer;  /**< bytes; -1 is "off" */
    apr_int64_t response_buffer; /**< bytes; -1 is "off" */
    apr_int64_t queue_limit;     /**< 0: none */
    apr_time_t queue_timeout;
    apr_int64_t xsendfile;              /**< 1: on */
    apr_array_header_t *xsendfile_path; /**< of const char *, absolute */
} pm_conf_t;

/** FcgiPMGraceful: what a graceful does to pools whose definition did not
 *  change. */
typedef enum pm_graceful {
    PM_GRACEFUL_HUP = 0,     /**< told and replaced like all others */
    PM_GRACEFUL_CHANGED = 1, /**< left alone */
    PM_GRACEFUL_NONE = 2     /**< even changed ones keep their workers */
} pm_graceful_t;

/** The manager's own settings. */
typedef struct pm_global {
    apr_uint64_t set;           /**< as in pm_conf_t */
    const char *where[PM_ROWS]; /**< likewise */
    const char *socket;         /**< control socket; NULL: fcgipm.sock in
                                 *   the runtime directory */
    apr_int64_t socket_mode;
    const char *runtime_dir; /**< NULL: the embedder's */
    const char *pid_file;    /**< NULL: none */
    apr_time_t die_timeout;
    const char *manager_name;  /**< title of the manager in ps */
    apr_int64_t graceful;      /**< a pm_graceful_t */
    apr_int64_t max_processes; /**< of all pools; 0: no limit */
    apr_int64_t max_scripts;   /**< pools of scripts */
} pm_global_t;

/** FcgiPMScriptOwner: whom a script and its directory may belong to. */
typedef enum pm_owner {
    PM_OWNER_AUTO = 0, /**< USER where a user is named, else
                        *   ROOT */
    PM_OWNER_USER = 1, /**< whom it runs as, user and group */
    PM_OWNER_ROOT = 2, /**< or root */
    PM_OWNER_ANY = 3
} pm_owner_t;

/** What <FcgiPMScripts> asks of its scripts, besides being a pool. */
typedef struct pm_rules {
    apr_uint64_t set;            /**< as in pm_conf_t */
    const char *where[PM_ROWS];  /**< likewise */
    apr_array_header_t *wrapper; /**< of "COMMAND SUFFIX KIND": COMMAND
                                  *   escaped as in a URL, SUFFIX "*" for
                                  *   any, KIND "file" or "virtual" */
    apr_int64_t script_user;     /**< 1: its owner */
    apr_int64_t script_owner;    /**< a pm_owner_t */
    apr_int64_t min_uid;
    apr_int64_t min_gid;
} pm_rules_t;

/** How the words behind a name are read. */
typedef enum pm_type {
    PM_T_STRING,   /**< one word: const char * */
    PM_T_PATH,     /**< one word, an absolute path: const char * */
    PM_T_WORDS,    /**< one or more words: array of const char * */
    PM_T_PAIR,     /**< "NAME value" -> "NAME=value" appended to an array */
    PM_T_NAMES,    /**< one or more words appended to an array */
    PM_T_PATHS,    /**< the same, each an absolute path */
    PM_T_RLIMIT,   /**< "resource soft [hard]" appended to an array */
    PM_T_NUMBER,   /**< a whole number: apr_int64_t */
    PM_T_OCTAL,    /**< as chmod(1) takes it: apr_int64_t */
    PM_T_TIME,     /**< 10, 10s, 500ms, 5min, 1h: apr_time_t; plain numbers
                    *   are seconds */
    PM_T_SIZE,     /**< bytes with K, M, G, or "off": apr_int64_t, -1 off */
    PM_T_CHOICE,   /**< one of the words in @c choices: apr_int64_t index */
    PM_T_RANGE,    /**< "min" or "min max": pm_range_t */
    PM_T_JITTERED, /**< "n" or "n 20%": pm_jittered_t */
    PM_T_TIMED,    /**< a time and perhaps words: pm_timed_t */
    PM_T_WRAPPER   /**< "command [.suffix] [virtual]" appended to an array */
} pm_type_t;

/** What a changed value asks of a pool that is running. */
typedef enum pm_change {
    PM_CHANGE_NOTHING, /**< takes effect by itself */
    PM_CHANGE_SCALE,   /**< the number of workers is planned again */
    PM_CHANGE_WORKERS, /**< workers of the new kind replace the old ones */
    PM_CHANGE_LISTEN   /**< another socket: the old pool drains, a new one
                        *   of that name starts */
} pm_change_t;

/** One setting. */
typedef struct pm_row {
    const char *name; /**< of the directive, "FcgiPMDieTimeout" */
    pm_type_t type;
    int global;           /**< 1: a field of pm_global_t, 2: of pm_rules_t,
                           *   0: of pm_conf_t */
    apr_size_t offset;    /**< of the field */
    const char *init;     /**< the default, as one would write it; NULL:
                           *   zero */
    apr_int64_t min, max; /**< bounds; PM_T_TIME: microseconds;
                           *   PM_T_WORDS, _NAMES, _PATHS: number of words
                           */
    const char *choices;  /**< PM_T_CHOICE: "hup|changed|none" */
    pm_change_t change;
    const char *help; /**< one line, as httpd -L shows it */
} pm_row_t;

/** The table, from pm_conf_rows.h; PM_ROWS rows and one whose name is NULL.
 *  At most 64. */
extern const pm_row_t pm_conf_rows[PM_ROWS + 1];

/** @return the row of that name (case does not matter, as in httpd), or
 *  NULL */
const pm_row_t *pm_conf_row(const char *name);

/** @return a definition holding the defaults, with no bit set */
pm_conf_t *pm_conf_create(apr_pool_t *p, const char *name);
pm_global_t *pm_global_create(apr_pool_t *p);
pm_rules_t *pm_rules_create(apr_pool_t *p);

/** Is @a name fit for a pool: [A-Za-z0-9._-]{1,64}, not starting with '.'.
 */
apr_status_t pm_conf_name_check(const char *name, pm_reason_t *why);

/**
 * Fill the row's field from words and set its bit.  A list row that is set
 * for the first time starts from an empty list, then appends.
 * @param conf a pm_conf_t, pm_global_t or pm_rules_t, whichever
 *             @c row->global says
 * @param argv @a argc words, copied into @a p
 * @return APR_SUCCESS, or APR_EINVAL with a reason that names the
 *         directive, the text and the allowed range
 */
apr_status_t pm_conf_set(void *conf, const pm_row_t *row, int argc,
                         const char *const *argv, apr_pool_t *p,
                         pm_reason_t *why);

/**
 * Note where a setting comes from, for people.
 * @param where a word, then a place: "server FILE:LINE", "pool FILE:LINE",
 *              "httpd", "option --name"; copied.  NULL, as nobody noted any:
 *              it is the default.  A list's is added to what it has.
 */
void pm_conf_note(void *conf, const pm_row_t *row, const char *where,
                  apr_pool_t *p);

/** @return what was noted of a row, or NULL */
const char *pm_conf_noted(const void *conf, const pm_row_t *row);

/** The field of a row. */
const void *pm_conf_field(const void *conf, const pm_row_t *row);

/** @return a definition with @a over's settings where they were given, else
 *  @a base's; the name is @a over's.  Shares strings with both. */
pm_conf_t *pm_conf_merge(apr_pool_t *p, const pm_conf_t *base,
                         const pm_conf_t *over);

/** What is equal in both?  @return the strongest pm_change_t among the rows
 *  that differ; PM_CHANGE_NOTHING when none does. */
pm_change_t pm_conf_compare(const pm_conf_t *a, const pm_conf_t *b);

/** Are all settings equal? */
int pm_conf_equal(const pm_conf_t *a, const pm_conf_t *b);

/**
 * The settings as text: a line each, `Name word word...`, every word escaped
 * as in a URL, so that any byte can be in it; and what was noted of a row,
 * `@Name where`, escaped likewise.
 * @param global what @c row->global is for @a conf
 */
char *pm_conf_write(const void *conf, int global, apr_pool_t *p);

/** Read what pm_conf_write() wrote into a definition with defaults.
 *  @param text is not changed; what stands in it may come from a stranger */
apr_status_t pm_conf_read(void *conf, int global, const char *text,
                          apr_pool_t *p, pm_reason_t *why);

#endif /* PM_CONF_H */
