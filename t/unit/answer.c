/* SPDX-License-Identifier: Apache-2.0 */
/* The guard follows an answer's records to where it ends, however the program
 * sends it. */
#include "tap.h"

#include <string.h>

/* its statics; NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "libfcgipm/preload/guard_answer.c"

#define END "\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0\0"

#define BYTES(bytes) bytes, sizeof(bytes) - 1

static const struct {
    const char *name, *bytes;
    size_t len;
    int ended, has_end;
} rows[] = {
    {"END_REQUEST", BYTES(END), 1, 1},
    {"behind a record with padding", BYTES("\1\6\0\1\0\3\5\0abc\0\0\0\0\0" END),
     1, 1},
    {"behind an empty one", BYTES("\1\6\0\1\0\0\0\0" END), 1, 1},
    {"as content", BYTES("\1\6\0\1\0\20\0\0" END), 0, 0},
    {"as padding", BYTES("\1\6\0\1\0\0\20\0" END), 0, 0},
    {"without its last byte", BYTES("\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0"), 0, 0},
    {"with more behind it", BYTES(END "\1\6\0\1"), 1, 0},
    {"a longer one", BYTES("\1\3\0\1\0\12\0\0\0\0\0\0\0\0\0\0ab"), 1, 0},
    {"a longer one, not whole", BYTES("\1\3\0\1\0\12\0\0\0\0\0\0\0\0\0\0"), 1,
     0},
    {"with padding", BYTES("\1\3\0\1\0\10\2\0\0\0\0\0\0\0\0\0ab"), 1, 0},
    {"too short a one", BYTES("\1\3\0\1\0\4\0\0abcd"), 0, 0},
    {"too short a one, and a right one", BYTES("\1\3\0\1\0\4\0\0abcd" END), 1,
     1},
    {"reserved bytes in use", BYTES("\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0\1"), 1, 0},
    {"no FastCGI", BYTES("HTTP/1.1" END), 0, 0},
    {"another version", BYTES("\2\6\0\1\0\0\0\0" END), 0, 0},
    {"nothing", "", 0, 0, 0},
};

/* In pieces of this size. */
static int follow(guard_answer_t *a, const char *bytes, size_t len,
                  size_t piece)
{
    int ended = 0;

    memset(a, 0, sizeof(*a));
    for (; len > piece; bytes += piece, len -= piece) {
        ended |= guard_answer_follow(a, bytes, piece);
    }
    return ended | guard_answer_follow(a, bytes, len);
}

int main(void)
{
    guard_answer_t a;
    size_t i, piece;
    int right;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        right = 1;
        for (piece = 1; piece <= 40; piece++) {
            right &=
                follow(&a, rows[i].bytes, rows[i].len, piece) == rows[i].ended
                && guard_answer_has_end(&a) == rows[i].has_end;
        }
        ok(right, "%s", rows[i].name);
    }
    return done_testing();
}
