/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_proto.h"

#include <errno.h>
#include <string.h>

#include "apr_strings.h"

static const struct {
    const char *word;
    pm_verb_t verb;
    int pool;            /* may a pool's name follow? */
    pm_right_t right;
} words[] = {
    {"ping",   PM_VERB_PING,   0, PM_RIGHT_ASK},
    {"status", PM_VERB_STATUS, 1, PM_RIGHT_ASK},
    {"reload", PM_VERB_RELOAD, 1, PM_RIGHT_ALL},
    {NULL,     PM_VERB_PING,   0, PM_RIGHT_NONE}
};

/* The next word of *line, of *len bytes; 0 at the end. */
static const char *word_next(const char **line, apr_size_t *len)
{
    const char *word = *line + strspn(*line, " \t\r");

    *len = strcspn(word, " \t\r");
    *line = word + *len;
    return *len ? word : NULL;
}

apr_status_t pm_proto_parse(pm_request_t *req, const char *line,
                            pm_right_t right, pm_reason_t *why)
{
    apr_size_t len, plen;
    const char *word = word_next(&line, &len);
    const char *pool = word_next(&line, &plen);
    int i;

    for (i = 0; words[i].word; i++) {
        if (word && strlen(words[i].word) == len
            && !memcmp(words[i].word, word, len)) {
            break;
        }
    }
    if (!words[i].word) {
        return pm_fail(why, APR_EINVAL, "\"%.40s\" is not a command",
                       word ? word : "");
    }
    if (right < words[i].right) {
        return pm_fail(why, EACCES, "you may not %s", words[i].word);
    }
    if (pool && (!words[i].pool || plen >= sizeof(req->pool)
                 || line[strspn(line, " \t\r")])) {
        return pm_fail(why, APR_EINVAL, "usage: %s%s", words[i].word,
                       words[i].pool ? " [POOL]" : "");
    }
    req->verb = words[i].verb;
    memcpy(req->pool, pool ? pool : "", pool ? plen : 0);
    req->pool[pool ? plen : 0] = '\0';
    return APR_SUCCESS;
}
