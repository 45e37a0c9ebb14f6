/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_auth.h"

#include "ap_provider.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_auth.h"
#include "util_filter.h"

#include "httpd/config/hpm_server.h"
#include "httpd/request/hpm_request.h"
#include "httpd/config/hpm_directives.h"
#include "httpd/request/hpm_handler.h"
#include "httpd/request/hpm_variables.h"

APLOG_USE_MODULE(fcgipm);

/* A denial is at most this long. */
#define SAID_MAX (1024 * 1024)

/* Where httpd is sent by a denial; it exists only there. */
#define DENIAL_URI "/fcgipm-denial"

static const struct {
    const char *role; /* FCGI_APACHE_ROLE, as mod_fcgid has it */
    const char *directive;
    int speaks; /* its denial goes to the client */
} roles[] = {
    [HPM_AUTHENTICATOR] = {"AUTHENTICATOR", "FcgiPMAuthenticator", 0},
    [HPM_ACCESS_CHECKER] = {"ACCESS_CHECKER", "FcgiPMAccessChecker", 1},
    [HPM_REQUIRE] = {"AUTHORIZER", "Require fcgipm", 1}};

/* --- per-directory configuration ---------------------------------------- */

/* NULL: not given; "": none. */
typedef struct dir {
    const char *pool[HPM_AUTH_DIRS];
} dir_t;

void *hpm_auth_dir_create(apr_pool_t *p, char *dir)
{
    (void)dir;
    return apr_pcalloc(p, sizeof(dir_t));
}

void *hpm_auth_dir_merge(apr_pool_t *p, void *base, void *over)
{
    dir_t *dir = apr_pmemdup(p, base, sizeof(*dir));
    const dir_t *own = over;
    int i;

    for (i = 0; i < HPM_AUTH_DIRS; i++) {
        if (own->pool[i]) {
            dir->pool[i] = own->pool[i];
        }
    }
    return dir;
}

const char *hpm_auth_set(cmd_parms *cmd, void *dir, const char *pool)
{
    hpm_auth_role_t role = (hpm_auth_role_t)(apr_uintptr_t)cmd->info;
    dir_t *own = dir;

    if (!ap_cstr_casecmp(pool, "none")) {
        own->pool[role] = "";
        return NULL;
    }
    own->pool[role] = apr_pstrdup(cmd->pool, pool);
    return hpm_directives_pool_ref(cmd, roles[role].directive, pool);
}

/* @return the pool that has the role here, or NULL */
static const char *pool_of(const request_rec *r, hpm_auth_role_t role)
{
    const dir_t *dir = ap_get_module_config(r->per_dir_config, &fcgipm_module);
    const char *pool = dir->pool[role];

    return pool && *pool ? pool : NULL;
}

/* --- a denial, kept until httpd has given up ---------------------------- */

struct hpm_denial {
    int status;
    apr_int64_t retry;       /* Retry-After; 0: none */
    const request_rec *said; /* header; NULL: httpd's own page */
    char *body;
    apr_size_t length;
    char **responses; /* ap_custom_response()s made before ours */
};

/* The statuses that httpd's authorization ends in. */
static const int ends[] = {HTTP_UNAUTHORIZED, HTTP_FORBIDDEN,
                           HTTP_INTERNAL_SERVER_ERROR};

static hpm_denial_t *keep_denial(request_rec *r, int status)
{
    core_request_config *core = ap_get_core_module_config(r->request_config);
    hpm_request_t *known = hpm_request(r);
    hpm_denial_t *denial = known->denial;
    unsigned i;

    if (!denial) {
        denial = apr_pcalloc(r->pool, sizeof(*denial));
        denial->responses = core->response_code_strings;
        core->response_code_strings = NULL;
        for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
            ap_custom_response(r, ends[i], DENIAL_URI);
        }
        known->denial = denial;
    }
    denial->status = status;
    denial->retry = 0;
    denial->said = NULL;
    return denial;
}

static void drop_denial(request_rec *r, hpm_request_t *known)
{
    core_request_config *core = ap_get_core_module_config(r->request_config);

    core->response_code_strings = known->denial->responses;
    known->denial = NULL;
}

/* --- asking ------------------------------------------------------------- */

/* Stands where a request stands when it is answered, and listens. */
typedef struct hearing {
    request_rec r;
    ap_filter_rec_t frec;
    ap_filter_t filter;
    apr_bucket_brigade *body;
    apr_off_t length;
} hearing_t;

/* An output filter, the only one. */
static apr_status_t listen_to(ap_filter_t *f, apr_bucket_brigade *bb)
{
    hearing_t *h = f->ctx;
    apr_bucket *b, *next;
    apr_off_t length;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = next) {
        next = APR_BUCKET_NEXT(b);
        if (APR_BUCKET_IS_METADATA(b)) {
            apr_bucket_delete(b);
        }
    }
    if (apr_brigade_length(bb, 1, &length) == APR_SUCCESS) {
        h->length += length;
    }
    if (h->length > SAID_MAX) {
        return APR_ENOSPC;
    }
    APR_BRIGADE_CONCAT(h->body, bb);
    return APR_SUCCESS;
}

static hearing_t *hear(const request_rec *r)
{
    hearing_t *h = apr_pcalloc(r->pool, sizeof(*h));

    h->body = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    h->frec.name = "fcgipm_hearing";
    h->frec.ftype = AP_FTYPE_RESOURCE;
    h->frec.filter_func.out_func = listen_to;
    h->filter.frec = &h->frec;
    h->filter.ctx = h;
    h->filter.r = &h->r;
    h->filter.c = r->connection;
    h->r = *r;
    h->r.main = h->r.prev = h->r.next = NULL;
    h->r.status = HTTP_OK;
    h->r.status_line = NULL;
    h->r.method = "GET"; /* it may be asked twice, and has a body */
    h->r.method_number = M_GET;
    h->r.header_only = 0;
    h->r.content_type = NULL;
    h->r.output_filters = h->r.proto_output_filters = &h->filter;
    h->r.headers_in = apr_table_make(r->pool, 1); /* no conditions */
    h->r.headers_out = apr_table_make(r->pool, 8);
    h->r.err_headers_out = apr_table_make(r->pool, 8);
    h->r.notes = apr_table_make(r->pool, 1);
    return h;
}

/* The request as an authorizer is told of it.  @return OK or a status */
static int encode(request_rec *r, hpm_auth_role_t role, const char *password,
                  char **head, apr_size_t *len, pm_reason_t *why)
{
    apr_table_t *own = r->subprocess_env;
    apr_table_t *more = apr_table_make(r->pool, 4);
    int status;

    apr_table_setn(more, "FCGI_ROLE", "AUTHORIZER");
    apr_table_setn(more, "FCGI_APACHE_ROLE", roles[role].role);
    if (password) {
        apr_table_setn(more, "REMOTE_PASSWD", password);
    }
    r->subprocess_env = apr_table_copy(r->pool, own);
    hpm_variables_authorizer(r, more);
    status = hpm_variables_encode(r, HPM_AUTHORIZER, head, len, why);
    r->subprocess_env = own;
    return status;
}

typedef enum verdict { GRANTED, DENIED, NO_ANSWER } verdict_t;

static verdict_t no_answer(request_rec *r, hpm_auth_role_t role,
                           const char *pool, int status, apr_int64_t retry,
                           const char *why)
{
    hpm_denial_t *denial;

    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "pool %s: %s: no answer, "
                  "access is denied: %s",
                  pool, roles[role].directive, why);
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        denial = keep_denial(r, status);
        denial->retry = retry;
    }
    return NO_ANSWER;
}

/* `Variable-NAME: value` */
static int take_variable(void *granted, const char *name, const char *value)
{
    static const char prefix[] = "Variable-";
    const apr_size_t len = sizeof(prefix) - 1;

    if (!ap_cstr_casecmpn(name, prefix, len) && name[len]) {
        apr_table_setn(granted, name + len, value);
    }
    return 1;
}

static verdict_t grant(request_rec *r, const hearing_t *h)
{
    hpm_request_t *known = hpm_request(r);

    if (!known->granted) {
        known->granted = apr_table_make(r->pool, 4);
    }
    apr_table_do(take_variable, known->granted, h->r.headers_out, NULL);
    apr_table_do(take_variable, known->granted, h->r.err_headers_out, NULL);
    apr_table_overlap(r->subprocess_env, known->granted,
                      APR_OVERLAP_TABLES_SET);
    return GRANTED;
}

static verdict_t deny(request_rec *r, hpm_auth_role_t role, const char *pool,
                      int status, hearing_t *h)
{
    hpm_denial_t *denial;

    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "pool %s: %s: denied with "
                  "status %d",
                  pool, roles[role].directive, status);
    if (roles[role].speaks) {
        apr_table_unset(h->r.err_headers_out, "X-Sendfile");
        denial = keep_denial(r, status);
        denial->said = &h->r;
        if (apr_brigade_pflatten(h->body, &denial->body, &denial->length,
                                 r->pool)
            != APR_SUCCESS) {
            denial->length = 0;
        }
    }
    return DENIED;
}

/* What the answer came to.  @return its status, 0: it is none */
static int status_said(const hearing_t *h, hpm_response_t *a)
{
    if (a->stage == HPM_RESPONSE_BROKEN
        || (a->stage != HPM_RESPONSE_GONE && !hpm_response_whole(a))) {
        return 0;
    }
    if (a->stage == HPM_RESPONSE_BODY) {
        hpm_response_finish(a);
    }
    if (h->length > SAID_MAX) {
        pm_fail(&a->why, APR_ENOSPC,
                "the worker's answer is longer than %d "
                "bytes",
                SAID_MAX);
    }
    return a->stage == HPM_RESPONSE_GONE ? 0
           : a->status != OK             ? a->status
                                         : h->r.status;
}

/* The exchange with the pool.
 * @return the status that @a h was told; 0: none, and @a status, @a retry
 *         and @a why are what is to be said */
static int question(hearing_t *h, const hpm_pool_t *pool, const char *head,
                    apr_size_t len, int *status, apr_int64_t *retry,
                    pm_reason_t *why)
{
    hpm_body_t nothing = {0};
    hpm_upstream_t x;
    hpm_response_t a;
    const char *not_now;
    int said = 0;

    nothing.r = &h->r;
    nothing.status = OK;
    hpm_response_init(&a, &h->r, pool->name);
    not_now = hpm_handler_ask(&a, &x, pool, &nothing, head, len, retry);
    if (not_now) {
        *status = HTTP_SERVICE_UNAVAILABLE;
        pm_fail(why, APR_EGENERAL, "%s", not_now);
    }
    else if (a.stage == HPM_RESPONSE_BROKEN || a.stage == HPM_RESPONSE_GONE
             || x.outcome == HPM_UPSTREAM_COMPLETE) {
        *status = HTTP_BAD_GATEWAY;
        said = status_said(h, &a);
        *why = a.why;
    }
    else {
        *status = hpm_handler_status(&x, &nothing);
        *why = x.why;
    }
    hpm_response_destroy(&a);
    return said;
}

/* @param password of r->user, or NULL */
static verdict_t ask(request_rec *r, hpm_auth_role_t role, const char *name,
                     const char *password)
{
    const hpm_server_t *server = hpm_server(r->server);
    const hpm_pool_t *pool;
    apr_int64_t retry = 1;
    pm_reason_t why;
    const char *not_now;
    apr_size_t len;
    hearing_t *h;
    char *head;
    int status, said;

    pool = hpm_server_pool(server, name);
    if (!pool) {
        return no_answer(r, role, name, HTTP_INTERNAL_SERVER_ERROR, 0,
                         "there is no pool of this name");
    }
    not_now = hpm_handler_unavailable_reason(server, pool, &retry);
    if (not_now) {
        return no_answer(r, role, name, HTTP_SERVICE_UNAVAILABLE, retry,
                         not_now);
    }
    status = encode(r, role, password, &head, &len, &why);
    if (status != OK) {
        return no_answer(r, role, name, status, 0, why.text);
    }
    h = hear(r);
    said = question(h, pool, head, len, &status, &retry, &why);
    if (!said) {
        return no_answer(r, role, name, status, retry, why.text);
    }
    return said == HTTP_OK ? grant(r, h) : deny(r, role, name, said, h);
}

/* --- who asks ----------------------------------------------------------- */

static authn_status check_password(request_rec *r, const char *user,
                                   const char *password)
{
    static const authn_status says[] = {[GRANTED] = AUTH_GRANTED,
                                        [DENIED] = AUTH_DENIED,
                                        [NO_ANSWER] = AUTH_GENERAL_ERROR};
    const char *pool = pool_of(r, HPM_AUTHENTICATOR);
    char *known = r->user;
    verdict_t verdict;

    if (!pool) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "AuthBasicProvider "
                      "fcgipm: there is no FcgiPMAuthenticator here");
        return AUTH_GENERAL_ERROR;
    }
    r->user = apr_pstrdup(r->pool, user); /* REMOTE_USER */
    verdict = ask(r, HPM_AUTHENTICATOR, pool, password);
    r->user = known;
    return says[verdict];
}

static const char *read_require(cmd_parms *cmd, const char *line,
                                const void **parsed)
{
    const char *pool = ap_getword_conf(cmd->pool, &line);

    if (*line) {
        return "Require fcgipm takes one word, the name of a pool";
    }
    if (!*pool) {
        pool = HPM_DEFAULT_POOL;
    }
    *parsed = pool;
    return hpm_directives_pool_ref(cmd, roles[HPM_REQUIRE].directive, pool);
}

static authz_status check_authorization(request_rec *r, const char *line,
                                        const void *parsed)
{
    static const authz_status says[] = {[GRANTED] = AUTHZ_GRANTED,
                                        [DENIED] = AUTHZ_DENIED,
                                        [NO_ANSWER] = AUTHZ_GENERAL_ERROR};

    (void)line;
    /* Where there is to be a user, the pool is told who it is. */
    if (!r->user && ap_auth_type(r)) {
        return AUTHZ_DENIED_NO_USER;
    }
    return says[ask(r, HPM_REQUIRE, parsed, NULL)];
}

int hpm_auth_access(request_rec *r)
{
    static const int says[] = {[GRANTED] = OK,
                               [DENIED] = HTTP_FORBIDDEN,
                               [NO_ANSWER] = HTTP_INTERNAL_SERVER_ERROR};
    const char *pool = pool_of(r, HPM_ACCESS_CHECKER);

    return pool ? says[ask(r, HPM_ACCESS_CHECKER, pool, NULL)] : DECLINED;
}

void hpm_auth_register(apr_pool_t *p)
{
    static const authn_provider authn = {check_password, NULL};
    static const authz_provider authz = {check_authorization, read_require};

    ap_register_auth_provider(p, AUTHN_PROVIDER_GROUP, HPM_HANDLER,
                              AUTHN_PROVIDER_VERSION, &authn,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, HPM_HANDLER,
                              AUTHZ_PROVIDER_VERSION, &authz,
                              AP_AUTH_INTERNAL_PER_CONF);
}

/* --- what comes of it --------------------------------------------------- */

int hpm_auth_granted(request_rec *r)
{
    hpm_request_t *known = hpm_request_known(r);
    const hpm_request_t *before = NULL;

    if (known && known->denial) {
        drop_denial(r, known);
    }
    /* httpd does not ask again after an internal redirect to where the same
     * configuration holds; what was granted holds as well. */
    if (r->prev && r->prev->per_dir_config == r->per_dir_config) {
        before = hpm_request_known(r->prev);
    }
    if (before && before->granted) {
        hpm_request(r)->granted = before->granted;
        apr_table_overlap(r->subprocess_env, before->granted,
                          APR_OVERLAP_TABLES_SET);
    }
    return DECLINED;
}

static int send_own_page(request_rec *r, const hpm_denial_t *denial)
{
    if (denial->retry) {
        apr_table_setn(
            r->err_headers_out, "Retry-After",
            apr_psprintf(r->pool, "%" APR_INT64_T_FMT, denial->retry));
    }
    ap_send_error_response(r, 0);
    return DONE;
}

static int send_said(request_rec *r, const hpm_denial_t *denial)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    r->status_line = denial->said->status_line;
    /* the pool's word stands in the place of AuthType's */
    apr_table_unset(r->err_headers_out, "WWW-Authenticate");
    r->err_headers_out = apr_table_overlay(
        r->pool, denial->said->err_headers_out, r->err_headers_out);
    r->headers_out = apr_table_copy(r->pool, denial->said->headers_out);
    if (denial->said->content_type) {
        ap_set_content_type(r, denial->said->content_type);
    }
    ap_run_insert_filter(r);
    if (denial->length) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(denial->body,
                                                           denial->length,
                                                           r->pool, alloc));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    return ap_pass_brigade(r->output_filters, bb) == APR_SUCCESS
               ? OK
               : AP_FILTER_ERROR;
}

int hpm_auth_deny(request_rec *r, int lookup)
{
    const hpm_request_t *before = r->prev ? hpm_request_known(r->prev) : NULL;
    const hpm_denial_t *denial = before ? before->denial : NULL;

    if (lookup || !denial || strcmp(r->uri, DENIAL_URI)) {
        return DECLINED;
    }
    r->per_dir_config = r->prev->per_dir_config;
    r->status = denial->status;
    return denial->said ? send_said(r, denial) : send_own_page(r, denial);
}
