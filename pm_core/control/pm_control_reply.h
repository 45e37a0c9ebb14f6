/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_reply.h
 * @brief Reading the manager's JSON (docs/admin/control.md), with jansson.
 *
 * jansson's own functions look at members: they take any value for an object
 * or array, and find nothing in it when it is neither.  pm_control_client.h
 * bounds the length of what is read.  Any process and thread; nothing here is
 * shared.
 */
#ifndef PM_CONTROL_REPLY_H
#define PM_CONTROL_REPLY_H

#include <jansson.h>

#include "apr_tables.h"
#include "pm_core/base/pm_base.h"

/** Parse JSON.
 *  @return lives as long as @a p; NULL: @a text is no JSON */
const json_t *pm_control_reply_read(const char *text, apr_pool_t *p);

/** @return the string; "" when @a value is none */
const char *pm_control_reply_string(const json_t *value);

/** @return the member's string; "" when there is none */
const char *pm_control_reply_text(const json_t *object, const char *name);

/** @return the member's number; 0 when there is none */
double pm_control_reply_number(const json_t *object, const char *name);

/** The pools of a status or configuration, sorted by name; of two with one
 *  name the one that drains is the second.
 *  @return array of const json_t * */
apr_array_header_t *pm_control_reply_pools(const json_t *reply, apr_pool_t *p);

/** Does this pool of a status answer requests with 503, or start workers in
 *  vain?  (Its state is backoff or stopped.) */
int pm_control_reply_is_failing(const json_t *pool);

/** The same array with the pools that fail first. */
apr_array_header_t *pm_control_reply_worst_first(const json_t *reply,
                                                 apr_pool_t *p);

#endif /* PM_CONTROL_REPLY_H */
