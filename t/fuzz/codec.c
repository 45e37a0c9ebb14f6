/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the parser of what a worker sends (pm_codec.h).
 *
 * Input: N, N lengths of a byte each, the worker's bytes.  These go to the
 * parser in pieces of those lengths, over and over (0: all that is left), and
 * once more in one piece.
 *
 * What must hold: no byte outside a piece is read; a span lies in what was
 * just taken; a piece is taken whole; nothing follows END_REQUEST or an
 * error; and what is understood does not depend on the pieces.
 */
#include "pm_core/base/pm_codec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

/* One run of the parser: a hash of all its events. */
typedef struct run {
    pm_codec_parser_t ps;
    uint64_t hash;
    apr_size_t spanned; /* bytes in spans */
    int ended, failed;
} run_t;

static void run_hash(run_t *h, int event, const void *data, apr_size_t len)
{
    const unsigned char *byte = data;
    apr_size_t i;

    for (i = 0; i < len; i++) {
        h->hash = (h->hash ^ (uint64_t)event) * UINT64_C(1099511628211);
        h->hash = (h->hash ^ byte[i]) * UINT64_C(1099511628211);
    }
}

static void run_event(run_t *h, pm_codec_event_t ev)
{
    switch (ev) {
    case PM_CODEC_EVENT_STDOUT:
    case PM_CODEC_EVENT_STDERR:
        MUST(!h->ended && !h->failed);
        run_hash(h, (int)ev, h->ps.span, h->ps.span_len);
        h->spanned += h->ps.span_len;
        break;
    case PM_CODEC_EVENT_END:
        MUST(!h->ended && !h->failed && h->ps.protocol_status <= 255);
        run_hash(h, (int)ev, &h->ps.app_status, sizeof(h->ps.app_status));
        run_hash(h, (int)ev, &h->ps.protocol_status,
                 sizeof(h->ps.protocol_status));
        h->ended = 1;
        break;
    case PM_CODEC_EVENT_ERROR:
        MUST(!h->ended && h->ps.reason[0]
             && memchr(h->ps.reason, 0, sizeof(h->ps.reason)));
        if (!h->failed) {
            run_hash(h, (int)ev, h->ps.reason, strlen(h->ps.reason));
        }
        h->failed = 1;
        break;
    case PM_CODEC_EVENT_MORE:
        MUST(!h->failed);
        break;
    }
}

/* In memory of its own, so that a byte too far is found. */
static void run_piece(run_t *h, const uint8_t *data, apr_size_t len)
{
    char *piece = malloc(len ? len : 1);
    const char *at = piece;
    apr_size_t left = len;
    apr_size_t before;
    pm_codec_event_t ev;

    MUST(piece);
    memcpy(piece, data, len);
    do {
        before = left;
        ev = pm_codec_parser_next(&h->ps, &at, &left);
        MUST(left <= before && at == piece + (len - left));
        if (ev == PM_CODEC_EVENT_STDOUT || ev == PM_CODEC_EVENT_STDERR) {
            MUST(h->ps.span_len > 0 && h->ps.span >= at - (before - left)
                 && h->ps.span + h->ps.span_len == at);
        }
        run_event(h, ev);
        MUST(!(h->ended || h->failed) || !pm_codec_parser_is_at_record(&h->ps));
    } while (ev != PM_CODEC_EVENT_MORE && ev != PM_CODEC_EVENT_ERROR);
    MUST(ev == PM_CODEC_EVENT_ERROR || left == 0);
    free(piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size && data[0] < size ? data[0] : 0;
    const uint8_t *bytes = data + (size ? 1 + n : 0);
    size_t len = size ? size - 1 - n : 0;
    run_t whole = {0};
    run_t split = {0};
    size_t i, at, step;

    pm_codec_parser_init(&whole.ps);
    run_piece(&whole, bytes, len);
    MUST(whole.spanned <= len);

    pm_codec_parser_init(&split.ps);
    for (i = at = 0; at < len; at += step, i++) {
        step = n ? data[1 + i % n] : 1;
        if (step == 0 || step > len - at) {
            step = len - at;
        }
        /* Also after an error: it must remain one. */
        run_piece(&split, bytes + at, step);
    }
    MUST(split.hash == whole.hash && split.spanned == whole.spanned
         && split.ended == whole.ended && split.failed == whole.failed);
    MUST(pm_codec_parser_is_at_record(&split.ps)
         == pm_codec_parser_is_at_record(&whole.ps));
    return 0;
}
