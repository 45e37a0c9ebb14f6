/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_module.h
 * @brief The module record, by which httpd finds what the module attached to
 *        a server, a directory or a request.  mod_fcgipm.c defines it.
 */
#ifndef HPM_MODULE_H
#define HPM_MODULE_H

#include "httpd.h"
#include "http_config.h"
#include "http_log.h"

extern module AP_MODULE_DECLARE_DATA fcgipm_module;

/** The handler's name; "fcgipm" alone is the pool HPM_DEFAULT_POOL. */
#define HPM_HANDLER      "fcgipm"
#define HPM_DEFAULT_POOL "default"

#endif /* HPM_MODULE_H */
