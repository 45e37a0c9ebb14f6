/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what the manager replies about a script (hpm_script_reply.h).
 *
 * Input: a line.
 *
 * What must hold: a pool is one of scripts, with a name, and at a unix socket;
 * all else is a refusal with a status of HTTP and a text.
 */
#include "httpd/request/hpm_script_reply.h"

#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include "must.h"
#include "pm_core/config/pm_conf.h"
#include "pm_core/shm/pm_scoreboard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pool(const hpm_script_reply_t *reply)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&reply->addr.sa;

    MUST(pm_conf_name_check(reply->name, NULL) == APR_SUCCESS);
    MUST(reply->slot >= PM_SCOREBOARD_SCRIPTS);
    MUST(reply->slot < PM_SCOREBOARD_SLOTS);
    MUST(reply->generation & PM_SCOREBOARD_SCRIPT_BIT);
    MUST(un->sun_family == AF_UNIX && un->sun_path[0] == '/');
    MUST(reply->addr.len <= sizeof(*un));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hpm_script_reply_t reply;
    char *line = malloc(size + 1);

    MUST(line);
    memset(&reply, 'x', sizeof(reply));
    memcpy(line, data, size);
    line[size] = '\0';
    hpm_script_reply_read(&reply, line);
    if (reply.status == 0) {
        check_pool(&reply);
    }
    else {
        MUST(reply.status >= 400 && reply.status <= 599);
        MUST(memchr(reply.why, 0, sizeof(reply.why)));
    }
    free(line);
    return 0;
}
