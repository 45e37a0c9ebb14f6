/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/spawn/pm_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/ipc/pm_fork_order.h"
#include "pm_core/os/pm_signals.h"
#include "pm_core/spawn/pm_ladder.h"

/* @return the error */
static int spawn_close(const int pair[2], int err)
{
    close(pair[0]);
    close(pair[1]);
    return err;
}

static int spawn_keep_reader(int write_fd)
{
    char name[40];
    int fd;

    apr_snprintf(name, sizeof(name), "/proc/self/fd/%d", write_fd);
    fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return write_fd;
    }
    close(write_fd);
    return fd;
}

/* A worker can outlive its manager and write in the middle of its last
 * request.  So that SIGPIPE does not kill it then, its own end of the pipe is
 * also open for reading, where that is possible (Linux, fifo(7)). */
int pm_spawn_output(int output[2])
{
    if (pipe2(output, O_CLOEXEC)) {
        return errno;
    }
    output[1] = spawn_keep_reader(output[1]);
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    return 0;
}

/* The child's end does not lie where the ladder puts something. */
static int spawn_verdict(int verdict[2])
{
    int fd;

    if (pipe2(verdict, O_CLOEXEC)) {
        return errno;
    }
    fd = fcntl(verdict[1], F_DUPFD_CLOEXEC, PM_FORK_FD + 1);
    if (fd < 0) {
        return spawn_close(verdict, errno);
    }
    close(verdict[1]);
    verdict[1] = fd;
    fcntl(verdict[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int spawn_open_pipes(int verdict[2], int output[2])
{
    int err = spawn_verdict(verdict);

    if (err) {
        return err;
    }
    err = pm_spawn_output(output);
    return err ? spawn_close(verdict, err) : 0;
}

static pid_t spawn_fork(const pm_birth_t *birth)
{
    pid_t pid = pm_signals_fork();

    if (pid == 0) {
        pm_ladder_climb(birth);
    }
    return pid;
}

apr_status_t pm_spawn(pm_spawned_t *out, pm_spawner_t *by, pm_birth_t *birth,
                      pm_reason_t *why)
{
    int verdict[2], output[2];
    pm_spawner_answer_t answer;
    int err = spawn_open_pipes(verdict, output);

    if (err) {
        return pm_fail_os(why, err, "cannot make a pipe");
    }
    birth->parent = getpid();
    birth->output_fd = output[1];
    birth->verdict_fd = verdict[1];
    answer = by ? pm_spawner_order(by, birth) : PM_SPAWNER_NOT;
    out->pid = answer == PM_SPAWNER_NOT ? spawn_fork(birth) : 0;
    err = errno;
    close(verdict[1]);
    close(output[1]);
    if (out->pid < 0 || answer == PM_SPAWNER_FULL) {
        close(verdict[0]);
        close(output[0]);
        return out->pid ? pm_fail_os(why, err, "cannot fork") : APR_INCOMPLETE;
    }
    if (out->pid) {
        setpgid(out->pid, out->pid); /* as the child does: whichever is first */
    }
    out->exec_fd = verdict[0];
    out->output_fd = output[0];
    return APR_SUCCESS;
}

/* The kernel's error says little of the last step, exec: "No such file" can be
 * the interpreter.  Any other error says enough, and the file is better left
 * alone: a file system that has not answered would not answer the manager. */
static int spawn_is_vague(const pm_verdict_t *v)
{
    return !pm_ladder_step(v->step + 1)
           && (v->error == ENOENT || v->error == ENOTDIR || v->error == EACCES
               || v->error == ENOEXEC || v->error == ELOOP);
}

static apr_status_t spawn_explain(const pm_verdict_t *v,
                                  const pm_launch_spec_t *spec,
                                  pm_reason_t *why)
{
    pm_reason_t cause;
    char error[120];

    if (spawn_is_vague(v)
        && pm_launch_spec_check_start(spec, &cause) != APR_SUCCESS) {
        apr_strerror(v->error, error, sizeof(error));
        return pm_fail(why, v->error, "cannot start %s as %s: %s%s%s",
                       spec->program, spec->ident.user,
                       strstr(cause.text, error) ? "" : error,
                       strstr(cause.text, error) ? "" : ": ", cause.text);
    }
    return pm_fail_os(why, v->error, "cannot start %s as %s: %s", spec->program,
                      spec->ident.user, pm_ladder_step(v->step));
}

pid_t pm_spawn_born(int exec_fd, int *error)
{
    pm_verdict_t v = {0};
    ssize_t n = read(exec_fd, &v, sizeof(v));

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    if (n == (ssize_t)sizeof(v) && v.step == PM_LADDER_BORN) {
        return v.error;
    }
    *error = v.step == PM_LADDER_FORK ? v.error : 0;
    return -1;
}

apr_status_t pm_spawn_verdict(int exec_fd, const pm_launch_spec_t *spec,
                              int *guarded, pm_reason_t *why)
{
    pm_verdict_t v;
    ssize_t n;

    while ((n = read(exec_fd, &v, sizeof(v))) == (ssize_t)sizeof(v)
           && (v.step == PM_LADDER_UNGUARDED || v.step == PM_LADDER_BORN)) {
        if (v.step == PM_LADDER_UNGUARDED) {
            *guarded = 0;
        }
    }
    if (n == 0) {
        return APR_SUCCESS;
    }
    if (n < 0) {
        int err = errno;

        return err == EAGAIN || err == EINTR
                   ? APR_INCOMPLETE
                   : pm_fail_os(
                       why, err,
                       "whether the worker could be started is not known");
    }
    if (n != sizeof(v) || !pm_ladder_step(v.step)) {
        return pm_fail(why, APR_EGENERAL,
                       "the worker ended while it was being started");
    }
    return spawn_explain(&v, spec, why);
}
