/* SPDX-License-Identifier: Apache-2.0 */
/* Lines, JSON, the board, addresses, sets on the channel, the loop. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/shm/pm_scoreboard.h"
#include "pm_core/control/pm_json.h"
#include "pm_core/base/pm_lines.h"
#include "pm_core/base/pm_utf8.h"
#include "pm_core/os/pm_listen.h"
#include "pm_core/os/pm_logfile.h"
#include "pm_core/os/pm_loop.h"
#include "pm_core/ipc/pm_pool_set.h"
#include "tap.h"

/* --- lines ---------------------------------------------------------------- */

#define ROOM 20000 /* of each text that is collected */

static void add(char *text, const char *more)
{
    apr_size_t len = strlen(text);

    apr_cpystrn(text + len, more, ROOM - len);
}

static void collect(void *ctx, const char *line)
{
    add(ctx, line);
    add(ctx, "|");
}

static void test_lines(apr_pool_t *p)
{
    static const struct {
        const char *bytes;
        apr_size_t n;
        const char *want;
    } cases[] = {{"a\nb\n", 4, "a|b|"},
                 {"a\r\n\r\n\n", 6, "a|"},
                 {"half", 4, "half|"},
                 {"x\0y\n", 4, "xy|"},
                 {"", 0, ""}};
    pm_lines_t *lines = apr_pcalloc(p, sizeof(*lines));
    char *text = apr_pcalloc(p, ROOM);
    char *big = apr_palloc(p, 10000);
    size_t i, k;

    for (i = 0; i < 5; i++) {
        text[0] = '\0';
        pm_lines_feed(lines, cases[i].bytes, cases[i].n, collect, text);
        pm_lines_end(lines, collect, text);
        is_str(text, cases[i].want, "lines: case %d whole", (int)i);
        text[0] = '\0';
        for (k = 0; k < cases[i].n; k++) {
            pm_lines_feed(lines, cases[i].bytes + k, 1, collect, text);
        }
        pm_lines_end(lines, collect, text);
        is_str(text, cases[i].want, "lines: case %d byte by byte", (int)i);
    }
    memset(big, 'x', 10000);
    text[0] = '\0';
    pm_lines_feed(lines, big, 10000, collect, text);
    pm_lines_end(lines, collect, text);
    is_int((long)strlen(text), PM_LINES_MAX + 7,
           "lines: of a long one the "
           "rest is left out");
    ok(strstr(text, "xxx [cut]|") != NULL, "lines: and it says so");
    text[0] = '\0';
    pm_lines_feed(lines, big, 10000, collect, text);
    is_int((long)strlen(text), PM_LINES_MAX + 7, "lines: before its end came");
    text[0] = '\0';
    pm_lines_feed(lines, "x\nnext\n", 7, collect, text);
    is_str(text, "next|", "lines: the next one is whole");
    text[0] = '\0';
    big[PM_LINES_MAX] = '\n';
    pm_lines_feed(lines, big, PM_LINES_MAX + 1, collect, text);
    is_int((long)strlen(text), PM_LINES_MAX + 1, "lines: one that just fits");
}

static void test_fit(void)
{
    char line[65], buf[64];

    memset(line, 'a', 64);
    line[64] = '\0';
    line[64 - sizeof(PM_LINES_CUT)] = '\0';
    ok(pm_lines_fit(buf, sizeof(buf), line) == line, "fit: it does");
    line[20] = '\x1b';
    is_int((long)strlen(pm_lines_fit(buf, sizeof(buf), line)),
           64 - 2 * (long)sizeof(PM_LINES_CUT) + 10,
           "fit: an escape takes more");
    ok(strstr(buf, "aaa" PM_LINES_CUT) != NULL, "fit: and it says so");
    memset(line, '\x01', 63);
    is_int((long)strlen(pm_lines_fit(buf, sizeof(buf), line)),
           (long)(64 - sizeof(PM_LINES_CUT)) / 4 + 6,
           "fit: nothing but "
           "escapes");
}

/* What stands in a pool's own log, and that nobody waits for its reader. */
static void test_logfile(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {{"plain \"text\"", "plain \"text\""},
                 {"a\tb\033[7m\177\\", "a\\tb\\x1b[7m\\x7f\\\\"},
                 {"\303\244 \342\202\254 \360\237\230\200",
                  "\303\244 \342\202\254 \360\237\230\200"},
                 {"\302\233m \233m", "\\xc2\\x9bm \\x9bm"},
                 {"\303", "\\xc3"},
                 {"\342\200\256gpj.exe \357\273\277",
                  "\\xe2\\x80\\xaegpj.exe \\xef\\xbb\\xbf"},
                 {"\340\200\200 \355\240\200 \364\220\200\200",
                  "\\xe0\\x80\\x80 \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80"}};
    char got[8192], big[8000];
    const char *at;
    int fd[2], loose;
    ssize_t n;
    size_t i;

    ok(pipe(fd) == 0, "logfile: a pipe");
    loose = pm_logfile_unblock(fd[1]);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(pm_logfile_write(loose, "app", "pid 7", cases[i].text),
           "logfile: case %d", (int)i);
        n = read(fd[0], got, sizeof(got) - 1);
        got[n > 0 ? n : 0] = '\0';
        at = strstr(got, "] [pool app:pid 7] ");
        is_str(at ? apr_strtok((char *)(apr_uintptr_t)at + 19, "\n",
                               &(char *){NULL})
                  : got,
               cases[i].want, "logfile: case %d", (int)i);
    }
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    for (i = 0; i < 1000 && pm_logfile_write(loose, "app", "pid 7", big); i++) {
    }
    ok(i > 1 && i < 1000, "logfile: a pipe that is full (%d)", (int)i);
    n = read(fd[0], got, 4096);
    ok(n == 4096 && got[4095] == '\n', "logfile: what goes into a pipe is "
                                       "one piece");
    ok(!pm_logfile_write(-1, "app", "pid 7", "x"), "logfile: there is none");
    close(fd[0]);
    close(fd[1]);
    close(loose);
}

static void test_keep(void)
{
    static const struct {
        const char *line, *want;
    } rows[] = {{"one", "one"},
                {"two", "one\ntwo"},
                {"three", "two\nthree"},
                {"ten, ten, ", "ten, ten, "},
                {"four", "four"},
                {"more than there is room for", "s room for"},
                {"", ""}};
    char tail[11] = "";
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pm_lines_keep(tail, sizeof(tail), rows[i].line);
        is_str(tail, rows[i].want, "kept: \"%s\"", rows[i].line);
    }
}

/* --- JSON ----------------------------------------------------------------- */

static void test_utf8(void)
{
    static const struct {
        const char *text;
        unsigned int length, code;
    } cases[] = {{"a", 1, 'a'},
                 {"\xc2\x80", 2, 0x80},
                 {"\xdf\xbf", 2, 0x7ff},
                 {"\xe0\xa0\x80", 3, 0x800},
                 {"\xed\x9f\xbf", 3, 0xd7ff},
                 {"\xee\x80\x80", 3, 0xe000},
                 {"\xf0\x90\x80\x80", 4, 0x10000},
                 {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
                 {"\x80", 0, 0},
                 {"\xc1\xbf", 0, 0},
                 {"\xc3", 0, 0},
                 {"\xe0\x9f\xbf", 0, 0},
                 {"\xed\xa0\x80", 0, 0},
                 {"\xe2\x80", 0, 0},
                 {"\xf0\x8f\xbf\xbf", 0, 0},
                 {"\xf4\x90\x80\x80", 0, 0},
                 {"\xf8\x88\x80\x80\x80", 0, 0},
                 {"\xff", 0, 0}};
    static const apr_uint32_t invisible[] = {0,      0x1b,   0x7f,   0x85,
                                             0xad,   0x200b, 0x2028, 0x202e,
                                             0x2066, 0xfeff, 0xe0020};
    static const apr_uint32_t visible[] = {' ',    '~',    0xa0,   0xe4,
                                           0x2010, 0x202f, 0x2070, 0x1f600};
    apr_uint32_t code = 0;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int((long)pm_utf8_read(cases[i].text, &code), cases[i].length,
               "UTF-8: case %d", (int)i);
        ok(!cases[i].length || code == cases[i].code, "UTF-8: its code");
    }
    for (i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++) {
        ok(!pm_utf8_is_visible(invisible[i]), "U+%04X is not visible",
           invisible[i]);
    }
    for (i = 0; i < sizeof(visible) / sizeof(visible[0]); i++) {
        ok(pm_utf8_is_visible(visible[i]), "U+%04X is", visible[i]);
    }
}

static void test_json(apr_pool_t *p)
{
    pm_json_t j;

    pm_json_init(&j, p);
    pm_json_open(&j, NULL, '{');
    pm_json_string(&j, "a\"\\", "x\n\x01\x7f\xc3\xa4\xff\xed\xa0\x80");
    pm_json_open(&j, "b", '[');
    pm_json_close(&j, ']');
    pm_json_open(&j, "c", '[');
    pm_json_int(&j, NULL, -5);
    pm_json_seconds(&j, NULL, 1234567);
    pm_json_close(&j, ']');
    pm_json_string(&j, "d", "\xe2\x80\xae\xf3\xa0\x80\x81\xf0\x9f\x98\x80");
    pm_json_close(&j, '}');
    is_str(pm_json_text(&j),
           "{\"a\\u0022\\u005c\":\"x\\u000a\\u0001\\u007f\xc3\xa4\\ufffd"
           "\\ufffd\\ufffd\\ufffd\",\"b\":[],\"c\":[-5,1.234],"
           "\"d\":\"\\u202e\\udb40\\udc01\xf0\x9f\x98\x80\"}",
           "JSON");
}

/* --- the board ------------------------------------------------------------ */

static void test_board(apr_pool_t *p)
{
    pm_scoreboard_t *board;
    pm_scoreboard_slot_t *slot;
    int a, b, c;

    is_int(pm_scoreboard_create(&board, 2, 64, p, NULL), APR_SUCCESS,
           "a board");
    a = pm_scoreboard_row_claim(board, 100, 1);
    b = pm_scoreboard_row_claim(board, 200, 2);
    c = pm_scoreboard_row_claim(board, 300, 2);
    ok(a != b && b != c && a != c && a > 0, "three rows, the last shared");
    pm_scoreboard_begin(pm_scoreboard_cell(board, a, 5));
    pm_scoreboard_begin(pm_scoreboard_cell(board, a, 5));
    pm_scoreboard_count_answered(pm_scoreboard_cell(board, a, 5));
    pm_scoreboard_begin(pm_scoreboard_cell(board, c, 5));
    is_int((long)pm_scoreboard_sum(board, 5).in_flight, 3, "three under way");
    is_int((long)pm_scoreboard_sum(board, 5).done, 1, "one answered");
    ok(pm_scoreboard_has_older(board, 2) && !pm_scoreboard_has_older(board, 1),
       "a child of configuration 1 lives");
    pm_scoreboard_row_release(board, 100);
    is_int((long)pm_scoreboard_sum(board, 5).in_flight, 1,
           "a child has died: its "
           "requests are forgotten");
    is_int((long)pm_scoreboard_sum(board, 5).done, 1,
           "what it had done is not");
    ok(!pm_scoreboard_has_older(board, 2), "no child of configuration 1 lives");
    pm_scoreboard_row_release(board, 999);
    is_int(pm_scoreboard_row_claim(board, 400, 2), a, "its row is free");
    slot = pm_scoreboard_slot(board, 5);
    slot->generation = 7;
    slot->avail = PM_AVAIL_RUNNING;
    is_int(pm_scoreboard_avail(slot, 7), PM_AVAIL_RUNNING, "the pool runs");
    is_int(pm_scoreboard_avail(slot, 6), PM_AVAIL_NONE,
           "the one before is gone");
    is_int(pm_scoreboard_avail(slot, 8), PM_AVAIL_STARTING,
           "the next one comes");
}

/* --- addresses ------------------------------------------------------------ */

static const struct {
    const char *text;
    int family; /* 0: refused */
    const char *complaint;
} addresses[] = {{"unix:/tmp/x.sock", AF_UNIX, NULL},
                 {"127.0.0.1:9000", AF_INET, NULL},
                 {"[::1]:9000", AF_INET6, NULL},
                 {"unix:x.sock", 0, "must be absolute"},
                 {"unix:", 0, "must be absolute"},
                 {"127.0.0.1", 0, "neither"},
                 {":9000", 0, "neither"},
                 {"127.0.0.1:", 0, "1 to 65535"},
                 {"127.0.0.1:0", 0, "1 to 65535"},
                 {"127.0.0.1:65536", 0, "1 to 65535"},
                 {"127.0.0.1:9x", 0, "1 to 65535"},
                 {"", 0, "neither"}};

static void test_addresses(apr_pool_t *p)
{
    char *path = apr_psprintf(p, "unix:/%0107d", 0);
    pm_reason_t why = {""};
    pm_addr_t addr;
    size_t i;

    for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        apr_status_t rv = pm_listen_parse(addresses[i].text, &addr, &why);

        ok(addresses[i].family
               ? rv == APR_SUCCESS && addr.sa.ss_family == addresses[i].family
               : rv != APR_SUCCESS
                     && strstr(why.text, addresses[i].complaint) != NULL,
           "address \"%s\"", addresses[i].text);
    }
    ok(pm_listen_parse(path, &addr, &why) != APR_SUCCESS
           && strstr(why.text, "1 to 107"),
       "108 characters: %s", why.text);
    path[strlen(path) - 1] = '\0';
    ok(pm_listen_parse(path, &addr, &why) == APR_SUCCESS, "107 are allowed");
}

/* --- sets ----------------------------------------------------------------- */

static pm_message_t message(char *text)
{
    pm_message_t msg = {text, 0, {-1, -1, -1, -1}};

    return msg;
}

static const char *const strange[] = {
    "",           "commit",      "pool x 0 1\n",
    "set",        "set 1 2 3\n", "set -1 5\n",
    "set 1 99\n", "set 1 5 1\n", "set 1 5\nNonsense 1\n",
    "set x y\n",  "nonsense",    "\n\n\n"};

/* After a good head. */
static const char *const strange_member[] = {
    "pool",
    "pool x",
    "pool x 0 1\n",
    "pool ../x 0 1\n",
    "failed x 4096 1\n",
    "failed x -1 1\n",
    "failed x 0 99999999999\n",
    "failed x 0 1 2 3 4 5\n",
    "failed x 0 1\nwhy\nFcgiPMProcesses -1\n",
    "set 1 5 6\n"};

static void test_set_strange(apr_pool_t *p)
{
    pm_reason_t why;
    int whole;
    size_t i;

    for (i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        pm_message_t msg = message(apr_pstrdup(p, strange[i]));
        pm_pool_set_t *set = NULL;

        ok(pm_pool_set_receive(&set, &msg, &whole, p, &why) != APR_SUCCESS
               && !whole,
           "set: message %d is refused", (int)i);
        pm_pool_set_destroy(set);
    }
    for (i = 0; i < sizeof(strange_member) / sizeof(strange_member[0]); i++) {
        pm_message_t head = message(apr_pstrdup(p, "set 1 5\n"));
        pm_message_t msg = message(apr_pstrdup(p, strange_member[i]));
        pm_pool_set_t *set = NULL;

        pm_pool_set_receive(&set, &head, &whole, p, &why);
        ok(pm_pool_set_receive(&set, &msg, &whole, p, &why) != APR_SUCCESS
               && !whole,
           "set: member %d is refused", (int)i);
        ok(!set, "and there is no set any more");
        pm_pool_set_destroy(set);
    }
}

/* What is taken holds what was sent: through a real channel. */
static void test_set(apr_pool_t *p)
{
    pm_pool_set_t *set = pm_pool_set_create(p), *taken = NULL;
    pm_member_t *m = apr_array_push(set->members);
    pm_message_t msg, ok_msg = message(apr_pstrdup(p, "ok"));
    pm_reason_t why = {""};
    int fd[2], whole = 0;
    pid_t child;

    set->global = pm_global_create(p);
    set->config = 3;
    set->log_fd = open("/dev/null", O_WRONLY);
    m->conf = pm_conf_create(p, "app");
    m->slot = 7;
    m->generation = 9;
    m->fd = open("/dev/null", O_RDONLY);
    m->log_fd = open("/dev/null", O_WRONLY);
    m->failed = NULL;
    m = apr_array_push(set->members);
    m->conf = pm_conf_create(p, "sick");
    m->slot = 8;
    m->generation = 10;
    m->fd = m->log_fd = -1;
    m->failed = "no\nluck";
    is_int(pm_channel_pair(fd, &why), APR_SUCCESS, "a channel");
    child = fork();
    if (child == 0) {
        _exit(pm_pool_set_send(fd[0], set,
                               pm_time_now() + apr_time_from_sec(20), p, &why)
              != APR_SUCCESS);
    }
    while (!whole) {
        apr_status_t rv = pm_channel_recv(fd[1], &msg, p, &why);

        if (APR_STATUS_IS_EAGAIN(rv)) {
            continue;
        }
        if (rv != APR_SUCCESS
            || pm_pool_set_receive(&taken, &msg, &whole, p, &why)
                   != APR_SUCCESS) {
            break;
        }
        pm_channel_send(fd[1], &ok_msg, &why);
    }
    ok(whole && taken, "set: taken whole %s", why.text);
    if (!taken) {
        return;
    }
    is_int(taken->config, 3, "set: its configuration's number");
    is_int(taken->members->nelts, 2, "set: two members");
    m = &APR_ARRAY_IDX(taken->members, 0, pm_member_t);
    ok(!strcmp(m->conf->name, "app") && m->slot == 7 && m->generation == 9
           && m->fd >= 0 && m->log_fd >= 0 && !m->failed,
       "set: the first");
    m = &APR_ARRAY_IDX(taken->members, 1, pm_member_t);
    ok(m->fd == -1 && m->log_fd == -1 && m->slot == 8, "set: the second");
    is_str(m->failed, "no", "set: its reason, the first line");
    pm_pool_set_destroy(taken);
    close(fd[0]);
    close(fd[1]);
}

/* The parent waits for an answer only when many are due. */
static void test_ahead(apr_pool_t *p)
{
    pm_message_t msg = message(apr_pstrdup(p, "pool")), got;
    pm_message_t ok_msg = message(apr_pstrdup(p, "ok"));
    pm_message_t error = message(apr_pstrdup(p, "error no"));
    pm_channel_calls_t calls = {-1, pm_time_now() + apr_time_from_sec(20), 0};
    apr_status_t rv = APR_SUCCESS;
    pm_reason_t why = {""};
    int fd[2], i;

    is_int(pm_channel_pair(fd, &why), APR_SUCCESS, "a channel");
    calls.fd = fd[0];
    for (i = 0; i < PM_CHANNEL_AHEAD && rv == APR_SUCCESS; i++) {
        rv = pm_channel_call(&calls, &msg, p, &why);
        pm_channel_recv(fd[1], &got, p, &why);
    }
    is_int(rv, APR_SUCCESS, "ahead: no answer is waited for");
    pm_channel_send(fd[1], &ok_msg, &why);
    is_int(pm_channel_call(&calls, &msg, p, &why), APR_SUCCESS,
           "ahead: with one answer there is room for one");
    is_int(calls.unanswered, PM_CHANNEL_AHEAD, "ahead: so many are due");
    calls.deadline = pm_time_now();
    is_int(pm_channel_call(&calls, &msg, p, &why), APR_TIMEUP,
           "ahead: for others an answer is waited for");
    calls.deadline = pm_time_now() + apr_time_from_sec(20);
    for (i = 0; i < 9; i++) {
        pm_channel_send(fd[1], &ok_msg, &why);
    }
    pm_channel_send(fd[1], &error, &why);
    ok(pm_channel_settle(&calls, p, &why) == APR_EGENERAL
           && strstr(why.text, "error no"),
       "ahead: what was refused: %s", why.text);
    close(fd[0]);
    close(fd[1]);
}

/* --- the loop ------------------------------------------------------------- */

typedef struct seen {
    pm_loop_t *loop;
    pm_watch_t a, b;
    pm_timer_t t1, t2, t3;
    char text[ROOM];
} seen_t;

static void on_a(void *ctx, int events)
{
    seen_t *s = ctx;

    (void)events;
    add(s->text, "a");
    pm_loop_unwatch(s->loop, &s->a);
    pm_loop_unwatch(s->loop, &s->b);
}

static void on_t1(void *ctx, apr_time_t now)
{
    (void)now;
    add(((seen_t *)ctx)->text, "1");
}

static void on_t2(void *ctx, apr_time_t now)
{
    seen_t *s = ctx;

    (void)now;
    add(s->text, "2");
    pm_loop_at(s->loop, &s->t3, PM_TIME_NEVER);
}

static void test_loop(apr_pool_t *p)
{
    seen_t s = {0};
    int fd[2];
    apr_time_t now = pm_time_now();

    is_int(pm_loop_create(&s.loop, p, NULL), APR_SUCCESS, "a loop");
    s.t1.due = on_t1;
    s.t2.due = s.t3.due = on_t2;
    s.t1.ctx = s.t2.ctx = s.t3.ctx = &s;
    pm_loop_at(s.loop, &s.t3, now + 3);
    pm_loop_at(s.loop, &s.t2, now + 2);
    pm_loop_at(s.loop, &s.t1, now + 90000000);
    pm_loop_at(s.loop, &s.t1, now + 1);
    while (strlen(s.text) < 2) {
        pm_loop_turn(s.loop);
        pm_loop_run_timers(s.loop, PM_TIME_NEVER);
    }
    is_str(s.text, "12", "timers: in order, moved, taken back");
    s.text[0] = '\0';
    pm_loop_at(s.loop, &s.t2, 2);
    pm_loop_at(s.loop, &s.t1, 1);
    pm_loop_run_timers(s.loop, now);
    is_str(s.text, "1", "timers: one, where there is no time left");
    pm_loop_run_timers(s.loop, now);
    is_str(s.text, "12", "timers: the others after that");
    if (pipe(fd)) {
        ok(0, "a pipe");
        return;
    }
    s.text[0] = '\0';
    s.a.ready = s.b.ready = on_a;
    s.a.ctx = s.b.ctx = &s;
    close(fd[1]);
    fd[1] = dup(fd[0]);
    pm_loop_watch(s.loop, &s.a, fd[0], APR_POLLIN, p, NULL);
    pm_loop_watch(s.loop, &s.b, fd[1], APR_POLLIN, p, NULL);
    pm_loop_turn(s.loop);
    pm_loop_run_timers(s.loop, PM_TIME_NEVER);
    is_str(s.text, "a", "watches: one that was unwatched hears no more");
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_lines(p);
    test_fit();
    test_logfile();
    test_keep();
    test_utf8();
    test_json(p);
    test_board(p);
    test_addresses(p);
    test_set_strange(p);
    test_set(p);
    test_ahead(p);
    test_loop(p);
    apr_terminate();
    return done_testing();
}
