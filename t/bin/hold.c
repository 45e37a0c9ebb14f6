/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hold.c
 * @brief Holds the next child that a process forks, before its first
 *        instruction, until standard input ends (ptrace(2)).
 *
 *   hold PID
 *
 * Says "ready" when it watches the process, and the child's pid when there is
 * one.  Exit status 77: that cannot be had here.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT 77

/* One whose parent is another (CLONE_PARENT) is the tracer's all the same. */
static pid_t next_child(pid_t of)
{
    unsigned long child = 0;
    int status;

    while (waitpid(of, &status, __WALL) == of && WIFSTOPPED(status)) {
        if (status >> 16) {
            ptrace(PTRACE_GETEVENTMSG, of, NULL, &child);
            ptrace(PTRACE_DETACH, of, NULL, NULL);
            return (pid_t)child;
        }
        ptrace(PTRACE_CONT, of, NULL, (long)WSTOPSIG(status));
    }
    return 0;
}

int main(int argc, char **argv)
{
    const long events = PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE;
    pid_t of = argc == 2 ? (pid_t)atoi(argv[1]) : 0, child;
    char byte;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (of <= 0) {
        return 2;
    }
    if (ptrace(PTRACE_SEIZE, of, NULL, events)) {
        perror("hold");
        return CANNOT;
    }
    puts("ready");
    child = next_child(of);
    if (!child) {
        return 1;
    }
    waitpid(child, NULL, __WALL); /* until it is stopped */
    printf("%d\n", (int)child);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
        ;
    }
    return ptrace(PTRACE_DETACH, child, NULL, NULL) != 0;
}
