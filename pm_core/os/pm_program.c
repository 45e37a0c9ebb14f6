/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/xattr.h>
#endif

#include "apr_lib.h"
#include "apr_strings.h"

/* As much of a script as the kernel looks at (execve(2)). */
#define PROGRAM_LINE 256

static int program_has_acl(const char *path)
{
#ifdef __linux__
    return getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
#else
    (void)path;
    return 0;
#endif
}

/* Is execution, or search, allowed to @a id? */
static int program_may(const char *path, const struct stat *st,
                       const pm_ident_t *id)
{
    return pm_ident_may(id, st->st_uid, st->st_gid, st->st_mode, S_IXOTH)
           || program_has_acl(path);
}

/* FcgiPMCommand "/bin/prog -x" is one word.  @return bytes of the program's
 * name in it; 0: that is not it */
static int program_quoted(const char *path)
{
    char name[PATH_MAX];
    size_t len = strcspn(path, " \t");
    struct stat st;

    if (!path[len] || len >= sizeof(name)) {
        return 0;
    }
    apr_cpystrn(name, path, len + 1);
    return stat(name, &st) == 0 && S_ISREG(st.st_mode) ? (int)len : 0;
}

apr_status_t pm_program_check(const char *path, const pm_ident_t *id,
                              pm_reason_t *why)
{
    struct stat st;
    int quoted;

    if (stat(path, &st)) {
        int err = errno;

        quoted = err == ENOENT ? program_quoted(path) : 0;
        return quoted ? pm_fail(why, err,
                                "\"%s\": No such file or directory; the quotes "
                                "make one word of program and arguments: write "
                                "%.*s without them",
                                path, quoted, path)
                      : pm_fail_os(why, err, "%s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return pm_fail(why, EACCES, "%s is not a program", path);
    }
    return program_may(path, &st, id)
               ? APR_SUCCESS
               : pm_fail(why, EACCES,
                         "%s is not executable by %s: its mode is %04o (chmod "
                         "+x)",
                         path, id->user, (unsigned)st.st_mode & 07777);
}

int pm_program_search(char *file, apr_size_t size, const char *name,
                      const char *path, const pm_ident_t *id)
{
    for (;;) {
        size_t len = strcspn(path, ":");

        apr_snprintf(file, size, "%.*s/%s", (int)len, path, name);
        if (path[0] == '/' && pm_program_check(file, id, NULL) == APR_SUCCESS) {
            return 1;
        }
        if (!path[len]) {
            return 0;
        }
        path += len + 1;
    }
}

/* --- the way -------------------------------------------------------------- */

static apr_status_t program_check_dir(const char *dir, const char *path,
                                      const pm_ident_t *id, pm_reason_t *why)
{
    struct stat st;

    /* what cannot be looked at is for the start to find */
    return stat(dir, &st) || !S_ISDIR(st.st_mode) || program_may(dir, &st, id)
               ? APR_SUCCESS
               : pm_fail(why, EACCES,
                         "%s: user %s may not search the directory %s on the "
                         "way to it: its mode is %04o (chmod +x)",
                         path, id->user, dir, (unsigned)st.st_mode & 07777);
}

static apr_status_t program_check_dirs(const char *way, const char *path,
                                       const pm_ident_t *id, pm_reason_t *why)
{
    char dir[PATH_MAX];
    apr_status_t rv = program_check_dir("/", path, id, why);
    size_t i;

    for (i = 1; rv == APR_SUCCESS && way[0] && way[i] && i < sizeof(dir); i++) {
        if (way[i] == '/') {
            apr_cpystrn(dir, way, i + 1);
            rv = program_check_dir(dir, path, id, why);
        }
    }
    return rv;
}

apr_status_t pm_program_check_way(const char *path, int all,
                                  const pm_ident_t *id, pm_reason_t *why)
{
    char real[PATH_MAX];
    apr_status_t rv = program_check_dirs(path, path, id, why);

    /* where links lead */
    if (rv == APR_SUCCESS && realpath(path, real)) {
        rv = program_check_dirs(real, path, id, why);
        if (rv == APR_SUCCESS && all) {
            rv = program_check_dir(real, path, id, why);
        }
    }
    return rv;
}

/* --- the first line ------------------------------------------------------- */

typedef struct program_line {
    char text[PROGRAM_LINE + 1];
    char *interpreter;
    char *argument; /* "": none */
    int cr;         /* a carriage return ends it */
    int len;        /* of what was read */
} program_line_t;

/* @return 0: the file cannot be read */
static int program_read(const char *path, program_line_t *line)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, line->text, PROGRAM_LINE);

    if (fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        return 0;
    }
    line->text[n] = '\0';
    line->len = (int)n;
    return 1;
}

/* As the kernel does: a word, and what follows it as one argument. */
static void program_split(program_line_t *line)
{
    char *end = line->text + strcspn(line->text, "\n");

    line->cr = end[-1] == '\r';
    while (end > line->text && apr_isspace(end[-1])) {
        end--;
    }
    *end = '\0';
    line->interpreter = line->text + 2 + strspn(line->text + 2, " \t");
    line->argument = line->interpreter + strcspn(line->interpreter, " \t");
    if (*line->argument) {
        *line->argument++ = '\0';
        line->argument += strspn(line->argument, " \t");
    }
}

/* Is it a text, which execve(2) does not take for a program?  Anything else can
 * be one, see binfmt_misc. */
static int program_is_text(const program_line_t *line)
{
    int i;

    for (i = 0; i < line->len; i++) {
        if ((unsigned char)line->text[i] < ' ' && !apr_isspace(line->text[i])) {
            return 0;
        }
    }
    return 1;
}

static apr_status_t program_check_interpreter(const char *path,
                                              const program_line_t *line,
                                              const pm_ident_t *id,
                                              pm_reason_t *why)
{
    pm_reason_t cause;
    apr_status_t rv = pm_program_check(line->interpreter, id, &cause);

    if (rv == APR_SUCCESS) {
        rv = pm_program_check_way(line->interpreter, 0, id, &cause);
    }
    return rv == APR_SUCCESS
               ? rv
               : pm_fail(why, rv, "%s: its first line names an interpreter: %s",
                         path, cause.text);
}

/* "#!/usr/bin/env perl" */
static apr_status_t program_check_env(const char *path, const char *name,
                                      const char *search, const pm_ident_t *id,
                                      pm_reason_t *why)
{
    char file[PATH_MAX];

    return pm_program_search(file, sizeof(file), name, search, id)
               ? APR_SUCCESS
               : pm_fail(why, ENOENT,
                         "%s: its first line has env look for \"%s\", which is "
                         "not along the worker's PATH, %s: install it, or name "
                         "another PATH by FcgiPMSetEnv",
                         path, name, search);
}

static int program_is_plain(const char *argument)
{
    return argument[0] && argument[0] != '-' && argument[0] != '/'
           && !strpbrk(argument, " \t=/");
}

static apr_status_t program_check_line(const char *path, const char *search,
                                       const program_line_t *line,
                                       const pm_ident_t *id, pm_reason_t *why)
{
    apr_status_t rv;

    /* perl's arguments may end so */
    if (line->cr && !(line->argument[0] && strstr(line->interpreter, "perl"))) {
        return pm_fail(
            why, ENOENT,
            "%s: its first line ends with CR LF, as Windows writes lines, so "
            "the kernel looks for \"%s<CR>\"; make it end with LF: "
            "sed -i 's/[[:cntrl:]]$//' %s",
            path, line->argument[0] ? line->argument : line->interpreter, path);
    }
    if (line->interpreter[0] != '/') {
        return pm_fail(why, ENOENT,
                       "%s: its first line names the interpreter \"%s\", not "
                       "by an absolute path",
                       path, line->interpreter);
    }
    rv = program_check_interpreter(path, line, id, why);
    return rv == APR_SUCCESS
                   && !strcmp(apr_filepath_name_get(line->interpreter), "env")
                   && program_is_plain(line->argument)
               ? program_check_env(path, line->argument, search, id, why)
               : rv;
}

apr_status_t pm_program_check_start(const char *path, const char *search,
                                    const pm_ident_t *id, pm_reason_t *why)
{
    apr_status_t rv = pm_program_check_way(path, 0, id, why);
    program_line_t line;

    if (rv != APR_SUCCESS || !program_read(path, &line)) {
        return rv;
    }
    if (!strncmp(line.text, "#!", 2)) {
        program_split(&line);
        return program_check_line(path, search, &line, id, why);
    }
    return program_is_text(&line)
               ? pm_fail(why, ENOEXEC,
                         "%s is neither a program for this machine nor a "
                         "script whose first line is like #!/usr/bin/perl",
                         path)
               : APR_SUCCESS;
}
