/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  What fork() of libc and of interpreters does in a child, for
 * one that clone(2) has made: handlers of pthread_atfork(3), Python's own, and
 * random numbers that no two workers share.
 */
#include "libfcgipm/preload/guard.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <sys/random.h>

/* --- pthread_atfork() ----------------------------------------------------- */

#define HOOKS 256

typedef void hook_fn(void);

static struct hook {
    hook_fn *prepare, *parent, *child;
    void *dso; /* NULL: unregistered */
} hooks[HOOKS];

static int hooks_known; /* more than HOOKS: some are not known */

/* Not with ThreadSanitizer (t/core/tsan.t): that registers handlers before code
 * which it has instrumented can run. */
#ifndef __SANITIZE_THREAD__

/* pthread_atfork() is a part of each object, and comes by here.  Of the
 * program itself @a dso can be NULL. */
int __register_atfork(hook_fn *prepare, hook_fn *parent, hook_fn *child,
                      void *dso);
void __cxa_finalize(void *dso);

PUBLIC int __register_atfork(hook_fn *prepare, hook_fn *parent, hook_fn *child,
                             void *dso)
{
    int i = __atomic_fetch_add(&hooks_known, 1, __ATOMIC_SEQ_CST);

    if (i < HOOKS) {
        hooks[i] = (struct hook){prepare, parent, child, dso ? dso : hooks};
    }
    return guard_libc()->register_atfork(prepare, parent, child, dso);
}

/* An object is unloaded: so are its handlers. */
PUBLIC void __cxa_finalize(void *dso)
{
    int i;

    for (i = 0; dso && i < LOAD(hooks_known) && i < HOOKS; i++) {
        if (hooks[i].dso == dso) {
            hooks[i] = (struct hook){NULL, NULL, NULL, NULL};
        }
    }
    guard_libc()->cxa_finalize(dso);
}

#endif

int guard_fork_hooks_known(void)
{
    return LOAD(hooks_known) <= HOOKS;
}

static void hook_run(hook_fn *hook)
{
    if (hook) {
        hook();
    }
}

/* --- interpreters --------------------------------------------------------- */

/* By their own functions, where the program has them; each is NULL else. */
static struct {
    int (*is_initialized)(void);
    int (*ensure)(void);
    void (*release)(int);
    hook_fn *before, *parent, *child;
    int state;
} python;

static struct {
    void *(*eval)(void *, const char *, int);
    int (*call)(void *, const char *, int, char **);
    pthread_key_t *key;
} perl;

/* Compiled once: that takes longer than all else in a newborn, and writes to
 * many pages. */
#define PERL_SEED "FCGIPM::Guard::seed"

/* G_VOID | G_DISCARD | G_EVAL of perlcall(1). */
#define PERL_FLAGS 13

/* A Perl without threads has one interpreter and no key, and its functions have
 * no argument for it. */
static void perl_prepare(void)
{
    static const char code[] = "sub " PERL_SEED " { srand; undef } undef";
    void *interpreter = perl.key ? pthread_getspecific(*perl.key) : NULL;
    void *(*eval_single)(const char *, int);

    if (!perl.eval || !perl.call || (perl.key && !interpreter)) {
        perl.call = NULL;
    }
    else if (interpreter) {
        perl.eval(interpreter, code, 0);
    }
    else {
        *(void **)&eval_single = *(void **)&perl.eval;
        eval_single(code, 0);
    }
}

/* POSIX wants it this way round (dlsym(3), on function pointers). */
#define LOOK_UP(place, name) (*(void **)&(place) = dlsym(RTLD_DEFAULT, name))

void guard_fork_hooks_find(void)
{
    LOOK_UP(python.is_initialized, "Py_IsInitialized");
    LOOK_UP(python.ensure, "PyGILState_Ensure");
    LOOK_UP(python.release, "PyGILState_Release");
    LOOK_UP(python.before, "PyOS_BeforeFork");
    LOOK_UP(python.parent, "PyOS_AfterFork_Parent");
    LOOK_UP(python.child, "PyOS_AfterFork_Child");
    LOOK_UP(perl.eval, "Perl_eval_pv");
    LOOK_UP(perl.call, "Perl_call_argv");
    LOOK_UP(perl.key, "PL_thr_key");
    perl_prepare();
}

static int is_python(void)
{
    return python.is_initialized && python.ensure && python.release
           && python.before && python.parent && python.child
           && python.is_initialized();
}

/* Python has released its lock to wait. */
static void python_before(void)
{
    if (is_python()) {
        python.state = python.ensure();
        python.before();
    }
}

static void python_after(hook_fn *what)
{
    if (is_python()) {
        what();
        python.release(python.state);
    }
}

static void perl_child(void)
{
    char *none[] = {NULL};
    int (*call_single)(const char *, int, char **);

    if (perl.call && perl.key) {
        perl.call(pthread_getspecific(*perl.key), PERL_SEED, PERL_FLAGS, none);
    }
    else if (perl.call) {
        *(void **)&call_single = *(void **)&perl.call;
        call_single(PERL_SEED, PERL_FLAGS, none);
    }
}

static void libc_child(void)
{
    struct {
        unsigned random;
        unsigned short rand48[3];
    } seed;

    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed)) {
        srandom(seed.random); /* rand(), too */
        seed48(seed.rand48);
    }
}

/* --- both ----------------------------------------------------------------- */

void guard_fork_hooks_before(void)
{
    int i;

    python_before();
    for (i = LOAD(hooks_known); i-- > 0;) {
        hook_run(hooks[i].prepare);
    }
}

void guard_fork_hooks_parent(void)
{
    int i;

    for (i = 0; i < LOAD(hooks_known); i++) {
        hook_run(hooks[i].parent);
    }
    python_after(python.parent);
}

void guard_fork_hooks_child(void)
{
    int i;

    for (i = 0; i < LOAD(hooks_known); i++) {
        hook_run(hooks[i].child);
    }
    libc_child();
    perl_child();
    python_after(python.child);
}
