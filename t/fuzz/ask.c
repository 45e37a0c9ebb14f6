/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a request to the port of --metrics, whoever sends it, as FastCGI
 * (pm_fcgi_ask.h) or HTTP (pm_http_server.h): the first byte tells.
 *
 * Input: the bytes of the request.
 *
 * What must hold: nothing is read beyond what has come (the sanitizer sees it);
 * a request that is whole is so, with the same path, whatever follows it, and
 * before its last byte there is more to come.
 */
#include "pm_core/ipc/pm_fcgi_ask.h"
#include "pm_core/ipc/pm_http_server.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of its own, of just that size. */
static pm_fcgi_ask_t parse(const uint8_t *data, size_t size, int *id,
                           const char **path, apr_pool_t *p)
{
    unsigned char *in = malloc(size ? size : 1);
    pm_fcgi_ask_t is;

    MUST(in);
    memcpy(in, data, size);
    is = pm_fcgi_ask_parse(in, size, id, path, p);
    free(in);
    return is;
}

static void check_fcgi(const uint8_t *data, size_t size, apr_pool_t *p)
{
    const char *path = NULL, *other = NULL;
    size_t first = size;
    int id, same;

    if (parse(data, size, &id, &path, p) != PM_FCGI_ASK_WHOLE) {
        return;
    }
    MUST(id > 0 && id <= 65535);
    MUST(path && strlen(path) < size);
    while (parse(data, first - 1, &same, &other, p) == PM_FCGI_ASK_WHOLE) {
        MUST(same == id && !strcmp(path, other));
        first--;
    }
    MUST(parse(data, first - 1, &same, &other, p) == PM_FCGI_ASK_MORE);
}

static void check_http(const uint8_t *data, size_t size)
{
    char *head = malloc(size + 1);
    int is_head = 0, status = 0;
    const char *path;

    MUST(head);
    memcpy(head, data, size);
    head[size] = '\0';
    path = pm_http_server_parse(head, &is_head, &status);
    MUST(path ? path[0] == '/' && !strpbrk(path, " ?#\r\n")
              : status == 400 || status == 405);
    free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    apr_pool_t *p;

    if (!begun) {
        begun = apr_initialize() == APR_SUCCESS;
    }
    MUST(apr_pool_create(&p, NULL) == APR_SUCCESS);
    if (size && data[0] == 1) {
        check_fcgi(data, size, p);
    }
    else {
        check_http(data, size);
    }
    apr_pool_destroy(p);
    return 0;
}
