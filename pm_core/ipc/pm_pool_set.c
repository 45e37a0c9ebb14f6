/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_pool_set.h"

#include <stdlib.h>
#include <string.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "pm_core/shm/pm_scoreboard.h"
#include "pm_core/os/pm_fds.h"

#define HOSTS_MAX 100 /* in one message */

/* A set that has a pool of its own carries it, for pm_pool_set_destroy(). */
typedef struct set_memory {
    pm_pool_set_t set; /* first: a pm_pool_set_t * is a set_memory_t * */
    apr_pool_t *p;     /* NULL for sets of pm_pool_set_create() */
} set_memory_t;

pm_pool_set_t *pm_pool_set_create(apr_pool_t *p)
{
    set_memory_t *memory = apr_pcalloc(p, sizeof(*memory));
    pm_pool_set_t *set = &memory->set;

    set->members = apr_array_make(p, 8, sizeof(pm_member_t));
    set->templates = apr_array_make(p, 2, sizeof(pm_script_template_t));
    set->hosts = apr_array_make(p, 2, sizeof(pm_host_t));
    set->log_level = PM_NOTICE;
    set->log_fd = -1;
    set->store_fd = -1;
    return set;
}

pm_pool_set_t *pm_pool_set_create_own(apr_pool_t *parent)
{
    apr_pool_t *p = pm_subpool_create(parent);
    pm_pool_set_t *set = pm_pool_set_create(p);

    ((set_memory_t *)set)->p = p;
    return set;
}

void pm_pool_set_destroy(pm_pool_set_t *set)
{
    set_memory_t *memory = (set_memory_t *)set;
    int i;

    if (!set) {
        return;
    }
    pm_fds_close(&set->log_fd);
    pm_fds_close(&set->store_fd);
    for (i = 0; i < set->members->nelts; i++) {
        pm_fds_close(&APR_ARRAY_IDX(set->members, i, pm_member_t).fd);
        pm_fds_close(&APR_ARRAY_IDX(set->members, i, pm_member_t).log_fd);
    }
    for (i = 0; i < set->templates->nelts; i++) {
        pm_fds_close(
            &APR_ARRAY_IDX(set->templates, i, pm_script_template_t).log_fd);
    }
    if (memory->p) {
        apr_pool_destroy(memory->p);
    }
}

/* --- the parent's side ---------------------------------------------------- */

static void add_fd(pm_message_t *msg, int fd)
{
    if (fd >= 0) {
        msg->fds[msg->nfds++] = fd;
    }
}

static void write_head(pm_message_t *msg, const pm_pool_set_t *set,
                       apr_pool_t *p)
{
    msg->nfds = 0;
    add_fd(msg, set->log_fd);
    msg->text =
        apr_psprintf(p, "set %d %d\n%s", set->config, (int)set->log_level,
                     pm_conf_write(set->global, PM_SCOPE_GLOBAL, p));
}

static void write_member(pm_message_t *msg, const pm_member_t *m, apr_pool_t *p)
{
    const char *settings = pm_conf_write(m->conf, PM_SCOPE_POOL, p);

    msg->nfds = 0;
    if (m->failed) {
        msg->text = apr_psprintf(
            p, "failed %s %d %u\n%.*s\n%s", m->conf->name, m->slot,
            m->generation, (int)strcspn(m->failed, "\n"), m->failed, settings);
        return;
    }
    add_fd(msg, m->fd);
    add_fd(msg, m->log_fd);
    msg->text = apr_psprintf(p, "pool %s %d %u\n%s", m->conf->name, m->slot,
                             m->generation, settings);
}

static void write_template(pm_message_t *msg, const pm_script_template_t *t,
                           apr_pool_t *p)
{
    msg->nfds = 0;
    add_fd(msg, t->log_fd);
    msg->text = apr_psprintf(
        p, "scripts %s %d %d\n%s\n%s", apr_pescape_urlencoded(p, t->where),
        t->suexec, t->named, pm_conf_write(t->rules, PM_SCOPE_RULES, p),
        pm_conf_write(t->conf, PM_SCOPE_POOL, p));
}

static const char *host_line(const pm_host_t *host, apr_pool_t *p)
{
    const char *name = apr_pescape_urlencoded(p, host->name);

    return host->suexec
               ? apr_psprintf(p, "%s %u %u\n", name, host->uid, host->gid)
               : apr_pstrcat(p, name, "\n", NULL);
}

/* HOSTS_MAX at a time, as a message has a greatest length. */
static apr_status_t send_hosts(pm_channel_calls_t *calls,
                               const apr_array_header_t *hosts, apr_pool_t *p,
                               pm_reason_t *why)
{
    apr_array_header_t *lines =
        apr_array_make(p, HOSTS_MAX + 1, sizeof(const char *));
    apr_status_t rv = APR_SUCCESS;
    int i, k;

    for (i = 0; rv == APR_SUCCESS && i < hosts->nelts; i += HOSTS_MAX) {
        pm_message_t msg = {0};

        apr_array_clear(lines);
        *(const char **)apr_array_push(lines) = "hosts\n";
        for (k = i; k < hosts->nelts && k < i + HOSTS_MAX; k++) {
            *(const char **)apr_array_push(lines) =
                host_line(&APR_ARRAY_IDX(hosts, k, pm_host_t), p);
        }
        msg.text = apr_array_pstrcat(p, lines, '\0');
        rv = pm_channel_call(calls, &msg, p, why);
    }
    return rv;
}

static apr_status_t send_templates(pm_channel_calls_t *calls,
                                   const pm_pool_set_t *set, apr_pool_t *p,
                                   pm_reason_t *why)
{
    pm_message_t msg;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < set->templates->nelts; i++) {
        write_template(
            &msg, &APR_ARRAY_IDX(set->templates, i, pm_script_template_t), p);
        rv = pm_channel_call(calls, &msg, p, why);
    }
    return rv == APR_SUCCESS && i ? send_hosts(calls, set->hosts, p, why) : rv;
}

static apr_status_t send_members(pm_channel_calls_t *calls,
                                 const pm_pool_set_t *set, apr_pool_t *p,
                                 pm_reason_t *why)
{
    apr_status_t rv = APR_SUCCESS;
    pm_message_t msg;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < set->members->nelts; i++) {
        write_member(&msg, &APR_ARRAY_IDX(set->members, i, pm_member_t), p);
        rv = pm_channel_call(calls, &msg, p, why);
    }
    return rv;
}

/* Nothing is in force before all before it was taken. */
static apr_status_t send_commit(pm_channel_calls_t *calls, apr_pool_t *p,
                                pm_reason_t *why)
{
    pm_message_t msg = {.text = apr_pstrdup(p, "commit")};
    apr_status_t rv = pm_channel_settle(calls, p, why);

    if (rv == APR_SUCCESS) {
        rv = pm_channel_call(calls, &msg, p, why);
    }
    return rv == APR_SUCCESS ? pm_channel_settle(calls, p, why) : rv;
}

apr_status_t pm_pool_set_send(int channel, const pm_pool_set_t *set,
                              apr_time_t deadline, apr_pool_t *p,
                              pm_reason_t *why)
{
    pm_channel_calls_t calls = {channel, deadline, 0};
    pm_message_t msg;
    apr_status_t rv;

    write_head(&msg, set, p);
    rv = pm_channel_call(&calls, &msg, p, why);
    if (rv == APR_SUCCESS) {
        rv = send_members(&calls, set, p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = send_templates(&calls, set, p, why);
    }
    if (rv == APR_SUCCESS && set->store_fd >= 0) {
        msg = (pm_message_t){
            .text = apr_pstrdup(p, "store"), .nfds = 1, .fds = {set->store_fd}};
        rv = pm_channel_call(&calls, &msg, p, why);
    }
    return rv == APR_SUCCESS ? send_commit(&calls, p, why) : rv;
}

/* --- the manager's side --------------------------------------------------- */

/* Cuts the first line off *text.  @return how many words it has, put into word,
 * max at the most */
static int set_take_line(char **text, char **word, int max)
{
    char *line = *text;
    char *last = NULL;
    int n = 0;

    *text = line + strcspn(line, "\n");
    if (**text) {
        *(*text)++ = '\0';
    }
    for (line = apr_strtok(line, " ", &last); line && n < max;
         line = apr_strtok(NULL, " ", &last)) {
        word[n++] = line;
    }
    return n;
}

/* @return a number of digits only, up to max; -1 for anything else */
static long set_read_number(const char *text, long max)
{
    long n = strspn(text, "0123456789") == strlen(text) ? strtol(text, NULL, 10)
                                                        : -1;

    return n > max || !*text ? -1 : n;
}

static apr_status_t bad_message(pm_reason_t *why)
{
    return pm_fail(why, APR_EINVAL, "bad message");
}

static apr_status_t take_head(pm_pool_set_t **set, char **word, int n,
                              const char *settings, pm_message_t *msg,
                              apr_pool_t *parent, pm_reason_t *why)
{
    pm_global_t *global;
    apr_pool_t *p;
    apr_status_t rv;

    if (n != 3 || set_read_number(word[1], 0x7fffffff) < 0
        || set_read_number(word[2], PM_DEBUG) < 0 || msg->nfds > 1) {
        return bad_message(why);
    }
    pm_pool_set_destroy(*set);
    *set = NULL;
    rv = apr_pool_create(&p, parent);
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "cannot make a set");
    }
    *set = pm_pool_set_create(p);
    ((set_memory_t *)*set)->p = p;
    (*set)->config = (int)set_read_number(word[1], 0x7fffffff);
    (*set)->log_level = (pm_level_t)set_read_number(word[2], PM_DEBUG);
    (*set)->log_fd = msg->nfds ? msg->fds[0] : -1;
    msg->nfds = 0;
    (*set)->global = global = pm_global_create(p);
    return pm_conf_read(global, PM_SCOPE_GLOBAL, settings, p, why);
}

static apr_status_t take_member(pm_pool_set_t *set, char **word, int n,
                                char *settings, pm_message_t *msg,
                                pm_reason_t *why)
{
    apr_pool_t *p = set->members->pool;
    int failed = word[0][0] == 'f';
    pm_member_t m = {0};
    pm_conf_t *conf;
    apr_status_t rv;

    if (n != 4 || set_read_number(word[2], PM_SCOREBOARD_SCRIPTS - 1) < 0
        || set_read_number(word[3], 0x7fffffff) < 0
        || (failed ? msg->nfds != 0 : msg->nfds < 1 || msg->nfds > 2)
        || pm_conf_name_check(word[1], NULL) != APR_SUCCESS) {
        return bad_message(why);
    }
    m.conf = conf = pm_conf_create(p, word[1]);
    m.slot = (int)set_read_number(word[2], PM_SCOREBOARD_SCRIPTS - 1);
    m.generation = (apr_uint32_t)set_read_number(word[3], 0x7fffffff);
    m.fd = failed ? -1 : msg->fds[0];
    m.log_fd = msg->nfds > 1 ? msg->fds[1] : -1;
    if (failed) {
        char *reason = settings;

        settings += strcspn(settings, "\n");
        m.failed = apr_pstrmemdup(p, reason, (apr_size_t)(settings - reason));
    }
    rv = pm_conf_read(conf, PM_SCOPE_POOL, settings, p, why);
    if (rv == APR_SUCCESS) {
        msg->nfds = 0;
        *(pm_member_t *)apr_array_push(set->members) = m;
    }
    return rv;
}

/* A word as it was before it was escaped; NULL: it cannot be one.  Copied,
 * since apr_punescape_url() returns a word without escapes as it is, and the
 * message is freed before the set. */
static const char *set_unescape(const char *word, apr_pool_t *p)
{
    return apr_punescape_url(p, apr_pstrdup(p, word), NULL, NULL, 1);
}

static apr_status_t take_template(pm_pool_set_t *set, char **word, int n,
                                  char *settings, pm_message_t *msg,
                                  pm_reason_t *why)
{
    apr_pool_t *p = set->members->pool;
    char *middle = strstr(settings, "\n\n");
    pm_script_template_t t = {0};
    pm_rules_t *rules = pm_rules_create(p);
    pm_conf_t *conf = pm_conf_create(p, "script");
    apr_status_t rv;

    t.where = n == 4 ? set_unescape(word[1], p) : NULL;
    if (!t.where || set_read_number(word[2], 1) < 0
        || set_read_number(word[3], 1) < 0 || !middle || msg->nfds > 1
        || pm_script_rules_where_check(t.where, NULL) != APR_SUCCESS) {
        return bad_message(why);
    }
    *middle = '\0';
    t.suexec = (int)set_read_number(word[2], 1);
    t.named = (int)set_read_number(word[3], 1);
    t.rules = rules;
    t.conf = conf;
    t.log_fd = msg->nfds ? msg->fds[0] : -1;
    rv = pm_conf_read(rules, PM_SCOPE_RULES, settings, p, why);
    if (rv == APR_SUCCESS) {
        rv = pm_conf_read(conf, PM_SCOPE_POOL, middle + 2, p, why);
    }
    if (rv == APR_SUCCESS) {
        msg->nfds = 0;
        *(pm_script_template_t *)apr_array_push(set->templates) = t;
    }
    return rv;
}

/* (uid_t)-1 stands for none. */
#define ID_MAX 0xfffffffeL

static apr_status_t take_host(pm_pool_set_t *set, char *line, pm_reason_t *why)
{
    pm_host_t *host = apr_array_push(set->hosts);
    char *word[4];
    int n = set_take_line(&line, word, 4);

    memset(host, 0, sizeof(*host));
    host->name = n ? set_unescape(word[0], set->members->pool) : NULL;
    if (!host->name || (n != 1 && n != 3)
        || (n == 3
            && (set_read_number(word[1], ID_MAX) < 0
                || set_read_number(word[2], ID_MAX) < 0))) {
        return bad_message(why);
    }
    host->suexec = n == 3;
    host->uid = n == 3 ? (apr_uint32_t)set_read_number(word[1], ID_MAX) : 0;
    host->gid = n == 3 ? (apr_uint32_t)set_read_number(word[2], ID_MAX) : 0;
    return APR_SUCCESS;
}

static apr_status_t take_hosts(pm_pool_set_t *set, char *lines,
                               pm_reason_t *why)
{
    apr_status_t rv = APR_SUCCESS;
    char *last = NULL;
    char *line;

    for (line = apr_strtok(lines, "\n", &last); line && rv == APR_SUCCESS;
         line = apr_strtok(NULL, "\n", &last)) {
        rv = take_host(set, line, why);
    }
    return rv;
}

apr_status_t pm_pool_set_receive(pm_pool_set_t **set,
                                 const pm_message_t *message, int *whole,
                                 apr_pool_t *p, pm_reason_t *why)
{
    pm_message_t msg = *message; /* a set that takes descriptors clears nfds */
    apr_status_t rv = APR_SUCCESS;
    char *text = msg.text;
    char *word[6] = {NULL};
    int n = set_take_line(&text, word, 6);

    *whole = 0;
    if (n && !strcmp(word[0], "set")) {
        rv = take_head(set, word, n, text, &msg, p, why);
    }
    else if (n && *set
             && (!strcmp(word[0], "pool") || !strcmp(word[0], "failed"))) {
        rv = take_member(*set, word, n, text, &msg, why);
    }
    else if (n && *set && !strcmp(word[0], "scripts")) {
        rv = take_template(*set, word, n, text, &msg, why);
    }
    else if (n == 1 && *set && !strcmp(word[0], "hosts")) {
        rv = take_hosts(*set, text, why);
    }
    else if (n == 1 && *set && !strcmp(word[0], "store") && msg.nfds == 1) {
        pm_fds_close(&(*set)->store_fd);
        (*set)->store_fd = msg.fds[--msg.nfds];
    }
    else if (n == 1 && *set && !strcmp(word[0], "commit")) {
        *whole = 1;
    }
    else {
        rv = bad_message(why);
    }
    while (msg.nfds) {
        pm_fds_close(&msg.fds[--msg.nfds]);
    }
    if (rv != APR_SUCCESS) {
        pm_pool_set_destroy(*set); /* half a set is none */
        *set = NULL;
    }
    return rv;
}
