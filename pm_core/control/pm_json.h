/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_json.h
 * @brief Layer 0: writing JSON (RFC 8259), on one line.
 *
 * Members and elements in a row; commas come by themselves.  In an object
 * each value has a name, in an array (and outermost) the name is NULL.
 */
#ifndef PM_JSON_H
#define PM_JSON_H

#include "apr_tables.h"
#include "pm_core/base/pm_base.h"

typedef struct pm_json {
    apr_array_header_t *bytes; /**< of char */
} pm_json_t;

void pm_json_init(pm_json_t *j, apr_pool_t *p);

/** @param bracket '{' or '[' */
void pm_json_open(pm_json_t *j, const char *name, char bracket);

/** @param bracket '}' or ']' */
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
