/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file spawn.c
 * @brief What the manager says of an exec that has failed (pm_spawn.h): it
 *        looks at the program only where the error lets it.
 */
#include "pm_core/spawn/pm_spawn.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/spawn/pm_ladder.h"

static char program[] = "/tmp/fcgipm-spawn-XXXXXX";

/* Its interpreter is not there. */
static void make_program(void)
{
    static const char line[] = "#!/no/such/interpreter\n";
    int fd = mkstemp(program);

    if (write(fd, line, sizeof(line) - 1) < 0 || fchmod(fd, 0755)) {
        perror(program);
    }
    close(fd);
}

static int explains(int error)
{
    char *envp[] = {(char *)(apr_uintptr_t) "PATH=/bin", NULL};
    pm_launch_spec_t spec = {
        .program = program, .directory = "/", .envp = envp};
    pm_verdict_t verdict = {.error = error};
    int guarded = 1, fd[2];
    pm_reason_t why = {""};

    while (pm_ladder_step(verdict.step + 1)) {
        verdict.step++;
    }
    if (pipe(fd)
        || write(fd[1], &verdict, sizeof(verdict)) != sizeof(verdict)) {
        return -1;
    }
    is_int(pm_spawn_verdict(fd[0], &spec, &guarded, &why), error,
           "%s: the program has not started", strerror(error));
    ok(strstr(why.text, strerror(error)) != NULL, "the reason names it");
    close(fd[0]);
    close(fd[1]);
    return strstr(why.text, "/no/such/interpreter") != NULL;
}

int main(void)
{
    static const int of_file[] = {ENOENT, EACCES, ENOEXEC},
                     of_file_system[] = {EIO, ETIMEDOUT, ESTALE};
    apr_size_t i;

    apr_initialize();
    make_program();
    for (i = 0; i < sizeof(of_file) / sizeof(of_file[0]); i++) {
        is_int(explains(of_file[i]), 1, "and what the program lacks");
        is_int(explains(of_file_system[i]), 0, "and nobody looks at the file");
    }
    unlink(program);
    return done_testing();
}
