/* SPDX-License-Identifier: Apache-2.0 */
/* The module record, and the hooks in the order httpd calls them. */
#include "httpd/mod_fcgipm.h"

#include "http_connection.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_status.h"
#include "mpm_common.h"

#include "httpd/request/hpm_auth.h"
#include "httpd/request/hpm_keepalive_wait.h"
#include "httpd/status/hpm_status.h"

static void register_hooks(apr_pool_t *p)
{
    fcgipm_auth_register(p);

    /* the configuration has been read */
    ap_hook_check_config(fcgipm_parent_check_config, NULL, NULL,
                         APR_HOOK_REALLY_FIRST);
    ap_hook_check_config(fcgipm_config_check, NULL, NULL, APR_HOOK_MIDDLE);

    /* the logs are open; the manager is forked when the other modules have
     * forked theirs, so that those inherit nothing of ours */
    ap_hook_post_config(fcgipm_parent_post_config, NULL, NULL,
                        APR_HOOK_REALLY_LAST);

    /* the parent while it runs */
    ap_hook_child_status(fcgipm_parent_child_status, NULL, NULL,
                         APR_HOOK_MIDDLE);
    ap_hook_monitor(fcgipm_parent_monitor, NULL, NULL, APR_HOOK_MIDDLE);

    /* a child */
    ap_hook_child_init(fcgipm_parent_child_init, NULL, NULL,
                       APR_HOOK_MIDDLE);

    /* a connection */
    ap_hook_process_connection(fcgipm_linger_connection, NULL, NULL,
                               APR_HOOK_REALLY_FIRST);

    /* a request; before all others: what is to take the place of a denial
     * (mod_cache would look for it) */
    ap_hook_quick_handler(fcgipm_auth_deny, NULL, NULL,
                          APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(fcgipm_handler_translate, NULL, NULL,
                           APR_HOOK_FIRST);
    ap_hook_map_to_storage(fcgipm_handler_map_to_storage, NULL, NULL,
                           APR_HOOK_FIRST);
    ap_hook_check_access(fcgipm_auth_access, NULL, NULL, APR_HOOK_MIDDLE,
                         AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_type_checker(fcgipm_auth_granted, NULL, NULL,
                         APR_HOOK_REALLY_FIRST - 1);
    ap_hook_type_checker(fcgipm_handler_type, NULL, NULL,
                         APR_HOOK_REALLY_FIRST);
    ap_hook_handler(fcgipm_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(fcgipm_status_handler, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, fcgipm_section, NULL, NULL,
                      APR_HOOK_MIDDLE);
    ap_hook_log_transaction(fcgipm_linger_log, NULL, NULL,
                            APR_HOOK_REALLY_LAST);
}

AP_DECLARE_MODULE(fcgipm) = {
    STANDARD20_MODULE_STUFF,
    fcgipm_auth_dir_create,
    fcgipm_auth_dir_merge,
    fcgipm_server_create,
    fcgipm_server_merge,
    fcgipm_cmds,
    register_hooks,
    0                      /* flags */
};
