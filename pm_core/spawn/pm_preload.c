/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/spawn/pm_preload.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <link.h>
#include <sys/xattr.h>
#endif

#include "apr_strings.h"

#ifndef PM_LIBDIR
#define PM_LIBDIR "/usr/lib/fcgipm"
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
        path = apr_psprintf(p, "%.*s/" PM_GUARD, (int)(slash - path), path);
        if (access(path, R_OK) == 0) {
            return path;
        }
    }
    path = PM_LIBDIR "/" PM_GUARD;
    return access(path, R_OK) == 0 ? path : NULL;
}

#ifdef __linux__
/* A program of another class has another loader. */
#define CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

typedef ElfW(Ehdr) head_t;
typedef ElfW(Phdr) part_t;
typedef ElfW(Nhdr) note_t;

/* What the head of a program says. */
typedef struct elf {
    int is_elf;
    unsigned machine;
    char loader[256]; /* "": it is linked statically */
    int is_go;
} elf_t;

static int elf_read_at(int fd, void *to, size_t n, off_t at)
{
    return pread(fd, to, n, at) == (ssize_t)n;
}

/* The linker of Go leaves a note of its own. */
static int elf_is_go_note(int fd, const part_t *part)
{
    struct {
        note_t head;
        char name[4];
    } note;

    return elf_read_at(fd, &note, sizeof(note), (off_t)part->p_offset)
           && note.head.n_namesz == 4 && !memcmp(note.name, "Go", 3);
}

static void elf_read_part(int fd, const part_t *part, elf_t *elf)
{
    size_t n = part->p_filesz;

    if (part->p_type == PT_NOTE) {
        elf->is_go |= elf_is_go_note(fd, part);
    }
    else if (part->p_type == PT_INTERP && n < sizeof(elf->loader)
             && elf_read_at(fd, elf->loader, n, (off_t)part->p_offset)) {
        elf->loader[n] = '\0';
    }
}

static elf_t elf_read(int fd)
{
    elf_t elf = {0};
    head_t head;
    part_t part;
    int i;

    if (!elf_read_at(fd, &head, sizeof(head), 0)
        || memcmp(head.e_ident, ELFMAG, SELFMAG)
        || head.e_ident[EI_CLASS] != CLASS) {
        return elf;
    }
    elf.is_elf = 1;
    elf.machine = head.e_machine;
    for (i = 0; i < head.e_phnum; i++) {
        if (elf_read_at(fd, &part, sizeof(part),
                        (off_t)(head.e_phoff + (size_t)i * head.e_phentsize))) {
            elf_read_part(fd, &part, &elf);
        }
    }
    return elf;
}

/* The ELF header of the object that this code is part of, by the linker's name
 * for it. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static int elf_find_loader(struct dl_phdr_info *program, size_t size,
                           void *data)
{
    elf_t *elf = data;
    int i;

    (void)size;
    for (i = 0; i < program->dlpi_phnum; i++) {
        if (program->dlpi_phdr[i].p_type == PT_INTERP) {
            apr_cpystrn(elf->loader,
                        (const char *)(program->dlpi_addr
                                       + program->dlpi_phdr[i].p_vaddr),
                        sizeof(elf->loader));
        }
    }
    return 1; /* the first one is the program itself */
}

/* This process's own program, to compare with.  It is read from memory: not
 * every sandbox has a /proc. */
static elf_t elf_read_own(void)
{
    elf_t elf = {0};

    elf.machine = __ehdr_start.e_machine;
    dl_iterate_phdr(elf_find_loader, &elf);
    return elf;
}

/* The loader preloads nothing into a program that gets rights when executed. */
static int preload_gets_rights(int fd)
{
    struct stat st;

    return fstat(fd, &st) || (st.st_mode & (S_ISUID | S_ISGID))
           || fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* The same loader means the same libc; another libc lacks symbols that the
 * guard needs. */
static int preload_is_guardable(int fd)
{
    elf_t elf = elf_read(fd);
    elf_t own = elf_read_own();

    return elf.is_elf && elf.machine == own.machine && elf.loader[0]
           && !strcmp(elf.loader, own.loader) && !elf.is_go
           && !preload_gets_rights(fd);
}

/* "#! /bin/sh -e" -> "/bin/sh" */
static const char *preload_interpreter(char *line)
{
    char *at = line + 2 + strspn(line + 2, " \t");

    at[strcspn(at, " \t\r\n")] = '\0';
    return at;
}

static int preload_works(const char *program, int depth)
{
    char line[256] = "";
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    int good;

    if (fd < 0) {
        return 0;
    }
    good = preload_is_guardable(fd);
    if (pread(fd, line, sizeof(line) - 1, 0) < 2) {
        line[0] = '\0';
    }
    close(fd);
    if (line[0] == '#' && line[1] == '!' && depth < 4) {
        return preload_works(preload_interpreter(line), depth + 1);
    }
    return good;
}

int pm_preload_works(const char *program)
{
    return preload_works(program, 0);
}
#else
int pm_preload_works(const char *program)
{
    (void)program;
    return 0;
}
#endif
