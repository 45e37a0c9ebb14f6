/* SPDX-License-Identifier: Apache-2.0 */
/* pm_safe_dir, and what is made in such directories: root makes no socket, pid
 * file or log where another user could put a link. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_listen.h"
#include "pm_core/os/pm_logfile.h"
#include "pm_core/os/pm_pidfile.h"
#include "pm_core/os/pm_safe_dir.h"
#include "tap.h"

#define ALICE 54321 /* need not exist */
#define HTTPD 54322

static const char *root;

static const char *in(apr_pool_t *p, const char *name)
{
    return apr_pstrcat(p, root, "/", name, NULL);
}

static void make_dir(apr_pool_t *p, const char *name, mode_t mode, uid_t uid,
                     gid_t gid)
{
    const char *path = in(p, name);

    ok(!mkdir(path, 0700) && !chown(path, uid, gid) && !chmod(path, mode),
       "directory %s", name);
}

static void make_link(apr_pool_t *p, const char *to, const char *name,
                      uid_t uid)
{
    ok(!symlink(to, in(p, name)) && !lchown(in(p, name), uid, 0), "link %s",
       name);
}

static void make_all(apr_pool_t *p)
{
    make_dir(p, "safe", 0755, 0, 0);
    make_dir(p, "safe/below", 0711, 0, 0);
    make_dir(p, "httpd", 0755, HTTPD, HTTPD);
    make_dir(p, "alice", 0755, ALICE, ALICE);
    make_dir(p, "alice/roots", 0755, 0, 0);
    make_dir(p, "all", 0777, 0, 0);
    make_dir(p, "sticky", 01777, 0, 0);
    make_dir(p, "sticky/alice", 0700, ALICE, ALICE);
    make_dir(p, "staff", 0775, 0, 50);
    make_dir(p, "people", 0775, 0, ALICE);
    make_dir(p, "group", 0775, 0, HTTPD);
    make_link(p, "safe", "to-safe", 0);
    make_link(p, "../safe", "sticky/of-alice", ALICE);
    make_link(p, "../safe", "sticky/of-root", 0);
    make_link(p, "alice", "to-alice", 0);
    make_link(p, "loop", "loop", 0);
}

static void test_open(apr_pool_t *p)
{
    static const struct {
        const char *path;
        int err;
        const char *said;
    } cases[] = {{"safe/f", 0, ""},
                 {"safe/below/f", 0, ""},
                 {"safe/../safe/./below//f", 0, ""},
                 {"httpd/f", 0, ""},
                 {"alice/f", EPERM, "\"alice\" belongs to another user"},
                 {"alice/roots/f", EPERM, "\"alice\" belongs to another user"},
                 {"alice/../safe/f", EPERM, "\"alice\" belongs"},
                 {"all/f", EPERM, "\"all\" can be written by every user"},
                 {"sticky/f", 0, ""},
                 {"sticky/alice/f", EPERM, "\"alice\" belongs"},
                 {"staff/f", 0, ""},
                 {"people/f", EPERM, "\"people\" can be written by a group"},
                 {"group/f", 0, ""},
                 {"to-safe/f", 0, ""},
                 {"to-alice/f", EPERM, "\"alice\" belongs"},
                 {"sticky/of-root/f", 0, ""},
                 {"sticky/of-alice/f", EPERM, "\"of-alice\" belongs"},
                 {"none/f", ENOENT, "none/f"},
                 {"loop/f", ELOOP, "loop/f"}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *name = "";
        pm_reason_t why = {""};
        int dir = -1;
        apr_status_t rv = pm_safe_dir_open(&dir, &name, in(p, cases[i].path),
                                           HTTPD, HTTPD, &why);

        is_int(rv, cases[i].err, "%s: %s", cases[i].path, why.text);
        ok(strstr(why.text, cases[i].said) != NULL, "which says why");
        ok(rv ? dir == -1 : dir >= 0 && !strcmp(name, "f"), "and its rest");
        pm_fds_close(&dir);
    }
}

/* A part that is too long is not the end of the way. */
static void test_long_name(apr_pool_t *p)
{
    char part[NAME_MAX + 2];
    const char *name = "";
    pm_reason_t why = {""};
    int dir = -1;

    memset(part, 'x', sizeof(part) - 1);
    part[sizeof(part) - 1] = '\0';
    is_int(pm_safe_dir_open(&dir, &name,
                            in(p, apr_pstrcat(p, part, "/f", NULL)), HTTPD,
                            HTTPD, &why),
           ENAMETOOLONG, "a name that is too long");
    is_int(dir, -1, "opens nothing");
    pm_fds_close(&dir);
}

/* The file that an attack is after. */
static int is_untouched(const struct stat *before, const char *path)
{
    struct stat st;

    return !stat(path, &st) && st.st_uid == before->st_uid
           && st.st_mode == before->st_mode && st.st_size == before->st_size;
}

static const char *make_secret(apr_pool_t *p, struct stat *st)
{
    const char *path = in(p, "secret");
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    memset(st, 0, sizeof(*st));
    ok(fd >= 0 && !fstat(fd, st), "a file of root's");
    close(fd);
    return path;
}

static void test_socket(apr_pool_t *p)
{
    pm_listen_opts_t opts = {8, 0640, HTTPD, HTTPD, 0, 0};
    struct stat st, before;
    const char *secret = make_secret(p, &before);
    const char *path = in(p, "httpd/s");
    pm_reason_t why = {""};
    pm_listener_t l;

    is_int(
        pm_listen_open(&l, apr_pstrcat(p, "unix:", path, NULL), &opts, p, &why),
        0, "a socket: %s", why.text);
    ok(!lstat(path, &st) && S_ISSOCK(st.st_mode) && st.st_uid == HTTPD
           && st.st_gid == HTTPD && (st.st_mode & 07777) == 0640,
       "its owner and mode");
    ok(pm_listen_is_there(&l), "it is known");

    /* what httpd's user does to a directory of its own */
    ok(!unlink(path) && !symlink(secret, path), "a link in its place");
    ok(pm_listen_adjust(&l, &opts, &why) != APR_SUCCESS
           && strstr(why.text, path),
       "is not followed: %s", why.text);
    ok(!unlink(path) && !link(secret, path), "another name of the file");
    ok(pm_listen_adjust(&l, &opts, &why) != APR_SUCCESS, "is not taken: %s",
       why.text);
    ok(is_untouched(&before, secret), "the file is as it was");
    pm_listen_unlink(&l);
    ok(!access(path, F_OK), "what is not the socket is not removed");
    pm_listen_close(&l);

    opts.uid = (uid_t)-1;
    ok(pm_listen_open(&l, apr_pstrcat(p, "unix:", in(p, "alice/s"), NULL),
                      &opts, p, &why)
               == EPERM
           && strstr(why.text, "not safe"),
       "no socket in a directory of another user's: %s", why.text);
    is_int(access(in(p, "alice/s"), F_OK), -1, "there is none");
}

/* @return what another process finds when it wants to write it */
static int try_in_child(const char *path, apr_pool_t *p)
{
    pm_pidfile_t file;
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        apr_status_t rv = pm_pidfile_check_free(path, NULL);

        _exit(rv == pm_pidfile_write(&file, path, p, NULL) ? rv : 255);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

/* A process that listens on a path, and leaves when @a channel is closed. */
static pid_t start_server(const char *text, const int channel[2], apr_pool_t *p)
{
    pm_listen_opts_t opts = {8, 0600, (uid_t)-1, (gid_t)-1, 0, 0};
    pm_listener_t l;
    pid_t pid = fork();
    char c;

    if (pid == 0) {
        close(channel[1]);
        setsid();
        if (pm_listen_open(&l, text, &opts, p, NULL) == APR_SUCCESS) {
            while (read(channel[0], &c, 1) > 0) {
                continue;
            }
        }
        _exit(0);
    }
    close(channel[0]);
    return pid;
}

static void test_taken(apr_pool_t *p)
{
    const char *path = in(p, "safe/taken");
    const char *text = apr_pstrcat(p, "unix:", path, NULL);
    pm_listen_opts_t opts = {8, 0600, (uid_t)-1, (gid_t)-1, 0, 0};
    pm_reason_t why = {""};
    pm_listener_t mine, l;
    int channel[2];
    pid_t pid;

    ok(!pipe(channel), "another server");
    pid = start_server(text, channel, p);
    while (access(path, F_OK) || !pm_listen_check_free(path, &opts, NULL)) {
        usleep(1000);
    }
    is_int(pm_listen_open(&l, text, &opts, p, &why), EADDRINUSE,
           "its path is not taken from it: %s", why.text);
    ok(strstr(why.text, apr_itoa(p, pid)) != NULL, "the reason names it");
    opts.manager = pid;
    is_int(pm_listen_check_free(path, &opts, &why), 0,
           "the socket of the session of one's own manager is replaced");
    opts.manager = 0;
    close(channel[1]);
    waitpid(pid, NULL, 0);

    is_int(pm_listen_open(&mine, text, &opts, p, &why), 0,
           "what a dead one has left behind is replaced: %s", why.text);
    is_int(pm_listen_open(&l, text, &opts, p, &why), 0,
           "and so is one's own: %s", why.text);
    ok(!pm_listen_is_there(&mine) && pm_listen_is_there(&l), "by the new one");
    pm_listen_close(&mine);
    pm_listen_unlink(&l);
    pm_listen_close(&l);
}

static void test_pidfile(apr_pool_t *p)
{
    const char *path = in(p, "safe/pid");
    mode_t mask = umask(077);
    struct stat st, before;
    const char *secret = make_secret(p, &before);
    pm_reason_t why = {""};
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    pm_pidfile_t file;
    int fd;

    ok(!symlink(secret, path), "a link where the pid file is to be");
    is_int(pm_pidfile_write(&file, path, p, &why), 0, "pid file: %s", why.text);
    umask(mask);
    ok(!lstat(path, &st) && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0644,
       "it is a file, and other users can read it");
    ok(is_untouched(&before, secret), "the link was not followed");
    is_int(try_in_child(path, p), EBUSY, "no other process writes it");
    pm_pidfile_remove(&file);
    is_int(access(path, F_OK), -1, "removed");
    is_int(try_in_child(path, p), 0, "now another one does");
    is_int(access(path, F_OK), 0, "which has died");
    is_int(pm_pidfile_write(&file, path, p, &why), 0,
           "the file of a process that died is replaced: %s", why.text);
    ok(!rename(path, in(p, "safe/other")) && !symlink(secret, path),
       "something else in its place");
    pm_pidfile_remove(&file);
    is_int(access(path, F_OK), 0, "is not removed");
    unlink(path);
    is_int(try_in_child(path, p), 0, "a pid file that is left behind,");
    fd = open(path, O_RDONLY | O_CLOEXEC); /* as every user can */
    ok(fd >= 0 && !fcntl(fd, F_SETLK, &lock), "that is locked for reading,");
    is_int(try_in_child(path, p), 0, "is replaced");
    close(fd);
    path = in(p, "sticky/pid");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    lock.l_type = F_WRLCK;
    ok(fd >= 0 && !fchown(fd, ALICE, ALICE) && !fcntl(fd, F_SETLK, &lock),
       "one that another user has made and locked");
    is_int(try_in_child(path, p), 0, "is replaced, too");
    close(fd);
    is_int(pm_pidfile_write(&file, in(p, "alice/pid"), p, &why), EPERM,
           "none in a directory of another user's: %s", why.text);
    is_int(pm_pidfile_write(&file, in(p, "httpd/pid"), p, &why), EPERM,
           "nor of httpd's: %s", why.text);
}

static void test_log(apr_pool_t *p)
{
    struct stat before;
    const char *secret = make_secret(p, &before);
    pm_reason_t why = {""};
    int fd;

    make_link(p, secret, "sticky/log", ALICE);
    is_int(pm_logfile_open(&fd, in(p, "sticky/log"), &why), EPERM,
           "a log that is another user's link: %s", why.text);
    make_link(p, secret, "alice/log", ALICE);
    is_int(pm_logfile_open(&fd, in(p, "alice/log"), &why), EPERM,
           "or in a directory of another user's: %s", why.text);
    make_link(p, "/dev/null", "safe/log", 0);
    why.text[0] = '\0';
    is_int(pm_logfile_open(&fd, in(p, "safe/log"), &why), 0,
           "a link of root's is followed: %s", why.text);
    pm_fds_close(&fd);
}

static int clean(const char *path, const struct stat *st, int type,
                 struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int main(void)
{
    char template[] = "/tmp/fcgipm-XXXXXX";
    apr_pool_t *p;

    if (geteuid() != 0) {
        printf("1..0 # SKIP only root gives files to others\n");
        return 0;
    }
    apr_initialize();
    apr_pool_create(&p, NULL);
    root = mkdtemp(template);
    umask(022);
    make_all(p);
    test_open(p);
    test_long_name(p);
    test_socket(p);
    test_taken(p);
    test_pidfile(p);
    test_log(p);
    is_int(nftw(root, clean, 16, FTW_DEPTH | FTW_PHYS), 0, "cleaned");
    return done_testing();
}
