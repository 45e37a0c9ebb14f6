/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file conf_text.c
 * @brief The text of a configuration file (pm_conf_text.h).
 *        t/httpd/config-file.t has httpd read the same.
 */
#include "pm_core/config/pm_conf_text.h"
#include "pm_core/policy/pm_script_rules.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"

/* What one text comes to. */
typedef struct result {
    pm_parsed_t *parsed;
    pm_global_t *global;
    pm_conf_t *defaults;
    pm_conf_text_t *text;
    apr_status_t rv;
    pm_reason_t why;
} result_t;

static char *env(const char *name)
{
    static char value[] = "a b";

    return strcmp(name, "TWO") ? NULL : value;
}

static result_t read_bytes(const char *text, apr_size_t len, apr_pool_t *p)
{
    result_t r = {.why = {""}};

    r.parsed = pm_parsed_create(pm_script_rules_where_check, p);
    r.global = pm_global_create(p);
    r.defaults = pm_conf_create(p, "default");
    r.text = pm_conf_text_create(r.parsed, r.global, r.defaults, env, p);
    r.rv = pm_conf_text_read(r.text, "f", text, len, &r.why);
    return r;
}

static result_t read_text(const char *text, apr_pool_t *p)
{
    return read_bytes(text, strlen(text), p);
}

static const pm_conf_t *pool_at(const result_t *r, int i)
{
    return i < r->parsed->sections->nelts
               ? APR_ARRAY_IDX(r->parsed->sections, i, pm_section_t).conf
               : NULL;
}

/* The words of FcgiPMCommand, with bars between them. */
static const char *words(const char *line, apr_pool_t *p)
{
    result_t r =
        read_text(apr_pstrcat(p, "FcgiPMCommand ", line, "\n", NULL), p);

    return r.rv == APR_SUCCESS && r.defaults->command
               ? apr_array_pstrcat(p, r.defaults->command, '|')
           : r.why.text[0] ? apr_pstrdup(p, r.why.text)
                           : "";
}

static void test_words(apr_pool_t *p)
{
    static const char *const rows[][2] = {{"a b  c", "a|b|c"},
                                          {"a\t\"b c\" 'd e'", "a|b c|d e"},
                                          {"a \"b \\\" c\"", "a|b \" c"},
                                          {"a 'b \\' c'", "a|b ' c"},
                                          {"a b\\\\c", "a|b\\c"},
                                          {"a b\\nc", "a|b\\nc"},
                                          {"a \"b", "a|b"},
                                          {"a \"\"", "a|"},
                                          {"a \"b\"c", "a|b|c"},
                                          {"a b\\\nc", "a|bc"},
                                          {"a b \\\n   c", "a|b|c"},
                                          {"a b\\\r\nc", "a|bc"},
                                          {"a ${TWO}", "a|a|b"},
                                          {"a \"${TWO}\"", "a|a b"},
                                          {"a x${TWO}y$z${", "a|xa|by$z${"},
                                          {"a ${NONE}", "a|${NONE}"},
                                          {"a # b", "a|#|b"}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_str(words(rows[i][0], p), rows[i][1], "words of row %d", (int)i);
    }
}

static void test_sections(apr_pool_t *p)
{
    result_t r = read_text("# a comment \\\nFcgiPMNice 1\n"
                           "FcgiPMNice 5\n"
                           "fcgipmdietimeout 7\n"
                           "<FcgiPMPool app>\n"
                           "  FcgiPMCommand /bin/a\n"
                           "  <IfModule !mod_fcgipm.c>\n"
                           "    Anything <\n"
                           "    <Nested x>\n"
                           "    </Nested>\n"
                           "  </IfModule>\n"
                           "  FcgiPMProcesses 1 2\n"
                           "</FcgiPMPool>\n"
                           "<IfDefine !FCGIPM_RUN>\n"
                           "SetHandler fcgipm\n"
                           "</IfDefine>\n"
                           "<IfModule fcgipm_module>\n"
                           "<FcgiPMScripts /srv/cgi/>\n"
                           "FcgiPMScriptUser owner\n"
                           "</FcgiPMScripts>\n"
                           "</IfModule>",
                           p);
    const pm_conf_t *pool = pool_at(&r, 0);

    is_str(r.why.text, "", "a file without fault");
    is_int(r.defaults->nice, 5, "a setting for all pools, after a comment");
    is_int(r.global->die_timeout, 7000000, "the manager's");
    ok(pool && pool->processes.max == 2, "a pool");
    is_int(r.parsed->scripts->nelts, 1, "a section of scripts");
    is_str(APR_ARRAY_IDX(r.parsed->scripts, 0, pm_scripts_t).dir, "/srv/cgi",
           "its directory");
    is_str(APR_ARRAY_IDX(r.parsed->sections, 0, pm_section_t).where, "f:5",
           "where the pool stands");
    is_str(pm_conf_noted(pool, &pm_conf_rows[PM_ROW_processes]), "pool f:12",
           "where a setting stands");
}

static void test_define(apr_pool_t *p)
{
    result_t r = read_text("Define A x\nDefine B \"'${A} y'\"\nUnDefine A\n"
                           "FcgiPMCommand ${B} ${A}\n"
                           "<IfDefine B>\nFcgiPMNice 3\n</IfDefine>\n",
                           p);

    is_str(apr_array_pstrcat(p, r.defaults->command, '|'), "x y|${A}",
           "a name that is defined, one that is not any more");
    is_int(r.defaults->nice, 3, "<IfDefine>");
    is_int(pm_conf_text_warnings(r.text)->nelts, 1, "a warning");
    is_str(APR_ARRAY_IDX(pm_conf_text_warnings(r.text), 0, const char *),
           "f:4: Config variable ${A} is not defined", "that says where");
}

static void test_faults(apr_pool_t *p)
{
    static const char *const rows[][2] = {
        {"FcgiPMNice 99", "f:1: FcgiPMNice: \"99\" is not a whole number from "
                          "-20 to 19"},
        {"\n\nFcgiPMNice a\\\nb", "f:4: FcgiPMNice: \"ab\" is not a whole "
                                  "number from -20 to 19"},
        {"SetHandler x", "f:1: SetHandler is httpd's, fcgipm-run has no "
                         "requests: write it into another file, or within "
                         "<IfDefine !FCGIPM_RUN>"},
        {"FcgiPMAlias / x", "f:1: FcgiPMAlias is httpd's, fcgipm-run has no "
                            "requests: write it into another file, or within "
                            "<IfDefine !FCGIPM_RUN>"},
        {"<Location />", "f:1: <Location> is httpd's, fcgipm-run has no "
                         "requests: write it into another file, or within "
                         "<IfDefine !FCGIPM_RUN>"},
        {"FcgiPMProceses 2",
         "f:1: FcgiPMProceses is not a directive: did you mean "
         "FcgiPMProcesses?"},
        {"<FcgiPMPol x>\n</FcgiPMPol>", "f:1: <FcgiPMPol> is not a directive"},
        {"<FcgiPMPool a>\nFcgiPMSocket /x",
         "f:2: FcgiPMSocket cannot occur within <FcgiPMPool> section: there is "
         "one for all pools: write it outside"},
        {"<FcgiPMPool a>\nSetEnv A b",
         "f:2: SetEnv cannot occur within <FcgiPMPool> section: did you mean "
         "FcgiPMSetEnv?"},
        {"<FcgiPMPool a>\n<FcgiPMPool b>",
         "f:2: <FcgiPMPool> cannot occur within <FcgiPMPool> section: the "
         "settings that may begin with FcgiPM"},
        {"FcgiPMScriptUser owner",
         "f:1: FcgiPMScriptUser stands in <FcgiPMScripts>"},
        {"<FcgiPMPool a", "f:1: <FcgiPMPool> directive missing closing '>'"},
        {"<FcgiPMPool a b>",
         "f:1: <FcgiPMPool> takes one word, the pool's name"},
        {"<FcgiPMPool a/b>",
         "f:1: <FcgiPMPool>: \"a/b\" is not a pool's name: 1 to 64 of A-Z a-z "
         "0-9 . _ -, not starting with a dot"},
        {"<FcgiPMPool a>\n\n", "f:2: <FcgiPMPool> (f:1) was not closed"},
        {"</FcgiPMPool>",
         "f:1: </FcgiPMPool> without matching <FcgiPMPool> section"},
        {"<FcgiPMPool a>\n</FcgiPMScripts>",
         "f:2: Expected </FcgiPMPool> but saw </FcgiPMScripts>"},
        {"<FcgiPMPool a>\n</FcgiPMPool",
         "f:2: </FcgiPMPool> directive missing closing '>'"},
        {"FcgiPMCommand bin/x",
         "f:1: FcgiPMCommand: \"bin/x\" is not an absolute path, nor a name "
         "without a slash"},
        {"FcgiPMDirectory x",
         "f:1: FcgiPMDirectory: \"x\" is not an absolute path"},
        {"Define a:b c", "f:1: Variable name must not contain ':'"},
        {"Define", "f:1: Define takes a name and a value"}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        result_t r = read_text(rows[i][0], p);

        ok(r.rv == APR_EINVAL && !r.parsed->current, "row %d is a fault",
           (int)i);
        is_str(r.why.text, rows[i][1], "its text");
    }
}

static char *repeat(const char *text, int n, apr_pool_t *p)
{
    apr_size_t len = strlen(text);
    char *all = apr_palloc(p, len * (apr_size_t)n + 1);
    int i;

    for (i = 0; i < n; i++) {
        memcpy(all + len * (apr_size_t)i, text, len);
    }
    all[len * (apr_size_t)n] = '\0';
    return all;
}

/* What a text says when it is @a n times as long. */
static void is_bounded(const char *once, int n, const char *said, apr_pool_t *p)
{
    apr_pool_t *sub;
    result_t r;

    apr_pool_create(&sub, p);
    r = read_text(repeat(once, n, sub), sub);
    ok(r.rv == APR_EINVAL && strstr(r.why.text, said), "%s: %s", said,
       r.why.text);
    apr_pool_destroy(sub);
}

static void test_bounds(apr_pool_t *p)
{
    result_t r = read_bytes("FcgiPMNice \0 1\n", 15, p);

    is_str(r.why.text, "f:1: a line holds a NUL", "a NUL");
    is_bounded("x", PM_CONF_TEXT_LINE + 1, "a line has more than", p);
    is_bounded("x\\\n", PM_CONF_TEXT_LINE + 2, "a line has more than", p);
    is_bounded("<IfDefine FCGIPM_RUN>\n", PM_CONF_TEXT_NESTING + 1, "deep", p);
    is_bounded("<IfDefine no>\n", PM_CONF_TEXT_NESTING + 1, "deep", p);
    is_bounded("#\n", PM_CONF_TEXT_FILE, "are allowed", p);
    is_bounded("<FcgiPMScripts /a>\n</FcgiPMScripts>\n",
               PM_CONF_TEXT_SECTIONS + 1, "sections", p);
    is_bounded("Define A x${A}${A}\n", 60, "come to more than", p);
    r = read_text(
        apr_pstrcat(p, "FcgiPMCommand a ", repeat("${", 32000, p), "\n", NULL),
        p);
    is_int(r.rv, APR_SUCCESS, "variables that do not end");
}

/* A name without a value is one for <IfDefine>, as it is written. */
static void test_names(apr_pool_t *p)
{
    result_t r = read_text("Define A x\nDefine A\nDefine N\n\"\" ignored\n"
                           "FcgiPMCommand a ${A} ${N} ${n:x}\n"
                           "<IfDefine n>\nFcgiPMNice 1\n</IfDefine>\n"
                           "<IfDefine N>\nFcgiPMNice 2\n</IfDefine>\n"
                           "<IfModule MOD_FCGIPM.C>\nNonsense\n</IfModule>\n",
                           p);

    is_int(r.rv, APR_SUCCESS, "names: %s", r.why.text);
    is_str(r.defaults->command ? apr_array_pstrcat(p, r.defaults->command, '|')
                               : "",
           "a|x|${N}|${n:x}", "a value stays, no value is none");
    is_int(r.defaults->nice, 2, "<IfDefine> looks at the letters' case");
    is_int(pm_conf_text_warnings(r.text)->nelts, 1, "one is not defined");
}

static void test_twice(apr_pool_t *p)
{
    result_t r = read_text("<FcgiPMPool a>\n</FcgiPMPool>\n"
                           "<FcgiPMPool a>\n</FcgiPMPool>\n",
                           p);

    is_int(r.parsed->sections->nelts, 1, "the first of a name");
    is_int(r.parsed->faults->nelts, 1, "the second is a fault");
    r.rv = pm_conf_text_read(r.text, "g", "<FcgiPMPool b>\n</FcgiPMPool>\n", 29,
                             &r.why);
    ok(r.rv == APR_SUCCESS && r.parsed->sections->nelts == 2, "a second file");
    is_str(APR_ARRAY_IDX(r.parsed->sections, 1, pm_section_t).where, "g:1",
           "has its own lines");
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_words(p);
    test_sections(p);
    test_define(p);
    test_names(p);
    test_faults(p);
    test_bounds(p);
    test_twice(p);
    apr_terminate();
    return done_testing();
}
