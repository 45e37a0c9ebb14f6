/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_reply.h
 * @brief Layer 0: what a manager says as JSON (docs/admin/control.md), read
 * with libjansson.
 *
 * Members are looked at with jansson's own functions, which take anything for
 * an object or array and find nothing in it when it is none.  The length of
 * what is read is the business of who asks (pm_control_client.h).
 */
#ifndef PM_CONTROL_REPLY_H
#define PM_CONTROL_REPLY_H

#include <jansson.h>

#include "apr_tables.h"
#include "pm_core/base/pm_base.h"

/** @return lives as long as @a p; NULL: it is no JSON */
const json_t *pm_control_reply_read(const char *text, apr_pool_t *p);

/** @return a string; "" when it is none */
const char *pm_control_reply_string(const json_t *value);

/** @return a member's string; "" when there is none */
const char *pm_control_reply_text(const json_t *object, const char *name);

/** @return a member's number; 0 when there is none */
double pm_control_reply_number(const json_t *object, const char *name);

/** The pools of a status or of the settings in the order of their names; of
 *  two with one name the one that drains is the second.
 *  @return array of const json_t * */
apr_array_header_t *pm_control_reply_pools(const json_t *reply, apr_pool_t *p);

#endif /* PM_CONTROL_REPLY_H */
