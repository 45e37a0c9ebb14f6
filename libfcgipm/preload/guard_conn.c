/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  A connection has a request from when it was accepted until
 * END_REQUEST goes out on it (FastCGI specification, 5.5), or the program
 * shuts down its side; a kept one (FCGI_KEEP_CONN) again from when bytes come.
 * close(2) is not looked at: some close by syscall(2), or by stdio, and a child
 * by vfork(2) closes what stays open in the worker.  Where a request can end
 * in another way, as nothing was read here or the client has gone, the kernel
 * is asked whether the connection is open, each time when the program waits.
 */
#include "libfcgipm/preload/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pm_core/base/pm_reads_on.h"

/* A request that is older may have ended without being seen: the kernel is
 * asked so often.  Microseconds. */
#define CHECK_OLD 100000

/* So many answers are not signed, at most, as the process may just have been
 * stopped: fewer than make httpd keep nothing for a second. */
#define UNSIGNED_MOST 32

/* So often the oldest request is looked for again, as another has ended. */
#define TRIES 100

/* --- counting ------------------------------------------------------------ */

static int is_conn_kind(enum guard_kind kind)
{
    return kind >= GUARD_KEPT;
}

static int has_request(enum guard_kind kind)
{
    return kind >= GUARD_BUSY;
}

static void tell_since(uint64_t since)
{
    STORE(guard.slot->busy_since, since);
}

/* When the oldest request began; now if there is none. */
static uint64_t oldest(void)
{
    uint64_t first = guard_now();
    int top = LOAD(guard.top);
    int fd;

    for (fd = 0; fd <= top; fd++) {
        if (has_request(guard_kind(fd)) && LOAD(guard.fd[fd].since) < first) {
            first = LOAD(guard.fd[fd].since);
        }
    }
    return first;
}

/* The oldest one has ended.  What is told may be too young for a moment, never
 * the time of one that has ended: if another ended while this thread looked,
 * either this one sees that, or the other one sees what is told here, and
 * looks in its turn. */
static void tell_oldest(void)
{
    unsigned ended;
    int i;

    for (i = 0; i < TRIES; i++) {
        ended = LOAD(guard.ended);
        tell_since(oldest());
        if (ended == LOAD(guard.ended)) {
            return;
        }
    }
    tell_since(guard_now());
}

/* The time first: the manager is not to read one of an earlier request. */
static void begin(uint64_t now)
{
    pm_worker_status_t *slot = guard.slot;
    int first = !LOAD(guard.busy);

    if (first) {
        tell_since(now);
    }
    ADD(guard.busy, 1);
    ADD(slot->busy, 1);
    if (!first && LOAD(guard.busy) == 1) {
        tell_since(now);
    }
    ADD(slot->requests, 1);
    if (LOAD(slot->notify_busy) && SWAP(slot->notify_busy, 0)) {
        guard_ring();
    }
}

static void end(uint64_t since)
{
    STORE(guard.ended_at, guard_now());
    ADD(guard.slot->busy, -1);
    ADD(guard.ended, 1);
    if (ADD(guard.busy, -1) > 0 && since <= LOAD(guard.slot->busy_since)) {
        tell_oldest();
    }
}

/* @param since when its request began */
static void account(enum guard_kind was, enum guard_kind is, uint64_t since)
{
    int requests = has_request(is) - has_request(was);
    int conns = is_conn_kind(is) - is_conn_kind(was);
    int suspects = (is == GUARD_SUSPECT) - (was == GUARD_SUSPECT);

    if (conns) {
        ADD(guard.conns, conns);
    }
    if (suspects) {
        ADD(guard.suspects, suspects);
    }
    if (requests > 0) {
        begin(since);
    }
    else if (requests < 0) {
        end(since);
    }
}

/* @return 0: it is not what it was any more */
static int become(int fd, unsigned state, enum guard_kind kind)
{
    enum guard_kind was = guard_kind_of(state);
    uint64_t since = LOAD(guard.fd[fd].since);

    if (has_request(kind) && !has_request(was)) {
        since = guard_now();
        STORE(guard.fd[fd].since, since);
        memset(&guard.fd[fd].answer, 0, sizeof(guard.fd[fd].answer));
    }
    if (!guard_turn(fd, state, kind)) {
        return 0;
    }
    account(was, kind, since);
    if (kind == GUARD_KEPT) {
        STORE(guard.fd[fd].answered, LOAD(guard.ended_at));
    }
    return 1;
}

/* A number that comes again was closed. */
void guard_conn_open(int fd, unsigned doubts)
{
    unsigned state;

    if (fd < 0 || fd >= GUARD_FDS) {
        return;
    }
    do {
        state = guard_state(fd);
        if (is_conn_kind(guard_kind_of(state))
            && become(fd, state, GUARD_OTHER)) {
            state = guard_state(fd);
        }
    } while (!become(fd, state, GUARD_SUSPECT));
    guard.fd[fd].doubts = doubts;
    guard_self.conn = fd;
}

int guard_conn_is_mine(void)
{
    return has_request(guard_kind(guard_self.conn));
}

/* --- is it open? --------------------------------------------------------- */

/* One that came by the listening socket has its address, or its port. */
static int is_open(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    int err = errno;
    int failed;

    memset(&name, 0, sizeof(name));
    failed = getsockname(fd, (struct sockaddr *)&name, &len);
    errno = err;
    if (failed || name.ss_family != guard.name.ss_family) {
        return 0;
    }
    switch (name.ss_family) {
    case AF_INET:
        return ((struct sockaddr_in *)&name)->sin_port
               == ((struct sockaddr_in *)&guard.name)->sin_port;
    case AF_INET6:
        return ((struct sockaddr_in6 *)&name)->sin6_port
               == ((struct sockaddr_in6 *)&guard.name)->sin6_port;
    default:
        return len == guard.name_len && !memcmp(&name, &guard.name, len);
    }
}

/* It has closed its side, so nobody waits for an answer.  Of a unix socket the
 * kernel tells so. */
static int has_client(int fd)
{
    struct pollfd pfd = {fd, 0, 0};

    return guard_libc()->poll(&pfd, 1, 0) <= 0 || !(pfd.revents & POLLHUP);
}

/* The state is read first: another connection that has the number meanwhile
 * is another state. */
void guard_conn_check(int all)
{
    int top = LOAD(guard.top);
    int fd;

    for (fd = 0; fd <= top && LOAD(guard.conns); fd++) {
        unsigned state = guard_state(fd);
        enum guard_kind kind = guard_kind_of(state);

        if (!(all ? is_conn_kind(kind) : kind == GUARD_SUSPECT)) {
            continue;
        }
        if (!is_open(fd)) {
            become(fd, state, GUARD_OTHER);
        }
        else if (kind == GUARD_UNREAD && !has_client(fd)) {
            become(fd, state, GUARD_KEPT);
        }
    }
}

void guard_conn_check_oldest(void)
{
    uint64_t now = guard_now();
    uint64_t since = LOAD(guard.slot->busy_since);

    since = since < LOAD(guard.checked_at) ? LOAD(guard.checked_at) : since;
    if (now > since && now - since > CHECK_OLD) {
        STORE(guard.checked_at, now);
        guard_conn_check(1);
    }
}

void guard_conn_forget(void)
{
    int top = LOAD(guard.top);
    int fd;

    for (fd = 0; fd <= top && LOAD(guard.conns); fd++) {
        unsigned state = guard_state(fd);

        if (is_conn_kind(guard_kind_of(state))) {
            become(fd, state, GUARD_OTHER);
        }
    }
}

/* --- kept connections ---------------------------------------------------- */

/* The header of the empty record that ends STDIN is no request, see
 * is_request(), nor is what a client has left behind: a thread that waits in a
 * lock around accept() would never read it. */
static int has_unread(int fd)
{
    int bytes = 0;

    return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0 && bytes != 8
           && has_client(fd);
}

/* What has come is still read, and then the end of the file (shutdown(2)): the
 * program closes it, as if the client had.  A client that writes to it
 * learns that nobody reads, and can ask another worker.
 * @return what it is then */
static enum guard_kind stop_open(int fd)
{
    if (!has_unread(fd)) {
        guard_libc()->shutdown(fd, SHUT_RD);
        return has_unread(fd) ? GUARD_UNREAD : GUARD_KEPT;
    }
    return GUARD_UNREAD;
}

/* Another thread can close it meanwhile, and open something else that gets its
 * number: what is looked at and stopped is a copy.  That is none that came
 * later, as the pool's socket is closed. */
static void stop(int fd)
{
    unsigned state = guard_state(fd);
    enum guard_kind kind = GUARD_OTHER;
    int err = errno;
    int copy;

    if (guard_kind_of(state) != GUARD_KEPT) {
        return;
    }
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (is_open(copy < 0 ? fd : copy)) {
        kind = stop_open(copy < 0 ? fd : copy);
    }
    if (copy >= 0) {
        close(copy);
    }
    if (kind != GUARD_KEPT) {
        become(fd, state, kind);
    }
    errno = err;
}

void guard_conn_stop_kept(void)
{
    int top = LOAD(guard.top);
    int fd;

    for (fd = 0; fd <= top; fd++) {
        stop(fd);
    }
}

/* --- what is sent -------------------------------------------------------- */

static int is_fatal(int err)
{
    return err != EAGAIN && err != EINTR;
}

static void has_sent(int fd, unsigned state, const struct iovec *iov,
                     size_t count, size_t n)
{
    int ended = 0;

    for (; n && count; iov++, count--) {
        size_t len = iov->iov_len < n ? iov->iov_len : n;

        ended |= guard_answer_follow(&guard.fd[fd].answer, iov->iov_base, len);
        n -= len;
    }
    if (guard.fd[fd].answer.lost && guard_kind_of(state) == GUARD_BUSY) {
        become(fd, state, GUARD_SUSPECT);
    }
    else if (ended && become(fd, state, GUARD_KEPT)) {
        guard_request_ended(); /* it may wait in read() for another */
        if (guard_told()) {
            stop(fd);
        }
    }
}

/* Behind END_REQUEST: a thread that writes to the log of a request which is
 * over.  The next client would get that. */
static void speaks_late(ssize_t n)
{
    if (n > 0) {
        ADD(guard.doubts, 1);
        STORE(guard.reads_on, -UNSIGNED_MOST);
    }
}

static ssize_t sent(int fd, const struct iovec *iov, size_t count, ssize_t n)
{
    unsigned state = guard_state(fd);

    if (!is_conn_kind(guard_kind_of(state)) || !guard_is_same()) {
        return n;
    }
    if (guard_kind_of(state) == GUARD_KEPT) {
        speaks_late(n);
    }
    else if (n > 0) {
        has_sent(fd, state, iov, count, (size_t)n);
    }
    else if (n < 0 && is_fatal(errno) && guard_kind_of(state) == GUARD_BUSY) {
        become(fd, state, GUARD_SUSPECT);
    }
    return n;
}

static ssize_t sent_bytes(int fd, const void *bytes, ssize_t n)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, n > 0 ? (size_t)n : 0};

    return sent(fd, &iov, 1, n);
}

/* Signed is what libfcgi and PHP send in one piece at the most; what is sent in
 * other ways is not. */
#define SIGNED_MOST (8192 + 2 * GUARD_END_SIZE)

static int may_be_signed(int fd, size_t n)
{
    return LOAD(guard.reads_on) > 0 && !guard_self.loops && n <= SIGNED_MOST
           && guard.name.ss_family == AF_UNIX && has_request(guard_kind(fd))
           && guard.fd[fd].doubts == LOAD(guard.doubts) && !guard_told()
           && guard_is_same();
}

static int is_end(int fd, const void *bytes, size_t n)
{
    guard_answer_t answer = guard.fd[fd].answer;

    return n >= PM_READS_ON_SIZE && guard_answer_follow(&answer, bytes, n)
           && guard_answer_has_end(&answer);
}

/* Do these bytes end with an END_REQUEST after which the program reads on at
 * once? */
static int is_to_be_signed(int fd, const void *bytes, size_t n)
{
    return may_be_signed(fd, n) && is_end(fd, bytes, n);
}

#define BY_WRITE (-1)

/* By the same call, as another may not be allowed (seccomp(2)).
 * @param flags of send(), or BY_WRITE */
__attribute__((noinline)) static ssize_t send_signed(int fd, const void *bytes,
                                                     size_t n, int flags)
{
    unsigned char copy[SIGNED_MOST];

    memcpy(copy, bytes, n);
    if (is_end(fd, copy, n)) { /* still: another thread may have its buffer */
        pm_reads_on_set(copy + n - PM_READS_ON_SIZE);
    }
    return flags == BY_WRITE ? guard_libc()->write(fd, copy, n)
                             : guard_libc()->send(fd, copy, n, flags);
}

PUBLIC ssize_t write(int fd, const void *bytes, size_t n)
{
    return sent_bytes(fd, bytes,
                      is_to_be_signed(fd, bytes, n)
                          ? send_signed(fd, bytes, n, BY_WRITE)
                          : guard_libc()->write(fd, bytes, n));
}

PUBLIC ssize_t writev(int fd, const struct iovec *iov, int n)
{
    return sent(fd, iov, (size_t)n, guard_libc()->writev(fd, iov, n));
}

PUBLIC ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    return sent_bytes(fd, bytes,
                      flags != BY_WRITE && is_to_be_signed(fd, bytes, n)
                          ? send_signed(fd, bytes, n, flags)
                          : guard_libc()->send(fd, bytes, n, flags));
}

PUBLIC ssize_t sendto(int fd, const void *bytes, size_t n, int flags,
                      const struct sockaddr *to, socklen_t len)
{
    return sent_bytes(fd, bytes,
                      guard_libc()->sendto(fd, bytes, n, flags, to, len));
}

PUBLIC ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    ssize_t n = guard_libc()->sendmsg(fd, msg, flags);

    return n < 0 ? sent(fd, NULL, 0, n)
                 : sent(fd, msg->msg_iov, msg->msg_iovlen, n);
}

PUBLIC int shutdown(int fd, int how)
{
    unsigned state = guard_state(fd);
    int rc = guard_libc()->shutdown(fd, how);

    if (rc == 0 && how != SHUT_RD && is_conn_kind(guard_kind_of(state))
        && guard_is_same()) {
        become(fd, state, GUARD_OTHER);
    }
    return rc;
}

/* --- what is received ---------------------------------------------------- */

/* One that reads so long after its answer has not worked on in between.
 * Microseconds. */
#define READS_SOON 1000

/* As many milliseconds as the next request would have waited, as many answers
 * are not signed. */
static void note_reads_on(uint64_t after)
{
    int more = after < UNSIGNED_MOST * READS_SOON ? (int)(after / READS_SOON)
                                                  : UNSIGNED_MOST;
    int reads_on = LOAD(guard.reads_on);

    STORE(guard.reads_on, more ? -more : reads_on < 1 ? reads_on + 1 : 1);
}

/* This thread is about to read from a kept connection, for the first time after
 * its answer.  Would it, whatever others do?  Threads that take turns in a lock
 * around accept() read in it, too, so none is in a call beside another.  One
 * that polls, also for other connections, promises nothing. */
static void begin_to_read_on(int fd)
{
    uint64_t answered = LOAD(guard.fd[fd].answered);

    guard_self.reads_after = 0;
    if (!answered || guard_self.loops) {
        return;
    }
    STORE(guard.fd[fd].answered, 0);
    if (LOAD(guard.inside) && guard_self.inside == GUARD_OUT) {
        STORE(guard.reads_beside, 1);
    }
    if (__libc_single_threaded || LOAD(guard.reads_beside)) {
        guard_self.reads_after = guard_now() - answered + 1;
    }
}

/* A call that has not waited (EAGAIN) tells nothing. */
static void has_read_on(ssize_t n)
{
    if (guard_self.reads_after && n >= 0) {
        note_reads_on(guard_self.reads_after - 1);
    }
}

/* A kept connection's next request can come in this call. */
static int can_bring(int fd)
{
    unsigned state = guard_state(fd);

    if (guard_kind_of(state) != GUARD_KEPT || !guard_is_same()) {
        return 0;
    }
    if (!is_open(fd)) {
        become(fd, state, GUARD_OTHER);
        return 0;
    }
    begin_to_read_on(fd);
    guard_sleep_begin(GUARD_INSIDE);
    return 1;
}

/* The empty record that ends STDIN comes after the answer of a program that
 * has not read it, as PHP. */
static int is_request(const unsigned char *bytes, size_t n)
{
    size_t size;

    while (n >= 8 && bytes[1] == 5 && !bytes[4] && !bytes[5]) {
        size = 8U + bytes[6];
        if (n <= size) {
            return 0;
        }
        bytes += size;
        n -= size;
    }
    return 1;
}

static void has_received(int fd, const void *bytes, ssize_t n)
{
    unsigned state = guard_state(fd);
    enum guard_kind kind = guard_kind_of(state);

    if (n > 0
        && (kind == GUARD_SUSPECT || kind == GUARD_UNREAD
            || (kind == GUARD_KEPT && is_request(bytes, (size_t)n)))) {
        become(fd, state, GUARD_BUSY);
    }
    else if (kind == GUARD_BUSY && (n == 0 || (n < 0 && is_fatal(errno)))) {
        become(fd, state, GUARD_SUSPECT);
    }
}

static ssize_t received(int fd, int could_bring, const void *bytes, ssize_t n)
{
    int err = errno;

    if (guard_kind(fd) >= GUARD_KEPT && guard_is_same()) {
        has_received(fd, bytes, n);
    }
    if (could_bring) {
        has_read_on(n);
        guard_sleep_end();
    }
    errno = err;
    return n;
}

static ssize_t received_iov(int fd, int could_bring, const struct iovec *iov,
                            ssize_t n)
{
    if (n > 0 && (size_t)n > iov->iov_len) {
        received(fd, could_bring, iov->iov_base, (ssize_t)iov->iov_len);
        return n;
    }
    return received(fd, could_bring, n > 0 ? iov->iov_base : NULL, n);
}

PUBLIC ssize_t read(int fd, void *bytes, size_t n)
{
    int can = can_bring(fd);

    return received(fd, can, bytes, guard_libc()->read(fd, bytes, n));
}

PUBLIC ssize_t readv(int fd, const struct iovec *iov, int n)
{
    int can = can_bring(fd);

    return received_iov(fd, can, iov, guard_libc()->readv(fd, iov, n));
}

PUBLIC ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
    int can = can_bring(fd);

    return received(fd, can, bytes, guard_libc()->recv(fd, bytes, n, flags));
}

PUBLIC ssize_t recvfrom(int fd, void *bytes, size_t n, int flags,
                        struct sockaddr *from, socklen_t *len)
{
    int can = can_bring(fd);

    return received(fd, can, bytes,
                    guard_libc()->recvfrom(fd, bytes, n, flags, from, len));
}

PUBLIC ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
    int can = can_bring(fd);

    return received_iov(fd, can, msg->msg_iov,
                        guard_libc()->recvmsg(fd, msg, flags));
}

/* What <bits/unistd.h> and <bits/socket2.h> make of them. */
ssize_t __read_chk(int fd, void *bytes, size_t n, size_t size);
ssize_t __recv_chk(int fd, void *bytes, size_t n, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *bytes, size_t n, size_t size, int flags,
                       struct sockaddr *from, socklen_t *len);

static size_t within(size_t n, size_t size)
{
    if (n > size) {
        abort();
    }
    return n;
}

PUBLIC ssize_t __read_chk(int fd, void *bytes, size_t n, size_t size)
{
    return read(fd, bytes, within(n, size));
}

PUBLIC ssize_t __recv_chk(int fd, void *bytes, size_t n, size_t size, int flags)
{
    return recv(fd, bytes, within(n, size), flags);
}

PUBLIC ssize_t __recvfrom_chk(int fd, void *bytes, size_t n, size_t size,
                              int flags, struct sockaddr *from, socklen_t *len)
{
    return recvfrom(fd, bytes, within(n, size), flags, from, len);
}
