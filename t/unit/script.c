/* SPDX-License-Identifier: Apache-2.0 */
/* pm_script_pool: a manager is asked for scripts, over its control socket, by
 * somebody who looks at the board as httpd's children do.  No worker is
 * started: nobody requests anything. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/ipc/pm_control_client.h"
#include "pm_core/ipc/pm_channel.h"
#include "pm_core/ipc/pm_fd_store.h"
#include "pm_core/manager/pm_manager.h"
#include "pm_core/pool/pm_script_pools.h"
#include "tap.h"

#define LONG apr_time_from_sec(20)

typedef struct scene {
    apr_pool_t *p;
    const char *dir;
    pm_scoreboard_t *board;
    int store; /* -1: there is none */
    int channel;
    pid_t manager;
    int config;
} scene_t;

/* What the manager said of a script. */
typedef struct told {
    int slot;
    unsigned generation;
    char name[128];
    char address[256];
} told_t;

/* --- a manager ------------------------------------------------------------ */

static void say_nothing(void *ctx, pm_level_t level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

__attribute__((noreturn)) static void manage(const scene_t *s, int channel)
{
    pm_log_t log = {.level = PM_INFO, .emit = say_nothing};
    pm_manager_opts_t opts = {.log_fd = -1};
    pm_manager_t *manager;
    pm_reason_t why;

    close(s->channel);
    opts.log = &log;
    opts.scoreboard = s->board;
    opts.channel = channel;
    opts.wakeup = -1;
    opts.slow_report = -1;
    opts.peer_uid = geteuid();
    opts.peer_gid = (gid_t)-1;
    _exit(pm_manager_create(&manager, &opts, s->p, &why) == APR_SUCCESS
              ? pm_manager_run(manager)
              : 9);
}

static void start(scene_t *s)
{
    int channel[2] = {-1, -1};

    ok(pm_channel_pair(channel, NULL) == APR_SUCCESS, "a channel");
    s->channel = channel[0];
    s->manager = fork();
    if (s->manager == 0) {
        manage(s, channel[1]);
    }
    close(channel[1]);
}

static int ended(scene_t *s, int sig)
{
    int status = -1;

    kill(s->manager, sig);
    waitpid(s->manager, &status, 0);
    close(s->channel);
    return status;
}

/* --- files ---------------------------------------------------------------- */

static const char *in(const scene_t *s, const char *name)
{
    return apr_pstrcat(s->p, s->dir, "/", name, NULL);
}

static void make(const scene_t *s, const char *name, mode_t mode)
{
    int fd = open(in(s, name), O_CREAT | O_WRONLY, mode);

    ok(fd >= 0 && write(fd, "#!/bin/sh\n", 10) == 10, "file %s", name);
    if (fd >= 0) {
        close(fd);
    }
}

/* --- what it is told ------------------------------------------------------ */

static void set(void *conf, int row, const char *word, apr_pool_t *p)
{
    if (pm_conf_set(conf, &pm_conf_rows[row], 1, &word, p, NULL)
        != APR_SUCCESS) {
        ok(0, "setting %s", word);
    }
}

/* @param idle NULL: without a template */
static int tell(scene_t *s, const char *idle, const char *most)
{
    static const char *const words[] = {"0", "2"};
    pm_pool_set_t *all = pm_pool_set_create(s->p);
    pm_global_t *global = pm_global_create(s->p);
    pm_conf_t *conf = pm_conf_create(s->p, "script");
    pm_rules_t *rules = pm_rules_create(s->p);

    set(global, PM_ROW_socket, in(s, "ctl"), s->p);
    set(global, PM_ROW_runtime_dir, s->dir, s->p);
    set(global, PM_ROW_max_scripts, most, s->p);
    all->global = global;
    all->config = ++s->config;
    all->store_fd = s->store;
    if (idle) {
        pm_script_template_t *t = apr_array_push(all->templates);
        pm_host_t *host = apr_array_push(all->hosts);

        set(conf, PM_ROW_idle_timeout, idle, s->p);
        if (geteuid() == 0) {
            set(conf, PM_ROW_user, "nobody", s->p);
        }
        pm_conf_set(conf, &pm_conf_rows[PM_ROW_processes], 2, words, s->p,
                    NULL);
        set(rules, PM_ROW_script_owner, "root", s->p);
        memset(t, 0, sizeof(*t));
        t->where = in(s, "scripts");
        t->conf = conf;
        t->rules = rules;
        t->log_fd = -1;
        memset(host, 0, sizeof(*host));
        host->name = "h:80";
    }
    return pm_pool_set_send(s->channel, all, pm_time_now() + LONG, s->p, NULL)
           == APR_SUCCESS;
}

static const char *ask(const scene_t *s, const char *config, const char *host,
                       const char *path)
{
    pm_reason_t why = {""};
    char *answer;

    return pm_control_client_ask(
               in(s, "ctl"),
               apr_psprintf(s->p, "script %s %s %s", config, host, path),
               pm_time_now() + LONG, s->p, &answer, &why)
                   == APR_SUCCESS
               ? answer
               : apr_pstrdup(s->p, why.text);
}

static int told(const scene_t *s, const char *script, told_t *t)
{
    const char *answer = ask(s, "0", "h:80", in(s, script));

    memset(t, 0, sizeof(*t));
    /* NOLINTNEXTLINE(cert-err34-c): what is missing is seen by the count */
    return sscanf(answer, "ok %d %u %127s unix:%255s", &t->slot, &t->generation,
                  t->name, t->address)
           == 4;
}

static void is_refused(const scene_t *s, const char *path, const char *answer,
                       const char *name)
{
    const char *got = ask(s, "0", "h:80", path);

    ok(!strncmp(got, answer, strlen(answer)), "%s: %s", name, got);
}

/* --- what is seen --------------------------------------------------------- */

static int is_there(const scene_t *s, const told_t *t)
{
    return pm_scoreboard_avail(pm_scoreboard_slot(s->board, t->slot),
                               t->generation)
           != PM_AVAIL_NONE;
}

static int is_gone_in_time(const scene_t *s, const told_t *t)
{
    apr_time_t until = pm_time_now() + LONG;

    while (pm_time_now() < until
           && (is_there(s, t) || access(t->address, F_OK) == 0)) {
        usleep(10000);
    }
    return !is_there(s, t) && access(t->address, F_OK) != 0;
}

static void count_waiting(scene_t *s, const told_t *t, int n)
{
    pm_scoreboard_add_waiting(pm_scoreboard_cell(s->board, 1, t->slot), n);
}

/* --- tests ---------------------------------------------------------------- */

static void test_ask(scene_t *s)
{
    told_t a = {0}, again = {0}, b = {0};
    struct stat st;

    ok(tell(s, "1h", "2"), "a set with a template");
    ok(told(s, "scripts/a", &a), "a script");
    ok(a.slot >= PM_SCOREBOARD_SCRIPTS
           && (a.generation & PM_SCOREBOARD_SCRIPT_BIT),
       "its place is one of the manager's");
    ok(!strncmp(a.name, "a-", 2), "its name: %s", a.name);
    ok(is_there(s, &a), "the board has it");
    ok(!stat(a.address, &st) && S_ISSOCK(st.st_mode)
           && (st.st_mode & 0777) == 0600,
       "so has the file system");
    ok(told(s, "scripts/a", &again) && !memcmp(&a, &again, sizeof(a)),
       "once more: the same");
    ok(told(s, "scripts/b", &b) && b.slot != a.slot
           && b.generation != a.generation && strcmp(a.name, b.name),
       "another script");
    count_waiting(s, &a, 1);
    count_waiting(s, &b, 1);
    is_refused(s, in(s, "scripts/c"), "error 503", "too many, all in use");
    count_waiting(s, &a, -1);
    count_waiting(s, &b, -1);
    is_refused(s, in(s, "scripts/none"), "error 404", "not there");
    is_refused(s, in(s, "scripts/plain"), "error 403", "not executable");
    is_refused(s, in(s, "outside"), "error 500", "no template");
    ok(!strncmp(ask(s, "0", "other:80", in(s, "scripts/a")), "error 500", 9),
       "no such host");
    ok(!strcmp(ask(s, "9", "h:80", in(s, "scripts/a")), "error later"),
       "a later configuration");
    ok(told(s, "scripts/a", &again) && again.generation == a.generation,
       "all that has changed nothing");
}

static void test_graceful(scene_t *s)
{
    pm_scoreboard_header_t *head = pm_scoreboard_header(s->board);
    apr_uint32_t adopted = head->adopted;
    apr_time_t until = pm_time_now() + LONG;
    told_t a = {0}, again = {0};

    ok(told(s, "scripts/a", &a), "before: a script");
    ok(tell(s, "1h", "5"), "another set, with more");
    kill(s->manager, SIGHUP);
    while (__atomic_load_n(&head->adopted, __ATOMIC_SEQ_CST) == adopted
           && pm_time_now() < until) {
        usleep(1000);
    }
    ok(told(s, "scripts/a", &again) && again.generation == a.generation,
       "after: it is the same pool");
    ok(told(s, "scripts/c", &again), "there may be another one");
    ok(tell(s, NULL, "5"), "a set without a template");
    kill(s->manager, SIGHUP);
    ok(is_gone_in_time(s, &a) && is_gone_in_time(s, &again),
       "no template: no pool");
    is_refused(s, in(s, "scripts/a"), "error 500", "nor another one");
}

/* A child of httpd's that counts itself in keeps a pool from going. */
static void test_idle(scene_t *s)
{
    int row = pm_scoreboard_row_claim(s->board, (apr_uint32_t)getpid(), 1000);
    pm_scoreboard_cell_t *cell;
    told_t a = {0}, b = {0};

    ended(s, SIGTERM);
    start(s);
    ok(tell(s, "200ms", "5"), "a short idle timeout");
    ok(told(s, "scripts/a", &a) && told(s, "scripts/b", &b), "two scripts");
    cell = pm_scoreboard_cell(s->board, row, a.slot);
    pm_scoreboard_begin(cell);
    ok(is_gone_in_time(s, &b), "one that is not used goes");
    ok(told(s, "scripts/c", &b) && is_gone_in_time(s, &b),
       "and another one, a whole timeout later");
    ok(is_there(s, &a) && access(a.address, F_OK) == 0,
       "one that is used does not");
    pm_scoreboard_end(cell);
    ok(is_gone_in_time(s, &a), "until nobody does");
    pm_scoreboard_row_release(s->board, (apr_uint32_t)getpid());
    ok(told(s, "scripts/a", &b) && b.generation != a.generation,
       "it comes again as another one");
}

/* Another manager after one that was ended so. */
static void start_after(scene_t *s, int sig, const char *idle)
{
    ended(s, sig);
    start(s);
    ok(tell(s, idle, "5"), "another manager has its set");
}

static int is_same(const scene_t *s, const char *name, const told_t *former)
{
    told_t t = {0};

    return told(s, name, &t) && t.generation == former->generation
           && t.slot == former->slot && !strcmp(t.name, former->name)
           && !strcmp(t.address, former->address);
}

/* @return 1: let it stay */
static int count_stored(void *n, const char *text, int *fd)
{
    ++*(int *)n;
    return fcntl(*fd, F_GETFD) >= 0 && text[0];
}

/* @return how many descriptors are stored */
static int stored(const scene_t *s)
{
    int n = 0;

    pm_fd_store_each(s->store, pm_time_now() + LONG, count_stored, &n, s->p);
    return n;
}

/* A pool's socket goes from the store after its file. */
static int is_stored_in_time(const scene_t *s, int n)
{
    apr_time_t until = pm_time_now() + LONG;

    while (stored(s) != n && pm_time_now() < until) {
        usleep(10000);
    }
    return stored(s) == n;
}

static pid_t start_keeper(scene_t *s)
{
    int fd[2] = {-1, -1};
    pid_t pid;

    ok(pm_channel_pair(fd, NULL) == APR_SUCCESS, "a channel to the keeper");
    pid = fork();
    if (pid == 0) {
        close(fd[0]);
        pm_fd_store_keep(fd[1], s->p);
        _exit(7);
    }
    close(fd[1]);
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    s->store = fd[0];
    return pid;
}

static void test_killed(scene_t *s)
{
    told_t a = {0}, b = {0}, again = {0};

    start_after(s, SIGTERM, "1h");
    ok(told(s, "scripts/a", &a) && told(s, "scripts/b", &b), "two scripts");
    start_after(s, SIGKILL, "1h");
    ok(is_there(s, &a) && is_same(s, "scripts/a", &a)
           && is_same(s, "scripts/b", &b),
       "a manager that is killed leaves them to the next one");
    start_after(s, SIGTERM, "1h");
    ok(is_same(s, "scripts/a", &a), "so does one that gets SIGTERM");
    ok(told(s, "scripts/c", &again), "one more");
    ended(s, SIGKILL);
    is_int(stored(s), 3, "three sockets are stored");
    unlink(in(s, "scripts/a"));
    start(s);
    ok(tell(s, "200ms", "5"), "another manager, and one script has gone");
    ok(is_gone_in_time(s, &a), "its socket is cleared away");
    ok(is_gone_in_time(s, &b) && is_gone_in_time(s, &again),
       "the others go when they are not used");
    ok(is_stored_in_time(s, 0), "no socket is stored any more");
    ended(s, SIGKILL);
    make(s, "scripts/a", 0755);
}

/* One that has no store clears away what the one before has left. */
static void test_no_store(scene_t *s)
{
    told_t a = {0}, again = {0};

    s->store = -1;
    start(s);
    ok(tell(s, "1h", "5") && told(s, "scripts/a", &a), "without a store");
    start_after(s, SIGKILL, "1h");
    ok(is_gone_in_time(s, &a), "the next manager clears away");
    ok(told(s, "scripts/a", &again) && again.generation != a.generation,
       "it makes another one");
    is_int(ended(s, SIGTERM), 0, "SIGTERM: it ends well");
    pm_script_pools_unlink(s->board, s->dir, s->p);
    ok(access(again.address, F_OK) != 0, "what is left can be removed");
}

/* --- all ------------------------------------------------------------------ */

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
    char dir[] = "/tmp/fcgipm-script-XXXXXX";
    scene_t s = {.dir = dir, .channel = -1, .store = -1};
    pid_t keeper;
    int status;

    apr_initialize();
    apr_pool_create(&s.p, NULL);
    umask(022);
    ok(mkdtemp(dir) && !chmod(dir, 0755) && !mkdir(in(&s, "scripts"), 0755),
       "a directory");
    make(&s, "scripts/a", 0755);
    make(&s, "scripts/b", 0755);
    make(&s, "scripts/c", 0755);
    make(&s, "scripts/plain", 0644);
    make(&s, "outside", 0755);
    ok(pm_scoreboard_create(&s.board, 4, 64, s.p, NULL) == APR_SUCCESS,
       "a board");
    keeper = start_keeper(&s);
    start(&s);
    test_ask(&s);
    test_graceful(&s);
    test_idle(&s);
    test_killed(&s);
    close(s.store);
    is_int(waitpid(keeper, &status, 0), keeper, "the keeper ends");
    is_int(WEXITSTATUS(status), 7, "when nobody can call it");
    test_no_store(&s);
    is_int(nftw(dir, clean, 16, FTW_DEPTH | FTW_PHYS), 0, "cleaned");
    apr_terminate();
    return done_testing();
}
