/* SPDX-License-Identifier: Apache-2.0 */
/* pm_path: the way to a script, on which no link is followed, and that it is
 * still the same one when it is executed. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/os/pm_path.h"
#include "pm_core/spawn/pm_spawn.h"
#include "tap.h"

static const char *dir;

static const char *in(apr_pool_t *p, const char *name)
{
    return apr_pstrcat(p, dir, "/", name, NULL);
}

static void make_file(apr_pool_t *p, const char *name)
{
    int fd = open(in(p, name), O_CREAT | O_WRONLY, 0755);

    if (fd >= 0) {
        close(fd);
    }
}

static void make(apr_pool_t *p)
{
    mkdir(in(p, "real"), 0755);
    mkdir(in(p, "real/sub"), 0711);
    make_file(p, "real/sub/f");
    ok(!symlink("f", in(p, "real/sub/link"))
           && !symlink("sub", in(p, "real/way"))
           && !symlink("real", in(p, "admin"))
           && !symlink("nowhere", in(p, "real/sub/broken"))
           && !mkfifo(in(p, "real/sub/pipe"), 0755),
       "files");
}

static void test_walk(apr_pool_t *p)
{
    static const struct {
        const char *path, *fixed;
        int err, ndirs;
    } cases[] = {
        {"real/sub/f", "real/sub", 0, 1},
        {"real/sub/f", "real", 0, 2},
        {"admin/sub/f", "admin", 0, 2}, /* the administrator's link */
        {"admin/sub/f", "", ELOOP, 0},
        {"real/way/f", "real", ELOOP, 0},
        {"real/way/f", "real/way", 0, 1},
        {"real/sub/link", "real", ELOOP, 0},
        {"real/sub/broken", "real", ELOOP, 0},
        {"real/sub/none", "real", ENOENT, 0},
        {"real/none/f", "real", ENOENT, 0},
        {"none/f", "none", ENOENT, 0},
        {"real/sub/f/more", "real", ENOTDIR, 0},
        {"real/sub/f/more", "real/sub/f", ENOTDIR, 0},
        {"real/sub/pipe", "real", 0, 2} /* and it does not wait */
    };
    pm_walk_t walk;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *fixed = cases[i].fixed[0] ? in(p, cases[i].fixed) : dir;
        pm_reason_t why = {""};
        apr_status_t rv =
            pm_path_walk(&walk, in(p, cases[i].path), strlen(fixed), &why);

        is_int(rv, cases[i].err, "%s from %s%s%s", cases[i].path,
               cases[i].fixed, rv ? ": " : "", rv ? why.text : "");
        if (!cases[i].err && !rv) {
            is_int(walk.ndirs, cases[i].ndirs, "directories on the way");
        }
    }
    is_int(pm_path_walk(&walk, in(p, "real/sub/f"), strlen(dir), NULL), 0,
           "once more");
    is_int(walk.dirs[2].mode & 0777, 0711, "each directory is looked at");
    ok(S_ISREG(walk.file.mode), "and the file");
}

static void test_deep(apr_pool_t *p)
{
    const char *path = dir;
    char *name = apr_pcalloc(p, 301);
    pm_walk_t walk;
    int i;

    for (i = 0; i < 70; i++) {
        path = apr_pstrcat(p, path, "/d", NULL);
        mkdir(path, 0755);
    }
    path = apr_pstrcat(p, path, "/f", NULL);
    is_int(pm_path_walk(&walk, path, strlen(dir), NULL), ENAMETOOLONG,
           "too many directories");
    memset(name, 'x', 300);
    is_int(pm_path_walk(&walk, in(p, name), strlen(dir), NULL), ENAMETOOLONG,
           "too long a name");
}

static void test_check(apr_pool_t *p)
{
    const char *path = in(p, "real/sub/f");
    apr_size_t fixed = strlen(dir);
    pm_walk_t walk, again;

    is_int(pm_path_walk(&walk, path, fixed, NULL), 0, "check: a file");
    is_int(pm_path_check(path, fixed, &walk.file), 0, "check: it is there");
    ok(!pm_path_walk(&again, path, fixed, NULL)
           && pm_inode_same(&walk.file, &again.file),
       "check: the same");
    chmod(path, 0777);
    is_int(pm_path_check(path, fixed, &walk.file), ESTALE,
           "check: another mode");
    chmod(path, 0755);
    is_int(pm_path_check(path, fixed, &walk.file), 0, "check: as it was");
    ok(!pm_path_walk(&again, path, fixed, NULL)
           && !pm_inode_same(&walk.file, &again.file),
       "check: but its ctime tells");
    make_file(p, "real/sub/other");
    rename(in(p, "real/sub/other"), path);
    is_int(pm_path_check(path, fixed, &walk.file), ESTALE,
           "check: another file in its place");
    is_int(pm_path_walk(&walk, path, fixed, NULL), 0, "check: look again");
    rename(in(p, "real/sub"), in(p, "real/moved"));
    is_int(pm_path_check(path, fixed, &walk.file), ENOENT,
           "check: its directory has gone");
    is_int(symlink("moved", in(p, "real/sub")), 0, "check: a link to it");
    is_int(pm_path_check(path, fixed, &walk.file), ELOOP,
           "check: is not followed");
}

/* Born of what was looked at, or not at all. */
static apr_status_t born(const char *path, pm_launch_file_t *file,
                         apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_create(p, "x");
    pm_launch_spec_t *spec;
    pm_birth_t birth = {.shm_fd = -1, .shm_index = -1, .fork_fd = -1};
    pm_spawned_t child;
    pm_reason_t why = {""};
    struct pollfd pfd = {-1, POLLIN, 0};
    int guarded;
    apr_status_t rv;

    conf->command = apr_array_make(p, 1, sizeof(char *));
    *(const char **)apr_array_push(conf->command) = path;
    conf->user = getuid() ? NULL : "nobody";
    rv = pm_launch_spec_prepare(&spec, conf, NULL, p, &why);
    if (rv == APR_SUCCESS) {
        spec->guard = NULL;
        spec->file = file;
        birth.spec = spec;
        rv = pm_spawn(&child, NULL, &birth, &why);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    pfd.fd = child.exec_fd;
    do {
        poll(&pfd, 1, 20000);
        rv = pm_spawn_verdict(child.exec_fd, spec, &guarded, &why);
    } while (APR_STATUS_IS_INCOMPLETE(rv));
    waitpid(child.pid, NULL, 0);
    close(child.exec_fd);
    close(child.output_fd);
    return rv;
}

static void test_birth(apr_pool_t *p)
{
    pm_launch_file_t file = {NULL, 1, {0}};
    char *bin = realpath("/bin", NULL);
    pm_walk_t walk;

    file.path = apr_pstrcat(p, bin, "/true", NULL);
    free(bin);
    is_int(pm_path_walk(&walk, file.path, 1, NULL), 0, "birth: a program");
    file.inode = walk.file;
    is_int(born(file.path, &file, p), 0, "birth: it is executed");
    file.inode.ino++;
    is_int(born(file.path, &file, p), ESTALE,
           "birth: but not when it is another one");
    file.inode = walk.file;
    file.inode.uid++;
    is_int(born(file.path, &file, p), ESTALE,
           "birth: nor when it belongs to somebody else");
}

static int clean(const char *path, const struct stat *st, int type,
                 struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

int main(void)
{
    char template[] = "/tmp/fcgipm-path-XXXXXX";
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    dir = mkdtemp(template);
    umask(022);
    make(p);
    test_walk(p);
    test_deep(p);
    test_check(p);
    test_birth(p);
    is_int(nftw(dir, clean, 16, FTW_DEPTH | FTW_PHYS), 0, "cleaned");
    apr_terminate();
    return done_testing();
}
