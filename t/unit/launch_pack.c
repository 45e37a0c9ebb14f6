/* SPDX-License-Identifier: Apache-2.0 */
/* pm_launch_pack: what comes out of the bytes is what was put there. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/spawn/pm_launch_pack.h"
#include "tap.h"

#define MOST 65536

static void push(apr_array_header_t **a, const char *text, apr_pool_t *p)
{
    if (!*a) {
        *a = apr_array_make(p, 1, sizeof(char *));
    }
    *(const char **)apr_array_push(*a) = text;
}

/* @param big so many variables and arguments of 1,000 bytes */
static pm_launch_spec_t *make(int big, apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_create(p, "x");
    pm_launch_spec_t *spec = NULL;
    pm_reason_t why = {""};
    char *text = apr_pcalloc(p, 1001);
    int i;

    memset(text, 'v', 1000);
    push(&conf->command, "/bin/true", p);
    push(&conf->command, "", p);
    push(&conf->setenv, "A=b c", p);
    push(&conf->setenv, "EMPTY=", p);
    for (i = 0; i < big; i++) {
        push(&conf->command, text, p);
        push(&conf->setenv, apr_psprintf(p, "V%d=%s", i, text), p);
    }
    conf->user = getuid() ? NULL : "nobody";
    push(&conf->rlimit, "nofile 64 128", p);
    conf->umask = 027;
    conf->nice = 3;
    conf->directory = "/tmp";
    is_int(pm_launch_spec_prepare(&spec, conf, NULL, p, &why), 0, "a spec: %s",
           why.text);
    spec->files.rlim_cur = 7;
    spec->chroot = "/srv";
    spec->cgroup = "/sys/fs/cgroup/x/cgroup.procs";
    return spec;
}

static int is_same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static int are_same(char *const *a, char *const *b)
{
    while (*a && *b && !strcmp(*a, *b)) {
        a++;
        b++;
    }
    return !*a && !*b;
}

static int is_like(const pm_launch_spec_t *a, const pm_launch_spec_t *b)
{
    return is_same(a->program, b->program) && is_same(a->guard, b->guard)
           && is_same(a->directory, b->directory)
           && is_same(a->chroot, b->chroot) && is_same(a->cgroup, b->cgroup)
           && are_same(a->argv, b->argv) && are_same(a->envp, b->envp)
           && a->env_own - a->envp == b->env_own - b->envp
           && a->umask == b->umask && a->nice == b->nice
           && a->judges == b->judges && a->no_new_privs == b->no_new_privs
           && !memcmp(&a->files, &b->files, sizeof(a->files))
           && a->nlimits == b->nlimits
           && a->limits[0].resource == b->limits[0].resource
           && a->limits[0].limit.rlim_cur == b->limits[0].limit.rlim_cur
           && a->limits[0].limit.rlim_max == b->limits[0].limit.rlim_max
           && !memcmp(&a->ident, &b->ident, sizeof(a->ident));
}

static void test_round_trip(int big, apr_pool_t *p)
{
    const pm_launch_spec_t *spec = make(big, p), *got;
    void *to = malloc(MOST), *exact;
    apr_size_t size = pm_launch_pack(spec, to, MOST);
    int i;

    ok(size && size < MOST, "%d more variables fit", big);
    ok(!pm_launch_pack(spec, to, size - 1), "not with one byte less");
    ok(!pm_launch_pack(spec, to, 100), "nor in 100 bytes");
    if (!size) {
        return;
    }
    exact = malloc(size); /* AddressSanitizer sees its end */
    is_int((int)pm_launch_pack(spec, exact, size), (int)size, "so many do");
    got = pm_launch_unpack(exact);
    ok(is_like(got, spec), "what comes out is what was put there");
    ok(!got->file, "no script");
    for (i = 0; i < PM_LAUNCH_ENV_OWN; i++) {
        ok(!got->env_own[i], "the manager's variable %d is not set", i);
        got->env_own[i] = (char *)(apr_uintptr_t) "OWN=x";
    }
    ok(!got->env_own[PM_LAUNCH_ENV_OWN], "and an end behind them");
    free(to);
    free(exact);
}

static void test_file(apr_pool_t *p)
{
    pm_launch_spec_t *spec = make(0, p);
    pm_launch_file_t file = {"/srv/x/y.pl", 4, {.ino = 7, .size = 9}};
    const pm_launch_spec_t *got;
    void *to = malloc(MOST);

    spec->file = &file;
    ok(pm_launch_pack(spec, to, MOST), "with a script");
    got = pm_launch_unpack(to);
    ok(got->file && is_same(got->file->path, file.path) && got->file->fixed == 4
           && pm_inode_same(&got->file->inode, &file.inode),
       "it comes out as well");
    free(to);
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_round_trip(0, p);
    test_round_trip(20, p);
    test_file(p);
    apr_pool_destroy(p);
    apr_terminate();
    return done_testing();
}
