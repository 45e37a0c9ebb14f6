/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that does its best to keep the manager busy: /proc has a lot to say
 * of it, and it reports news without end.
 *
 *     heavy DIRECTORY     which it may write, for a file with a long name
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH    19 /* directories, of NAME bytes each: 4 KB a line */
#define NAME     200
#define MAPPINGS 60000 /* of vm.max_map_count, 65530 */

static int open_deep(const char *dir)
{
    char name[NAME + 1];
    int i;

    memset(name, 'd', NAME);
    name[NAME] = '\0';
    for (i = 0; i < DEPTH && chdir(i ? name : dir) == 0; i++) {
        if (mkdir(name, 0700)) {
            break;
        }
    }
    return open("file", O_RDWR | O_CREAT, 0600);
}

int main(int argc, char *argv[])
{
    struct rlimit files;
    int fd = argc > 1 ? open_deep(argv[1]) : -1;
    int i;

    if (fd < 0 || ftruncate(fd, 4096) || getrlimit(RLIMIT_NOFILE, &files)) {
        return 1;
    }
    for (i = 0; i < MAPPINGS; i++) { /* the same rights would be merged */
        if (mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                 MAP_SHARED, fd, 0)
            == MAP_FAILED) {
            break;
        }
    }
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    while (dup(fd) >= 0) {
        continue;
    }
    (void)!write(2, "ready\n", 6);
    for (;;) {
        (void)!write(2, "", 1); /* news, see pm_worker_status.h */
    }
}
