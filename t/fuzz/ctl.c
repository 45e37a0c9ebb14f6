/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what fcgipmctl makes of what a manager says.
 *
 * Input: a byte, s, c, t or l; then, for s and c, the answer to status or
 * config; for t two of status with a NUL between them; for l the bytes of an
 * answer as they come through the socket.
 *
 * What must hold: nothing that is shown controls a terminal, each line of
 * top has its key, and all lines are heard as they came.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "must.h"
#include "pm_core/base/pm_utf8.h"
#include "pm_core/ipc/pm_control_client.h"
#include "pm_core/policy/pm_control_protocol.h"
#include "tools/ctl_check.h"
#include "tools/ctl_sample.h"
#include "tools/ctl_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_text(const char *text, size_t len, int newlines)
{
    const char *end = text + len;
    apr_uint32_t code = 0;
    apr_size_t n;

    for (; text < end; text += n) {
        n = pm_utf8_read(text, &code);
        MUST(n && (pm_utf8_is_visible(code) || (newlines && code == '\n')));
    }
}

static void try_text(int config, const char *json, apr_pool_t *p)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    const ctl_check_limits_t limits = {1, -1};

    MUST(out);
    if (config) {
        ctl_text_config(out, json, p);
    }
    else {
        ctl_text_status(out, json, 1, NULL, p);
        ctl_check(out, json, "a*", &limits, p);
    }
    fclose(out);
    must_be_text(text, len, 1);
    free(text);
}

static void check_view(ctl_sample_t *s, ctl_view_t view)
{
    char buf[64];
    int n, i, k;

    ctl_sample_columns(view, &n);
    MUST(n <= CTL_CELLS);
    for (i = 0; i < n; i++) {
        ctl_sample_sort(s, view, i, i % 2);
    }
    for (i = 0; i < s->lines[view]->nelts; i++) {
        const ctl_line_t *line =
            APR_ARRAY_IDX(s->lines[view], i, const ctl_line_t *);

        MUST(apr_hash_get(s->by_key[view], line->key, APR_HASH_KEY_STRING));
        for (k = 0; k < n; k++) {
            const char *text = ctl_sample_cell(buf, sizeof(buf), view, line, k);

            must_be_text(text, strlen(text), 0);
        }
    }
}

static void try_top(const char *json, size_t size, apr_pool_t *p)
{
    size_t len = strlen(json);
    ctl_sample_t *was =
        ctl_sample_read(json, apr_time_from_sec(1), NULL, NULL, p);
    ctl_sample_t *now = len < size ? ctl_sample_read(
                            json + len + 1, apr_time_from_sec(2), was, "a*", p)
                                   : was;

    if (now) {
        check_view(now, CTL_POOLS);
        check_view(now, CTL_WORKERS);
    }
}

static void try_lines(const char *bytes, size_t size, apr_pool_t *p)
{
    pm_control_client_t a = {.p = p};
    pm_reason_t why = {""};
    apr_time_t until = pm_time_now() + apr_time_from_sec(10);
    size_t used = 0;
    char *line;
    int fd[2];

    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
    MUST(!size || write(fd[1], bytes, size) == (ssize_t)size);
    MUST(shutdown(fd[1], SHUT_WR) == 0);
    a.fd = fd[0];
    while (pm_control_client_receive(&a, until, &line, &why) == APR_SUCCESS) {
        MUST(!strchr(line, '\n'));
        MUST(!memcmp(line, bytes + used, strlen(line)));
        pm_control_protocol_is_last(line);
        used += a.used;
    }
    /* what has no end is no line */
    MUST(why.text[0] && !memchr(bytes + used, '\n', size - used));
    pm_control_client_close(&a);
    close(fd[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int ready;
    apr_pool_t *p;
    char *text;

    if (!size) {
        return 0;
    }
    if (!ready) {
        ready = apr_initialize() == APR_SUCCESS;
    }
    MUST(apr_pool_create(&p, NULL) == APR_SUCCESS);
    size--;
    text = apr_pstrmemdup(p, (const char *)data + 1, size);
    switch (data[0]) {
    case 's':
        try_text(0, text, p);
        break;
    case 'c':
        try_text(1, text, p);
        break;
    case 't':
        try_top(text, size, p);
        break;
    case 'l':
        try_lines(text, size, p);
        break;
    default:
        break;
    }
    apr_pool_destroy(p);
    return 0;
}
