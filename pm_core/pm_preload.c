/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_preload.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <link.h>
#endif

#include "apr_strings.h"

#ifndef PM_LIBDIR
#define PM_LIBDIR "/usr/lib"
#endif

const char *pm_preload_path(apr_pool_t *p)
{
    Dl_info here;
    const char *path;
    const char *slash;
    char exe[4096];
    ssize_t n;

    if (dladdr((void *)(apr_uintptr_t)&pm_build, &here) && here.dli_fname
        && strstr(here.dli_fname, ".so")) {
        path = here.dli_fname;
    }
    else {
        n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
        exe[n > 0 ? n : 0] = '\0';
        path = exe;
    }
    slash = strrchr(path, '/');
    if (slash) {
        path = apr_psprintf(p, "%.*s/libfcgipm.so", (int)(slash - path),
                            path);
        if (access(path, R_OK) == 0) {
            return path;
        }
    }
    path = PM_LIBDIR "/libfcgipm.so";
    return access(path, R_OK) == 0 ? path : NULL;
}

#ifdef __linux__
/* The programs that are of this one's own kind. */
#define CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

static int is_dynamic(int fd, const ElfW(Ehdr) *head)
{
    ElfW(Phdr) part;
    int i;

    for (i = 0; i < head->e_phnum; i++) {
        off_t at = (off_t)(head->e_phoff
                           + (size_t)i * head->e_phentsize);

        if (pread(fd, &part, sizeof(part), at) != (ssize_t)sizeof(part)) {
            return 0;
        }
        if (part.p_type == PT_INTERP) {
            return 1;
        }
    }
    return 0;
}

/* The head of this process's own program, to compare with. */
static unsigned own_machine(void)
{
    ElfW(Ehdr) head;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, &head, sizeof(head));

    if (fd >= 0) {
        close(fd);
    }
    return n == (ssize_t)sizeof(head) ? head.e_machine : EM_NONE;
}

/* "#! /bin/sh -e" -> "/bin/sh" */
static const char *interpreter(char *line)
{
    char *at = line + 2 + strspn(line + 2, " \t");

    at[strcspn(at, " \t\r\n")] = '\0';
    return at;
}

static int works(const char *program, int depth)
{
    union {
        ElfW(Ehdr) elf;
        char text[256];
    } head;
    struct stat st;
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    int good;

    if (fd < 0) {
        return 0;
    }
    memset(&head, 0, sizeof(head));
    n = read(fd, &head, sizeof(head) - 1);
    good = fstat(fd, &st) == 0 && !(st.st_mode & (S_ISUID | S_ISGID))
           && n >= (ssize_t)sizeof(head.elf)
           && !memcmp(head.elf.e_ident, ELFMAG, SELFMAG)
           && head.elf.e_ident[EI_CLASS] == CLASS
           && head.elf.e_machine == own_machine()
           && is_dynamic(fd, &head.elf);
    close(fd);
    if (n > 2 && !memcmp(head.text, "#!", 2) && depth < 4) {
        return works(interpreter(head.text), depth + 1);
    }
    return good;
}

int pm_preload_works(const char *program)
{
    return works(program, 0);
}
#else
int pm_preload_works(const char *program)
{
    (void)program;
    return 0;
}
#endif
