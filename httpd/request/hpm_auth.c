/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_auth.h"

#include "ap_provider.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_auth.h"
#include "util_filter.h"

#include "httpd/config/hpm_dir.h"
#include "httpd/config/hpm_directives.h"
#include "httpd/config/hpm_server.h"
#include "httpd/request/hpm_allow.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_handler.h"
#include "httpd/request/hpm_request.h"
#include "httpd/request/hpm_response.h"
#include "httpd/request/hpm_variables.h"
#include "httpd/upstream/hpm_availability.h"

APLOG_USE_MODULE(fcgipm);

/* Bytes of a response's body, at the most. */
#define AUTH_BODY_MAX (1024 * 1024)

/* The ErrorDocument of a denied request; see hpm_auth_deny(). */
#define AUTH_DENIAL_URI "/fcgipm-denial"

static const struct {
    const char *role; /* FCGI_APACHE_ROLE, as mod_fcgid has it */
    const char *directive;
    int responds; /* the client gets its denial */
} auth_roles[] = {
    [HPM_AUTHENTICATOR] = {"AUTHENTICATOR", "FcgiPMAuthenticator", 0},
    [HPM_ACCESS_CHECKER] = {"ACCESS_CHECKER", "FcgiPMAccessChecker", 1},
    [HPM_REQUIRE] = {"AUTHORIZER", "Require fcgipm", 1}};

/* --- per-directory configuration ---------------------------------------- */

const char *hpm_auth_set(cmd_parms *cmd, void *dir, const char *pool)
{
    hpm_auth_role_t role = (hpm_auth_role_t)(apr_uintptr_t)cmd->info;
    hpm_dir_t *own = dir;

    if (!ap_cstr_casecmp(pool, "none")) {
        own->authorizer[role] = "";
        return NULL;
    }
    own->authorizer[role] = apr_pstrdup(cmd->pool, pool);
    return hpm_directives_pool_ref(cmd, auth_roles[role].directive, pool);
}

/* @return the pool that has the role in this directory, or NULL */
static const char *auth_pool(const request_rec *r, hpm_auth_role_t role)
{
    const hpm_dir_t *dir =
        ap_get_module_config(r->per_dir_config, &fcgipm_module);
    const char *pool = dir->authorizer[role];

    return pool && *pool ? pool : NULL;
}

/* --- a denial, kept until httpd has denied access ----------------------- */

struct hpm_denial {
    int status;
    apr_int64_t retry_after;     /* seconds; 0: none */
    const request_rec *response; /* header; NULL: httpd's own page */
    char *body;
    apr_size_t length;
    char **responses; /* of ap_custom_response(), before it was called */
};

/* The statuses with which httpd denies access. */
static const int auth_statuses[] = {HTTP_UNAUTHORIZED, HTTP_FORBIDDEN,
                                    HTTP_INTERNAL_SERVER_ERROR};

static hpm_denial_t *auth_keep_denial(request_rec *r, int status)
{
    core_request_config *core = ap_get_core_module_config(r->request_config);
    hpm_request_t *known = hpm_request(r);
    hpm_denial_t *denial = known->denial;
    unsigned i;

    if (!denial) {
        denial = apr_pcalloc(r->pool, sizeof(*denial));
        denial->responses = core->response_code_strings;
        core->response_code_strings = NULL;
        for (i = 0; i < sizeof(auth_statuses) / sizeof(auth_statuses[0]); i++) {
            ap_custom_response(r, auth_statuses[i], AUTH_DENIAL_URI);
        }
        known->denial = denial;
    }
    denial->status = status;
    denial->retry_after = 0;
    denial->response = NULL;
    return denial;
}

static void auth_drop_denial(request_rec *r, hpm_request_t *known)
{
    core_request_config *core = ap_get_core_module_config(r->request_config);

    core->response_code_strings = known->denial->responses;
    known->denial = NULL;
}

/* --- asking ------------------------------------------------------------- */

/* A request in whose name the pool is called: its only output filter captures
 * the response. */
typedef struct auth_capture {
    request_rec r;
    ap_filter_rec_t frec;
    ap_filter_t filter;
    apr_bucket_brigade *body;
    apr_off_t length;
} auth_capture_t;

static apr_status_t auth_capture_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    auth_capture_t *capture = f->ctx;
    apr_bucket *b, *next;
    apr_off_t length;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb); b = next) {
        next = APR_BUCKET_NEXT(b);
        if (APR_BUCKET_IS_METADATA(b)) {
            apr_bucket_delete(b);
        }
    }
    if (apr_brigade_length(bb, 1, &length) == APR_SUCCESS) {
        capture->length += length;
    }
    if (capture->length > AUTH_BODY_MAX) {
        return APR_ENOSPC;
    }
    APR_BRIGADE_CONCAT(capture->body, bb);
    return APR_SUCCESS;
}

static auth_capture_t *auth_capture_create(const request_rec *r)
{
    auth_capture_t *capture = apr_pcalloc(r->pool, sizeof(*capture));

    capture->body = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    capture->frec.name = "fcgipm_auth";
    capture->frec.ftype = AP_FTYPE_RESOURCE;
    capture->frec.filter_func.out_func = auth_capture_filter;
    capture->filter.frec = &capture->frec;
    capture->filter.ctx = capture;
    capture->filter.r = &capture->r;
    capture->filter.c = r->connection;
    capture->r = *r;
    capture->r.main = capture->r.prev = capture->r.next = NULL;
    capture->r.status = HTTP_OK;
    capture->r.status_line = NULL;
    capture->r.method = "GET"; /* so it may be retried, and has a body */
    capture->r.method_number = M_GET;
    capture->r.header_only = 0;
    capture->r.content_type = NULL;
    capture->r.output_filters = capture->r.proto_output_filters =
        &capture->filter;
    capture->r.headers_in = apr_table_make(r->pool, 1); /* no conditions */
    capture->r.headers_out = apr_table_make(r->pool, 8);
    capture->r.err_headers_out = apr_table_make(r->pool, 8);
    capture->r.notes = apr_table_make(r->pool, 1);
    return capture;
}

/* Encode the request for an authorizer.  @return OK or a status */
static int auth_encode(request_rec *r, hpm_auth_role_t role,
                       const char *password, char **head, apr_size_t *len,
                       pm_reason_t *why)
{
    apr_table_t *own = r->subprocess_env;
    apr_table_t *more = apr_table_make(r->pool, 4);
    int status;

    apr_table_setn(more, "FCGI_ROLE", "AUTHORIZER");
    apr_table_setn(more, "FCGI_APACHE_ROLE", auth_roles[role].role);
    if (password) {
        apr_table_setn(more, "REMOTE_PASSWD", password);
    }
    r->subprocess_env = apr_table_copy(r->pool, own);
    hpm_variables_authorizer(r, more);
    status = hpm_variables_encode(r, NULL, PM_FCGI_AUTHORIZER, head, len, why);
    r->subprocess_env = own;
    return status;
}

typedef enum auth_decision {
    AUTH_GRANT,
    AUTH_DENY,
    AUTH_NO_ANSWER
} auth_decision_t;

static auth_decision_t auth_no_answer(request_rec *r, hpm_auth_role_t role,
                                      const char *pool, int status,
                                      apr_int64_t retry_after, const char *why)
{
    hpm_denial_t *denial;

    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "pool %s: %s: no answer, access is denied: %s", pool,
                  auth_roles[role].directive, why);
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        denial = auth_keep_denial(r, status);
        denial->retry_after = retry_after;
    }
    return AUTH_NO_ANSWER;
}

/* `Variable-NAME: value` */
static int auth_take_variable(void *granted, const char *name,
                              const char *value)
{
    static const char prefix[] = "Variable-";
    const apr_size_t len = sizeof(prefix) - 1;

    if (!ap_cstr_casecmpn(name, prefix, len) && name[len]) {
        apr_table_setn(granted, name + len, value);
    }
    return 1;
}

static auth_decision_t auth_grant(request_rec *r, const auth_capture_t *capture)
{
    hpm_request_t *known = hpm_request(r);

    if (!known->granted) {
        known->granted = apr_table_make(r->pool, 4);
    }
    apr_table_do(auth_take_variable, known->granted, capture->r.headers_out,
                 NULL);
    apr_table_do(auth_take_variable, known->granted, capture->r.err_headers_out,
                 NULL);
    apr_table_overlap(r->subprocess_env, known->granted,
                      APR_OVERLAP_TABLES_SET);
    return AUTH_GRANT;
}

static auth_decision_t auth_deny(request_rec *r, hpm_auth_role_t role,
                                 const char *pool, int status,
                                 auth_capture_t *capture)
{
    hpm_denial_t *denial;

    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "pool %s: %s: denied with "
                  "status %d",
                  pool, auth_roles[role].directive, status);
    if (auth_roles[role].responds) {
        apr_table_unset(capture->r.err_headers_out, "X-Sendfile");
        denial = auth_keep_denial(r, status);
        denial->response = &capture->r;
        if (apr_brigade_pflatten(capture->body, &denial->body, &denial->length,
                                 r->pool)
            != APR_SUCCESS) {
            denial->length = 0;
        }
    }
    return AUTH_DENY;
}

/* The answer's status.  @return 0: it is not a whole response, see a->why */
static int auth_status(const auth_capture_t *capture, hpm_response_t *a)
{
    if (a->state == HPM_RESPONSE_MALFORMED
        || (a->state != HPM_RESPONSE_ABORTED && !hpm_response_is_whole(a))) {
        return 0;
    }
    if (a->state == HPM_RESPONSE_BODY) {
        hpm_response_finish(a);
    }
    if (capture->length > AUTH_BODY_MAX) {
        pm_fail(&a->why, APR_ENOSPC,
                "the worker's answer is longer than %d bytes", AUTH_BODY_MAX);
    }
    return a->state == HPM_RESPONSE_ABORTED ? 0
           : a->status != OK                ? a->status
                                            : capture->r.status;
}

/* Call the pool; its response is captured.
 * @return the response's status; 0: there is none, and @a status, @a
 *         retry_after and @a why tell */
static int auth_call(auth_capture_t *capture, const hpm_pool_t *pool,
                     char *head, apr_size_t len, int *status,
                     apr_int64_t *retry_after, pm_reason_t *why)
{
    hpm_body_t no_body;
    hpm_response_t a;
    hpm_call_t call = {
        .r = &capture->r,
        .pool = pool,
        .head = head,
        .head_len = len,
        .body = &no_body.reader,
        .downstream = &hpm_response_downstream,
        .downstream_ctx = &a,
        .client_fd = hpm_client_fd(capture->r.connection),
    };
    int answered = 0;

    hpm_body_init(&no_body, &capture->r);
    hpm_response_init(&a, &capture->r, pool);
    hpm_call_run(&call);
    *retry_after = call.retry_after;
    if (a.state == HPM_RESPONSE_MALFORMED || a.state == HPM_RESPONSE_ABORTED
        || call.outcome == HPM_UPSTREAM_COMPLETE) {
        *status = HTTP_BAD_GATEWAY;
        answered = auth_status(capture, &a);
        *why = a.why;
    }
    else {
        *status = hpm_handler_status(call.outcome, &no_body);
        *why = call.why;
    }
    hpm_response_destroy(&a);
    return answered;
}

/* @param password of r->user, or NULL */
static auth_decision_t auth_ask(request_rec *r, hpm_auth_role_t role,
                                const char *name, const char *password)
{
    const hpm_server_t *server = hpm_server(r->server);
    const hpm_pool_t *pool;
    apr_int64_t retry_after = 1;
    pm_reason_t why;
    const char *unavailable;
    apr_size_t len;
    auth_capture_t *capture;
    char *head;
    int status, answered;

    pool = hpm_server_pool(server, name);
    if (!pool) {
        return auth_no_answer(r, role, name, HTTP_INTERNAL_SERVER_ERROR, 0,
                              "there is no pool of this name");
    }
    status = hpm_allow_check(r, pool, 0);
    if (status != OK) {
        return auth_no_answer(r, role, name, HTTP_INTERNAL_SERVER_ERROR, 0,
                              "it does not take requests from here");
    }
    unavailable = hpm_availability_check(server, pool, &retry_after);
    if (unavailable) {
        return auth_no_answer(r, role, name, HTTP_SERVICE_UNAVAILABLE,
                              retry_after, unavailable);
    }
    status = auth_encode(r, role, password, &head, &len, &why);
    if (status != OK) {
        return auth_no_answer(r, role, name, status, 0, why.text);
    }
    capture = auth_capture_create(r);
    answered = auth_call(capture, pool, head, len, &status, &retry_after, &why);
    if (!answered) {
        return auth_no_answer(r, role, name, status, retry_after, why.text);
    }
    return answered == HTTP_OK ? auth_grant(r, capture)
                               : auth_deny(r, role, name, answered, capture);
}

/* --- the hooks and providers of httpd that ask --------------------------- */

static authn_status auth_check_password(request_rec *r, const char *user,
                                        const char *password)
{
    static const authn_status results[] = {[AUTH_GRANT] = AUTH_GRANTED,
                                           [AUTH_DENY] = AUTH_DENIED,
                                           [AUTH_NO_ANSWER] =
                                               AUTH_GENERAL_ERROR};
    const char *pool = auth_pool(r, HPM_AUTHENTICATOR);
    char *known = r->user;
    auth_decision_t decision;

    if (!pool) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "AuthBasicProvider "
                      "fcgipm: there is no FcgiPMAuthenticator here");
        return AUTH_GENERAL_ERROR;
    }
    r->user = apr_pstrdup(r->pool, user); /* REMOTE_USER */
    decision = auth_ask(r, HPM_AUTHENTICATOR, pool, password);
    r->user = known;
    return results[decision];
}

static const char *auth_parse_require(cmd_parms *cmd, const char *line,
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
    return hpm_directives_pool_ref(cmd, auth_roles[HPM_REQUIRE].directive,
                                   pool);
}

static authz_status auth_check_require(request_rec *r, const char *line,
                                       const void *parsed)
{
    static const authz_status results[] = {[AUTH_GRANT] = AUTHZ_GRANTED,
                                           [AUTH_DENY] = AUTHZ_DENIED,
                                           [AUTH_NO_ANSWER] =
                                               AUTHZ_GENERAL_ERROR};

    (void)line;
    /* With an AuthType httpd asks for a user first, for REMOTE_USER. */
    if (!r->user && ap_auth_type(r)) {
        return AUTHZ_DENIED_NO_USER;
    }
    return results[auth_ask(r, HPM_REQUIRE, parsed, NULL)];
}

int hpm_auth_access(request_rec *r)
{
    static const int results[] = {[AUTH_GRANT] = OK,
                                  [AUTH_DENY] = HTTP_FORBIDDEN,
                                  [AUTH_NO_ANSWER] =
                                      HTTP_INTERNAL_SERVER_ERROR};
    const char *pool = auth_pool(r, HPM_ACCESS_CHECKER);

    return pool ? results[auth_ask(r, HPM_ACCESS_CHECKER, pool, NULL)]
                : DECLINED;
}

void hpm_auth_register(apr_pool_t *p)
{
    static const authn_provider authn = {auth_check_password, NULL};
    static const authz_provider authz = {auth_check_require,
                                         auth_parse_require};

    ap_register_auth_provider(p, AUTHN_PROVIDER_GROUP, HPM_HANDLER,
                              AUTHN_PROVIDER_VERSION, &authn,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, HPM_HANDLER,
                              AUTHZ_PROVIDER_VERSION, &authz,
                              AP_AUTH_INTERNAL_PER_CONF);
}

/* --- the result --------------------------------------------------------- */

int hpm_auth_granted(request_rec *r)
{
    hpm_request_t *known = hpm_request_known(r);
    const hpm_request_t *before = NULL;

    if (known && known->denial) {
        auth_drop_denial(r, known);
    }
    /* After an internal redirect within the same configuration httpd does not
     * authorize again, so the variables hold as well. */
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

static int auth_send_own_page(request_rec *r, const hpm_denial_t *denial)
{
    if (denial->retry_after) {
        apr_table_setn(
            r->err_headers_out, "Retry-After",
            apr_psprintf(r->pool, "%" APR_INT64_T_FMT, denial->retry_after));
    }
    ap_send_error_response(r, 0);
    return DONE;
}

static int auth_send_response(request_rec *r, const hpm_denial_t *denial)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    r->status_line = denial->response->status_line;
    /* the pool's own header wins over AuthType's */
    apr_table_unset(r->err_headers_out, "WWW-Authenticate");
    r->err_headers_out = apr_table_overlay(
        r->pool, denial->response->err_headers_out, r->err_headers_out);
    r->headers_out = apr_table_copy(r->pool, denial->response->headers_out);
    if (denial->response->content_type) {
        ap_set_content_type(r, denial->response->content_type);
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

    if (lookup || !denial || strcmp(r->uri, AUTH_DENIAL_URI)) {
        return DECLINED;
    }
    r->per_dir_config = r->prev->per_dir_config;
    r->status = denial->status;
    return denial->response ? auth_send_response(r, denial)
                            : auth_send_own_page(r, denial);
}
