/* SPDX-License-Identifier: Apache-2.0 */
/* pm_script_rules: which <FcgiPMScripts> a path belongs to, which wrapper runs
 * it, and whether it may be run. */
#include <string.h>
#include <sys/stat.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/policy/pm_script_rules.h"
#include "tap.h"

/* --- paths ---------------------------------------------------------------- */

static void test_paths(apr_pool_t *p)
{
    static const struct {
        const char *path;
        int good;
    } cases[] = {{"/srv/www/a.fcgi", 1},
                 {"/a", 1},
                 {"/a b/%41/\xc3\xa4", 1},
                 {"/srv/.../a", 1},
                 {"/srv/..a/.b", 1},
                 {"/srv/a.", 1},
                 {"", 0},
                 {"a", 0},
                 {"srv/a", 0},
                 {"//a", 0},
                 {"/srv//a", 0},
                 {"/srv/a/", 0},
                 {"/.", 0},
                 {"/..", 0},
                 {"/srv/./a", 0},
                 {"/srv/../a", 0},
                 {"/srv/a/..", 0},
                 {"/../etc/passwd", 0},
                 {"/srv/a\nb", 0},
                 {"/srv/a\rb", 0},
                 {"/srv/\x01", 0},
                 {"/srv/\x7f", 0}};
    char *path = apr_pcalloc(p, 5000);
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(pm_script_rules_path_check(cases[i].path, NULL) == APR_SUCCESS,
               cases[i].good, "path %d: \"%.20s\"", (int)i,
               strpbrk(cases[i].path, "\n\r") ? "..." : cases[i].path);
    }
    memset(path, 'a', 4001);
    path[0] = '/';
    ok(pm_script_rules_path_check(path, NULL) != APR_SUCCESS,
       "path: 4001 bytes are too long");
    path[4000] = '\0';
    ok(pm_script_rules_path_check(path, NULL) == APR_SUCCESS,
       "path: 4000 are not");
}

/* --- which template ------------------------------------------------------- */

static void test_match(void)
{
    static const struct {
        const char *where, *path;
        apr_size_t len, fixed;
    } cases[] = {{"/srv/www", "/srv/www/a.fcgi", 8, 8},
                 {"/srv/www", "/srv/www/x/y/a.fcgi", 8, 8},
                 {"/srv/www", "/srv/www2/a.fcgi", 0, 8},
                 {"/srv/www", "/srv/www", 0, 8},
                 {"/srv/www", "/srv/a.fcgi", 0, 8},
                 {"/srv/www", "/srv/ww", 0, 8},
                 {"/", "/a.fcgi", 1, 1},
                 {"/home/*/www", "/home/ann/www/a.fcgi", 13, 5},
                 {"/home/*/www", "/home/ann/x/www/a.fcgi", 0, 5},
                 {"/home/*/www", "/home//www/a.fcgi", 0, 5},
                 {"/home/*/www", "/home/.x/www/a.fcgi", 0, 5},
                 {"/home/.*/www", "/home/.x/www/a.fcgi", 12, 5},
                 {"/home/?nn/www", "/home/ann/www/a.fcgi", 13, 5},
                 {"/home/?nn/www", "/home/nn/www/a.fcgi", 0, 5},
                 {"/v/*.org", "/v/a.b.org/x", 10, 2},
                 {"/v/*.org", "/v/a.orgs/x", 0, 2},
                 {"/v/a*b*c", "/v/aXbYbZc/x", 10, 2},
                 {"/v/a*b*c", "/v/aXbYbZd/x", 0, 2},
                 {"/v/**", "/v/a/x", 4, 2},
                 {"/*/x", "/a/x/y", 4, 1},
                 {"/v/w*/y", "/v/w/y/z", 6, 2}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int((long)pm_script_rules_match(cases[i].where, cases[i].path),
               (long)cases[i].len, "%s and %s", cases[i].where, cases[i].path);
        is_int((long)pm_script_rules_fixed(cases[i].where),
               (long)cases[i].fixed, "%s: what is the administrator's",
               cases[i].where);
    }
}

static void test_find(void)
{
    static const pm_script_template_t all[] = {{.where = "/srv"},
                                               {.where = "/srv/*/x"},
                                               {.where = "/srv/a"},
                                               {.where = "/srv/a/x"},
                                               {.where = "/"}};

    is_int(pm_script_rules_find(all, 5, "/srv/f"), 0, "find: the only one");
    is_int(pm_script_rules_find(all, 5, "/srv/a/f"), 2, "find: most parts");
    is_int(pm_script_rules_find(all, 5, "/srv/a/x/f"), 1,
           "find: of equal ones the first");
    is_int(pm_script_rules_find(all, 5, "/f"), 4, "find: /");
    is_int(pm_script_rules_find(all, 4, "/f"), -1, "find: none");
    is_int(pm_script_rules_find(all, 0, "/srv/f"), -1, "find: there is none");
}

/* --- wrappers ------------------------------------------------------------- */

static void test_wrapper(apr_pool_t *p)
{
    static const char *const lines[][3] = {
        {"/usr/bin/php-cgi -c /x", ".php", NULL},
        {"/any", NULL, NULL},
        {"/virt", ".v", "virtual"},
        {"/other", NULL, NULL},
        {"/second", ".php", NULL}};
    static const struct {
        const char *path;
        int wrapper;
    } cases[] = {{"/w/a.php", 0},  {"/w/a.php5", 1}, {"/w/php", 1},
                 {"/w/.php", 0},   {".php", 1},      {"/w/x.v", 2},
                 {"/w/a.php/b", 1}};
    const pm_row_t *row = &pm_conf_rows[PM_ROW_wrapper];
    pm_rules_t *rules = pm_rules_create(p);
    pm_rules_t *copy = pm_rules_create(p);
    size_t i;

    is_int(pm_script_rules_wrapper(rules, "/w/a.php"), -1,
           "wrapper: there is "
           "none");
    ok(!pm_script_rules_is_virtual(rules, -1), "wrapper: none is not virtual");
    for (i = 0; i < 5; i++) {
        int n = lines[i][2] ? 3 : lines[i][1] ? 2 : 1;

        ok(pm_conf_set(rules, row, n, lines[i], p, NULL) == APR_SUCCESS,
           "wrapper %s", lines[i][0]);
    }
    ok(pm_conf_read(copy, PM_SCOPE_RULES,
                    pm_conf_write(rules, PM_SCOPE_RULES, p), p, NULL)
           == APR_SUCCESS,
       "wrapper: written and read again");
    is_str(pm_conf_write(copy, PM_SCOPE_RULES, p),
           pm_conf_write(rules, PM_SCOPE_RULES, p), "wrapper: all the same");
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(pm_script_rules_wrapper(copy, cases[i].path), cases[i].wrapper,
               "wrapper of %s", cases[i].path);
    }
    ok(pm_script_rules_is_virtual(copy, 2)
           && !pm_script_rules_is_virtual(copy, 0),
       "wrapper: which is virtual");
}

static void test_wrapper_bad(apr_pool_t *p)
{
    static const char *const lines[][4] = {{"php-cgi", NULL, NULL, NULL},
                                           {"/php", "php", NULL, NULL},
                                           {"/php", ".", NULL, NULL},
                                           {"/php", ".p p", NULL, NULL},
                                           {"/php", ".php", "Virtual", NULL},
                                           {"/php", ".php", "virtual", "x"},
                                           {"", NULL, NULL, NULL}};
    const pm_row_t *row = &pm_conf_rows[PM_ROW_wrapper];
    size_t i;
    int n;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        for (n = 1; n < 4 && lines[i][n]; n++) {
            ;
        }
        ok(pm_conf_set(pm_rules_create(p), row, n, lines[i], p, NULL)
               == APR_EINVAL,
           "no wrapper: %d", (int)i);
    }
}

/* --- may it be run? ------------------------------------------------------- */

enum { ANN = 1000, BOB = 1001, WWW = 33 };

#define OK NULL

static const struct {
    const char *name;
    struct {
        unsigned mode, uid, gid;
    } top, dir, file;
    pm_runner_t as;
    pm_owner_t rule;
    int owner;        /* FcgiPMScriptUser owner */
    const char *word; /* of the reason */
} judged[] = {
    /* suexec's */
    {"ann's, as ann",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     OK},
    {"private",
     {0711, 0, 0},
     {0700, ANN, ANN},
     {0700, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     OK},
    {"bob's, as ann",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0755, BOB, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     "have to belong"},
    {"of another group",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0755, ANN, BOB},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     "have to belong"},
    {"in bob's directory",
     {0755, 0, 0},
     {0755, BOB, BOB},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     "have to belong"},
    {"in a directory of another group",
     {0755, 0, 0},
     {0755, ANN, BOB},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     "have to belong"},
    {"root's, as ann",
     {0755, 0, 0},
     {0755, 0, 0},
     {0755, 0, 0},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     "have to belong"},
    {"anybody writes",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0757, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     "by anybody"},
    {"a group writes",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0775, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     "by a group"},
    {"anybody writes to its directory",
     {0755, 0, 0},
     {0777, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     "by anybody"},
    {"the sticky bit does not help",
     {0755, 0, 0},
     {01777, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     "by anybody"},
    {"anybody writes further up",
     {0777, 0, 0},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     "by anybody"},
    {"a group writes to its directory",
     {0755, 0, 0},
     {0775, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     "by a group"},
    {"a group writes further up",
     {0775, 0, 50},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     "by a group"},
    {"ann's further up",
     {0755, ANN, 50},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     OK},
    {"bob's further up",
     {0755, BOB, BOB},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     "have to belong"},
    {"bob's further up, root",
     {0755, BOB, BOB},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ROOT,
     0,
     "have to belong"},
    {"bob's further up, any",
     {0755, BOB, BOB},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     OK},
    {"setuid",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {04755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     "set-user-ID"},
    {"setgid",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {02755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_ANY,
     0,
     "set-user-ID"},
    {"not executable",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0644, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     "not executable"},
    {"not executable, with a wrapper",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0644, ANN, ANN},
     {ANN, ANN, 1, 1},
     PM_OWNER_AUTO,
     0,
     OK},
    {"as root",
     {0755, 0, 0},
     {0755, 0, 0},
     {0755, 0, 0},
     {0, 0, 1, 0},
     PM_OWNER_ANY,
     0,
     "uid 0"},
    {"as group root",
     {0755, 0, 0},
     {0755, ANN, 0},
     {0755, ANN, 0},
     {ANN, 0, 1, 0},
     PM_OWNER_AUTO,
     0,
     "gid 0"},
    /* httpd's own user */
    {"root's, as httpd",
     {0755, 0, 0},
     {0755, 0, 0},
     {0755, 0, 0},
     {WWW, WWW, 0, 0},
     PM_OWNER_AUTO,
     0,
     OK},
    {"httpd's, as httpd",
     {0755, 0, 0},
     {0755, WWW, 50},
     {0755, WWW, 50},
     {WWW, WWW, 0, 0},
     PM_OWNER_AUTO,
     0,
     OK},
    {"ann's, as httpd",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {WWW, WWW, 0, 0},
     PM_OWNER_AUTO,
     0,
     "or to root"},
    {"root's in ann's, as httpd",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0755, 0, 0},
     {WWW, WWW, 0, 0},
     PM_OWNER_AUTO,
     0,
     "or to root"},
    /* said */
    {"ann's, as httpd, any",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {WWW, WWW, 0, 0},
     PM_OWNER_ANY,
     0,
     OK},
    {"root's, as ann, root",
     {0755, 0, 0},
     {0755, 0, 0},
     {0755, 0, 0},
     {ANN, ANN, 1, 0},
     PM_OWNER_ROOT,
     0,
     OK},
    {"bob's, as ann, root",
     {0755, 0, 0},
     {0755, ANN, 0},
     {0755, BOB, 0},
     {ANN, ANN, 1, 0},
     PM_OWNER_ROOT,
     0,
     "or to root"},
    {"root's, as httpd, user",
     {0755, 0, 0},
     {0755, 0, 0},
     {0755, 0, 0},
     {WWW, WWW, 0, 0},
     PM_OWNER_USER,
     0,
     "have to belong"},
    /* its owner */
    {"ann's, as owner",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     1,
     OK},
    {"httpd's, as owner",
     {0755, 0, 0},
     {0755, WWW, ANN},
     {0755, WWW, ANN},
     {WWW, ANN, 1, 0},
     PM_OWNER_AUTO,
     1,
     "MinUid"},
    {"of group httpd, as owner",
     {0755, 0, 0},
     {0755, ANN, WWW},
     {0755, ANN, WWW},
     {ANN, WWW, 1, 0},
     PM_OWNER_AUTO,
     1,
     "MinGid"},
    /* what it is */
    {"a directory",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {S_IFDIR | 0755, ANN, ANN},
     {ANN, ANN, 1, 0},
     PM_OWNER_AUTO,
     0,
     "regular"},
    {"a pipe",
     {0755, 0, 0},
     {0755, ANN, ANN},
     {S_IFIFO | 0755, ANN, ANN},
     {ANN, ANN, 1, 1},
     PM_OWNER_AUTO,
     0,
     "regular"}};

static void test_judge(void)
{
    size_t i;

    for (i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
        pm_rules_t rules = {.script_user = judged[i].owner,
                            .min_uid = 100,
                            .min_gid = 100,
                            .script_owner = judged[i].rule};
        pm_walk_t walk = {.ndirs = 2};
        pm_reason_t why = {""};
        apr_status_t rv;

        walk.dirs[0].mode = S_IFDIR | judged[i].top.mode;
        walk.dirs[0].uid = judged[i].top.uid;
        walk.dirs[0].gid = judged[i].top.gid;
        walk.dirs[1].mode = S_IFDIR | judged[i].dir.mode;
        walk.dirs[1].uid = judged[i].dir.uid;
        walk.dirs[1].gid = judged[i].dir.gid;
        walk.file.mode =
            judged[i].file.mode | (judged[i].file.mode & S_IFMT ? 0 : S_IFREG);
        walk.file.uid = judged[i].file.uid;
        walk.file.gid = judged[i].file.gid;
        rv = pm_script_rules_judge(&rules, "/w/f", &walk, &judged[i].as, &why);
        ok((rv == APR_SUCCESS) == !judged[i].word
               && (!judged[i].word
                   || (strstr(why.text, judged[i].word)
                       && !strncmp(why.text, "/w/f: ", 6))),
           "%s: %s", judged[i].name, judged[i].word ? why.text : "may run");
    }
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_paths(p);
    test_match();
    test_find();
    test_wrapper(p);
    test_wrapper_bad(p);
    test_judge();
    apr_terminate();
    return done_testing();
}
