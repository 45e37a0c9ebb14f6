/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_sizing.h
 * @brief Do the numbers of httpd's configuration suit those of the pools?
 *
 * docs/admin/sizing.md says how they belong together.
 */
#ifndef HPM_SIZING_H
#define HPM_SIZING_H

#include "httpd/config/hpm_module.h"

/** @return threads of a child that pools may hold together
 *  @param most FcgiPMMaxThreads, 0: not given */
apr_int64_t hpm_sizing_threads(int threads, apr_int64_t most);

/** post_config, parent: warn of numbers that contradict each other, where
 *  requests are parked. */
void hpm_sizing_report(server_rec *s);

#endif /* HPM_SIZING_H */
