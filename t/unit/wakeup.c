/* SPDX-License-Identifier: Apache-2.0 */
/* What tells the manager of need: the bell, and a socket's queue. */
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/os/pm_listen_queue.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/shm/pm_scoreboard.h"
#include "pm_core/os/pm_listen.h"
#include "pm_core/ipc/pm_slow_report.h"

static void test_wakeup(void)
{
    int slots[PM_WAKEUP_MAX];
    pm_reason_t why;
    int fd[2];
    int i, n, heard = 0;

    ok(pm_wakeup_create(fd, &why) == APR_SUCCESS, "there is one");
    is_int(pm_wakeup_receive(fd[0], slots), 0, "nothing to hear, no wait");
    for (i = 0; i < PM_SCOREBOARD_SLOTS && pm_wakeup_send(fd[1], i); i++) {
        ;
    }
    is_int(i, PM_SCOREBOARD_SLOTS, "all slots can be called for at once");
    while ((n = pm_wakeup_receive(fd[0], slots)) > 0) {
        for (i = 0; i < n; i++) {
            heard += slots[i] == heard;
        }
    }
    is_int(n, 0, "then it is silent");
    is_int(heard, PM_SCOREBOARD_SLOTS, "each was heard, in order");
    ok(!pm_wakeup_send(-1, 1), "none is no harm");
    close(fd[1]);
    is_int(pm_wakeup_receive(fd[0], slots), -1, "nobody can ring any more");
    close(fd[0]);
}

/* A child that has been taken over ends nothing for others. */
static void attack_slow_report(const int fd[2])
{
    static const size_t noise[] = {1, 3, 900, 4096, 5000};
    pm_slow_report_t note = {7, 9, 11, 13, 15, "GET", "host/path"};
    pm_slow_report_t got;
    char bytes[5000] = "";
    unsigned i;

    ok(shutdown(fd[1], SHUT_RDWR) < 0, "it cannot be shut down");
    for (i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
        is_int(write(fd[1], bytes, noise[i]), (long)noise[i], "noise");
        ok(pm_slow_report_send(fd[1], &note), "tell behind it");
        is_int(pm_slow_report_receive(fd[0], &got), 0, "no message");
        ok(pm_slow_report_send(fd[1], &note), "tell");
        is_int(pm_slow_report_receive(fd[0], &got), 1, "hear");
    }
}

/* What is told comes out again; what is not a message is passed over. */
static void test_slow_report(void)
{
    pm_slow_report_t note = {7, 9, 11, 13, 15, "GET", "host/path"};
    pm_slow_report_t got, longest = note, early = note;
    pm_reason_t why;
    int fd[2], i, n = 0;

    is_int(pm_slow_report_create(fd, &why), APR_SUCCESS, "wire");
    is_int(pm_slow_report_receive(fd[0], &got), 0, "nothing yet");
    memset(longest.url, 'u', sizeof(longest.url));
    memset(longest.method, 'm', sizeof(longest.method));
    ok(pm_slow_report_send(fd[1], &note), "tell");
    early.since = APR_INT64_MIN;
    ok(pm_slow_report_send(fd[1], &early), "a time that no clock has shown");
    ok(pm_slow_report_send(fd[1], &longest), "tell at length");
    is_int(pm_slow_report_receive(fd[0], &got), 1, "hear");
    ok(got.slot == 7 && got.generation == 9 && got.since == 11
           && got.inode == 13 && got.pid == 15,
       "the numbers");
    is_str(got.method, "GET", "the method");
    is_str(got.url, "host/path", "the URL");
    is_int(pm_slow_report_receive(fd[0], &got), 1, "hear past that time");
    is_int((long)strlen(got.url), PM_SLOW_REPORT_URL - 1, "a URL that is cut");
    is_int((long)strlen(got.method), PM_SLOW_REPORT_METHOD - 1, "a method");
    for (i = 0; i < 10000 && pm_slow_report_send(fd[1], &longest); i++) {
    }
    ok(i > 50 && i < 10000, "nobody waits (%d)", i);
    while (pm_slow_report_receive(fd[0], &got) > 0) {
        n++;
    }
    is_int(n, i, "what was told is heard");
    attack_slow_report(fd);
    ok(!pm_slow_report_send(-1, &note), "there is none");
    close(fd[1]);
    is_int(pm_slow_report_receive(fd[0], &got), -1, "nobody can tell any more");
    close(fd[0]);
}

static void test_queue(const char *text, apr_pool_t *p)
{
    pm_listen_opts_t opts = {16, 0600, (uid_t)-1, (gid_t)-1, 0, 0};
    pm_sock_diag_t b = {-1};
    pm_listener_t l;
    pm_reason_t why;
    pm_addr_t addr;
    int fd[3];
    int i;

    if (pm_listen_open(&l, text, &opts, p, &why) != APR_SUCCESS) {
        ok(0, "%s: %s", text, why.text);
        return;
    }
    pm_listen_parse(text, &addr, &why);
    for (i = 0; i < 3; i++) {
        is_int(pm_listen_queue_length(&b, l.fd), i, "%s: %d wait", text, i);
        fd[i] = socket(addr.sa.ss_family, SOCK_STREAM, 0);
        ok(connect(fd[i], (struct sockaddr *)&addr.sa, addr.len) == 0,
           "%s: another", text);
    }
    close(accept(l.fd, NULL, NULL));
    is_int(pm_listen_queue_length(&b, l.fd), 2, "%s: one was accepted", text);
    pm_listen_refuse(l.fd);
    is_int(pm_listen_queue_length(&b, l.fd), 0, "%s: all were", text);
    for (i = 0; i < 3; i++) {
        close(fd[i]);
    }
    pm_listen_unlink(&l);
    pm_listen_close(&l);
    if (b.netlink >= 0) {
        close(b.netlink);
    }
}

/* A port that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in sin = {0};
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sin.sin_family = AF_INET;
    if (bind(fd, (struct sockaddr *)&sin, sizeof(sin))
        || getsockname(fd, (struct sockaddr *)&sin, &len)) {
        sin.sin_port = 0;
    }
    close(fd);
    return ntohs(sin.sin_port);
}

int main(void)
{
    char dir[] = "/tmp/fcgipm-unit-XXXXXX";
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_wakeup();
    test_slow_report();
    if (mkdtemp(dir)) {
        test_queue(apr_pstrcat(p, "unix:", dir, "/sock", NULL), p);
        rmdir(dir);
    }
    test_queue(apr_psprintf(p, "127.0.0.1:%d", free_port()), p);
    return done_testing();
}
