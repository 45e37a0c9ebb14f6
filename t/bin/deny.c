/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file deny.c
 * @brief Runs a program without some of the kernel's services, as systemd's
 *        sandboxing would (systemd.exec(5)), by seccomp(2).
 *
 *   deny WORD... -- program argument...
 *
 *     netlink    RestrictAddressFamilies= without AF_NETLINK
 *     memfd      memfd_create()
 *     parent     clone() with CLONE_PARENT
 *     again      the same, by EAGAIN, as where the limit of processes is
 * reached wx         MemoryDenyWriteExecute= services SystemCallFilter=~@debug
 * @mount @privileged-like calls that a service does not need: ptrace, mount,
 * keyctl, bpf and so on resources  SystemCallFilter=~@resources: limits,
 * priorities
 *
 * Exit status 77: that cannot be had here.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CANNOT 77

/** The filter that grows. */
typedef struct filter {
    struct sock_filter code[256];
    unsigned short n;
} filter_t;

static void add(filter_t *f, unsigned short code, unsigned k, unsigned char jt,
                unsigned char jf)
{
    struct sock_filter step = {code, jt, jf, k};

    f->code[f->n++] = step;
}

static void load(filter_t *f, size_t offset)
{
    add(f, BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0);
}

static void refuse(filter_t *f, int err)
{
    add(f, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err, 0, 0);
}

/* The call, whatever its arguments are. */
static void deny(filter_t *f, long call)
{
    load(f, offsetof(struct seccomp_data, nr));
    add(f, BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1);
    refuse(f, EPERM);
}

/* The lower half of an argument; little-endian only. */
static void load_arg(filter_t *f, int i)
{
    load(f, offsetof(struct seccomp_data, args)
                + (size_t)i * sizeof(unsigned long long));
}

static void deny_netlink(filter_t *f)
{
    load(f, offsetof(struct seccomp_data, nr));
    add(f, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3);
    load_arg(f, 0);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1);
    refuse(f, EAFNOSUPPORT);
}

/* These bits all set in an argument. */
static void deny_bits(filter_t *f, long call, int arg, unsigned bits, int err)
{
    load(f, offsetof(struct seccomp_data, nr));
    add(f, BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 4);
    load_arg(f, arg);
    add(f, BPF_ALU | BPF_AND | BPF_K, bits, 0, 0);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1);
    refuse(f, err);
}

static void deny_all(filter_t *f, const long *calls, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        deny(f, calls[i]);
    }
}

static int take_word(filter_t *f, const char *word)
{
    static const long services[] = {SYS_ptrace,          SYS_process_vm_readv,
                                    SYS_mount,           SYS_umount2,
                                    SYS_pivot_root,      SYS_keyctl,
                                    SYS_add_key,         SYS_bpf,
                                    SYS_perf_event_open, SYS_reboot,
                                    SYS_swapon,          SYS_userfaultfd,
                                    SYS_unshare,         SYS_setns,
                                    SYS_quotactl,        SYS_personality};
    static const long resources[] = {SYS_setrlimit,          SYS_setpriority,
                                     SYS_sched_setscheduler, SYS_sched_setparam,
                                     SYS_sched_setaffinity,  SYS_ioprio_set};

    if (!strcmp(word, "netlink")) {
        deny_netlink(f);
    }
    else if (!strcmp(word, "memfd")) {
        deny(f, SYS_memfd_create);
    }
    else if (!strcmp(word, "parent")) {
        deny_bits(f, SYS_clone, 0, CLONE_PARENT, EPERM);
    }
    else if (!strcmp(word, "again")) {
        deny_bits(f, SYS_clone, 0, CLONE_PARENT, EAGAIN);
    }
    else if (!strcmp(word, "wx")) {
        deny_bits(f, SYS_mmap, 2, PROT_WRITE | PROT_EXEC, EPERM);
        deny_bits(f, SYS_mprotect, 2, PROT_EXEC, EPERM);
    }
    else if (!strcmp(word, "services")) {
        deny_all(f, services, sizeof(services) / sizeof(services[0]));
    }
    else if (!strcmp(word, "resources")) {
        deny_all(f, resources, sizeof(resources) / sizeof(resources[0]));
    }
    else {
        return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    filter_t f = {.n = 0};
    struct sock_fprog prog;
    int i;

    for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
        if (!take_word(&f, argv[i])) {
            fprintf(stderr, "deny: %s?\n", argv[i]);
            return 2;
        }
    }
    if (i + 1 >= argc) {
        return 2;
    }
    add(&f, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    prog.len = f.n;
    prog.filter = f.code;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
        perror("deny");
        return CANNOT;
    }
    execvp(argv[i + 1], argv + i + 1);
    perror(argv[i + 1]);
    return 127;
}
