/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_script_reply.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"
#include "httpd.h"

#include "pm_core/config/pm_conf.h"
#include "pm_core/shm/pm_scoreboard.h"

/* "ok SLOT GENERATION NAME ADDRESS" */
static int reply_read_pool(hpm_script_reply_t *reply, char *line)
{
    char *last = NULL;
    const char *ok = apr_strtok(line, " ", &last);
    const char *slot = apr_strtok(NULL, " ", &last);
    const char *generation = apr_strtok(NULL, " ", &last);
    const char *name = apr_strtok(NULL, " ", &last);
    const char *address = last; /* which may have blanks */
    long n;

    if (!ok || !name || pm_conf_name_check(name, NULL) != APR_SUCCESS) {
        return 0;
    }
    n = strtol(slot, NULL, 10);
    reply->generation = (apr_uint32_t)strtoul(generation, NULL, 10);
    if (n < PM_SCOREBOARD_SCRIPTS || n >= PM_SCOREBOARD_SLOTS
        || !(reply->generation & PM_SCOREBOARD_SCRIPT_BIT)) {
        return 0;
    }
    reply->slot = (int)n;
    apr_cpystrn(reply->name, name, sizeof(reply->name));
    /* another address could be a name that has to be resolved */
    return !strncmp(address, "unix:", 5)
           && pm_listen_parse(address, &reply->addr, NULL) == APR_SUCCESS;
}

void hpm_script_reply_refuse(hpm_script_reply_t *reply, int status,
                             const char *why)
{
    reply->status = status;
    apr_cpystrn(reply->why, why, sizeof(reply->why));
}

void hpm_script_reply_read(hpm_script_reply_t *reply, char *line)
{
    const char *why = line;
    char *end = line;
    long status = 0;

    reply->status = OK;
    if (!strncmp(line, "ok ", 3)) {
        if (reply_read_pool(reply, line)) {
            return;
        }
        why = "an answer of the manager's was not understood";
    }
    else if (!strncmp(line, "error ", 6)) {
        status = strtol(line + 6, &end, 10);
        why = end;
    }
    hpm_script_reply_refuse(
        reply,
        status < 400 || status > 599 ? HTTP_INTERNAL_SERVER_ERROR : (int)status,
        why + strspn(why, " "));
}
