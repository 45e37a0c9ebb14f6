/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pm_codec: what is written, byte for byte, and what is understood of
 * an answer, however the bytes of it are split.
 */
#include "pm_core/base/pm_codec.h"
#include "pm_core/base/pm_reads_on.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* --- to a worker -------------------------------------------------------- */

static const char *hex(const unsigned char *data, apr_size_t len)
{
    static char text[128];
    apr_size_t i;

    text[0] = '\0';
    for (i = 0; i < len; i++) {
        snprintf(text + 2 * i, sizeof(text) - 2 * i, "%02x", data[i]);
    }
    return text;
}

static void test_written(void)
{
    static const struct {
        const char *name;
        int type;
        apr_size_t len;
        const char *want;
    } headers[] = {
        {"params", PM_FCGI_PARAMS, 0x1234, "0104000112340000"},
        {"end of params", PM_FCGI_PARAMS, 0, "0104000100000000"},
        {"the longest stdin", PM_FCGI_STDIN, PM_FCGI_MAX_LENGTH,
         "01050001ffff0000"},
        {"abort", PM_FCGI_ABORT_REQUEST, 0, "0102000100000000"},
    };
    static const struct {
        apr_size_t len;
        const char *want;
    } lengths[] = {
        {0, "00"},         {1, "01"},           {127, "7f"},
        {128, "80000080"}, {65536, "80010000"}, {0x7fffffff, "ffffffff"},
    };
    unsigned char out[PM_FCGI_BEGIN_LEN];
    apr_size_t i;

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        pm_codec_header(out, headers[i].type, headers[i].len);
        is_str(hex(out, PM_FCGI_HEADER_LEN), headers[i].want, "header: %s",
               headers[i].name);
    }
    memset(out, 0xee, sizeof(out));
    pm_codec_begin(out, PM_FCGI_RESPONDER);
    is_str(hex(out, sizeof(out)), "01010001000800000001000000000000",
           "begin: a responder, no FCGI_KEEP_CONN");
    pm_codec_begin(out, PM_FCGI_AUTHORIZER);
    is_str(hex(out, sizeof(out)), "01010001000800000002000000000000",
           "begin: an authorizer");
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        is_str(hex(out, pm_codec_length(out, lengths[i].len)), lengths[i].want,
               "length %lu", (unsigned long)lengths[i].len);
    }
}

/* --- from a worker ------------------------------------------------------ */

#define OUT(len, pad) "\1\6\0\1\0" len pad "\0"
#define ERR(len, pad) "\1\7\0\1\0" len pad "\0"
#define END(app, proto)                                                        \
    "\1\3\0\1\0\10\0\0"                                                        \
    "\0\0\0" app proto "\0\0\0"

/* What the answer comes to: pieces of a stream that follow each other are
 * one, "out:", "err:", "end:app,protocol[,reads on]", "error:reason", each
 * closed with
 * ';'. */
static const struct {
    const char *name;
    const char *bytes;
    apr_size_t len;
    const char *want;
    int at_record; /* pm_codec_parser_is_at_record() afterwards */
} answers[] = {
#define ANSWER(name, bytes, want, at)                                          \
    {                                                                          \
        name, bytes, sizeof(bytes) - 1, want, at                               \
    }
    ANSWER("nothing", "", "", 1),
    ANSWER("an answer", OUT("\5", "\0") "hello" END("\0", "\0"),
           "out:hello;end:0,0;", 0),
    ANSWER("two records", OUT("\2", "\0") "he" OUT("\3", "\0") "llo",
           "out:hello;", 1),
    ANSWER("padding", OUT("\5", "\3") "helloXXX" END("\0", "\0"),
           "out:hello;end:0,0;", 0),
    ANSWER("padding after nothing", OUT("\0", "\3") "XXX" OUT("\1", "\0") "a",
           "out:a;", 1),
    ANSWER("padding still to come", OUT("\1", "\3") "aXX", "out:a;", 0),
    ANSWER("255 bytes of padding",
           OUT("\1", "\377") "a"
                             "0123456789abcdef0123456789abcdef0123456789abcdef0"
                             "123456789abcdef"
                             "0123456789abcdef0123456789abcdef0123456789abcdef0"
                             "123456789abcdef"
                             "0123456789abcdef0123456789abcdef0123456789abcdef0"
                             "123456789abcdef"
                             "0123456789abcdef0123456789abcdef0123456789abcdef0"
                             "123456789abcde" OUT("\1", "\0") "b",
           "out:ab;", 1),
    ANSWER("end of stdout, then end",
           OUT("\1", "\0") "a" OUT("\0", "\0") END("\0", "\0"),
           "out:a;end:0,0;", 0),
    ANSWER("an empty record closes nothing",
           OUT("\1", "\0") "a" OUT("\0", "\0") OUT("\1", "\0") "b", "out:ab;",
           1),
    ANSWER("stderr between",
           OUT("\1", "\0") "a" ERR("\4", "\4") "oops0000" OUT("\1", "\0") "b",
           "out:a;err:oops;out:b;", 1),
    ANSWER("the reserved byte is not looked at",
           "\1\6\0\1\0\1\0\377"
           "a",
           "out:a;", 1),
    ANSWER("a content with NULs", OUT("\3", "\0") "\0a\0", "out:?a?;", 1),
    ANSWER("status of the application", END("\7", "\0"), "end:7,0;", 0),
    ANSWER("a large status",
           "\1\3\0\1\0\10\0\0"
           "\377\376\375\374\0\0\0\0",
           "end:4294901244,0;", 0),
    ANSWER("it reads on", "\1\3\0\1\0\10\0\0\0\0\0\0\0" PM_READS_ON,
           "end:0,0,reads on;", 0),
    ANSWER("it says so, and has padding",
           "\1\3\0\1\0\10\1\0\0\0\0\0\0" PM_READS_ON "\0", "end:0,0;", 0),
    ANSWER("it says so, and more behind it",
           "\1\3\0\1\0\11\0\0\0\0\0\0\0" PM_READS_ON "\0", "end:0,0;", 0),
    ANSWER("it does not", "\1\3\0\1\0\10\0\0\0\0\0\0\0\374\233\0", "end:0,0;",
           0),
    ANSWER("no multiplexing", END("\0", "\1"), "end:0,1;", 0),
    ANSWER("overloaded", END("\0", "\2"), "end:0,2;", 0),
    ANSWER("unknown role", END("\0", "\3"), "end:0,3;", 0),
    ANSWER("an undefined protocol status", END("\0", "\377"), "end:0,255;", 0),
    ANSWER("a long end",
           "\1\3\0\1\0\14\0\0"
           "\0\0\0\0\0\0\0\0"
           "XXXX",
           "end:0,0;", 0),
    ANSWER("a short end",
           "\1\3\0\1\0\7\0\0"
           "\0\0\0\0\0\0\0",
           "error:an END_REQUEST of 7 bytes;", 0),
    ANSWER("an empty end", "\1\3\0\1\0\0\0\0",
           "error:an END_REQUEST of 0 bytes;", 0),
    ANSWER("bytes after the end", END("\0", "\0") "HTTP/1.1 200 OK\r\n",
           "end:0,0;", 0),
    ANSWER("an end cut short",
           "\1\3\0\1\0\10\0\0"
           "\0\0\0\0",
           "", 0),
    ANSWER("a header cut short",
           OUT("\1", "\0") "a"
                           "\1\6\0",
           "out:a;", 0),
    ANSWER("a content cut short", OUT("\5", "\0") "hel", "out:hel;", 0),
    ANSWER("version 0",
           "\0\6\0\1\0\1\0\0"
           "a",
           "error:a record of FastCGI version 0;", 0),
    ANSWER("version 2",
           OUT("\1", "\0") "a"
                           "\2\6\0\1\0\1\0\0"
                           "b",
           "out:a;error:a record of FastCGI version 2;", 0),
    ANSWER("not FastCGI", "HTTP/1.1 200 OK\r\n\r\n",
           "error:a record of FastCGI version 72;", 0),
    ANSWER("stdout of another request",
           "\1\6\0\2\0\1\0\0"
           "a",
           "error:a record with the wrong request id 2;", 0),
    ANSWER("request id 256",
           "\1\6\1\0\0\1\0\0"
           "a",
           "error:a record with the wrong request id 256;", 0),
    ANSWER("stdout of no request",
           "\1\6\0\0\0\1\0\0"
           "a",
           "error:a record with the wrong request id 0;", 0),
    ANSWER("end of another request",
           "\1\3\0\2\0\10\0\0"
           "\0\0\0\0\0\0\0\0",
           "error:a record with the wrong request id 2;", 0),
    ANSWER("an unknown type is reported to us",
           "\1\13\0\0\0\10\0\0"
           "\11\0\0\0\0\0\0\0" OUT("\1", "\0") "a",
           "out:a;", 1),
    ANSWER("values without a question",
           "\1\12\0\0\0\2\1\0"
           "XXY" OUT("\1", "\0") "a",
           "out:a;", 1),
    ANSWER("values in a request",
           "\1\12\0\1\0\2\0\0"
           "XX",
           "error:a record with the wrong request id 1;", 0),
    ANSWER("type 0",
           "\1\0\0\1\0\1\0\0"
           "a",
           "error:a record of the unexpected type 0;", 0),
    ANSWER("begin",
           "\1\1\0\1\0\10\0\0"
           "\0\1\0\0\0\0\0\0",
           "error:a record of the unexpected type 1;", 0),
    ANSWER("abort", "\1\2\0\1\0\0\0\0",
           "error:a record of the unexpected type 2;", 0),
    ANSWER("params", "\1\4\0\1\0\0\0\0",
           "error:a record of the unexpected type 4;", 0),
    ANSWER("stdin", "\1\5\0\1\0\0\0\0",
           "error:a record of the unexpected type 5;", 0),
    ANSWER("data", "\1\10\0\1\0\0\0\0",
           "error:a record of the unexpected type 8;", 0),
    ANSWER("get values", "\1\11\0\0\0\0\0\0",
           "error:a record of the unexpected type 9;", 0),
    ANSWER("type 12", "\1\14\0\1\0\0\0\0",
           "error:a record of the unexpected type 12;", 0),
    ANSWER("type 255", "\1\377\0\1\0\0\0\0",
           "error:a record of the unexpected type 255;", 0),
};

/* The transcript of one answer. */
typedef struct heard {
    pm_codec_parser_t ps;
    char text[1024];
    int stream; /* the event whose text is open, or MORE */
} heard_t;

static void note(heard_t *h, const char *text, apr_size_t len)
{
    apr_size_t at = strlen(h->text);
    apr_size_t i;

    for (i = 0; i < len && at < sizeof(h->text) - 1; i++) {
        h->text[at++] = text[i] ? text[i] : '?';
    }
    h->text[at] = '\0';
}

static void close_stream(heard_t *h, int next, const char *prefix)
{
    if (h->stream != PM_CODEC_EVENT_MORE && h->stream != next) {
        note(h, ";", 1);
    }
    if (prefix && h->stream != next) {
        note(h, prefix, strlen(prefix));
    }
    h->stream = next;
}

static void hear(heard_t *h, pm_codec_event_t ev)
{
    char end[64];

    switch (ev) {
    case PM_CODEC_EVENT_STDOUT:
    case PM_CODEC_EVENT_STDERR:
        close_stream(h, ev, ev == PM_CODEC_EVENT_STDOUT ? "out:" : "err:");
        note(h, h->ps.span, h->ps.span_len);
        break;
    case PM_CODEC_EVENT_END:
        snprintf(end, sizeof(end), "end:%lu,%u%s;",
                 (unsigned long)h->ps.app_status, h->ps.protocol_status,
                 h->ps.reads_on ? ",reads on" : "");
        close_stream(h, PM_CODEC_EVENT_MORE, NULL);
        note(h, end, strlen(end));
        break;
    case PM_CODEC_EVENT_ERROR:
        close_stream(h, PM_CODEC_EVENT_MORE, NULL);
        note(h, "error:", 6);
        note(h, h->ps.reason, strlen(h->ps.reason));
        note(h, ";", 1);
        break;
    case PM_CODEC_EVENT_MORE:
        break;
    }
}

/* The bytes come from memory of just their size, so that a sanitizer sees
 * a read beyond them. */
static void feed(heard_t *h, const char *bytes, apr_size_t len)
{
    char *copy = malloc(len ? len : 1);
    const char *at = copy;
    pm_codec_event_t ev;

    memcpy(copy, bytes, len);
    do {
        ev = pm_codec_parser_next(&h->ps, &at, &len);
        hear(h, ev);
    } while (ev != PM_CODEC_EVENT_MORE && ev != PM_CODEC_EVENT_ERROR);
    free(copy);
}

static void begin(heard_t *h)
{
    memset(h, 0, sizeof(*h));
    pm_codec_parser_init(&h->ps);
}

static int as_wanted(heard_t *h, apr_size_t i)
{
    close_stream(h, PM_CODEC_EVENT_MORE, NULL);
    return !strcmp(h->text, answers[i].want)
           && pm_codec_parser_is_at_record(&h->ps) == answers[i].at_record;
}

/* Whole, byte by byte, and in two parts at every place. */
static void test_answer(apr_size_t i)
{
    const char *bytes = answers[i].bytes;
    apr_size_t len = answers[i].len;
    apr_size_t at, wrong = 0;
    heard_t h;

    begin(&h);
    feed(&h, bytes, len);
    close_stream(&h, PM_CODEC_EVENT_MORE, NULL);
    is_str(h.text, answers[i].want, "%s: whole", answers[i].name);
    is_int(pm_codec_parser_is_at_record(&h.ps), answers[i].at_record,
           "%s: between records or not", answers[i].name);

    begin(&h);
    for (at = 0; at < len && h.ps.reason[0] == '\0'; at++) {
        feed(&h, bytes + at, 1);
    }
    ok(as_wanted(&h, i), "%s: byte by byte", answers[i].name);

    for (at = 0; at <= len; at++) {
        begin(&h);
        feed(&h, bytes, at);
        if (h.ps.reason[0] == '\0') {
            feed(&h, bytes + at, len - at);
        }
        wrong += !as_wanted(&h, i);
    }
    is_int((long)wrong, 0, "%s: split anywhere", answers[i].name);
}

static void test_error_stays(void)
{
    pm_codec_parser_t ps;
    const char *at = "\2\6\0\1\0\1\0\0";
    apr_size_t len = 8;

    pm_codec_parser_init(&ps);
    is_int(pm_codec_parser_next(&ps, &at, &len), PM_CODEC_EVENT_ERROR,
           "an error");
    at = OUT("\1", "\0") "a";
    len = 9;
    is_int(pm_codec_parser_next(&ps, &at, &len), PM_CODEC_EVENT_ERROR,
           "stays an error, whatever follows");
    len = 0;
    is_int(pm_codec_parser_next(&ps, &at, &len), PM_CODEC_EVENT_ERROR,
           "and when nothing follows");
}

/* Spans point into the bytes that were given: nothing is copied. */
static void test_no_copy(void)
{
    static const char bytes[] = OUT("\5", "\0") "hello";
    const char *at = bytes;
    apr_size_t len = sizeof(bytes) - 1;
    pm_codec_parser_t ps;

    pm_codec_parser_init(&ps);
    is_int(pm_codec_parser_next(&ps, &at, &len), PM_CODEC_EVENT_STDOUT,
           "a span");
    ok(ps.span == bytes + PM_FCGI_HEADER_LEN, "is where it was read");
    is_int((long)ps.span_len, 5, "as long as it is there");
    is_int((long)len, 0, "all is taken");
}

int main(void)
{
    apr_size_t i;

    test_written();
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        test_answer(i);
    }
    test_error_stays();
    test_no_copy();
    return done_testing();
}
