/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_dir.h
 * @brief The module's configuration of a directory, with .htaccess files.
 *
 * httpd merges these records for each request.  The records of configuration
 * files are written by the parent; those of a .htaccess file are written by
 * the thread that reads the file, and live as long as the request.
 */
#ifndef HPM_DIR_H
#define HPM_DIR_H

#include "httpd/config/hpm_module.h"
#include "httpd/request/hpm_auth.h"

typedef struct hpm_dir {
    const char *authorizer[HPM_AUTH_DIRS]; /**< pools by role; NULL: not given;
                                            *   "": none */
    apr_array_header_t *handlers; /**< of const char *: what .htaccess files
                                   *   name as handlers; NULL: nothing of
                                   *   ours */
    const char *script_name;      /**< FcgiPMScriptName; NULL: not given; "":
                                   *   none */
} hpm_dir_t;

/** For the module record. */
void *hpm_dir_create(apr_pool_t *p, char *dir);
void *hpm_dir_merge(apr_pool_t *p, void *base, void *over);

/** FcgiPMScriptName. */
const char *hpm_dir_set_script_name(cmd_parms *cmd, void *dir, const char *url);

/** Note what a directive of another module names as handler, if it stands in
 *  a .htaccess file.  httpd passes a directive to each module that has it.
 *  @param args its arguments; cmd->info is the name of that module's file */
const char *hpm_dir_note_handler(cmd_parms *cmd, void *dir, const char *args);
/** The same for RewriteRule, whose flags can name one. */
const char *hpm_dir_note_rewrite(cmd_parms *cmd, void *dir, const char *args);

/** type_checker: note for this request what its .htaccess files name.  mod_dir,
 *  which can put another file and its configuration in the request's place,
 *  keeps notes, as it keeps the handler that RewriteRule has named. */
int hpm_dir_type(request_rec *r);

/** Is it possible that a .htaccess file has named the request's handler?
 *  Variables and a handler that is a content type count as yes. */
int hpm_dir_is_from_htaccess(request_rec *r);

#endif /* HPM_DIR_H */
