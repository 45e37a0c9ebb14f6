/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_script.h"

#include <stdlib.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "apr_thread_cond.h"
#include "apr_thread_mutex.h"
#include "http_core.h"
#include "http_request.h"

#include "pm_core/ipc/pm_control_client.h"
#include "pm_core/policy/pm_control_protocol.h"
#include "pm_core/policy/pm_script_rules.h"
#include "pm_core/os/pm_futex.h"

APLOG_USE_MODULE(fcgipm);

#define ASK_MOST     apr_time_from_sec(10) /* for one request */
#define REFUSED_FOR  apr_time_from_sec(1)
#define DROPPED_MOST 16
#define ENTRIES_MOST 4096

/* What the manager has said of a script. */
typedef struct entry {
    int asking;       /* a thread is at it; the rest is not valid */
    int status;       /* OK, or an HTTP status: refused */
    apr_time_t until; /* a refusal counts so long */
    char why[512];
    char name[65];
    pm_addr_t addr;
    int slot;
    apr_uint32_t generation;
    apr_finfo_t file; /* as it was when it was asked for */
    char key[];
} entry_t;

struct hpm_script_cache {
    int config;
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *told; /* somebody's question was answered */
    apr_hash_t *entries;     /* key -> entry_t, from malloc() */
};

/* One request's search. */
typedef struct search {
    request_rec *r;
    const hpm_server_t *server;
    struct hpm_script_cache *memory;
    const pm_script_template_t *template; /* NULL: none covers it */
    int wrapper;                          /* -1: none */
    const char *host;                     /* as the manager knows it */
    apr_time_t deadline;
} search_t;

static apr_status_t forget_all(void *data)
{
    struct hpm_script_cache *memory = data;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, memory->entries); hi;
         hi = apr_hash_next(hi)) {
        free(apr_hash_this_val(hi));
    }
    return APR_SUCCESS;
}

void hpm_script_init(apr_pool_t *pchild, server_rec *s, int config)
{
    struct hpm_script_cache *memory;
    server_rec *v;

    if (!hpm_server(s)->templates->nelts) {
        return;
    }
    memory = apr_pcalloc(pchild, sizeof(*memory));
    memory->config = config;
    memory->entries = apr_hash_make(pchild);
    if (apr_thread_mutex_create(&memory->lock, APR_THREAD_MUTEX_DEFAULT, pchild)
            != APR_SUCCESS
        || apr_thread_cond_create(&memory->told, pchild) != APR_SUCCESS) {
        return; /* requests will say so */
    }
    apr_pool_cleanup_register(pchild, memory, forget_all,
                              apr_pool_cleanup_null);
    for (v = s; v; v = v->next) {
        hpm_server(v)->script_cache = memory;
    }
}

int hpm_script_is(const request_rec *r)
{
    return r->handler && !strcmp(r->handler, HPM_SCRIPT_HANDLER);
}

int hpm_script_gone(const hpm_server_t *server, const hpm_pool_t *pool)
{
    return (pool->generation & PM_SCOREBOARD_SCRIPT_BIT)
           && pm_scoreboard_avail(pm_scoreboard_slot(server->board, pool->slot),
                                  pool->generation)
                  == PM_AVAIL_NONE;
}

/* --- asking the manager --------------------------------------------------- */

/* It has others to talk to (pm_control_server.h), or has died. */
static int is_dropped(apr_status_t rv)
{
    return APR_STATUS_IS_EOF(rv) || APR_STATUS_IS_ECONNRESET(rv)
           || APR_STATUS_IS_EPIPE(rv) || APR_STATUS_IS_EINTR(rv);
}

/* Is that how a manager looks that has died or is about to be there again? */
static int is_absent(apr_status_t rv)
{
    return APR_STATUS_IS_ECONNREFUSED(rv) || APR_STATUS_IS_ENOENT(rv)
           || is_dropped(rv);
}

/* @return OK: @a answer is the manager's; else why there is none */
static int ask(const search_t *s, const char *line, char **answer)
{
    pm_scoreboard_header_t *head = pm_scoreboard_header(s->server->board);
    apr_interval_time_t left;
    apr_uint32_t seen;
    apr_status_t rv;
    pm_reason_t why;
    int dropped = 0;

    do {
        seen = __atomic_load_n(&head->adopted, __ATOMIC_SEQ_CST);
        rv = pm_control_client_ask(s->server->global->socket, line, s->deadline,
                                   s->r->pool, answer, &why);
        if (rv == APR_SUCCESS && strcmp(*answer, "error later")) {
            return OK;
        }
        left = s->deadline - pm_time_now();
        if (is_dropped(rv) && dropped++ < DROPPED_MOST) {
            continue;
        }
        if (rv != APR_SUCCESS && !is_absent(rv)) {
            *answer = apr_pstrdup(s->r->pool, why.text);
            return HTTP_SERVICE_UNAVAILABLE;
        }
        if (left > 0 && PM_FUTEX_WORKS) {
            pm_futex_wait(&head->adopted, seen, left);
        }
    } while (left > 0 && PM_FUTEX_WORKS);
    *answer = apr_pstrdup(s->r->pool, "there is no manager to ask");
    return HTTP_SERVICE_UNAVAILABLE;
}

/* --- the answer ----------------------------------------------------------- */

/* "ok SLOT GENERATION NAME ADDRESS" */
static int take_pool(entry_t *e, char *answer)
{
    char *last = NULL;
    const char *word[4];
    const char *address;
    int i;

    apr_strtok(answer, " ", &last);
    for (i = 0; i < 3; i++) {
        word[i] = apr_strtok(NULL, " ", &last);
        if (!word[i]) {
            return 0;
        }
    }
    address = last;
    e->slot = atoi(word[0]);
    e->generation = (apr_uint32_t)strtoul(word[1], NULL, 10);
    apr_cpystrn(e->name, word[2], sizeof(e->name));
    return e->slot >= PM_SCOREBOARD_SCRIPTS && e->slot < PM_SCOREBOARD_SLOTS
           && (e->generation & PM_SCOREBOARD_SCRIPT_BIT)
           && pm_listen_parse(address, &e->addr, NULL) == APR_SUCCESS;
}

static void refused(entry_t *e, int status, const char *why)
{
    e->status = status;
    e->until = pm_time_now() + REFUSED_FOR;
    apr_cpystrn(e->why, why, sizeof(e->why));
}

static void take(entry_t *e, char *answer)
{
    const char *why = answer;
    char *end = answer;
    long status = 0;

    e->status = OK;
    if (!strncmp(answer, "ok ", 3)) {
        if (take_pool(e, answer)) {
            return;
        }
        why = "an answer of the manager's was not understood";
    }
    else if (!strncmp(answer, "error ", 6)) {
        status = strtol(answer + 6, &end, 10);
        why = end;
    }
    refused(e,
            status < 400 || status > 599 ? HTTP_INTERNAL_SERVER_ERROR
                                         : (int)status,
            why + strspn(why, " "));
}

/* As apr_punescape_url() reads it; what need not be escaped is not, for the
 * sake of the line's length. */
static const char *escape(const char *text, apr_pool_t *p)
{
    char *out = apr_palloc(p, 3 * strlen(text) + 1);
    char *o = out;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c <= ' ' || c == 0x7f || c == '%' || c == '+') {
            o += apr_snprintf(o, 4, "%%%02x", c);
        }
        else {
            *o++ = (char)c;
        }
    }
    *o = '\0';
    return out;
}

/* Without the lock. */
static void inquire(const search_t *s, entry_t *e)
{
    request_rec *r = s->r;
    const char *line =
        apr_psprintf(r->pool, "script %d %s %s", s->memory->config,
                     escape(s->host, r->pool), escape(r->filename, r->pool));
    char *answer;
    int status;

    if (strlen(line) + 1 >= PM_CONTROL_PROTOCOL_LINE) {
        refused(e, HTTP_FORBIDDEN,
                apr_psprintf(r->pool,
                             "%.200s...: the "
                             "path is too long",
                             r->filename));
        return;
    }
    status = ask(s, line, &answer);
    if (status == OK) {
        take(e, answer);
    }
    else {
        refused(e, status, answer);
    }
}

/* --- memory --------------------------------------------------------------- */

/* What was asked about: the file, or, for a wrapper, all its files, of one
 * owner where that matters.  The manager has a notion of its own of what is
 * one pool. */
static const char *key_of(const search_t *s)
{
    const request_rec *r = s->r;

    if (s->wrapper < 0 || !s->template) {
        return apr_pstrcat(r->pool, s->host, " ", r->filename, NULL);
    }
    return apr_psprintf(
        r->pool, "%s %s %d %ld", s->host, s->template->where, s->wrapper,
        s->template->rules->script_user ? (long)r->finfo.user : -1L);
}

static int same_file(const search_t *s, const entry_t *e)
{
    const apr_finfo_t *a = &s->r->finfo;
    const apr_finfo_t *b = &e->file;

    return s->wrapper >= 0
           || (a->device == b->device && a->inode == b->inode
               && a->size == b->size && a->mtime == b->mtime
               && a->ctime == b->ctime && a->protection == b->protection
               && a->user == b->user && a->group == b->group);
}

static int is_there(const search_t *s, const entry_t *e)
{
    return pm_scoreboard_avail(pm_scoreboard_slot(s->server->board, e->slot),
                               e->generation)
           != PM_AVAIL_NONE;
}

/* Does it count still? */
static int is_fresh(const search_t *s, const entry_t *e)
{
    return same_file(s, e)
           && (e->status == OK ? is_there(s, e) : pm_time_now() < e->until);
}

/* There are too many: all that nobody is at go. */
static void make_room(struct hpm_script_cache *memory)
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, memory->entries); hi;
         hi = apr_hash_next(hi)) {
        entry_t *e = apr_hash_this_val(hi);

        if (!e->asking) {
            apr_hash_set(memory->entries, e->key, APR_HASH_KEY_STRING, NULL);
            free(e);
        }
    }
}

static entry_t *add(struct hpm_script_cache *memory, const char *key)
{
    apr_size_t len = strlen(key) + 1;
    entry_t *e;

    if (apr_hash_count(memory->entries) >= ENTRIES_MOST) {
        make_room(memory);
    }
    e = calloc(1, sizeof(*e) + len);
    if (e) {
        memcpy(e->key, key, len);
        apr_hash_set(memory->entries, e->key, APR_HASH_KEY_STRING, e);
    }
    return e;
}

/* With the lock held, which is given up while the manager is asked. */
static void ask_for(const search_t *s, entry_t *e)
{
    e->asking = 1;
    apr_thread_mutex_unlock(s->memory->lock);
    inquire(s, e);
    apr_thread_mutex_lock(s->memory->lock);
    e->file = s->r->finfo;
    e->asking = 0;
    apr_thread_cond_broadcast(s->memory->told);
}

/* With the lock held.  @param not that generation
 * @return what is known, NULL: time is up */
static const entry_t *look_up(const search_t *s, const char *key,
                              apr_uint32_t not )
{
    for (;;) {
        entry_t *e = apr_hash_get(s->memory->entries, key, APR_HASH_KEY_STRING);
        apr_interval_time_t left = s->deadline - pm_time_now();

        if (e && e->asking) {
            if (left <= 0) {
                return NULL;
            }
            apr_thread_cond_timedwait(s->memory->told, s->memory->lock, left);
            continue;
        }
        if (e && is_fresh(s, e) && (e->status != OK || e->generation != not )) {
            return e;
        }
        e = e ? e : add(s->memory, key);
        if (e) {
            ask_for(s, e);
        }
        return e;
    }
}

/* --- a request ------------------------------------------------------------ */

static int fail(request_rec *r, int status, int level, const char *why)
{
    ap_log_rerror(APLOG_MARK, level, 0, r, "script: %s", why);
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        apr_table_setn(r->err_headers_out, "Retry-After", "1");
    }
    return status;
}

/* mod_cgid's questions, in its order. */
static int check(const search_t *s)
{
    request_rec *r = s->r;
    int is_virtual =
        s->template
        && pm_script_rules_is_virtual(s->template->rules, s->wrapper);

    if (!(ap_allow_options(r) & OPT_EXECCGI)) {
        return fail(r, HTTP_FORBIDDEN, APLOG_ERR,
                    apr_psprintf(r->pool,
                                 "%s: Options ExecCGI is off in "
                                 "this directory",
                                 r->filename));
    }
    if (!is_virtual && r->finfo.filetype == APR_NOFILE) {
        return fail(r, HTTP_NOT_FOUND, APLOG_INFO,
                    apr_psprintf(r->pool, "%s: it is not there", r->filename));
    }
    if (r->finfo.filetype == APR_DIR) {
        return fail(
            r, HTTP_FORBIDDEN, APLOG_ERR,
            apr_psprintf(r->pool, "%s: it is a directory", r->filename));
    }
    if (!s->template) {
        return fail(r, HTTP_INTERNAL_SERVER_ERROR, APLOG_ERR,
                    apr_psprintf(r->pool,
                                 "%s: no <FcgiPMScripts> covers it; "
                                 "<FcgiPMScripts %s> would",
                                 r->filename,
                                 ap_make_dirstr_parent(r->pool, r->filename)));
    }
    if (!s->memory) {
        return fail(r, HTTP_SERVICE_UNAVAILABLE, APLOG_ERR,
                    "this process could not be prepared");
    }
    return OK;
}

static void prepare(search_t *s, request_rec *r)
{
    const apr_array_header_t *templates;
    int i;

    s->r = r;
    s->server = hpm_server(r->server);
    s->memory = s->server->script_cache;
    s->deadline = pm_time_now() + ASK_MOST;
    s->host = apr_hash_get(s->server->host_of, &r->server, sizeof(void *));
    templates = s->server->templates;
    i = pm_script_rules_find((pm_script_template_t *)(void *)templates->elts,
                             templates->nelts, r->filename);
    s->template =
        i < 0 ? NULL : &APR_ARRAY_IDX(templates, i, pm_script_template_t);
    s->wrapper =
        i < 0 ? -1 : pm_script_rules_wrapper(s->template->rules, r->filename);
}

/* What is known, for this request. */
static void fill(const search_t *s, const entry_t *e, hpm_pool_t *pool)
{
    memset(pool, 0, sizeof(*pool));
    pool->name = apr_pstrdup(s->r->pool, e->name);
    pool->conf = s->template->conf;
    pool->addr = e->addr;
    pool->slot = e->slot;
    pool->generation = e->generation;
    pool->log_fd = s->template->log_fd;
}

static int find(const search_t *s, apr_uint32_t not, hpm_pool_t *pool)
{
    const entry_t *e;
    const char *why = "the manager has not answered in time";
    int status = HTTP_SERVICE_UNAVAILABLE;

    if (!s->template || !s->memory) {
        return HTTP_INTERNAL_SERVER_ERROR; /* see check() */
    }
    apr_thread_mutex_lock(s->memory->lock);
    e = look_up(s, key_of(s), not );
    if (e) {
        status = e->status;
        why = status == OK ? NULL : apr_pstrdup(s->r->pool, e->why);
    }
    if (status == OK) {
        fill(s, e, pool);
    }
    apr_thread_mutex_unlock(s->memory->lock);
    if (status == OK) {
        return OK;
    }
    /* of what the manager has too many of it says so itself, once */
    return fail(
        s->r, status,
        status == HTTP_SERVICE_UNAVAILABLE && e ? APLOG_INFO : APLOG_ERR, why);
}

int hpm_script_find(request_rec *r, hpm_pool_t *pool)
{
    search_t s;
    int status;

    prepare(&s, r);
    status = check(&s);
    return status == OK ? find(&s, 0, pool) : status;
}

int hpm_script_again(request_rec *r, apr_uint32_t former, hpm_pool_t *pool)
{
    search_t s;

    prepare(&s, r);
    return find(&s, former, pool);
}
