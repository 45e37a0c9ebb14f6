/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_json.h
 * @brief Writing JSON (RFC 8259), on one line.
 *
 * Members and elements are written in a row; the writer puts the commas.  In
 * an object each value has a name, in an array (and outermost) the name is
 * NULL.
 *
 * jansson reads JSON here; it does not write it, for the manager's loop must
 * not stand still: a status of 1,000 pools with 4 workers each took 5 to 8 ms
 * this way and 44 to 52 ms as a tree of jansson's that is dumped (1.2 MB, the
 * same machine).  And jansson refuses a string with a byte that is no UTF-8,
 * which a worker's last words may well have; here it becomes U+FFFD.
 *
 * Any process and thread; a writer belongs to one.
 */
#ifndef PM_JSON_H
#define PM_JSON_H

#include "apr_tables.h"
#include "pm_core/base/pm_base.h"

typedef struct pm_json {
    apr_array_header_t *bytes; /**< of char */
} pm_json_t;

/** Begin.  @param p the text lives as long */
void pm_json_init(pm_json_t *j, apr_pool_t *p);

/** Begin an object or array.
 *  @param bracket '{' or '[' */
void pm_json_open(pm_json_t *j, const char *name, char bracket);

/** End it.
 *  @param bracket '}' or ']' */
void pm_json_close(pm_json_t *j, char bracket);

/** Bytes that are no UTF-8 become U+FFFD. */
void pm_json_string(pm_json_t *j, const char *name, const char *value);

void pm_json_int(pm_json_t *j, const char *name, apr_int64_t value);

/** Seconds with milliseconds, from microseconds. */
void pm_json_seconds(pm_json_t *j, const char *name, apr_time_t value);

/** Seconds with microseconds. */
void pm_json_precise(pm_json_t *j, const char *name, apr_time_t value);

/** true or false */
void pm_json_bool(pm_json_t *j, const char *name, int value);

/** @return the text, valid as long as the pool */
const char *pm_json_text(pm_json_t *j);

#endif /* PM_JSON_H */
