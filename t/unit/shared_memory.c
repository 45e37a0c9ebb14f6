/* SPDX-License-Identifier: Apache-2.0 */
/* Shared memory: a process that has given up its right to write does not get
 * it back, by none of the calls that can change a mapping. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "pm_core/os/pm_shared_memory.h"

#define PAGES 8
#define OWN   3 /* the page that the child keeps */

static pm_shared_memory_t memory;
static size_t page;

/* Run in a child: its exit status, 128 and more for a signal. */
static int in_child(int (*attack)(void))
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL); /* the sanitizer's reports and exits */
        pm_shared_memory_restrict(&memory, OWN * page, page);
        _exit(attack());
    }
    if (waitpid(pid, &status, 0) != pid) {
        return -1;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- each returns 1 when it can write ------------------------------------- */

static int write_own(void)
{
    memory.writable[OWN * page] = 'o';
    memory.writable[OWN * page + page - 1] = 'o';
    return memory.readonly[OWN * page] == 'o';
}

static int write_before(void)
{
    memory.writable[OWN * page - 1] = 'x';
    return 1;
}

static int write_after(void)
{
    memory.writable[(OWN + 1) * page] = 'x';
    return 1;
}

static int write_readonly(void)
{
    memory.readonly[0] = 'x';
    return 1;
}

static int protect_readonly(void)
{
    return mprotect(memory.readonly, page, PROT_READ | PROT_WRITE) == 0;
}

static int protect_hole(void)
{
    if (mprotect(memory.writable, page, PROT_READ | PROT_WRITE) == 0) {
        memory.writable[0] = 'x'; /* private to the child by now */
    }
    return memory.readonly[0] == 'x';
}

static int grow_readonly(void)
{
    char *at = mremap(memory.readonly, 0, page, MREMAP_MAYMOVE);

    return at != MAP_FAILED && mprotect(at, page, PROT_WRITE) == 0;
}

static int remap_own(void)
{
    return syscall(SYS_remap_file_pages, memory.writable + OWN * page, page, 0,
                   (size_t)0, 0)
           == 0;
}

/* Two pages from the child's own on: the next one is another's. */
static int grow_own(void)
{
    return mremap(memory.writable + OWN * page, page, 2 * page, MREMAP_MAYMOVE)
           != MAP_FAILED;
}

static int copy_own(void)
{
    return mremap(memory.writable + OWN * page, 0, 2 * page, MREMAP_MAYMOVE)
           != MAP_FAILED;
}

static int open_again(void)
{
    char path[128];

    snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
             (unsigned long)(memory.writable + OWN * page),
             (unsigned long)(memory.writable + (OWN + 1) * page));
    return setuid(65534) == 0 && open(path, O_RDWR) != -1;
}

static const struct {
    const char *name;
    int (*attack)(void);
    int signal; /* it ends by SIGSEGV */
    int seal;   /* of mappings: Linux 6.10 */
} attacks[] = {{"a store before its own", write_before, 1, 0},
               {"a store behind its own", write_after, 1, 0},
               {"a store to what it reads", write_readonly, 1, 0},
               {"mprotect of what it reads", protect_readonly, 0, 0},
               {"mprotect of where it was", protect_hole, 0, 0},
               {"mremap of what it reads", grow_readonly, 0, 0},
               {"remap_file_pages of its own", remap_own, 0, 0},
               {"mremap of its own", grow_own, 0, 1},
               {"mremap of a copy of its own", copy_own, 0, 1},
               {"opening it again", open_again, 0, 0}};

/* Does this kernel seal mappings? */
static int kernel_seals(void)
{
    return syscall(462, memory.writable, (size_t)0, 0) == 0;
}

static void test_attacks(void)
{
    size_t i;

    is_int(in_child(write_own), 1, "a child writes to its own page");
    is_int(memory.writable[OWN * page], 'o', "and the parent reads it");
    for (i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (attacks[i].seal && !kernel_seals()) {
            ok(1, "%s # SKIP no mseal(2)", attacks[i].name);
            continue;
        }
        is_int(in_child(attacks[i].attack), attacks[i].signal ? 139 : 0,
               "no way: %s", attacks[i].name);
    }
    for (i = 0; i < PAGES * page; i++) {
        if ((i < OWN * page || i >= (OWN + 1) * page) && memory.writable[i]) {
            ok(0, "byte %lu is another's", (unsigned long)i);
            return;
        }
    }
    ok(1, "nothing else has changed");
}

static void test_without_file(apr_pool_t *p)
{
    struct rlimit limit = {page, RLIM_INFINITY};
    pm_shared_memory_t other;
    pm_reason_t why = {""};

    setrlimit(RLIMIT_FSIZE, &limit);
    ok(pm_shared_memory_create(&other, PAGES * page, p, &why) == APR_SUCCESS
           && !pm_shared_memory_is_protected(&other),
       "without a file it is shared all the same");
    ok(strstr(why.text, "cannot be made read-only") != NULL, "it says so: %s",
       why.text);
    is_int(((apr_uintptr_t)other.writable) % 64, 0, "on a cache line");
    pm_shared_memory_restrict(&other, 0, 0);
    other.writable[0] = 'w';
    is_int(other.readonly[0], 'w', "and stays writable");
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    page = (size_t)sysconf(_SC_PAGESIZE);
    if (pm_shared_memory_create(&memory, PAGES * page, p, NULL)
        != APR_SUCCESS) {
        return 1;
    }
    if (!pm_shared_memory_is_protected(&memory)) {
        ok(1, "# SKIP no memory files here");
        return done_testing();
    }
    test_attacks();
    test_without_file(p);
    return done_testing();
}
