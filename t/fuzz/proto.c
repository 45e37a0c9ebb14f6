/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a line of the control socket (pm_control_protocol.h).
 *
 * Input: a byte, what the peer may do; the line, up to a newline or NUL.
 */
#include "pm_core/policy/pm_control_protocol.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const pm_request_t *req, const char *line,
                          pm_right_t right)
{
    MUST(right != PM_RIGHT_NONE);
    MUST(memchr(req->pool, 0, sizeof(req->pool)) != NULL);
    MUST(!*req->pool || strstr(line, req->pool));
    MUST(!strpbrk(req->pool, " \t\r"));
    MUST(req->verb <= PM_VERB_STATUS || req->verb == PM_VERB_SCRIPT
         || right == PM_RIGHT_ALL);
    MUST(req->verb < PM_VERBS && (req->wait == 0 || req->wait == 1));
    MUST(req->n >= 0 && req->n <= 2);
    MUST(req->number[0] >= 0 && req->number[0] < 1000000000);
    MUST(req->number[1] >= 0 && req->number[1] < 1000000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pm_right_t right = size ? (pm_right_t)(data[0] % 3) : PM_RIGHT_NONE;
    char *line = malloc(size + 1);
    pm_request_t req;
    pm_reason_t why;
    apr_status_t rv;

    MUST(line);
    if (size) {
        memcpy(line, data + 1, size - 1);
    }
    line[size ? size - 1 : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    memset(&req, 0xee, sizeof(req));
    why.text[0] = '\0';
    rv = pm_control_protocol_parse(&req, line, right, &why);
    if (rv == APR_SUCCESS) {
        check_request(&req, line, right);
    }
    else {
        MUST(why.text[0] && !strchr(why.text, '\n'));
    }
    pm_control_protocol_is_last(line);
    free(line);
    return 0;
}
