/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_procinfo.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "apr_strings.h"

/* A process decides how much /proc has to say of it, and the manager reads that
 * between other things: no more than so many bytes of one file, nor entries of
 * one directory. */
#define BYTES   (1024L * 1024)
#define ENTRIES 2048

static FILE *open_proc(pid_t pid, const char *file)
{
    char name[320];

    apr_snprintf(name, sizeof(name), "/proc/%d/%s", (int)pid, file);
    return fopen(name, "re");
}

/* A short file's text, cut to size.  @return its length; 0, and no text, when
 * it cannot be read */
static size_t read_proc(pid_t pid, const char *file, char *buf, size_t size)
{
    FILE *f = open_proc(pid, file);
    size_t n = 0;

    if (f) {
        n = fread(buf, 1, size - 1, f);
        fclose(f);
    }
    buf[n] = '\0';
    return n;
}

apr_int64_t pm_procinfo_rss(pid_t pid)
{
    char text[128];
    long resident;

    read_proc(pid, "statm", text, sizeof(text));
    return sscanf(text, "%*d %ld", &resident) == 1
               ? (apr_int64_t)resident * sysconf(_SC_PAGESIZE)
               : 0;
}

pm_memory_t pm_procinfo_memory(pid_t pid)
{
    pm_memory_t memory = {0, 0, 0};
    FILE *f = open_proc(pid, "smaps_rollup");
    char line[256];
    long kb;

    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Rss: %ld", &kb) == 1) {
            memory.resident = (apr_int64_t)kb * 1024;
        }
        else if (sscanf(line, "Pss: %ld", &kb) == 1) {
            memory.pss = (apr_int64_t)kb * 1024;
        }
        else if (sscanf(line, "Shared_Clean: %ld", &kb) == 1
                 || sscanf(line, "Shared_Dirty: %ld", &kb) == 1) {
            memory.shared += (apr_int64_t)kb * 1024;
        }
    }
    if (f) {
        fclose(f);
    }
    return memory;
}

int pm_procinfo_has_library(pid_t pid, const char *name)
{
    FILE *f = open_proc(pid, "maps");
    char line[4352];
    long left = BYTES;
    int found = -1;

    while (f && found < 1 && left > 0 && fgets(line, sizeof(line), f)) {
        found = strstr(line, name) != NULL;
        left -= (long)strlen(line);
    }
    found = found < 1 && left <= 0 ? -1 : found;
    if (f) {
        fclose(f);
    }
    return found;
}

/* Passes what each descriptor leads to, until see() returns 0.  A process that
 * has ended has none.
 * @return 0: not known, the kernel does not show them to this process */
static int each_fd(pid_t pid, int (*see)(void *ctx, const char *link),
                   void *ctx)
{
    char name[40], text[64];
    struct dirent *entry;
    int known = 1, more = 1, entries = 0;
    ssize_t n;
    DIR *dir;

    apr_snprintf(name, sizeof(name), "/proc/%d/fd", (int)pid);
    dir = opendir(name);
    if (!dir) {
        return kill(pid, 0) && errno == ESRCH;
    }
    while (more && known && (entry = readdir(dir))) {
        n = readlinkat(dirfd(dir), entry->d_name, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        known = (n >= 0 || (errno != EACCES && errno != EPERM))
                && ++entries <= ENTRIES;
        more = see(ctx, text);
    }
    closedir(dir);
    return known;
}

static int is_other(void *what, const char *link)
{
    const char **wanted = what;

    if (!strcmp(link, *wanted)) {
        *wanted = NULL;
    }
    return *wanted != NULL;
}

int pm_procinfo_has_fd(pid_t pid, const char *what)
{
    const char *wanted = what;
    int known = each_fd(pid, is_other, &wanted);

    return !wanted ? 1 : known ? 0 : -1;
}

int pm_procinfo_has_socket(pid_t pid, apr_uint64_t inode)
{
    char want[40];

    apr_snprintf(want, sizeof(want), "socket:[%" APR_UINT64_T_FMT "]", inode);
    return pm_procinfo_has_fd(pid, want);
}

typedef struct sockets {
    apr_uint64_t *inodes;
    int most, n; /* -1: too many */
} sockets_t;

static int list_socket(void *ctx, const char *link)
{
    sockets_t *list = ctx;

    if (strncmp(link, "socket:[", 8)) {
        return 1;
    }
    if (list->n == list->most) {
        list->n = -1;
        return 0;
    }
    list->inodes[list->n++] = (apr_uint64_t)apr_atoi64(link + 8);
    return 1;
}

int pm_procinfo_sockets(pid_t pid, apr_uint64_t *inodes, int most)
{
    sockets_t list = {inodes, most, 0};

    return each_fd(pid, list_socket, &list) ? list.n : -1;
}

int pm_procinfo_each_child(pid_t pid, int (*see)(void *ctx, pid_t child),
                           void *ctx)
{
    char name[40];
    struct dirent *entry;
    int known = 0, more = 1, entries = 0;
    DIR *dir;

    apr_snprintf(name, sizeof(name), "/proc/%d/task", (int)pid);
    dir = opendir(name);
    while (dir && more && entries++ < ENTRIES && (entry = readdir(dir))) {
        char file[300];
        FILE *f;
        int child;

        apr_snprintf(file, sizeof(file), "task/%s/children", entry->d_name);
        f = entry->d_name[0] == '.' ? NULL : open_proc(pid, file);
        known |= f != NULL;
        while (f && more && fscanf(f, "%d", &child) == 1) {
            more = see(ctx, child);
        }
        if (f) {
            fclose(f);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return known;
}

/* A list of children that is being filled. */
typedef struct list {
    pid_t *pids;
    int most, n;
} list_t;

static int list_child(void *ctx, pid_t child)
{
    list_t *list = ctx;

    if (list->n < list->most) {
        list->pids[list->n++] = child;
    }
    return list->n < list->most;
}

int pm_procinfo_children(pid_t pid, pid_t *pids, int most)
{
    list_t list = {pids, most, 0};

    pm_procinfo_each_child(pid, list_child, &list);
    return list.n;
}

int pm_procinfo_each_of_group(pid_t group, int (*see)(void *ctx, pid_t pid),
                              void *ctx)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    int more = 1;

    while (dir && more && (entry = readdir(dir))) {
        pid_t pid = (pid_t)apr_atoi64(entry->d_name);

        if (pid > 0 && getpgid(pid) == group) {
            more = see(ctx, pid);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return dir != NULL;
}

/* A number of the line that is "stat": its fields count from 1.  0: not known
 */
static apr_uint64_t stat_field(const char *text, int number)
{
    const char *at = strrchr(text, ')'); /* its name can contain one, too */
    int field;

    for (field = 2; at && field < number; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? (apr_uint64_t)apr_atoi64(at) : 0;
}

pid_t pm_procinfo_parent(pid_t pid, apr_uint64_t *started)
{
    char text[512];

    read_proc(pid, "stat", text, sizeof(text));
    *started = stat_field(text, 22);
    return (pid_t)stat_field(text, 4);
}

apr_uint64_t pm_procinfo_started(pid_t pid)
{
    apr_uint64_t started;

    pm_procinfo_parent(pid, &started);
    return started;
}

#ifdef CLOCK_BOOTTIME

/* @return microseconds since it was started; 0: not known */
static apr_time_t age_of(pid_t pid)
{
    const long per_second = sysconf(_SC_CLK_TCK);
    apr_uint64_t started = pm_procinfo_started(pid);
    struct timespec now;

    if (!started || per_second <= 0 || clock_gettime(CLOCK_BOOTTIME, &now)) {
        return 0;
    }
    return apr_time_make(now.tv_sec, now.tv_nsec / 1000)
           - (apr_time_t)(started * APR_USEC_PER_SEC
                          / (apr_uint64_t)per_second);
}

#else

static apr_time_t age_of(pid_t pid)
{
    (void)pid;
    return 0;
}

#endif

typedef struct eldest {
    apr_time_t age;
    int found;
} eldest_t;

static int see_age(void *ctx, pid_t child)
{
    eldest_t *eldest = ctx;

    eldest->found = age_of(child) >= eldest->age;
    return !eldest->found;
}

int pm_procinfo_has_child_of(pid_t pid, apr_time_t age)
{
    eldest_t eldest = {age, 0};

    pm_procinfo_each_child(pid, see_age, &eldest);
    return eldest.found;
}

const char *pm_procinfo_program(pid_t pid, char *buf, apr_size_t size)
{
    char link[40], file[1024], name[64];
    size_t len = read_proc(pid, "comm", name, sizeof(name));
    ssize_t n;

    apr_snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    n = readlink(link, file, sizeof(file) - 1);
    file[n > 0 ? n : 0] = '\0';
    name[len ? len - 1 : 0] = '\0'; /* the end of the line */
    apr_snprintf(buf, size, "%s%s%s%s", name[0] ? name : "?", n > 0 ? " (" : "",
                 file, n > 0 ? ")" : "");
    return buf;
}

/* --- what a process does -------------------------------------------------- */

/* The system calls that programs wait in; on_fd: the first argument is a
 * descriptor. */
static const struct {
    long number;
    int on_fd;
    const char *name;
} calls[] = {
#ifdef __linux__
#ifdef SYS_poll
    {SYS_poll, 0, "poll"},
#endif
#ifdef SYS_select
    {SYS_select, 0, "select"},
#endif
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, 1, "epoll_wait"},
#endif
#ifdef SYS_accept
    {SYS_accept, 1, "accept"},
#endif
#ifdef SYS_semop
    {SYS_semop, 0, "semop"},
#endif
#ifdef SYS_semtimedop
    {SYS_semtimedop, 0, "semtimedop"},
#endif
#ifdef SYS_pause
    {SYS_pause, 0, "pause"},
#endif
#ifdef SYS_futex_time64 /* 32-bit systems, for 64-bit times */
    {SYS_ppoll_time64, 0, "ppoll"},
    {SYS_pselect6_time64, 0, "pselect6"},
    {SYS_futex_time64, 0, "futex"},
    {SYS_clock_nanosleep_time64, 0, "clock_nanosleep"},
    {SYS_semtimedop_time64, 0, "semtimedop"},
    {SYS_rt_sigtimedwait_time64, 0, "rt_sigtimedwait"},
#endif
    {SYS_ppoll, 0, "ppoll"},
    {SYS_pselect6, 0, "pselect6"},
    {SYS_epoll_pwait, 1, "epoll_pwait"},
    {SYS_read, 1, "read"},
    {SYS_readv, 1, "readv"},
    {SYS_pread64, 1, "pread64"},
    {SYS_write, 1, "write"},
    {SYS_writev, 1, "writev"},
    {SYS_recvfrom, 1, "recvfrom"},
    {SYS_recvmsg, 1, "recvmsg"},
    {SYS_sendto, 1, "sendto"},
    {SYS_sendmsg, 1, "sendmsg"},
    {SYS_accept4, 1, "accept4"},
    {SYS_connect, 1, "connect"},
    {SYS_flock, 1, "flock"},
    {SYS_fcntl, 1, "fcntl"},
    {SYS_fsync, 1, "fsync"},
    {SYS_fdatasync, 1, "fdatasync"},
    {SYS_ioctl, 1, "ioctl"},
    {SYS_futex, 0, "futex"},
    {SYS_nanosleep, 0, "nanosleep"},
    {SYS_clock_nanosleep, 0, "clock_nanosleep"},
    {SYS_wait4, 0, "wait4"},
    {SYS_waitid, 0, "waitid"},
    {SYS_openat, 0, "openat"},
    {SYS_rt_sigtimedwait, 0, "rt_sigtimedwait"},
    {SYS_rt_sigsuspend, 0, "rt_sigsuspend"},
#endif
    {-1, 0, NULL}};

static const char *state_of(pid_t pid)
{
    static const struct {
        char letter;
        const char *text;
    } states[] = {{'R', "it runs"},
                  {'S', "it sleeps"},
                  {'D', "it sleeps, waiting for a device"},
                  {'T', "it is stopped"},
                  {'t', "it is being traced"},
                  {'Z', "it has ended"}};
    char text[512];
    const char *end;
    size_t i;

    read_proc(pid, "stat", text, sizeof(text));
    end = strrchr(text, ')'); /* its name can contain one, too */
    for (i = 0; end && i < sizeof(states) / sizeof(states[0]); i++) {
        if (end[1] && end[2] == states[i].letter) {
            return states[i].text;
        }
    }
    return "what it does is not known";
}

/* "read(5 /srv/app/lock)" */
static void name_call(char *buf, apr_size_t size, pid_t pid, long number,
                      unsigned long arg)
{
    char name[64], target[256];
    ssize_t n;
    int i;

    for (i = 0; calls[i].name && calls[i].number != number; i++) {
    }
    if (!calls[i].name) {
        apr_snprintf(buf, size, "system call %ld", number);
        return;
    }
    apr_snprintf(name, sizeof(name), "/proc/%d/fd/%lu", (int)pid, arg);
    n = calls[i].on_fd ? readlink(name, target, sizeof(target) - 1) : 0;
    target[n > 0 ? n : 0] = '\0';
    if (n > 0) {
        apr_snprintf(buf, size, "%s(%lu %s)", calls[i].name, arg, target);
    }
    else {
        apr_snprintf(buf, size, "%s()", calls[i].name);
    }
}

static int read_call(pid_t pid, char *buf, apr_size_t size)
{
    char text[256];
    unsigned long arg = 0;
    long number;

    read_proc(pid, "syscall", text, sizeof(text));
    if (sscanf(text, "%ld %lx", &number, &arg) < 1
        || number < 0) { /* "running", or stopped elsewhere */
        return 0;
    }
    name_call(buf, size, pid, number, arg);
    return 1;
}

static int read_wchan(pid_t pid, char *buf, apr_size_t size)
{
    return read_proc(pid, "wchan", buf, size) && strcmp(buf, "0");
}

const char *pm_procinfo_doing(pid_t pid, char *buf, apr_size_t size)
{
    char call[400], wchan[128];
    int in = read_call(pid, call, sizeof(call));
    int at = read_wchan(pid, wchan, sizeof(wchan));

    apr_snprintf(buf, size, "%s%s%s%s%s", state_of(pid), in ? " in " : "",
                 in ? call : "", at ? ", wchan " : "", at ? wchan : "");
    return buf;
}
