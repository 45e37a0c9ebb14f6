/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_top.h"

#include <stdio.h>

#ifdef CTL_HAVE_CURSES

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "ctl_sample.h"
#include "ctl_text.h"
#include "pm_core/ipc/pm_control_client.h"
#include "pm_core/os/pm_signals.h"

/* From one sample to the next, and how long the manager may take for one. */
#define TOP_PERIOD  apr_time_from_sec(1)
#define TOP_TIMEOUT apr_time_from_sec(2)

#define CTRL(c) ((c)&0x1f)

/* Lines above and below the list. */
#define ABOVE 3
#define BELOW 1

/* Columns that are worth a pool's last error. */
#define ERROR_LEAST 20

/* Colour pairs of curses. */
enum { GREEN = 1, CYAN, YELLOW, RED };

typedef struct top {
    const char *path;
    const char *request;
    const char *filter;
    apr_pool_t *p;
    apr_pool_t *psample[2]; /* the present sample's, the one before's */
    ctl_sample_t *sample;
    pm_reason_t why; /* "": the sample is of now */
    ctl_view_t view;
    int column[CTL_VIEWS]; /* sorted by */
    int reverse[CTL_VIEWS];
    int first[CTL_VIEWS]; /* line at the top */
    apr_time_t next;
    int refused; /* the pool is no more */
    pm_signals_t *signals;
    int quit;
} top_t;

/* --- samples -------------------------------------------------------------- */

/* Another sample in the place of the one before the last; when there is none
 * to be had the last one stays, with the reason. */
static void top_sample(top_t *t)
{
    apr_pool_t *p = t->psample[1];
    ctl_sample_t *next;
    char *reply;

    t->next = pm_time_now() + TOP_PERIOD;
    t->why.text[0] = '\0';
    apr_pool_clear(p);
    if (pm_control_client_ask(t->path, t->request, pm_time_now() + TOP_TIMEOUT,
                              p, &reply, &t->why)
        != APR_SUCCESS) {
        return;
    }
    next = ctl_sample_read(reply, pm_time_now(), t->sample, t->filter, p);
    if (!next) {
        t->refused = 1;
        pm_fail(&t->why, APR_EGENERAL, "%s",
                strncmp(reply, "error ", 6) ? "cannot read the manager's answer"
                                            : reply + 6);
        return;
    }
    t->psample[1] = t->psample[0];
    t->psample[0] = p;
    t->sample = next;
}

/* --- the screen ----------------------------------------------------------- */

static int top_colour(const char *state)
{
    static const struct {
        const char *state;
        int colour;
    } colours[] = {{"running", GREEN},   {"idle", GREEN},
                   {"busy", CYAN},       {"starting", YELLOW},
                   {"stopping", YELLOW}, {"draining", YELLOW},
                   {"backoff", RED},     {"stopped", RED}};
    unsigned i;

    for (i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
        if (!strcmp(state, colours[i].state)) {
            return colours[i].colour;
        }
    }
    return 0;
}

/* Which pool fails, and why; of several the first one that has told. */
static void top_draw_failing(const ctl_sample_t *s)
{
    const apr_array_header_t *lines = s->lines[CTL_POOLS];
    char text[400], safe[400];
    const ctl_line_t *line = NULL;
    int i;

    for (i = 0; i < lines->nelts && !line; i++) {
        line = APR_ARRAY_IDX(lines, i, const ctl_line_t *);
        line = line->failing ? line : NULL;
    }
    if (line) {
        snprintf(text, sizeof(text), "%d of %d pools fail: %s: %s", s->failing,
                 lines->nelts, line->text[0], line->error);
        attron(COLOR_PAIR(RED));
        mvaddnstr(1, 0, ctl_text_safe(safe, sizeof(safe), text), COLS);
        attroff(COLOR_PAIR(RED));
    }
}

static void top_draw_head(const top_t *t)
{
    const ctl_sample_t *s = t->sample;
    char age[24];
    char line[256];

    snprintf(line, sizeof(line),
             "manager %.0f  up %s  reloads %.0f  restarts "
             "%.0f  pools %d  workers %d  %.1f req/s",
             s->pid, ctl_text_age(age, sizeof(age), s->uptime), s->reloads,
             s->restarts, s->lines[CTL_POOLS]->nelts,
             s->lines[CTL_WORKERS]->nelts, s->rate);
    mvaddnstr(0, 0, line, COLS);
    if (t->why.text[0]) {
        attron(A_BOLD | COLOR_PAIR(RED));
        mvaddnstr(1, 0, t->why.text, COLS);
        attroff(A_BOLD | COLOR_PAIR(RED));
    }
    else {
        top_draw_failing(s);
    }
}

static int top_name_width(const ctl_sample_t *sample, int least)
{
    const apr_array_header_t *lines = sample->lines[CTL_POOLS];
    int longest = 0;
    int i;

    for (i = 0; i < lines->nelts; i++) {
        int len =
            (int)strlen(APR_ARRAY_IDX(lines, i, const ctl_line_t *)->text[0]);

        longest = len > longest ? len : longest;
    }
    return ctl_text_name_width(COLS, least, longest);
}

static int top_width(const top_t *t, const ctl_column_t *c)
{
    int width = c->width < 0 ? -c->width : c->width;

    return strcmp(c->head, "POOL") ? width : top_name_width(t->sample, width);
}

/* @return where the next one begins */
static int top_draw_cell(const top_t *t, int y, int x, const ctl_column_t *c,
                         const char *text)
{
    char buf[CTL_COLUMNS_MOST];
    int width = top_width(t, c);

    snprintf(buf, sizeof(buf), "%*.*s", c->width < 0 ? width : -width, width,
             text);
    if (x < COLS) {
        mvaddnstr(y, x, buf, COLS - x);
    }
    return x + width + 1;
}

static void top_draw_columns(const top_t *t)
{
    int n, i, x = 0;
    const ctl_column_t *c = ctl_sample_columns(t->view, &n);

    attron(A_REVERSE);
    mvhline(ABOVE - 1, 0, ' ', COLS);
    for (i = 0; i < n; i++) {
        if (i == t->column[t->view]) {
            attron(A_BOLD | A_UNDERLINE);
        }
        x = top_draw_cell(t, ABOVE - 1, x, &c[i], c[i].head);
        attroff(A_BOLD | A_UNDERLINE);
    }
    if (t->view == CTL_POOLS && COLS - x > ERROR_LEAST) {
        mvaddnstr(ABOVE - 1, x, "LAST ERROR", COLS - x);
    }
    attroff(A_REVERSE);
}

static void top_draw_line(const top_t *t, int y, const ctl_line_t *line)
{
    int n, i, x = 0;
    const ctl_column_t *c = ctl_sample_columns(t->view, &n);
    char buf[CTL_COLUMNS_MOST];

    for (i = 0; i < n; i++) {
        const char *text = ctl_sample_cell(buf, sizeof(buf), t->view, line, i);
        int colour = strcmp(c[i].head, "STATE") ? 0 : top_colour(text);

        attron(COLOR_PAIR(colour));
        x = top_draw_cell(t, y, x, &c[i], text);
        attroff(COLOR_PAIR(colour));
    }
    if (line->error[0] && COLS - x > ERROR_LEAST) {
        mvaddnstr(y, x, ctl_text_safe(buf, sizeof(buf), line->error), COLS - x);
    }
}

/* Lines of the list that fit. */
static int top_page(void)
{
    return LINES > ABOVE + BELOW ? LINES - ABOVE - BELOW : 1;
}

static void top_draw_foot(const top_t *t, int nlines)
{
    char line[160];
    int last = t->first[t->view] + top_page();

    snprintf(line, sizeof(line),
             "%d-%d of %d  q quit  w %s  < > sort  "
             "r reverse  arrows scroll",
             nlines ? t->first[t->view] + 1 : 0, last < nlines ? last : nlines,
             nlines, t->view == CTL_POOLS ? "workers" : "pools");
    attron(A_DIM);
    mvaddnstr(LINES - 1, 0, line, COLS - 1);
    attroff(A_DIM);
}

static void top_draw(top_t *t)
{
    const apr_array_header_t *lines = t->sample->lines[t->view];
    int *first = &t->first[t->view];
    int most = lines->nelts - top_page();
    int i;

    *first = *first > most ? most : *first;
    *first = *first < 0 ? 0 : *first;
    ctl_sample_sort(t->sample, t->view, t->column[t->view],
                    t->reverse[t->view]);
    erase();
    top_draw_head(t);
    top_draw_columns(t);
    for (i = 0; i < top_page() && *first + i < lines->nelts; i++) {
        top_draw_line(t, ABOVE + i,
                      APR_ARRAY_IDX(lines, *first + i, const ctl_line_t *));
    }
    top_draw_foot(t, lines->nelts);
    refresh();
}

/* --- keys ----------------------------------------------------------------- */

static void top_sort_by(top_t *t, int step)
{
    int n;

    ctl_sample_columns(t->view, &n);
    t->column[t->view] = (t->column[t->view] + step + n) % n;
    t->reverse[t->view] = 0;
}

static void top_suspend(void)
{
    endwin();
    raise(SIGSTOP);
    refresh();
}

static void top_quit(top_t *t, int by)
{
    t->quit = by;
}

static void top_redraw(top_t *t, int by)
{
    (void)t;
    (void)by;
    clear();
}

static void top_pause(top_t *t, int by)
{
    (void)t;
    (void)by;
    top_suspend();
}

static void top_other_view(top_t *t, int by)
{
    (void)by;
    t->view = t->view == CTL_POOLS ? CTL_WORKERS : CTL_POOLS;
}

static void top_turn_order(top_t *t, int by)
{
    (void)by;
    t->reverse[t->view] = !t->reverse[t->view];
}

static void top_by_line(top_t *t, int by)
{
    t->first[t->view] += by;
}

static void top_by_page(top_t *t, int by)
{
    t->first[t->view] += by * top_page();
}

static void top_to_end(top_t *t, int by)
{
    t->first[t->view] = by > 0 ? t->sample->lines[t->view]->nelts : 0;
}

/* What a key does; others, KEY_RESIZE among them, only draw the lines anew. */
static const struct {
    int key;
    void (*act)(top_t *t, int by);
    int by;
} top_keys[] = {
    {'q', top_quit, 1},          {'Q', top_quit, 1},
    {CTRL('c'), top_quit, 1},    {CTRL('d'), top_quit, 1},
    {CTRL('z'), top_pause, 0},   {CTRL('l'), top_redraw, 0},
    {'w', top_other_view, 0},    {'p', top_other_view, 0},
    {'\t', top_other_view, 0},   {'<', top_sort_by, -1},
    {',', top_sort_by, -1},      {KEY_LEFT, top_sort_by, -1},
    {'>', top_sort_by, 1},       {'.', top_sort_by, 1},
    {KEY_RIGHT, top_sort_by, 1}, {'r', top_turn_order, 0},
    {'R', top_turn_order, 0},    {KEY_UP, top_by_line, -1},
    {'k', top_by_line, -1},      {KEY_DOWN, top_by_line, 1},
    {'j', top_by_line, 1},       {KEY_PPAGE, top_by_page, -1},
    {KEY_NPAGE, top_by_page, 1}, {' ', top_by_page, 1},
    {KEY_HOME, top_to_end, -1},  {'g', top_to_end, -1},
    {KEY_END, top_to_end, 1},    {'G', top_to_end, 1},
};

static void top_on_key(top_t *t, int key)
{
    unsigned i;

    for (i = 0; i < sizeof(top_keys) / sizeof(top_keys[0]); i++) {
        if (top_keys[i].key == key) {
            top_keys[i].act(t, top_keys[i].by);
        }
    }
}

/* Keys until it is time for the next sample; a signal that was taken ends
 * it.  That of another size interrupts poll(2) and comes as a key. */
static void top_wait(top_t *t)
{
    struct pollfd pfd[2] = {{STDIN_FILENO, POLLIN, 0},
                            {pm_signals_fd(t->signals), POLLIN, 0}};
    apr_time_t left;
    int key;

    while (!t->quit && (left = t->next - pm_time_now()) > 0) {
        int n = poll(pfd, 2, (int)(left / 1000 + 1));

        t->quit = n > 0
                  && (pfd[1].revents
                      || (pfd[0].revents & (POLLHUP | POLLERR | POLLNVAL)));
        while (!t->quit && (key = getch()) != ERR) {
            top_on_key(t, key);
            top_draw(t);
        }
    }
}

static void top_open_screen(void)
{
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    set_escdelay(50);
    if (has_colors() && ctl_text_coloured(stdout)) {
        start_color();
        use_default_colors();
        init_pair(GREEN, COLOR_GREEN, -1);
        init_pair(CYAN, COLOR_CYAN, -1);
        init_pair(YELLOW, COLOR_YELLOW, -1);
        init_pair(RED, COLOR_RED, -1);
    }
}

static void top_show(top_t *t)
{
    while (!t->quit && !t->refused) {
        top_draw(t);
        top_wait(t);
        if (!t->quit) {
            top_sample(t);
        }
    }
}

static int top_complain(const char *text, int status)
{
    fprintf(stderr, "fcgipmctl: %s\n", text);
    return status;
}

static int top_run(top_t *t)
{
    static const int taken[] = {SIGTERM, SIGINT, SIGHUP, 0};
    SCREEN *screen;

    top_sample(t);
    if (!t->sample) {
        return top_complain(t->why.text, t->refused ? 1 : 3);
    }
    if (pm_signals_open(&t->signals, taken, taken + 3, t->p, &t->why)
        != APR_SUCCESS) {
        return top_complain(t->why.text, 1);
    }
    screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        return top_complain("cannot use this terminal (TERM)", 1);
    }
    top_open_screen();
    top_show(t);
    endwin();
    delscreen(screen);
    return t->refused ? top_complain(t->why.text, 1) : 0;
}

int ctl_top(const char *path, const char *request, const char *filter,
            apr_pool_t *p)
{
    top_t t = {.path = path, .request = request, .filter = filter, .p = p};

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return top_complain("top wants a terminal", 1);
    }
    t.column[CTL_WORKERS] = 1;
    t.psample[0] = pm_subpool_create(p);
    t.psample[1] = pm_subpool_create(p);
    return top_run(&t);
}

#else

int ctl_top(const char *path, const char *request, const char *filter,
            apr_pool_t *p)
{
    (void)path;
    (void)request;
    (void)filter;
    (void)p;
    fprintf(stderr, "fcgipmctl: built without ncurses, there is no top\n");
    return 1;
}

#endif
