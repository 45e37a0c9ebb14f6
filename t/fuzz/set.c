/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the private channel's text (pm_pool_set.h, pm_conf_read()).
 *
 * Input: messages, each a digit, how many descriptors come with it, its text
 * and a NUL.
 *
 * What must hold: a message is taken, or there is a reason and no set any
 * more; descriptors are the set's or closed, never lost; and what was taken,
 * written and read again, is the same.
 */
#include "pm_core/ipc/pm_pool_set.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_general.h"
#include "must.h"
#include "pm_core/shm/pm_scoreboard.h"

#define MESSAGES 32

static void must_be_same(const void *conf, void *again, pm_scope_t scope,
                         apr_pool_t *p)
{
    const char *text = pm_conf_write(conf, scope, p);
    pm_reason_t why;

    MUST(pm_conf_read(again, scope, text, p, &why) == APR_SUCCESS);
    MUST(!strcmp(text, pm_conf_write(again, scope, p)));
}

static void check_member(const pm_member_t *m, apr_pool_t *p)
{
    pm_conf_t *again = pm_conf_create(p, m->conf->name);

    MUST(pm_conf_name_check(m->conf->name, NULL) == APR_SUCCESS);
    MUST(m->slot >= 0 && m->slot < PM_SCOREBOARD_SLOTS);
    MUST(m->failed ? m->fd == -1 : fcntl(m->fd, F_GETFD) >= 0);
    MUST(m->log_fd == -1 || (!m->failed && fcntl(m->log_fd, F_GETFD) >= 0));
    must_be_same(m->conf, again, PM_SCOPE_POOL, p);
    MUST(pm_conf_compare(m->conf, again) == PM_CHANGE_NOTHING);
}

static void check_template(const pm_script_template_t *t, apr_pool_t *p)
{
    MUST(pm_script_rules_where_check(t->where, NULL) == APR_SUCCESS);
    MUST(t->log_fd == -1 || fcntl(t->log_fd, F_GETFD) >= 0);
    must_be_same(t->conf, pm_conf_create(p, "x"), PM_SCOPE_POOL, p);
    must_be_same(t->rules, pm_rules_create(p), PM_SCOPE_RULES, p);
    pm_script_rules_is_virtual(t->rules,
                               pm_script_rules_wrapper(t->rules, "/a.b"));
}

static void check_set(const pm_pool_set_t *set, apr_pool_t *p)
{
    int i;

    MUST(set && set->config >= 0 && set->global);
    must_be_same(set->global, pm_global_create(p), PM_SCOPE_GLOBAL, p);
    for (i = 0; i < set->members->nelts; i++) {
        check_member(&APR_ARRAY_IDX(set->members, i, pm_member_t), p);
    }
    for (i = 0; i < set->templates->nelts; i++) {
        check_template(&APR_ARRAY_IDX(set->templates, i, pm_script_template_t),
                       p);
    }
}

/* The next message of the input, with real descriptors, which are noted.
 * @return bytes of it */
static size_t next_message(pm_message_t *msg, const uint8_t *data, size_t size,
                           int *given, int *ngiven)
{
    const uint8_t *end = memchr(data, 0, size);
    size_t len = end ? (size_t)(end - data) : size;
    int n = data[0] & 7;

    msg->text = malloc(len + 1);
    MUST(msg->text);
    memcpy(msg->text, data + (len ? 1 : 0), len ? len - 1 : 0);
    msg->text[len ? len - 1 : 0] = '\0';
    for (msg->nfds = 0; msg->nfds < n && msg->nfds < PM_CHANNEL_FDS;
         msg->nfds++) {
        msg->fds[msg->nfds] = dup(0);
        MUST(msg->fds[msg->nfds] >= 0);
        given[(*ngiven)++] = msg->fds[msg->nfds];
    }
    return end ? len + 1 : len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *root;
    int given[MESSAGES * PM_CHANNEL_FDS];
    int ngiven = 0;
    pm_pool_set_t *set = NULL;
    pm_message_t msg;
    pm_reason_t why;
    apr_pool_t *p;
    int whole, i;
    size_t used;

    if (!root) {
        MUST(apr_initialize() == APR_SUCCESS
             && apr_pool_create(&root, NULL) == APR_SUCCESS);
    }
    MUST(apr_pool_create(&p, root) == APR_SUCCESS);
    for (i = 0; i < MESSAGES && size; i++, data += used, size -= used) {
        used = next_message(&msg, data, size, given, &ngiven);
        why.text[0] = '\0';
        if (pm_pool_set_receive(&set, &msg, &whole, p, &why) != APR_SUCCESS) {
            MUST(why.text[0] && !whole && !set);
        }
        else if (whole) {
            check_set(set, p);
        }
        free(msg.text);
    }
    pm_pool_set_destroy(set);
    apr_pool_destroy(p);
    for (i = 0; i < ngiven; i++) {
        MUST(fcntl(given[i], F_GETFD) < 0);
    }
    return 0;
}
