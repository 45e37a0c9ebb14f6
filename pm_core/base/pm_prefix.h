/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_prefix.h
 * @brief Addresses and prefixes of IPv4 and IPv6, and which has which.
 *
 * An address of IPv4 is the IPv6 address that maps it (RFC 4291, 2.5.5.2), so
 * one that connects to an IPv6 socket is the same as on an IPv4 socket.  Short
 * prefixes of IPv6, as ::/0, do not have it.
 *
 * Pure, without APR: the guard, which brings no library along, and the manager
 * read the same words with it.
 */
#ifndef PM_PREFIX_H
#define PM_PREFIX_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef struct pm_prefix {
    unsigned char addr[16];
    unsigned bits; /**< of them count: 0 to 128 */
} pm_prefix_t;

#define PM_PREFIX_MAPPED "\0\0\0\0\0\0\0\0\0\0\377\377"

/** The address of a peer.  @return 0: it has none of IPv4 or IPv6 */
static inline int pm_prefix_address(const struct sockaddr_storage *sa,
                                    unsigned char addr[16])
{
    switch (sa->ss_family) {
    case AF_INET:
        memcpy(addr, PM_PREFIX_MAPPED, 12);
        memcpy(addr + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
        return 1;
    case AF_INET6:
        memcpy(addr, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
        return 1;
    default:
        return 0;
    }
}

static inline int pm_prefix_has(const pm_prefix_t *prefix,
                                const unsigned char addr[16])
{
    unsigned whole = prefix->bits / 8;
    unsigned rest = prefix->bits % 8;

    if (prefix->bits < 96 && !memcmp(addr, PM_PREFIX_MAPPED, 12)) {
        return 0;
    }
    return !memcmp(prefix->addr, addr, whole)
           && (!rest || !((prefix->addr[whole] ^ addr[whole]) >> (8 - rest)));
}

/** Are all bits of the address behind the prefix 0? */
static inline int pm_prefix_is_clean(const pm_prefix_t *prefix)
{
    unsigned i = prefix->bits / 8;
    unsigned rest = prefix->bits % 8;

    if (rest && (unsigned char)(prefix->addr[i++] << rest)) {
        return 0;
    }
    while (i < 16 && !prefix->addr[i]) {
        i++;
    }
    return i >= 16;
}

/** Read "192.0.2.1", "192.0.2.0/24", "2001:db8::/32".
 *  @param len of the word
 *  @return 0: it is none, or its address goes beyond its prefix */
static inline int pm_prefix_read(const char *word, size_t len,
                                 pm_prefix_t *prefix)
{
    const char *slash = memchr(word, '/', len);
    size_t n = slash ? (size_t)(slash - word) : len;
    char text[INET6_ADDRSTRLEN + sizeof("/128")];
    unsigned most = 128;
    char *end = NULL;

    if (len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, word, len);
    text[len] = text[n] = '\0';
    if (inet_pton(AF_INET, text, prefix->addr + 12) == 1) {
        memcpy(prefix->addr, PM_PREFIX_MAPPED, 12);
        most = 32;
    }
    else if (inet_pton(AF_INET6, text, prefix->addr) != 1) {
        return 0;
    }
    prefix->bits = 128;
    if (slash) {
        unsigned long bits = strtoul(text + n + 1, &end, 10);

        if (*end || text[n + 1] < '0' || text[n + 1] > '9' || bits > most) {
            return 0;
        }
        prefix->bits = 128 - most + (unsigned)bits;
    }
    return pm_prefix_is_clean(prefix);
}

#endif /* PM_PREFIX_H */
