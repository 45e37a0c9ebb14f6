/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file names.c
 * @brief Names that are known are not looked up again (pm_names.h).  What DNS
 *        and the user database are asked for is counted here, in their place.
 */
#include "pm_core/os/pm_names.h"
#include "tap.h"

#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "apr_general.h"

static int asked; /* so many times */
static int down;  /* 1: nothing is found */

int getaddrinfo(const char *host, const char *port,
                const struct addrinfo *hints, struct addrinfo **found)
{
    static struct sockaddr_in in = {.sin_family = AF_INET};
    static struct addrinfo info = {.ai_addr = (struct sockaddr *)&in,
                                   .ai_addrlen = sizeof(in)};

    (void)host;
    (void)port;
    (void)hints;
    asked++;
    *found = &info;
    return down ? EAI_AGAIN : 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    (void)info;
}

static struct passwd *find_user(void)
{
    static char name[] = "somebody";
    static struct passwd pw = {.pw_name = name};

    asked++;
    pw.pw_uid = geteuid() ? geteuid() : 1000;
    pw.pw_gid = 1000;
    return down ? NULL : &pw;
}

struct passwd *getpwnam(const char *name)
{
    (void)name;
    return find_user();
}

struct passwd *getpwuid(uid_t uid)
{
    (void)uid;
    return find_user();
}

int getgrouplist(const char *user, gid_t group, gid_t *groups, int *n)
{
    (void)user;
    asked++;
    groups[0] = group;
    *n = 1;
    return 1;
}

/* @return how many of the three names stand for something */
static int look_up(pm_names_t *n)
{
    pm_addr_t addr;
    pm_ident_t id;
    uid_t uid = 0;
    gid_t gid = 0;

    asked = 0;
    return (pm_names_address(n, "app.example.org:9000", &addr, NULL) == 0
            && addr.len == sizeof(struct sockaddr_in))
           + (pm_names_ident(n, &id, "somebody", NULL, NULL) == 0
              && id.gid == 1000)
           + (pm_names_owner(n, "somebody", &uid, &gid, NULL) == 0 && uid);
}

int main(void)
{
    apr_pool_t *p;
    pm_names_t *n;

    apr_initialize();
    apr_pool_create(&p, NULL);
    is_int(look_up(NULL), 3, "without a memory all is found");
    ok(look_up(NULL) == 3 && asked > 0, "and asked for again");

    n = pm_names_create(p);
    down = 1;
    is_int(look_up(n), 0, "nothing is found");
    down = 0;
    is_int(look_up(n), 3, "which is not remembered");
    down = 1;
    ok(look_up(n) == 3 && !asked, "what was found is");
    pm_names_begin(n);
    ok(look_up(n) == 3 && !asked, "also for the next configuration");
    pm_names_end(n, 1);
    ok(look_up(n) == 3 && !asked, "when that is good");
    pm_names_begin(n);
    pm_names_end(n, 0);
    ok(look_up(n) == 3 && !asked, "or another is not");
    pm_names_begin(n);
    pm_names_end(n, 1);
    is_int(look_up(n), 0, "one that is not used any more is forgotten");
    apr_terminate();
    return done_testing();
}
