/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  Of the program's bytes only headers and END_REQUEST are read:
 * what is content cannot be taken for them, whoever has chosen it.
 */
#include "libfcgipm/preload/guard.h"

#include <string.h>

#define HEADER_SIZE 8
#define VERSION     1
#define END_REQUEST 3

static uint32_t content_of(const unsigned char *head)
{
    return (uint32_t)head[4] << 8 | head[5];
}

static uint32_t padding_of(const unsigned char *head)
{
    return head[6];
}

static int is_end_request(const unsigned char *head)
{
    return head[1] == END_REQUEST
           && content_of(head) >= GUARD_END_SIZE - HEADER_SIZE;
}

/* The header is there, or also END_REQUEST's body.
 * @param have bytes of both
 * @return 1: that is */
static int take_head(guard_answer_t *a, size_t have)
{
    uint32_t left = content_of(a->head) + padding_of(a->head);

    a->have = 0;
    a->lost = a->head[0] != VERSION;
    if (!is_end_request(a->head)) {
        a->left = left;
        return 0;
    }
    if (have == HEADER_SIZE) {
        a->have = HEADER_SIZE;
        return 0;
    }
    a->left = left - (GUARD_END_SIZE - HEADER_SIZE);
    return 1;
}

/* @return bytes taken */
static size_t collect_head(guard_answer_t *a, const unsigned char *bytes,
                           size_t n, int *ended)
{
    size_t have = a->have;
    size_t size = have < HEADER_SIZE ? HEADER_SIZE : GUARD_END_SIZE;
    size_t step = size - have < n ? size - have : n;

    memcpy(a->head + have, bytes, step);
    if (have + step < size) {
        a->have = (unsigned char)(have + step);
    }
    else {
        *ended |= take_head(a, size);
    }
    return step;
}

int guard_answer_follow(guard_answer_t *a, const void *sent, size_t n)
{
    const unsigned char *bytes = sent;
    int ended = 0;

    while (n && !a->lost) {
        size_t step = a->left < n ? a->left : n;

        if (step) {
            a->left -= (uint32_t)step;
        }
        else {
            step = collect_head(a, bytes, n, &ended);
        }
        bytes += step;
        n -= step;
    }
    return ended;
}

int guard_answer_has_end(const guard_answer_t *a)
{
    static const unsigned char unused[3];

    return !a->lost && !a->have && !a->left && a->head[1] == END_REQUEST
           && content_of(a->head) == GUARD_END_SIZE - HEADER_SIZE
           && !padding_of(a->head)
           && !memcmp(a->head + GUARD_END_SIZE - sizeof(unused), unused,
                      sizeof(unused));
}
