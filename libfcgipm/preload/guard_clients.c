/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  FastCGI has no authentication, so whoever can connect to a TCP
 * pool can run what it likes: here, where a connection is accepted, the client
 * is judged by its address.  That costs a look at the list, and no system call.
 */
#include "libfcgipm/preload/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pm_core/base/pm_prefix.h"

/** FcgiPMListenClients takes so many words. */
#define CLIENTS 64

/** Microseconds between two lines for the log. */
#define CLIENTS_SAY_EVERY 10000000

static struct clients {
    int judged;
    int count;
    pm_prefix_t list[CLIENTS];
    uint64_t said_at; /* 0: not yet */
    uint32_t unsaid;  /* refused since then */
} clients;

/* A word that is none lets nobody in. */
void guard_clients_read(void)
{
    const char *text = getenv("FCGIPM_CLIENTS");
    size_t len;

    clients.judged = text != NULL;
    for (; text && *text && clients.count < CLIENTS;
         text += len + (text[len] == ',')) {
        len = strcspn(text, ",");
        clients.count +=
            pm_prefix_read(text, len, &clients.list[clients.count]);
    }
}

int guard_clients_are_judged(void)
{
    return clients.judged;
}

static int is_listed(const struct sockaddr_storage *peer)
{
    unsigned char addr[16];
    int i;

    for (i = 0; pm_prefix_address(peer, addr) && i < clients.count; i++) {
        if (pm_prefix_has(&clients.list[i], addr)) {
            return 1;
        }
    }
    return 0;
}

/* One of several threads takes the turn to speak. */
static int may_say(void)
{
    uint64_t now = guard_now();
    uint64_t last = LOAD(clients.said_at);

    return (!last || now - last >= CLIENTS_SAY_EVERY)
           && __atomic_compare_exchange_n(&clients.said_at, &last, now, 0,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static void say(const struct sockaddr_storage *peer)
{
    char line[160], name[INET6_ADDRSTRLEN] = "?";
    const void *from =
        peer->ss_family == AF_INET
            ? (const void *)&((const struct sockaddr_in *)peer)->sin_addr
            : (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr;
    uint32_t unsaid = SWAP(clients.unsaid, 0);
    int n;

    inet_ntop(peer->ss_family, from, name, sizeof(name));
    n = snprintf(line, sizeof(line),
                 "refused a connection from %s, which FcgiPMListenClients does "
                 "not list",
                 name);
    n += unsaid > 1 ? snprintf(line + n, sizeof(line) - (size_t)n,
                               "; %u since the last such line", unsaid)
                    : 0;
    line[n++] = '\n';
    guard_say(line, (size_t)n);
}

int guard_clients_refuse(int conn, const struct sockaddr_storage *peer)
{
    if (is_listed(peer)) {
        return 0;
    }
    close(conn);
    ADD(guard.slot->refused, 1);
    ADD(clients.unsaid, 1);
    if (may_say()) {
        say(peer);
    }
    return 1;
}
