/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  The program's own disposition of SIGTERM is kept here; the
 * kernel's is guard_on_term(), with that one's mask and alternate stack, or
 * SIG_IGN when the program wants that.  Until the program waits for a request
 * SA_RESTART is as the program has it: it may be one that waits for children.
 * From then on a signal interrupts nothing that can go on.
 */
#include "libfcgipm/preload/guard.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const struct sigaction *guard_own(void)
{
    return &guard.action[LOAD(guard.own)];
}

int guard_has_own(const struct sigaction *own)
{
    return (own->sa_flags & SA_SIGINFO)
           || (own->sa_handler != SIG_DFL && own->sa_handler != SIG_IGN);
}

int guard_is_default(const struct sigaction *own)
{
    return !(own->sa_flags & SA_SIGINFO) && own->sa_handler == SIG_DFL;
}

/* Of a mask the kernel has one word; what libc has behind it can be
 * anything. */
static int same(const struct sigaction *a, const struct sigaction *b)
{
    return a->sa_sigaction == b->sa_sigaction && a->sa_flags == b->sa_flags
           && !memcmp(&a->sa_mask, &b->sa_mask, 8);
}

/* A program has few, and some change theirs for every request. */
static int find_action(const struct sigaction *act)
{
    int i;

    for (i = 0; i < GUARD_ACTIONS; i++) {
        if (LOAD(guard.action_set[i]) && same(&guard.action[i], act)) {
            return i;
        }
    }
    i = ADD(guard.actions, 1) - 1;
    if (i >= GUARD_ACTIONS) {
        i = GUARD_ACTIONS - 1;
    }
    guard.action[i] = *act;
    STORE(guard.action_set[i], 1);
    return i;
}

const struct sigaction *guard_set_own(const struct sigaction *act)
{
    return &guard.action[SWAP(guard.own, find_action(act))];
}

/* A program that changes it for every request is spared the system call. */
static int is_new(const struct sigaction *act)
{
    int flags = SWAP(guard.flags, act->sa_flags);
    uint64_t mask, before;

    memcpy(&mask, &act->sa_mask, sizeof(mask));
    before = SWAP(guard.mask, mask);
    return !(act->sa_flags & SA_SIGINFO) || flags != act->sa_flags
           || before != mask;
}

void guard_install(void)
{
    const struct sigaction *own = guard_own();
    int has_own = guard_has_own(own);
    struct sigaction act = *own;

    if (has_own || own->sa_handler != SIG_IGN) {
        act.sa_sigaction = guard_on_term;
        act.sa_flags =
            SA_SIGINFO | (has_own ? own->sa_flags & SA_ONSTACK : 0)
            | (has_own && !LOAD(guard.has_waited) ? own->sa_flags & SA_RESTART
                                                  : SA_RESTART);
    }
    if (is_new(&act)) {
        guard_libc()->sigaction(SIGTERM, &act, NULL);
    }
}

void guard_call_own(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *own = guard_own();

    if (own->sa_flags & SA_RESETHAND) {
        struct sigaction none;

        memset(&none, 0, sizeof(none));
        guard_set_own(&none);
    }
    guard_self.in_own = 1;
    if (own->sa_flags & SA_SIGINFO) {
        own->sa_sigaction(sig, info, context);
    }
    else if (guard_has_own(own)) {
        own->sa_handler(sig);
    }
    guard_self.in_own = 0;
    ADD(guard.calls, 1);
}

void guard_die(int sig)
{
    struct sigaction act;

    memset(&act, 0, sizeof(act));
    act.sa_handler = SIG_DFL;
    guard_libc()->sigaction(sig, &act, NULL);
    kill(guard_is_same() ? guard.pid : getpid(), sig);
}

PUBLIC int sigaction(int sig, const struct sigaction *act,
                     struct sigaction *old)
{
    const struct sigaction *was;

    if (sig != SIGTERM || !guard_is_worker()) {
        return guard_libc()->sigaction(sig, act, old);
    }
    was = act ? guard_set_own(act) : guard_own();
    if (act) {
        guard_install();
    }
    if (old) {
        *old = *was;
    }
    return 0;
}

static sighandler_t set_handler(sighandler_t handler, int flags)
{
    struct sigaction act, old;

    memset(&act, 0, sizeof(act));
    act.sa_handler = handler;
    act.sa_flags = flags;
    return sigaction(SIGTERM, &act, &old) ? SIG_ERR : old.sa_handler;
}

PUBLIC sighandler_t signal(int sig, sighandler_t handler)
{
    if (sig != SIGTERM || handler == SIG_ERR || !guard_is_worker()) {
        return guard_libc()->signal(sig, handler);
    }
    return set_handler(handler, SA_RESTART);
}

/* Names that the headers show to old programs only. */
sighandler_t bsd_signal(int sig, sighandler_t handler);
sighandler_t ssignal(int sig, sighandler_t handler);

PUBLIC sighandler_t bsd_signal(int sig, sighandler_t handler)
{
    return signal(sig, handler);
}

PUBLIC sighandler_t ssignal(int sig, sighandler_t handler)
{
    return signal(sig, handler);
}

PUBLIC sighandler_t __sysv_signal(int sig, sighandler_t handler)
{
    if (sig != SIGTERM || handler == SIG_ERR || !guard_is_worker()) {
        return guard_libc()->sysv_signal(sig, handler);
    }
    return set_handler(handler, (int)(SA_RESETHAND | SA_NODEFER));
}

PUBLIC sighandler_t sysv_signal(int sig, sighandler_t handler)
{
    return __sysv_signal(sig, handler);
}

/* Also changes the mask (sigset(3)). */
PUBLIC sighandler_t sigset(int sig, sighandler_t handler)
{
    sigset_t term, mask;
    sighandler_t was;

    if (sig != SIGTERM || handler == SIG_HOLD || handler == SIG_ERR
        || !guard_is_worker()) {
        return guard_libc()->sigset(sig, handler);
    }
    was = set_handler(handler, 0);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &term, &mask);
    return sigismember(&mask, SIGTERM) ? SIG_HOLD : was;
}
