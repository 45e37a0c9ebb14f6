/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_script_pools.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_escape.h"
#include "apr_lib.h"
#include "apr_sha1.h"
#include "apr_strings.h"
#include "pm_core/policy/pm_reload_policy.h"
#include "pm_core/pool/pm_script_resolve.h"
#include "pm_core/os/pm_ident.h"
#include "pm_core/pool/pm_pool.h"

#define NAME_MOST 64 /* see pm_conf_name_check() */
#define HASH_LEN  16
#define LOOKS     4 /* within an idle timeout */

/* A pool that was asked for so lately is not taken away: the request that it
 * was asked for is still to come. */
#define ROOM_AGE   APR_USEC_PER_SEC
#define ROOM_TRIES 8

/* For what the manager before has stored. */
#define STORE_TIME APR_USEC_PER_SEC

APR_RING_HEAD(sp_former, pm_script_pool);

struct pm_script_pools {
    const pm_pool_set_t *set; /* in force; NULL: none yet */
    apr_hash_t *by_key;       /* key -> pm_script_pool_t */
    struct sp_former former;  /* it is not in force for these yet */
    int full;                 /* that was logged */
    int crowded;              /* likewise: one went for another */
    int mortal;               /* likewise: a socket could not be stored */
};

/* What a pool was made for. */
typedef struct sp_origin {
    const char *key;
    const char *host, *path; /* of the first request for it */
    apr_uint32_t uid;        /* of the user it runs as */
} sp_origin_t;

struct pm_script_pool {
    APR_RING_ENTRY(pm_script_pool) link; /* in all->former */
    int is_former;
    pm_pool_t *pool;
    apr_pool_t *p;
    sp_origin_t of;
    int known; /* it is in by_key */
    pm_launch_file_t file;
    apr_time_t changed_at; /* workers started before run the former file */
    apr_uint64_t used;     /* what was done when it was looked at last */
    apr_time_t used_at;    /* when more was done, or a child asked for it */
    int quiet;             /* looks that found nothing new, in a row */
    pm_timer_t timer;
};

void pm_script_pools_init(pm_context_t *context)
{
    context->scripts = apr_pcalloc(context->p, sizeof(*context->scripts));
    context->scripts->by_key = apr_hash_make(context->p);
    APR_RING_INIT(&context->scripts->former, pm_script_pool, link);
}

/* --- names ---------------------------------------------------------------- */

static const char *sp_address_of(const char *runtime_dir,
                                 apr_uint32_t generation, apr_pool_t *p)
{
    return apr_psprintf(p, "unix:%s/script-%x.sock", runtime_dir,
                        generation & ~PM_SCOREBOARD_SCRIPT_BIT);
}

/* A label for people, and a hash that tells it from all others. */
static const char *sp_name_of(const pm_script_target_t *f, apr_pool_t *p)
{
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    char hex[2 * APR_SHA1_DIGESTSIZE + 1];
    apr_sha1_ctx_t sha;
    char *name = apr_pstrndup(p, f->label, NAME_MOST - 1 - HASH_LEN);
    char *c;

    apr_sha1_init(&sha);
    apr_sha1_update_binary(&sha, (const unsigned char *)f->key,
                           (unsigned)strlen(f->key));
    apr_sha1_final(digest, &sha);
    apr_escape_hex(hex, digest, sizeof(digest), 0, NULL);
    for (c = name; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("._-", *c)) {
            *c = '_';
        }
    }
    if (name[0] == '.') {
        name[0] = '_';
    }
    return apr_psprintf(p, "%s-%.*s", name, HASH_LEN, hex);
}

/* A word unescaped; NULL: it was not escaped correctly. */
static const char *sp_unescape(const char *word, apr_size_t len, apr_pool_t *p)
{
    return apr_punescape_url(p, apr_pstrmemdup(p, word, len), NULL, NULL, 1);
}

/* --- one script ----------------------------------------------------------- */

/* Workers are started only while the file is the one seen last. */
static void sp_arm(pm_script_pool_t *script, const pm_script_target_t *f)
{
    if (f->is_file) {
        script->file.path = script->of.path;
        script->file.fixed = f->fixed;
        script->file.inode = f->file;
        if (script->pool->spec) {
            script->pool->spec->file = &script->file;
        }
    }
}

static int sp_is_changed(const pm_script_pool_t *script,
                         const pm_script_target_t *f)
{
    return f->is_file && !pm_inode_same(&script->file.inode, &f->file);
}

/* A descriptor of the log for this pool alone. */
static int sp_log_of(const pm_script_target_t *f)
{
    return f->by->log_fd < 0 ? -1 : fcntl(f->by->log_fd, F_DUPFD_CLOEXEC, 3);
}

static void sp_define(pm_script_pool_t *script, pm_script_target_t *f)
{
    pm_member_t member = {.fd = -1, .log_fd = sp_log_of(f)};

    f->conf->name = script->pool->conf->name;
    f->conf->listen = script->pool->conf->listen;
    member.conf = f->conf;
    pm_pool_define(script->pool, &member);
    sp_arm(script, f);
}

static void sp_renew(pm_script_pool_t *script, pm_script_target_t *f)
{
    pm_log(script->pool->context->log, PM_NOTICE,
           "pool %s: %s has changed and "
           "is started anew",
           script->pool->conf->name, script->of.path);
    sp_define(script, f);
    script->changed_at = pm_time_now();
    pm_pool_reload(script->pool);
}

/* The set is in force for it, or it goes. */
static void sp_leave_former(pm_script_pool_t *script)
{
    if (script->is_former) {
        script->is_former = 0;
        APR_RING_REMOVE(script, link);
    }
}

static void sp_forget(pm_script_pool_t *script)
{
    pm_context_t *context = script->pool->context;
    pm_script_pools_t *all = context->scripts;

    sp_leave_former(script);
    pm_loop_at(context->loop, &script->timer, PM_TIME_NEVER);
    if (script->known) {
        script->known = 0;
        apr_hash_set(all->by_key, script->of.key, APR_HASH_KEY_STRING, NULL);
        all->full = 0;
        if (context->store_fd >= 0) {
            pm_fd_store_drop(context->store_fd, script->pool->generation,
                             script->p);
        }
    }
}

/* --- unused pools go ------------------------------------------------------ */

static void sp_watch(pm_script_pool_t *script, apr_time_t now)
{
    apr_time_t timeout = script->pool->conf->idle_timeout;

    if (timeout) {
        pm_loop_at(script->pool->context->loop, &script->timer,
                   now + timeout / LOOKS + 1);
    }
}

/* A failed start ends the roll (pm_pool_exit_failed()).  Nobody asks again for
 * a script that had changed, so it is tried again until it starts. */
static void sp_try_again(const pm_script_pool_t *script)
{
    pm_pool_t *pool = script->pool;
    const pm_worker_t *w = NULL;

    APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
    {
        if (pm_worker_fsm_alive(w->state)
            && w->started_at < script->changed_at) {
            pm_pool_reload(pool);
            return;
        }
    }
}

static void sp_on_look(void *ctx, apr_time_t now)
{
    pm_script_pool_t *script = ctx;
    pm_pool_t *pool = script->pool;
    pm_scoreboard_totals_t sum =
        pm_scoreboard_sum(pool->context->scoreboard, pool->slot);
    apr_uint64_t used = sum.done + sum.aborted + pool->published->spawned;

    script->quiet = used == script->used && !sum.in_flight && !sum.waiting
                            && !pm_pool_held(pool)
                        ? script->quiet + 1
                        : 0;
    if (!script->quiet) {
        script->used_at = now;
    }
    script->used = used;
    if (script->quiet < LOOKS || !pm_pool_retire(pool)) {
        if (!pool->workers.due[PM_DUE_ROLL]) {
            sp_try_again(script);
        }
        sp_watch(script, now);
        return;
    }
    pm_log(pool->context->log, PM_INFO,
           "pool %s: goes away: it was not used for "
           "FcgiPMIdleTimeout",
           pool->conf->name);
    sp_forget(script);
}

/* --- for the next manager ------------------------------------------------- */

/* What is stored beside a socket. */
typedef struct sp_stored {
    int slot;
    apr_uint32_t generation;
    sp_origin_t of;
    const char *listen; /* its address */
} sp_stored_t;

/* Another build may read it: the first word says which words follow. */
#define SP_STORED "script-1"
#define SP_WORDS  8

static void sp_store(const pm_script_pool_t *script, apr_pool_t *p)
{
    const pm_pool_t *pool = script->pool;
    pm_context_t *context = pool->context;
    pm_reason_t why;
    const char *text;

    if (context->store_fd < 0) {
        return;
    }
    text = apr_psprintf(p, SP_STORED " %d %u %u %s %s %s %s", pool->slot,
                        pool->generation, script->of.uid,
                        apr_pescape_urlencoded(p, script->of.key),
                        apr_pescape_urlencoded(p, script->of.host),
                        apr_pescape_urlencoded(p, script->of.path),
                        apr_pescape_urlencoded(p, pool->conf->listen));
    if (pm_fd_store_put(context->store_fd, pool->generation, text,
                        pool->listener.fd, p, &why)
            != APR_SUCCESS
        && !context->scripts->mortal) {
        context->scripts->mortal = 1;
        pm_log(context->log, PM_WARNING,
               "pool %s: should the manager die, requests that wait for this "
               "script and others may be lost: its socket is not kept: %s",
               pool->conf->name, why.text);
    }
}

/* @return 0: this build has not written it */
static int sp_read_stored(sp_stored_t *s, const char *text, apr_pool_t *p)
{
    char *line = apr_pstrdup(p, text);
    const char *word[SP_WORDS];
    char *last = NULL;
    int n = 0;

    for (line = apr_strtok(line, " ", &last); line && n < SP_WORDS;
         line = apr_strtok(NULL, " ", &last)) {
        word[n] = sp_unescape(line, strlen(line), p);
        n += word[n] != NULL;
    }
    if (n != SP_WORDS || line || strcmp(word[0], SP_STORED) != 0) {
        return 0;
    }
    *s = (sp_stored_t){.slot = atoi(word[1]),
                       .generation = (apr_uint32_t)apr_atoi64(word[2]),
                       .of = {.uid = (apr_uint32_t)apr_atoi64(word[3]),
                              .key = word[4],
                              .host = word[5],
                              .path = word[6]},
                       .listen = word[7]};
    return s->slot >= PM_SCOREBOARD_SCRIPTS && s->slot < PM_SCOREBOARD_SLOTS;
}

/* --- a new one ------------------------------------------------------------ */

/* Slots are used in turn, so that each stays unused as long as possible. */
static int sp_find_slot(pm_context_t *context, pm_member_t *member)
{
    const unsigned n = PM_SCOREBOARD_SLOTS - PM_SCOREBOARD_SCRIPTS;
    pm_scoreboard_header_t *head = pm_scoreboard_header(context->scoreboard);
    unsigned i;

    for (i = 0; i < n; i++) {
        head->scripts = (head->scripts + 1) & ~PM_SCOREBOARD_SCRIPT_BIT;
        member->slot = PM_SCOREBOARD_SCRIPTS + (int)(head->scripts % n);
        member->generation = head->scripts | PM_SCOREBOARD_SCRIPT_BIT;
        if (!context->slots[member->slot]) {
            return 1;
        }
    }
    return 0;
}

static apr_status_t sp_open_socket(pm_member_t *member, const pm_conf_t *conf,
                                   apr_pool_t *p, pm_reason_t *why)
{
    pm_listen_opts_t opts = {(int)conf->listen_backlog,
                             (mode_t)conf->listen_mode,
                             0,
                             0,
                             getpid(),
                             0};
    pm_listener_t l;
    apr_status_t rv =
        pm_ident_parse_owner(conf->listen_owner, &opts.uid, &opts.gid, why);

    if (rv == APR_SUCCESS) {
        rv = pm_listen_open(&l, conf->listen, &opts, p, why);
        member->fd = l.fd;
    }
    return rv;
}

/* @return of those used between these times the pool not used for longest */
static pm_script_pool_t *sp_find_unused(pm_script_pools_t *all,
                                        apr_time_t after, apr_time_t before)
{
    pm_script_pool_t *found = NULL;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, all->by_key); hi; hi = apr_hash_next(hi)) {
        pm_script_pool_t *script = apr_hash_this_val(hi);

        if (script->used_at > after && script->used_at < before
            && !pm_pool_held(script->pool)
            && (!found || script->used_at < found->used_at)) {
            found = script;
        }
    }
    return found;
}

static void sp_give_up(pm_script_pool_t *script, apr_time_t now)
{
    pm_context_t *context = script->pool->context;
    pm_script_pools_t *all = context->scripts;
    int full = all->full;

    pm_log(context->log, PM_INFO,
           "pool %s: makes room for another script: it was not used for %d s",
           script->pool->conf->name, (int)apr_time_sec(now - script->used_at));
    if (!all->crowded) {
        all->crowded = 1;
        pm_log(context->log, PM_WARNING,
               "there are pools of %d scripts (FcgiPMMaxScripts): the one not "
               "used for longest goes away when another script is requested",
               (int)all->set->global->max_scripts);
    }
    sp_forget(script);
    all->full = full;
}

/* The pool that was not used for longest goes, unless it has a request.
 * @return 1: one has gone */
static int sp_make_room(pm_context_t *context)
{
    apr_time_t now = pm_time_now();
    apr_time_t after = 0;
    pm_script_pool_t *script;
    int tries;

    for (tries = 0; tries < ROOM_TRIES; tries++) {
        script = sp_find_unused(context->scripts, after, now - ROOM_AGE);
        if (!script) {
            return 0;
        }
        if (pm_pool_retire(script->pool)) {
            sp_give_up(script, now);
            return 1;
        }
        after = script->used_at;
    }
    return 0;
}

static int sp_is_full(pm_context_t *context)
{
    pm_script_pools_t *all = context->scripts;
    apr_int64_t most = all->set->global->max_scripts;

    if (apr_hash_count(all->by_key) < most || (most && sp_make_room(context))) {
        return 0;
    }
    if (!all->full) {
        all->full = 1;
        pm_log(context->log, PM_ERROR,
               "there are pools of %d scripts "
               "(FcgiPMMaxScripts), all in use: no other script is started",
               (int)most);
    }
    return 1;
}

static apr_status_t sp_cleanup(void *script)
{
    sp_forget(script);
    return APR_SUCCESS;
}

static pm_script_pool_t *sp_create(pm_context_t *context, pm_member_t *member,
                                   const pm_script_target_t *f,
                                   const char *host, const char *path)
{
    pm_script_pool_t *script;
    pm_pool_t *pool = pm_pool_create(context, member);

    apr_hash_set(context->pools, &pool->generation, sizeof(pool->generation),
                 pool);
    pool->script = script = apr_pcalloc(pool->p, sizeof(*script));
    script->p = pool->p;
    script->pool = pool;
    script->of.key = apr_pstrdup(script->p, f->key);
    script->of.host = apr_pstrdup(script->p, host);
    script->of.path = apr_pstrdup(script->p, path);
    script->of.uid = f->uid;
    script->known = 1;
    script->timer.due = sp_on_look;
    script->timer.ctx = script;
    apr_hash_set(context->scripts->by_key, script->of.key, APR_HASH_KEY_STRING,
                 script);
    apr_pool_pre_cleanup_register(pool->p, script, sp_cleanup);
    sp_arm(script, f);
    sp_watch(script, pm_time_now());
    pm_log(context->log, PM_INFO, "pool %s: created for %s of %s",
           pool->conf->name, path, host);
    return script;
}

static apr_status_t sp_prepare(pm_script_target_t *f, const char *path,
                               apr_pool_t *p, pm_reason_t *why)
{
    pm_launch_spec_t *spec;
    apr_status_t rv = pm_launch_spec_prepare(&spec, f->conf, NULL, p, why);

    if (rv != APR_SUCCESS) {
        pm_reason_t cause = *why;

        f->status = rv == EACCES ? 403 : rv == EMFILE ? 503 : 500;
        pm_fail(why, rv, "%s: %s", path, cause.text);
    }
    return rv;
}

/* @return f->status on failure */
static apr_status_t sp_make(pm_context_t *context, pm_script_target_t *f,
                            const char *host, const char *path, apr_pool_t *p,
                            pm_reason_t *why)
{
    pm_member_t member = {.fd = -1, .log_fd = -1};
    apr_status_t rv;

    f->status = 503;
    if (sp_is_full(context) || !sp_find_slot(context, &member)) {
        return pm_fail(why, APR_EGENERAL,
                       "%s: there are too many pools of "
                       "scripts (FcgiPMMaxScripts)",
                       path);
    }
    f->conf->name = sp_name_of(f, p);
    f->conf->listen = sp_address_of(context->scripts->set->global->runtime_dir,
                                    member.generation, p);
    rv = sp_prepare(f, path, p, why);
    if (rv == APR_SUCCESS) {
        rv = sp_open_socket(&member, f->conf, p, why);
    }
    if (rv == APR_SUCCESS) {
        member.conf = f->conf;
        member.log_fd = sp_log_of(f);
        sp_store(sp_create(context, &member, f, host, path), p);
    }
    return rv;
}

/* --- another configuration ------------------------------------------------ */

/* How it would be run now, as the same user. */
static apr_status_t sp_resolve(pm_script_target_t *f, const pm_pool_set_t *set,
                               const sp_origin_t *of, apr_pool_t *p,
                               pm_reason_t *why)
{
    apr_status_t rv =
        pm_script_resolve_pool(f, set, of->host, of->path, of->uid, p, why);

    return rv == APR_SUCCESS && strcmp(f->key, of->key) ? pm_fail(
               why, APR_EGENERAL, "%s: it runs as another user now", of->path)
                                                        : rv;
}

static void sp_adopt(pm_script_pool_t *script, apr_pool_t *p)
{
    const pm_pool_set_t *set = script->pool->context->scripts->set;
    pm_pool_t *pool = script->pool;
    pm_graceful_t graceful = (pm_graceful_t)set->global->graceful;
    pm_reason_t why;
    pm_script_target_t f;
    int reload;

    sp_leave_former(script);
    if (sp_resolve(&f, set, &script->of, p, &why) != APR_SUCCESS) {
        pm_log(pool->context->log, PM_INFO, "pool %s: goes away: %s",
               pool->conf->name, why.text);
        sp_forget(script);
        pm_pool_remove(pool);
        return;
    }
    f.conf->name = pool->conf->name;
    f.conf->listen = pool->conf->listen;
    reload = sp_is_changed(script, &f)
             || pm_reload_policy_plan(graceful, pool->conf, f.conf)
                    == PM_RELOAD_POLICY_RELOAD;
    sp_define(script, &f);
    if (reload) {
        pm_pool_reload(pool);
    }
    sp_watch(script, pm_time_now());
    sp_store(script, p); /* it can be another store */
}

/* --- questions ------------------------------------------------------------ */

static const char *sp_find(pm_context_t *context, const char *host,
                           const char *path, apr_pool_t *p)
{
    pm_script_pools_t *all = context->scripts;
    pm_reason_t why = {""};
    pm_script_target_t f;
    pm_script_pool_t *script;
    apr_status_t rv = pm_script_resolve(&f, all->set, host, path, p, &why);

    if (rv == APR_SUCCESS) {
        script = apr_hash_get(all->by_key, f.key, APR_HASH_KEY_STRING);
        if (script && script->is_former) {
            sp_adopt(script, p);
            script = apr_hash_get(all->by_key, f.key, APR_HASH_KEY_STRING);
        }
        if (script && !pm_listen_is_there(&script->pool->listener)) {
            sp_forget(script); /* its socket was removed from outside */
            pm_pool_remove(script->pool);
            script = NULL;
        }
        if (!script) {
            rv = sp_make(context, &f, host, path, p, &why);
            script = apr_hash_get(all->by_key, f.key, APR_HASH_KEY_STRING);
        }
        else if (sp_is_changed(script, &f)) {
            sp_renew(script, &f);
        }
    }
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "error %d %s", f.status, why.text);
    }
    script->used_at = pm_time_now();
    return apr_psprintf(p, "ok %d %u %s %s", script->pool->slot,
                        script->pool->generation, script->pool->conf->name,
                        script->pool->listener.text);
}

const char *pm_script_pools_ask(pm_context_t *context, const pm_request_t *req,
                                apr_pool_t *p)
{
    const char *host = sp_unescape(req->host, req->host_len, p);
    const char *path = sp_unescape(req->path, req->path_len, p);

    if (context->dying_at || !context->scripts->set
        || req->number[0] > context->config) {
        return "error later";
    }
    return host && path ? sp_find(context, host, path, p)
                        : "error 403 that cannot be a path";
}

/* --- another manager ------------------------------------------------------ */

static apr_status_t sp_take_over(pm_context_t *context, const sp_stored_t *s,
                                 int *fd, apr_pool_t *p, pm_reason_t *why)
{
    pm_member_t member = {.slot = s->slot, .generation = s->generation};
    pm_script_target_t f;
    apr_status_t rv = sp_resolve(&f, context->scripts->set, &s->of, p, why);

    if (rv == APR_SUCCESS) {
        rv = sp_prepare(&f, s->of.path, p, why);
    }
    if (rv == APR_SUCCESS) {
        f.conf->name = sp_name_of(&f, p);
        f.conf->listen = s->listen;
        member.conf = f.conf;
        member.log_fd = sp_log_of(&f);
        member.fd = *fd;
        *fd = -1;
        sp_create(context, &member, &f, s->of.host, s->of.path);
    }
    return rv;
}

/* Is it a pool of the manager that has died, and not yet one of this one?  A
 * pool of which no child knows any more has no generation; nor has any on a
 * scoreboard that has followed another one. */
static int sp_is_left(const pm_context_t *context, const sp_stored_t *s)
{
    apr_uint32_t generation =
        pm_scoreboard_slot(context->scoreboard, s->slot)->generation;
    apr_uint32_t follows = pm_scoreboard_header(context->scoreboard)->follows;

    return (generation == s->generation || (follows && !generation))
           && !context->slots[s->slot]
           && !apr_hash_get(context->scripts->by_key, s->of.key,
                            APR_HASH_KEY_STRING);
}

static int sp_on_left(void *ctx, const char *text, int *fd)
{
    pm_context_t *context = ctx;
    apr_pool_t *p = pm_subpool_create(context->p);
    sp_stored_t s;
    pm_reason_t why;
    int kept = 0;

    if (sp_read_stored(&s, text, p) && sp_is_left(context, &s)) {
        kept = sp_take_over(context, &s, fd, p, &why) == APR_SUCCESS;
        if (!kept) {
            pm_log(context->log, PM_INFO, "the pool of %s goes away: %s",
                   s.of.path, why.text);
        }
    }
    apr_pool_destroy(p);
    return kept;
}

static void sp_unlink(const char *runtime_dir, const pm_scoreboard_slot_t *slot,
                      apr_pool_t *p)
{
    unlink(sp_address_of(runtime_dir, slot->generation, p) + 5);
}

/* The sockets and slots that could not be taken over. */
static void sp_clear_away(pm_context_t *context, const pm_pool_set_t *set,
                          apr_pool_t *p)
{
    int i;

    for (i = PM_SCOREBOARD_SCRIPTS; i < PM_SCOREBOARD_SLOTS; i++) {
        pm_scoreboard_slot_t *slot = pm_scoreboard_slot(context->scoreboard, i);

        if (slot->generation && !context->slots[i]) {
            sp_unlink(set->global->runtime_dir, slot, p);
            memset(slot, 0, sizeof(*slot));
            pm_scoreboard_set_workers(context->scoreboard, i, 0, 0, 1);
        }
    }
}

/* The scoreboard's memory is not touched where no slot was used. */
static void sp_inherit(pm_context_t *context, const pm_pool_set_t *set,
                       apr_pool_t *p)
{
    if (pm_scoreboard_header(context->scoreboard)->scripts) {
        if (context->store_fd >= 0) {
            pm_fd_store_each(context->store_fd, pm_time_now() + STORE_TIME,
                             sp_on_left, context, p);
        }
        sp_clear_away(context, set, p);
        pm_scoreboard_header(context->scoreboard)->follows = 0;
    }
}

/* More pools than any configuration makes of scripts. */
#define FOLLOW_BITS 20

void pm_script_pools_follow(pm_scoreboard_t *scoreboard, apr_uint32_t config)
{
    pm_scoreboard_header_t *head = pm_scoreboard_header(scoreboard);

    head->follows = 1;
    head->scripts = config << FOLLOW_BITS & ~PM_SCOREBOARD_SCRIPT_BIT;
}

void pm_script_pools_unlink(pm_scoreboard_t *scoreboard,
                            const char *runtime_dir, apr_pool_t *p)
{
    int i;

    if (!pm_scoreboard_header(scoreboard)->scripts) {
        return;
    }
    for (i = PM_SCOREBOARD_SCRIPTS; i < PM_SCOREBOARD_SLOTS; i++) {
        const pm_scoreboard_slot_t *slot = pm_scoreboard_slot(scoreboard, i);

        if (slot->generation) {
            sp_unlink(runtime_dir, slot, p);
        }
    }
}

/* --- a set ---------------------------------------------------------------- */

static void sp_note_former(pm_script_pools_t *all)
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, all->by_key); hi; hi = apr_hash_next(hi)) {
        pm_script_pool_t *script = apr_hash_this_val(hi);

        if (!script->is_former) {
            script->is_former = 1;
            APR_RING_INSERT_TAIL(&all->former, script, pm_script_pool, link);
        }
    }
}

void pm_script_pools_adopt(pm_context_t *context, const pm_pool_set_t *set)
{
    pm_script_pools_t *all = context->scripts;
    int first = !all->set;

    all->set = set;
    all->full = all->crowded = all->mortal = 0;
    if (first) {
        apr_pool_t *p = pm_subpool_create(context->p);

        sp_inherit(context, set, p);
        apr_pool_destroy(p);
    }
    else {
        sp_note_former(all);
    }
}

int pm_script_pools_go_on(pm_context_t *context, apr_time_t end)
{
    struct sp_former *former = &context->scripts->former;
    apr_pool_t *p = pm_subpool_create(context->p);

    while (!APR_RING_EMPTY(former, pm_script_pool, link)) {
        sp_adopt(APR_RING_FIRST(former), p);
        apr_pool_clear(p);
        if (pm_time_now() >= end) {
            break;
        }
    }
    apr_pool_destroy(p);
    return !APR_RING_EMPTY(former, pm_script_pool, link);
}

/* --- for its pool --------------------------------------------------------- */

static int sp_verify(pm_pool_t *pool)
{
    pm_script_pool_t *script = pool->script;
    pm_script_target_t f;
    pm_reason_t why;
    apr_pool_t *p;
    apr_status_t rv;

    if (!script || !script->known) {
        return 1; /* while it drains the child checks the file: pm_path_check()
                   */
    }
    p = pm_subpool_create(pool->p);
    rv = sp_resolve(&f, pool->context->scripts->set, &script->of, p, &why);
    if (rv != APR_SUCCESS) {
        pm_pool_error(pool, PM_ERROR, "cannot run: %s", why.text);
    }
    else if (sp_is_changed(script, &f)) {
        sp_renew(script, &f);
    }
    apr_pool_destroy(p);
    return rv == APR_SUCCESS;
}

const pm_pool_feature_t pm_script_pools_feature = {.before_start = sp_verify};
