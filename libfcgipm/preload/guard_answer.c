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

/* With the part of END_REQUEST that every one has. */
static uint32_t size_of(const guard_answer_t *a)
{
    return a->have >= HEADER_SIZE ? GUARD_END_SIZE : HEADER_SIZE;
}

/* The header is there, or also END_REQUEST's body.  @return 1: that is */
static int take_head(guard_answer_t *a)
{
    int whole = a->have == GUARD_END_SIZE;
    uint32_t content = content_of(a->head);

    if (a->head[0] != VERSION) {
        a->lost = 1;
    }
    if (whole || a->head[1] != END_REQUEST
        || content < GUARD_END_SIZE - HEADER_SIZE) {
        a->left = content + padding_of(a->head)
                  - (whole ? GUARD_END_SIZE - HEADER_SIZE : 0);
        a->have = 0;
    }
    return whole;
}

int guard_answer_follow(guard_answer_t *a, const void *sent, size_t n)
{
    const unsigned char *bytes = sent;
    int ended = 0;

    while (n && !a->lost) {
        uint32_t size = size_of(a);
        size_t step = a->left ? a->left : size - a->have;

        step = step < n ? step : n;
        if (a->left) {
            a->left -= (uint32_t)step;
        }
        else {
            memcpy(a->head + a->have, bytes, step);
            a->have = (unsigned char)(a->have + step);
            if (a->have == size) {
                ended |= take_head(a);
            }
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
