/* SPDX-License-Identifier: Apache-2.0 */
/* Into which programs can the guard be preloaded?  Heads of programs, made
 * here; the answers of the loader are ld.so(8)'s. */
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_general.h"
#include "pm_core/spawn/pm_preload.h"
#include "tap.h"

typedef struct head {
    ElfW(Ehdr) elf;
    ElfW(Phdr) part[2];
    char loader[256];
    struct {
        ElfW(Nhdr) head;
        char name[4];
        char id[4];
    } note;
} head_t;

static char dir[] = "/tmp/fcgipm-XXXXXX";

/* Of this very program. */
static void own_loader(char *loader, size_t size, unsigned *machine)
{
    ElfW(Ehdr) elf;
    ElfW(Phdr) part;
    int fd = open("/proc/self/exe", O_RDONLY);
    int i;

    if (pread(fd, &elf, sizeof(elf), 0) != (ssize_t)sizeof(elf)) {
        exit(1);
    }
    *machine = elf.e_machine;
    for (i = 0; i < elf.e_phnum; i++) {
        if (pread(fd, &part, sizeof(part),
                  (off_t)(elf.e_phoff + (size_t)i * sizeof(part)))
                > 0
            && part.p_type == PT_INTERP && part.p_filesz < size
            && pread(fd, loader, part.p_filesz, (off_t)part.p_offset) < 0) {
            exit(1);
        }
    }
    close(fd);
}

static head_t dynamic(void)
{
    head_t h;
    unsigned machine = 0;

    memset(&h, 0, sizeof(h));
    own_loader(h.loader, sizeof(h.loader), &machine);
    memcpy(h.elf.e_ident, ELFMAG, SELFMAG);
    h.elf.e_ident[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    h.elf.e_machine = (ElfW(Half))machine;
    h.elf.e_phoff = offsetof(head_t, part);
    h.elf.e_phentsize = sizeof(h.part[0]);
    h.elf.e_phnum = 2;
    h.part[0].p_type = PT_INTERP;
    h.part[0].p_offset = offsetof(head_t, loader);
    h.part[0].p_filesz = strlen(h.loader) + 1;
    h.part[1].p_type = PT_NOTE;
    h.part[1].p_offset = offsetof(head_t, note);
    h.part[1].p_filesz = sizeof(h.note);
    h.note.head.n_namesz = 4;
    h.note.head.n_descsz = 4;
    memcpy(h.note.name, "GNU", 4);
    return h;
}

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static int file_works(const char *name, const void *bytes, size_t n,
                      mode_t mode)
{
    const char *path = path_of(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    int works;

    if (write(fd, bytes, n) != (ssize_t)n || fchmod(fd, mode)) {
        exit(1);
    }
    close(fd);
    works = pm_preload_works(path);
    return works;
}

static int works(const head_t *h)
{
    return file_works("program", h, sizeof(*h), 0755);
}

static void check_programs(void)
{
    head_t h = dynamic();

    ok(works(&h), "a program like this one");
    h.part[0].p_type = PT_NULL;
    ok(!works(&h), "not one that is linked statically");
    h = dynamic();
    h.loader[1] = 'X';
    ok(!works(&h), "not one with another loader");
    h = dynamic();
    memcpy(h.note.name, "Go\0", 4);
    ok(!works(&h), "not one of Go's");
    h = dynamic();
    h.elf.e_machine++;
    ok(!works(&h), "not one for another processor");
    h = dynamic();
    h.elf.e_ident[EI_CLASS] ^= 3;
    ok(!works(&h), "not one with words of another size");
    h = dynamic();
    ok(!file_works("program", &h, sizeof(h), 04755), "not a set-user-ID one");
}

static void check_damage(void)
{
    head_t h = dynamic();
    size_t n;
    int wrong = 0;

    h.elf.e_phoff = (ElfW(Off)) - 8;
    ok(!works(&h), "headers beyond the end");
    h = dynamic();
    h.part[0].p_filesz = 100000;
    ok(!works(&h), "a name without end");
    h = dynamic();
    for (n = 0; n < offsetof(head_t, loader); n += 7) {
        wrong += file_works("program", &h, n, 0755);
    }
    ok(!wrong, "a file that ends early");
    ok(!pm_preload_works(path_of("none")), "no file");
}

static void check_scripts(void)
{
    char text[PATH_MAX + 8];
    head_t h = dynamic();
    int n;

    works(&h);
    n = snprintf(text, sizeof(text), "#! %s -e\n", path_of("program"));
    ok(file_works("script", text, (size_t)n, 0755),
       "a script whose interpreter is one");
    h.part[0].p_type = PT_NULL;
    works(&h);
    ok(!pm_preload_works(path_of("script")), "not if that is static");
    n = snprintf(text, sizeof(text), "#!%s\n", path_of("script"));
    ok(!file_works("script", text, (size_t)n, 0755),
       "a script that is its own interpreter");
}

int main(void)
{
    apr_initialize();
    if (!mkdtemp(dir)) {
        return 1;
    }
    check_programs();
    check_damage();
    check_scripts();
    unlink(path_of("program"));
    unlink(path_of("script"));
    rmdir(dir);
    return done_testing();
}
