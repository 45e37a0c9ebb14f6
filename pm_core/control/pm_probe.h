/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_probe.h
 * @brief What machines ask the manager over HTTP (pm_http_server.h): /metrics
 *        and /ready.
 *
 * The figures are collected, and written as text, at most once a second and in
 * a twentieth of the manager's time, for all that ask; some milliseconds in
 * each turn of the loop.  So whoever asks as fast as possible takes little of
 * that time, and memory for few texts.  Only the manager's thread calls this.
 */
#ifndef PM_PROBE_H
#define PM_PROBE_H

#include "pm_core/ipc/pm_http_server.h"
#include "pm_core/pool/pm_context.h"

typedef struct pm_probe pm_probe_t;

/** @param p lives as long as the manager */
pm_probe_t *pm_probe_create(pm_context_t *context, apr_pool_t *p);

/** A pm_http_handler_t; @a ctx is a pm_probe_t.
 *
 *  /metrics     OpenMetrics
 *  /ready       200 if every pool serves requests, else 503, with a line for
 *               each pool that does not
 *  /ready/NAME  the same of one pool; 404: there is none */
void pm_probe_answer(void *ctx, const char *path, pm_http_answer_t *answer,
                     apr_pool_t *p);

#endif /* PM_PROBE_H */
