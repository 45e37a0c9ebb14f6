/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_script.h"

#include <stdlib.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "apr_thread_cond.h"
#include "apr_thread_mutex.h"
#include "http_core.h"
#include "http_request.h"

#include "httpd/request/hpm_request.h"

#include "httpd/request/hpm_script_reply.h"
#include "pm_core/ipc/pm_control_client.h"
#include "pm_core/policy/pm_control_protocol.h"
#include "pm_core/policy/pm_script_rules.h"
#include "pm_core/os/pm_futex.h"

APLOG_USE_MODULE(fcgipm);

#define SCRIPT_ASK_TIME     apr_time_from_sec(10) /* for one request */
#define SCRIPT_REFUSED_TIME apr_time_from_sec(1)
#define SCRIPT_ALLOWED_TIME apr_time_from_sec(5) /* directories may change */
#define SCRIPT_DROPPED_MAX  16
#define SCRIPT_ENTRIES_MAX  4096

/* A script's entry in the cache: the manager's reply. */
typedef struct script_entry {
    int asking;       /* a thread is asking; the rest is not valid */
    apr_time_t until; /* the reply is valid until then */
    hpm_script_reply_t reply;
    apr_finfo_t file; /* as it was when the manager was asked */
    char key[];
} script_entry_t;

struct hpm_script_cache {
    int config; /* httpd's number of it */
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *replied; /* a reply has come */
    apr_hash_t *entries;        /* key -> script_entry_t, from malloc() */
};

/* One request's search. */
typedef struct script_search {
    request_rec *r;
    const hpm_server_t *server;
    struct hpm_script_cache *cache;
    const pm_script_template_t *template; /* NULL: none covers it */
    int wrapper;                          /* -1: none */
    const char *host;                     /* the manager's name of it */
    apr_time_t deadline;
} script_search_t;

static apr_status_t script_free_cache(void *data)
{
    struct hpm_script_cache *cache = data;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, cache->entries); hi;
         hi = apr_hash_next(hi)) {
        free(apr_hash_this_val(hi));
    }
    return APR_SUCCESS;
}

void hpm_script_init(apr_pool_t *pchild, server_rec *s, int config)
{
    struct hpm_script_cache *cache;

    if (!hpm_server(s)->templates->nelts) {
        return;
    }
    cache = apr_pcalloc(pchild, sizeof(*cache));
    cache->config = config;
    cache->entries = apr_hash_make(pchild);
    if (apr_thread_mutex_create(&cache->lock, APR_THREAD_MUTEX_DEFAULT, pchild)
            != APR_SUCCESS
        || apr_thread_cond_create(&cache->replied, pchild) != APR_SUCCESS) {
        return; /* each request will log it */
    }
    apr_pool_cleanup_register(pchild, cache, script_free_cache,
                              apr_pool_cleanup_null);
    hpm_server(s)->script_cache = cache;
}

int hpm_script_is_request(const request_rec *r)
{
    return r->handler && !strcmp(r->handler, HPM_SCRIPT_HANDLER);
}

/* --- asking the manager --------------------------------------------------- */

/* The manager dropped the connection for others (pm_control_server.h), or has
 * died. */
static int script_is_dropped(apr_status_t rv)
{
    return APR_STATUS_IS_EOF(rv) || APR_STATUS_IS_ECONNRESET(rv)
           || APR_STATUS_IS_EPIPE(rv) || APR_STATUS_IS_EINTR(rv);
}

/* Has the manager died, and is it about to be replaced? */
static int script_is_absent(apr_status_t rv)
{
    return APR_STATUS_IS_ECONNREFUSED(rv) || APR_STATUS_IS_ENOENT(rv)
           || script_is_dropped(rv);
}

/* @return OK: @a answer is the manager's; else it says why there is none */
static int script_ask_manager(const script_search_t *s, const char *line,
                              char **answer)
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
        if (script_is_dropped(rv) && dropped++ < SCRIPT_DROPPED_MAX) {
            continue;
        }
        if (rv != APR_SUCCESS && !script_is_absent(rv)) {
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

/* Escape for apr_punescape_url(), and only what must be: the line's length is
 * limited. */
static const char *script_escape(const char *text, apr_pool_t *p)
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

static void script_request(const script_search_t *s, hpm_script_reply_t *reply)
{
    request_rec *r = s->r;
    const char *line = apr_psprintf(
        r->pool, "script %d %s %s", s->cache->config,
        script_escape(s->host, r->pool), script_escape(r->filename, r->pool));
    char *answer;
    int status;

    if (strlen(line) + 1 >= PM_CONTROL_PROTOCOL_LINE) {
        hpm_script_reply_refuse(reply, HTTP_FORBIDDEN,
                                apr_psprintf(r->pool,
                                             "%.200s...: the path is too long",
                                             r->filename));
        return;
    }
    status = script_ask_manager(s, line, &answer);
    if (status == OK) {
        hpm_script_reply_read(reply, answer);
    }
    else {
        hpm_script_reply_refuse(reply, status, answer);
    }
}

/* --- the cache ------------------------------------------------------------ */

/* Does the manager judge each file? */
static int script_is_judged(const script_search_t *s)
{
    return s->wrapper < 0 || !s->template || s->template->rules->script_user;
}

/* One entry per file, or per wrapper where any file may be run.  The manager
 * alone decides what shares a pool. */
static const char *script_key(const script_search_t *s)
{
    const request_rec *r = s->r;

    return script_is_judged(s)
               ? apr_pstrcat(r->pool, s->host, " ", r->filename, NULL)
               : apr_psprintf(r->pool, "%s %s %d", s->host, s->template->where,
                              s->wrapper);
}

static int script_is_same_file(const script_search_t *s,
                               const script_entry_t *e)
{
    const apr_finfo_t *a = &s->r->finfo;
    const apr_finfo_t *b = &e->file;

    return a->device == b->device && a->inode == b->inode && a->size == b->size
           && a->mtime == b->mtime && a->ctime == b->ctime
           && a->protection == b->protection && a->user == b->user
           && a->group == b->group;
}

static int script_pool_lives(const script_search_t *s, const script_entry_t *e)
{
    return pm_scoreboard_avail(
               pm_scoreboard_slot(s->server->board, e->reply.slot),
               e->reply.generation)
           != PM_AVAIL_NONE;
}

static int script_is_fresh(const script_search_t *s, const script_entry_t *e)
{
    int judged = script_is_judged(s);

    return (!judged || script_is_same_file(s, e))
           && (e->reply.status != OK || script_pool_lives(s, e))
           && ((e->reply.status == OK && !judged) || pm_time_now() < e->until);
}

/* The cache is full: drop every entry that no thread is asking for. */
static void script_evict(struct hpm_script_cache *cache)
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, cache->entries); hi;
         hi = apr_hash_next(hi)) {
        script_entry_t *e = apr_hash_this_val(hi);

        if (!e->asking) {
            apr_hash_set(cache->entries, e->key, APR_HASH_KEY_STRING, NULL);
            free(e);
        }
    }
}

static script_entry_t *script_add_entry(struct hpm_script_cache *cache,
                                        const char *key)
{
    apr_size_t len = strlen(key) + 1;
    script_entry_t *e;

    if (apr_hash_count(cache->entries) >= SCRIPT_ENTRIES_MAX) {
        script_evict(cache);
    }
    e = calloc(1, sizeof(*e) + len);
    if (e) {
        memcpy(e->key, key, len);
        apr_hash_set(cache->entries, e->key, APR_HASH_KEY_STRING, e);
    }
    return e;
}

/* Called with the lock held; released while the manager is asked. */
static void script_fill_entry(const script_search_t *s, script_entry_t *e)
{
    e->asking = 1;
    apr_thread_mutex_unlock(s->cache->lock);
    script_request(s, &e->reply);
    apr_thread_mutex_lock(s->cache->lock);
    e->until =
        pm_time_now()
        + (e->reply.status == OK ? SCRIPT_ALLOWED_TIME : SCRIPT_REFUSED_TIME);
    e->file = s->r->finfo;
    e->asking = 0;
    apr_thread_cond_broadcast(s->cache->replied);
}

/* Called with the lock held.  @param former a generation that will not do
 * @return the entry, NULL: time is up */
static const script_entry_t *script_look_up(const script_search_t *s,
                                            const char *key,
                                            apr_uint32_t former)
{
    for (;;) {
        script_entry_t *e =
            apr_hash_get(s->cache->entries, key, APR_HASH_KEY_STRING);
        apr_interval_time_t left = s->deadline - pm_time_now();

        if (e && e->asking) {
            if (left <= 0) {
                return NULL;
            }
            apr_thread_cond_timedwait(s->cache->replied, s->cache->lock, left);
            continue;
        }
        if (e && script_is_fresh(s, e)
            && (e->reply.status != OK || e->reply.generation != former)) {
            return e;
        }
        e = e ? e : script_add_entry(s->cache, key);
        if (e) {
            script_fill_entry(s, e);
        }
        return e;
    }
}

/* --- a request ------------------------------------------------------------ */

static int script_fail(request_rec *r, int status, int level, const char *why)
{
    ap_log_rerror(APLOG_MARK, level, 0, r, "script: %s", why);
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        apr_table_setn(r->err_headers_out, "Retry-After", "1");
    }
    return status;
}

/* mod_cgid's checks, in its order. */
static int script_check(const script_search_t *s)
{
    request_rec *r = s->r;
    int is_virtual =
        s->template
        && pm_script_rules_is_virtual(s->template->rules, s->wrapper);

    if (!(ap_allow_options(r) & OPT_EXECCGI)) {
        return script_fail(r, HTTP_FORBIDDEN, APLOG_ERR,
                           apr_psprintf(r->pool,
                                        "%s: Options ExecCGI is off in "
                                        "this directory",
                                        r->filename));
    }
    if (!is_virtual && r->finfo.filetype == APR_NOFILE) {
        return script_fail(
            r, HTTP_NOT_FOUND, APLOG_INFO,
            apr_psprintf(r->pool, "%s: it does not exist", r->filename));
    }
    if (r->finfo.filetype == APR_DIR) {
        return script_fail(
            r, HTTP_FORBIDDEN, APLOG_ERR,
            apr_psprintf(r->pool, "%s: it is a directory", r->filename));
    }
    if (!s->template) {
        return script_fail(
            r, HTTP_INTERNAL_SERVER_ERROR, APLOG_ERR,
            apr_psprintf(r->pool,
                         "%s: no <FcgiPMScripts> covers it; "
                         "<FcgiPMScripts %s> would",
                         r->filename,
                         ap_make_dirstr_parent(r->pool, r->filename)));
    }
    if (!s->cache) {
        return script_fail(r, HTTP_SERVICE_UNAVAILABLE, APLOG_ERR,
                           "this process could not be prepared");
    }
    return OK;
}

static void script_prepare(script_search_t *s, request_rec *r)
{
    const apr_array_header_t *templates;
    int i;

    s->r = r;
    s->server = hpm_server(r->server);
    s->cache = s->server->script_cache;
    s->deadline = pm_time_now() + SCRIPT_ASK_TIME;
    s->host = apr_hash_get(s->server->host_of, &r->server, sizeof(void *));
    templates = s->server->templates;
    i = pm_script_rules_find((pm_script_template_t *)(void *)templates->elts,
                             templates->nelts, r->filename);
    s->template =
        i < 0 ? NULL : &APR_ARRAY_IDX(templates, i, pm_script_template_t);
    s->wrapper =
        i < 0 ? -1 : pm_script_rules_wrapper(s->template->rules, r->filename);
}

static void script_fill_pool(const script_search_t *s, const script_entry_t *e,
                             hpm_pool_t *pool)
{
    memset(pool, 0, sizeof(*pool));
    pool->name = apr_pstrdup(s->r->pool, e->reply.name);
    pool->conf = s->template->conf;
    pool->addr = e->reply.addr;
    pool->slot = e->reply.slot;
    pool->generation = e->reply.generation;
    pool->log_fd = s->template->log_fd;
}

/* PHP gets other variables, see hpm_variables.c.  A wrapper's command is
 * escaped as in a URL. */
static void script_note_php(const script_search_t *s)
{
    const char *wrapper = s->wrapper < 0
                              ? ""
                              : APR_ARRAY_IDX(s->template->rules->wrapper,
                                              s->wrapper, const char *);

    if (strstr(wrapper, "%2fphp")) {
        hpm_request(s->r)->php = 1;
    }
}

static int script_find(const script_search_t *s, apr_uint32_t former,
                       hpm_pool_t *pool)
{
    const script_entry_t *e;
    const char *why = "the manager has not answered in time";
    int status = HTTP_SERVICE_UNAVAILABLE;

    if (!s->template || !s->cache) {
        return HTTP_INTERNAL_SERVER_ERROR; /* see script_check() */
    }
    apr_thread_mutex_lock(s->cache->lock);
    e = script_look_up(s, script_key(s), former);
    if (e) {
        status = e->reply.status;
        why = status == OK ? NULL : apr_pstrdup(s->r->pool, e->reply.why);
    }
    if (status == OK) {
        script_fill_pool(s, e, pool);
    }
    apr_thread_mutex_unlock(s->cache->lock);
    if (status == OK) {
        return OK;
    }
    return script_fail(
        s->r, status,
        status == HTTP_SERVICE_UNAVAILABLE ? APLOG_WARNING : APLOG_ERR, why);
}

int hpm_script_find(request_rec *r, hpm_pool_t *pool)
{
    script_search_t s;
    int status;

    script_prepare(&s, r);
    status = script_check(&s);
    if (status == OK) {
        script_note_php(&s);
        status = script_find(&s, 0, pool);
    }
    return status;
}

int hpm_script_find_other(request_rec *r, apr_uint32_t former, hpm_pool_t *pool)
{
    script_search_t s;

    script_prepare(&s, r);
    return script_find(&s, former, pool);
}
