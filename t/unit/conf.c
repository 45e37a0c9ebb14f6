/* SPDX-License-Identifier: Apache-2.0 */
/* The settings' table: reading, bounds, writing, merge, comparison. */
#include "pm_core/config/pm_conf.h"

#include "apr_general.h"
#include "apr_strings.h"
#include "tap.h"

/* One setting: words in, text out, or a complaint that holds these words. */
static const struct {
    const char *name;
    const char *words; /* separated by a blank */
    const char *text;  /* as pm_conf_write() says it; NULL: refused */
    const char *complaint;
} cases[] = {
    {"FcgiPMDieTimeout", "3", "3s", NULL},
    {"FcgiPMDieTimeout", "3s", "3s", NULL},
    {"FcgiPMDieTimeout", "1500ms", "1500ms", NULL},
    {"FcgiPMDieTimeout", "2min", "2min", NULL},
    {"FcgiPMDieTimeout", "1h", "1h", NULL},
    {"FcgiPMDieTimeout", "0", "0", NULL},
    {"FcgiPMDieTimeout", "61min", NULL, "from 0 to 1h"},
    {"FcgiPMDieTimeout", "-1", NULL, "\"-1\" is not a time"},
    {"FcgiPMDieTimeout", "3 4", NULL, "takes one word, 2 are given"},
    {"FcgiPMDieTimeout", "3x", NULL, "\"3x\" is not a time"},
    {"FcgiPMDieTimeout", "", NULL, "is not a time"},
    {"FcgiPMDieTimeout", "99999999999999999999", NULL, "is not a time"},
    {"FcgiPMDieTimeout", "9223372036854775807h", NULL, "is not a time"},
    {"FcgiPMSlowLog", "5s", "5s", NULL},
    {"FcgiPMSlowLog", "0", "0", NULL},
    {"FcgiPMSlowLog", "500ms /bin/look -p %p", "500ms %2fbin%2flook -p %25p",
     NULL},
    {"FcgiPMSlowLog", "gdb", NULL, "\"gdb\" is not a time"},
    {"FcgiPMSlowLog", "25h", NULL, "from 0 to 24h"},
    {"FcgiPMConnectTimeout", "1ms", "1ms", NULL},
    {"FcgiPMConnectTimeout", "0", NULL, "from 1ms to 1h"},
    {"FcgiPMProcesses", "4", "4", NULL},
    {"FcgiPMProcesses", "4 4", "4", NULL},
    {"FcgiPMProcesses", "8 2", NULL, "\"8 2\": the first number is"},
    {"FcgiPMProcesses", "2 8", "2 8", NULL},
    {"FcgiPMProcesses", "0 8", "0 8", NULL},
    {"FcgiPMProcesses", "10001", NULL, "from 0 to 10000"},
    {"FcgiPMProcesses", "four", NULL, "\"four\" is not a whole number"},
    {"FcgiPMProcesses", "4.5", NULL, "\"4.5\""},
    {"FcgiPMNice", "-20", "-20", NULL},
    {"FcgiPMNice", "-21", NULL, "from -20 to 19"},
    {"FcgiPMNice", "-", NULL, "\"-\""},
    {"FcgiPMUmask", "022", "0022", NULL},
    {"FcgiPMUmask", "0777", "0777", NULL},
    {"FcgiPMUmask", "1000", NULL, "from 0 to 0777"},
    {"FcgiPMUmask", "8", NULL, "octal"},
    {"FcgiPMGraceful", "changed", "changed", NULL},
    {"FcgiPMGraceful", "CHANGED", "changed", NULL},
    {"FcgiPMGraceful", "change", NULL, "hup|changed|none"},
    {"FcgiPMGraceful", "hup|changed", NULL, "hup|changed|none"},
    {"FcgiPMRequestBuffer", "64K", "64K", NULL},
    {"FcgiPMRequestBuffer", "1m", "1M", NULL},
    {"FcgiPMRequestBuffer", "off", "off", NULL},
    {"FcgiPMRequestBuffer", "2G", NULL, "from 0 to 1G"},
    {"FcgiPMSocket", "/run/x.sock", "%2frun%2fx.sock", NULL},
    {"FcgiPMSocket", "run/x.sock", NULL, "not an absolute path"},
    {"FcgiPMCommand", "/bin/a b c", "%2fbin%2fa b c", NULL},
    {"FcgiPMRLimit", "nofile 1024 2048", "nofile 1024 2048", NULL},
    {"FcgiPMRLimit", "as 1G", "as 1G 1G", NULL},
    {"FcgiPMRLimit", "core unlimited", "core unlimited unlimited", NULL},
    {"FcgiPMRLimit", "memory 1", NULL, "cpu|as|nofile|nproc|core"},
    {"FcgiPMRLimit", "as much", NULL, "\"much much\""},
    {"FcgiPMRLimit", "as 2K 1K", NULL, "above the hard"},
    {"FcgiPMRLimit", "as unlimited 1K", NULL, "above the hard"},
    {"FcgiPMRLimit", "as", NULL, "takes 2 to 3 words"},
    {"FcgiPMSetEnv", "A b", "A b", NULL},
    {"FcgiPMSetEnv", "A", "A ", NULL},
    {"FcgiPMSetEnv", "A=b c", NULL, "is not the name of a variable"},
    {"FcgiPMPassEnv", "A B", "A B", NULL}};

static void test_cases(apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const pm_row_t *row = pm_conf_row(cases[i].name);
        void *conf = row->scope == PM_SCOPE_RULES ? (void *)pm_rules_create(p)
                     : row->scope == PM_SCOPE_GLOBAL
                         ? (void *)pm_global_create(p)
                         : (void *)pm_conf_create(p, "x");
        const char *argv[8];
        pm_reason_t why = {""};
        int argc = 0;
        char *last = NULL, *word;
        apr_status_t rv;

        if (!cases[i].words[0]) {
            argv[argc++] = "";
        }
        for (word = apr_strtok(apr_pstrdup(p, cases[i].words), " ", &last);
             word; word = apr_strtok(NULL, " ", &last)) {
            argv[argc++] = word;
        }
        rv = pm_conf_set(conf, row, argc, argv, p, &why);
        if (cases[i].text) {
            const char *line =
                apr_pstrcat(p, row->name, " ", cases[i].text, "\n", NULL);

            ok(rv == APR_SUCCESS
                   && strstr(pm_conf_write(conf, row->scope, p), line),
               "%s %s is %s", row->name, cases[i].words, cases[i].text);
        }
        else {
            ok(rv == APR_EINVAL && strstr(why.text, cases[i].complaint)
                   && strstr(why.text, row->name),
               "%s %s is refused: %s", row->name, cases[i].words, why.text);
        }
    }
}

static void set(pm_conf_t *conf, const char *name, int argc,
                const char *const *argv, apr_pool_t *p)
{
    pm_reason_t why = {""};

    ok(pm_conf_set(conf, pm_conf_row(name), argc, argv, p, &why) == APR_SUCCESS,
       "set %s", name);
}

/* Bytes that could be taken for structure go through unharmed. */
static void test_roundtrip(apr_pool_t *p)
{
    static const char *const command[] = {"/a b",  "x\ny",  "", "%41",
                                          "\xff+", "\"'\\", ""};
    static const char *const env[] = {"A", "b = c\n%"};
    pm_conf_t *conf = pm_conf_create(p, "x");
    pm_conf_t *back = pm_conf_create(p, "x");
    pm_reason_t why = {""};
    int i;

    set(conf, "FcgiPMCommand", 7, command, p);
    set(conf, "FcgiPMSetEnv", 2, env, p);
    is_int(pm_conf_read(back, PM_SCOPE_POOL,
                        pm_conf_write(conf, PM_SCOPE_POOL, p), p, &why),
           APR_SUCCESS, "read what was written %s", why.text);
    is_int(back->command ? back->command->nelts : 0, 7, "seven words");
    for (i = 0; back->command && i < back->command->nelts; i++) {
        is_str(APR_ARRAY_IDX(back->command, i, const char *), command[i],
               "word %d", i);
    }
    is_str(APR_ARRAY_IDX(back->setenv, 0, const char *), "A=b = c\n%",
           "the variable");
    is_int(pm_conf_compare(conf, back), PM_CHANGE_NOTHING, "both are equal");
}

static const struct {
    const char *text;
    const char *complaint;
} bad[] = {{"Nothing 1\n", "is not a setting"},
           {"FcgiPMDieTimeout 3\n", "is not a setting"}, /* not a pool's */
           {"FcgiPMProcesses 1 2 3\n", "words"},
           {"FcgiPMProcesses\n", "words"},
           {"FcgiPMCommand %zz\n", "bad escape"},
           {"FcgiPMProcesses x\n", "whole number"},
           {" \n", "is not a setting"}};

static void test_bad_text(apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pm_reason_t why = {""};

        ok(pm_conf_read(pm_conf_create(p, "x"), PM_SCOPE_POOL, bad[i].text, p,
                        &why)
                   != APR_SUCCESS
               && strstr(why.text, bad[i].complaint),
           "refused: %.*s: %s", (int)strcspn(bad[i].text, "\n"), bad[i].text,
           why.text);
    }
}

static void test_merge(apr_pool_t *p)
{
    static const char *const four[] = {"4"}, *const nice[] = {"5"},
                             *const env[] = {"A", "1"},
                             *const more[] = {"B", "2"};
    pm_conf_t *base = pm_conf_create(p, "");
    pm_conf_t *over = pm_conf_create(p, "app");
    pm_conf_t *both;

    set(base, "FcgiPMProcesses", 1, four, p);
    set(base, "FcgiPMSetEnv", 2, env, p);
    set(over, "FcgiPMNice", 1, nice, p);
    both = pm_conf_merge(p, base, over);
    is_str(both->name, "app", "merged: the name is the pool's");
    is_int((long)both->processes.max, 4, "merged: the server's default");
    is_int((long)both->nice, 5, "merged: the pool's own");
    is_int(both->setenv->nelts, 1, "merged: the server's list");
    set(over, "FcgiPMSetEnv", 2, env, p);
    set(over, "FcgiPMSetEnv", 2, more, p);
    is_int(over->setenv->nelts, 2, "lists grow");
    is_int(base->setenv->nelts, 1, "the base's list does not");
}

static void test_compare(apr_pool_t *p)
{
    static const char *const one[] = {"8"}, *const listen[] = {"h:1"};
    pm_conf_t *a = pm_conf_create(p, "x");
    pm_conf_t *b = pm_conf_create(p, "x");

    is_int(pm_conf_compare(a, b), PM_CHANGE_NOTHING, "two new ones");
    set(b, "FcgiPMIOTimeout", 1, one, p);
    is_int(pm_conf_compare(a, b), PM_CHANGE_NOTHING, "httpd's side only");
    set(b, "FcgiPMProcesses", 1, one, p);
    is_int(pm_conf_compare(a, b), PM_CHANGE_SCALE, "the number");
    set(b, "FcgiPMNice", 1, one, p);
    is_int(pm_conf_compare(a, b), PM_CHANGE_WORKERS, "the workers");
    set(b, "FcgiPMListen", 1, listen, p);
    is_int(pm_conf_compare(a, b), PM_CHANGE_LISTEN, "the socket");
}

/* Where settings come from goes along, and is no part of the comparison. */
static void test_where(apr_pool_t *p)
{
    pm_conf_t *base = pm_conf_create(p, "default");
    pm_conf_t *over = pm_conf_create(p, "app");
    pm_conf_t *again = pm_conf_create(p, "app");
    const pm_row_t *nice = pm_conf_row("FcgiPMNice");
    const pm_row_t *mask = pm_conf_row("FcgiPMUmask");
    const pm_row_t *list = pm_conf_row("FcgiPMPassEnv");
    const char *one = "1", *a = "A";
    pm_conf_t *conf;

    pm_conf_set(base, nice, 1, &one, p, NULL);
    pm_conf_note(base, nice, "server /etc/a b:1", p);
    pm_conf_set(base, mask, 1, &one, p, NULL);
    pm_conf_note(base, mask, "server /etc/a b:2", p);
    pm_conf_set(over, mask, 1, &one, p, NULL);
    pm_conf_note(over, mask, "pool x:3", p);
    pm_conf_set(over, list, 1, &a, p, NULL);
    pm_conf_note(over, list, "pool x:4", p);
    pm_conf_note(over, list, "pool x:5", p);
    conf = pm_conf_merge(p, base, over);
    ok(pm_conf_read(again, PM_SCOPE_POOL, pm_conf_write(conf, PM_SCOPE_POOL, p),
                    p, NULL)
           == APR_SUCCESS,
       "where: written and read");
    is_str(pm_conf_noted(again, nice), "server /etc/a b:1", "of the server");
    is_str(pm_conf_noted(again, mask), "pool x:3", "of the pool");
    is_str(pm_conf_noted(again, list), "pool x:4, x:5", "of a list");
    ok(!pm_conf_noted(again, pm_conf_row("FcgiPMUser")), "nobody said");
    pm_conf_note(conf, nice, "server elsewhere:1", p);
    ok(pm_conf_is_equal(conf, again), "another line of a file is no change");
    conf->nice = 2;
    ok(!pm_conf_is_equal(conf, again), "another value is one");
    ok(pm_conf_read(again, PM_SCOPE_POOL, "@FcgiPMNowhere x\n", p, NULL)
           != APR_SUCCESS,
       "no such setting");
    ok(pm_conf_read(again, PM_SCOPE_POOL, "@FcgiPMNice\n", p, NULL)
               == APR_SUCCESS
           && !pm_conf_noted(again, nice),
       "nothing to note");
}

/* A copy lives on when what it was made from has gone. */
static void test_copy(apr_pool_t *p)
{
    static const char *const command[] = {"/bin/a", "b"},
                             *const env[] = {"A", "1"},
                             *const slow[] = {"5s", "/bin/look"};
    apr_pool_t *p1 = pm_subpool_create(p);
    pm_conf_t *conf = pm_conf_create(p1, "app");
    pm_conf_t *copy;
    const char *text;

    set(conf, "FcgiPMCommand", 2, command, p1);
    set(conf, "FcgiPMSetEnv", 2, env, p1);
    set(conf, "FcgiPMSlowLog", 2, slow, p1);
    set(conf, "FcgiPMUser", 1, env, p1);
    pm_conf_note(conf, pm_conf_row("FcgiPMUser"), "pool x:3", p1);
    copy = pm_conf_copy(p, conf);
    ok(pm_conf_is_equal(conf, copy), "copy: equal");
    ok(copy->command != conf->command && copy->user != conf->user
           && copy->slow_log.command != conf->slow_log.command,
       "copy: it shares nothing");
    text = pm_conf_write(conf, PM_SCOPE_POOL, p);
    apr_pool_destroy(p1);
    is_str(pm_conf_write(copy, PM_SCOPE_POOL, p), text, "copy: it lives on");
    is_str(copy->name, "app", "copy: its name");
    conf = pm_conf_copy(p, copy);
    APR_ARRAY_IDX(conf->slow_log.command, 0, const char *) = "/bin/other";
    ok(!pm_conf_is_equal(conf, copy), "copy: another command is another value");
}

/* Each row has a mark of its own, however many there are. */
static void test_given(apr_pool_t *p)
{
    const pm_row_t *row, *other;

    for (row = pm_conf_rows; row->name; row++) {
        pm_conf_t *conf = pm_conf_create(p, "x");
        int wrong = 0;

        if (row->scope != PM_SCOPE_POOL || !row->init) {
            continue;
        }
        ok(!pm_conf_is_given(conf, row), "%s: a default is not given",
           row->name);
        set(conf, row->name, 1, &row->init, p);
        for (other = pm_conf_rows; other->name; other++) {
            wrong += pm_conf_is_given(conf, other) != (other == row);
        }
        is_int(wrong, 0, "%s: given, and no other", row->name);
        pm_conf_unset(conf, row);
        ok(!pm_conf_is_given(conf, row), "%s: unset", row->name);
    }
}

static void test_names(void)
{
    static const char *const good[] = {"a", "App-1_x.y", "default"};
    static const char *const wrong[] = {"", ".x", "a b", "a/b", "\xc3\xa4"};
    char longest[70];
    pm_reason_t why;
    size_t i;

    for (i = 0; i < 3; i++) {
        ok(pm_conf_name_check(good[i], &why) == APR_SUCCESS, "name %s",
           good[i]);
    }
    for (i = 0; i < 5; i++) {
        ok(pm_conf_name_check(wrong[i], &why) != APR_SUCCESS, "refused: %s",
           why.text);
    }
    memset(longest, 'x', sizeof(longest));
    longest[64] = '\0';
    ok(pm_conf_name_check(longest, &why) == APR_SUCCESS, "64 characters");
    longest[64] = 'x';
    longest[65] = '\0';
    ok(pm_conf_name_check(longest, &why) != APR_SUCCESS, "65 are refused");
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_cases(p);
    test_roundtrip(p);
    test_bad_text(p);
    test_merge(p);
    test_compare(p);
    test_where(p);
    test_copy(p);
    test_given(p);
    test_names();
    apr_terminate();
    return done_testing();
}
