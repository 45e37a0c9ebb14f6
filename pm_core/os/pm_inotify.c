/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_inotify.h"

#ifdef __linux__

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "apr_hash.h"
#include "apr_strings.h"
#include "apr_tables.h"
#include "pm_core/os/pm_fds.h"

/* A file that is watched. */
typedef struct file {
    const char *path;
    void *ctx;
    int suspect; /* a directory above it has changed */
} file_t;

/* A name in a watched directory: a watched file, or a directory above one. */
typedef struct entry {
    struct entry *next; /* for the same name in the same directory */
    file_t *file;
    int last; /* 1: the file itself */
} entry_t;

struct pm_inotify {
    apr_pool_t *p;
    pm_loop_t *loop;
    pm_watch_t watch;
    pm_inotify_changed_t *changed;
    apr_array_header_t *files; /* of file_t * */
    int fd;
    apr_pool_t *pwatch;  /* holds what follows */
    apr_hash_t *entries; /* "WD/NAME" -> entry_t */
    int stale;           /* 1: the watches have to be made anew */
};

static const char *key_of(apr_pool_t *p, int wd, const char *name,
                          apr_size_t len)
{
    return apr_psprintf(p, "%d/%.*s", wd, (int)len, name);
}

static void add_entry(pm_inotify_t *n, int wd, const char *name, apr_size_t len,
                      file_t *file, int last)
{
    entry_t *entry = apr_pcalloc(n->pwatch, sizeof(*entry));
    const char *key = key_of(n->pwatch, wd, name, len);

    entry->file = file;
    entry->last = last;
    entry->next = apr_hash_get(n->entries, key, APR_HASH_KEY_STRING);
    apr_hash_set(n->entries, key, APR_HASH_KEY_STRING, entry);
}

/* Watches each directory on the path, from the root on.  @return 0, with errno,
 * when the last one could not be watched */
static int watch_file(pm_inotify_t *n, file_t *file)
{
    const char *name = file->path + 1;
    int wd = -1;

    while (*name) {
        apr_size_t len = strcspn(name, "/");
        const char *dir = apr_pstrmemdup(n->pwatch, file->path,
                                         (apr_size_t)(name - file->path));
        const char *next = name + len + strspn(name + len, "/");

        wd =
            inotify_add_watch(n->fd, dir,
                              IN_ONLYDIR | IN_MASK_ADD | IN_CREATE | IN_MOVED_TO
                                  | (*next ? 0 : IN_CLOSE_WRITE | IN_ATTRIB));
        if (wd >= 0) {
            add_entry(n, wd, name, len, file, !*next);
        }
        name = next;
    }
    return wd >= 0;
}

/* Makes all watches anew, with a new descriptor: a name leads to another
 * directory now, and no event of the former one may come any more. */
static void rewatch(pm_inotify_t *n)
{
    int i;

    pm_loop_unwatch(n->loop, &n->watch);
    pm_fds_close(&n->fd);
    apr_pool_clear(n->pwatch);
    n->entries = apr_hash_make(n->pwatch);
    n->stale = 0;
    n->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (n->fd < 0
        || pm_loop_watch(n->loop, &n->watch, n->fd, APR_POLLIN, n->pwatch, NULL)
               != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < n->files->nelts; i++) {
        watch_file(n, APR_ARRAY_IDX(n->files, i, file_t *));
    }
}

/* A directory above a file has changed: the file has, if there is one now. This
 * is checked after the watches are made, so that no later change is missed. */
static void recheck(pm_inotify_t *n)
{
    int i;

    rewatch(n);
    for (i = 0; i < n->files->nelts; i++) {
        file_t *file = APR_ARRAY_IDX(n->files, i, file_t *);

        if (file->suspect && access(file->path, F_OK) == 0) {
            n->changed(file->ctx, file->path);
        }
        file->suspect = 0;
    }
}

static void read_event(pm_inotify_t *n, const struct inotify_event *event)
{
    char key[NAME_MAX + 16];
    const entry_t *entry;
    int i;

    if (event->mask & IN_Q_OVERFLOW) {
        for (i = 0; i < n->files->nelts; i++) { /* events were lost */
            APR_ARRAY_IDX(n->files, i, file_t *)->suspect = 1;
        }
    }
    n->stale |= (event->mask & (IN_IGNORED | IN_Q_OVERFLOW)) != 0;
    if (!event->len) {
        return;
    }
    apr_snprintf(key, sizeof(key), "%d/%s", event->wd, event->name);
    for (entry = apr_hash_get(n->entries, key, APR_HASH_KEY_STRING); entry;
         entry = entry->next) {
        if (entry->last) {
            n->changed(entry->file->ctx, entry->file->path);
        }
        else {
            entry->file->suspect = n->stale = 1;
        }
    }
}

static void on_event(void *ctx, int events)
{
    pm_inotify_t *n = ctx;
    _Alignas(struct inotify_event) char buf[8192];
    ssize_t len = read(n->fd, buf, sizeof(buf));
    ssize_t at = 0;

    (void)events;
    while (at < len) {
        const struct inotify_event *event = (const void *)(buf + at);

        read_event(n, event);
        at += (ssize_t)sizeof(*event) + event->len;
    }
    if (n->stale) {
        recheck(n);
    }
}

apr_status_t pm_inotify_create(pm_inotify_t **notify, pm_loop_t *loop,
                               pm_inotify_changed_t *changed,
                               apr_pool_t *parent, pm_reason_t *why)
{
    pm_inotify_t *n;
    apr_pool_t *p;
    apr_status_t rv = apr_pool_create(&p, parent);

    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "cannot watch files");
    }
    n = apr_pcalloc(p, sizeof(*n));
    n->p = p;
    n->loop = loop;
    n->changed = changed;
    n->files = apr_array_make(p, 4, sizeof(file_t *));
    n->fd = -1;
    n->watch = (pm_watch_t){.ready = on_event, .ctx = n};
    n->pwatch = pm_subpool_create(p);
    rewatch(n);
    if (n->fd < 0) {
        rv = errno;
        apr_pool_destroy(p);
        return pm_fail_os(why, rv, "cannot watch files");
    }
    *notify = n;
    return APR_SUCCESS;
}

apr_status_t pm_inotify_add(pm_inotify_t *n, const char *path, void *ctx,
                            pm_reason_t *why)
{
    file_t *file = apr_pcalloc(n->p, sizeof(*file));

    file->path = apr_pstrdup(n->p, path);
    file->ctx = ctx;
    *(file_t **)apr_array_push(n->files) = file;
    return watch_file(n, file)
               ? APR_SUCCESS
               : pm_fail_os(why, errno, "cannot watch %s", path);
}

void pm_inotify_destroy(pm_inotify_t *n)
{
    if (n) {
        pm_loop_unwatch(n->loop, &n->watch);
        pm_fds_close(&n->fd);
        apr_pool_destroy(n->p);
    }
}

#else

apr_status_t pm_inotify_create(pm_inotify_t **notify, pm_loop_t *loop,
                               pm_inotify_changed_t *changed,
                               apr_pool_t *parent, pm_reason_t *why)
{
    (void)notify;
    (void)loop;
    (void)changed;
    (void)parent;
    return pm_fail(why, APR_ENOTIMPL, "files cannot be watched here");
}

apr_status_t pm_inotify_add(pm_inotify_t *n, const char *path, void *ctx,
                            pm_reason_t *why)
{
    (void)n;
    (void)path;
    (void)ctx;
    return pm_fail(why, APR_ENOTIMPL, "files cannot be watched here");
}

void pm_inotify_destroy(pm_inotify_t *n)
{
    (void)n;
}

#endif
