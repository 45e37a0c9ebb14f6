/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/base/pm_codec.h"

#include <stdarg.h>
#include <string.h>

#include "apr_strings.h"
#include "pm_core/base/pm_reads_on.h"

void pm_codec_header(unsigned char *out, int type, apr_size_t len)
{
    out[0] = PM_FCGI_VERSION;
    out[1] = (unsigned char)type;
    out[2] = PM_FCGI_REQUEST_ID >> 8;
    out[3] = PM_FCGI_REQUEST_ID & 0xff;
    out[4] = (unsigned char)(len >> 8);
    out[5] = (unsigned char)(len & 0xff);
    out[6] = 0;
    out[7] = 0;
}

void pm_codec_begin(unsigned char *out, int role)
{
    pm_codec_header(out, PM_FCGI_BEGIN_REQUEST,
                    PM_FCGI_BEGIN_LEN - PM_FCGI_HEADER_LEN);
    memset(out + PM_FCGI_HEADER_LEN, 0, PM_FCGI_BEGIN_LEN - PM_FCGI_HEADER_LEN);
    out[PM_FCGI_HEADER_LEN] = (unsigned char)(role >> 8);
    out[PM_FCGI_HEADER_LEN + 1] = (unsigned char)(role & 0xff);
}

void pm_codec_set_keep(unsigned char *begin, int keep)
{
    begin[PM_FCGI_HEADER_LEN + 2] = keep != 0;
}

apr_size_t pm_codec_length(unsigned char *out, apr_size_t len)
{
    if (len < 0x80) {
        out[0] = (unsigned char)len;
        return 1;
    }
    out[0] = (unsigned char)((len >> 24) | 0x80);
    out[1] = (unsigned char)(len >> 16);
    out[2] = (unsigned char)(len >> 8);
    out[3] = (unsigned char)len;
    return 4;
}

/* --- the parser --------------------------------------------------------- */

enum {
    CODEC_HEADER, /* collecting a header */
    CODEC_SPAN,   /* content that is handed on: STDOUT, STDERR */
    CODEC_END,    /* collecting END_REQUEST's body */
    CODEC_SKIP,   /* content without a meaning here */
    CODEC_PADDING,
    CODEC_DONE, /* END_REQUEST was seen */
    CODEC_ERROR
};

/* How a record's content is parsed, by the record's type.  Types that only
 * httpd may send, and types that do not exist, are not in here. */
static const struct {
    unsigned char state;
    unsigned char request; /* 1: of the request, 0: management (id 0) */
} codec_kinds[] = {
    [PM_FCGI_END_REQUEST] = {CODEC_END, 1},
    [PM_FCGI_STDOUT] = {CODEC_SPAN, 1},
    [PM_FCGI_STDERR] = {CODEC_SPAN, 1},
    [PM_FCGI_GET_VALUES_RESULT] = {CODEC_SKIP, 0},
    [PM_FCGI_UNKNOWN_TYPE] = {CODEC_SKIP, 0},
};

void pm_codec_parser_init(pm_codec_parser_t *ps)
{
    memset(ps, 0, sizeof(*ps));
    ps->state = CODEC_HEADER;
}

int pm_codec_parser_is_at_record(const pm_codec_parser_t *ps)
{
    return ps->state == CODEC_HEADER && !ps->have;
}

__attribute__((format(printf, 2, 3))) static void codec_fail(
    pm_codec_parser_t *ps, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(ps->reason, sizeof(ps->reason), fmt, ap);
    va_end(ap);
    ps->state = CODEC_ERROR;
}

static void codec_end_content(pm_codec_parser_t *ps)
{
    ps->state = ps->padding ? CODEC_PADDING : CODEC_HEADER;
}

/* @return 1 when raw[] holds @a want bytes */
static int codec_collect(pm_codec_parser_t *ps, const char **data,
                         apr_size_t *len, apr_size_t want)
{
    apr_size_t n = want - ps->have;

    if (n > *len) {
        n = *len;
    }
    memcpy(ps->raw + ps->have, *data, n);
    ps->have += n;
    *data += n;
    *len -= n;
    return ps->have == want;
}

/* Consume up to @a todo bytes unseen.  @return 1 when the last is consumed */
static int codec_skip(apr_size_t *todo, const char **data, apr_size_t *len)
{
    apr_size_t n = *todo < *len ? *todo : *len;

    *todo -= n;
    *data += n;
    *len -= n;
    return *todo == 0;
}

/* raw[] holds a whole header: choose the state for what follows. */
static void codec_parse_header(pm_codec_parser_t *ps)
{
    const unsigned char *h = ps->raw;
    unsigned int id = ((unsigned int)h[2] << 8) | h[3];

    ps->have = 0;
    ps->type = h[1];
    ps->content = ((apr_size_t)h[4] << 8) | h[5];
    ps->padding = h[6];

    if (h[0] != PM_FCGI_VERSION) {
        codec_fail(ps, "a record of FastCGI version %u", h[0]);
    }
    else if (h[1] >= sizeof(codec_kinds) / sizeof(codec_kinds[0])
             || codec_kinds[h[1]].state == CODEC_HEADER) {
        codec_fail(ps, "a record of the unexpected type %u", h[1]);
    }
    else if (id != (codec_kinds[h[1]].request ? PM_FCGI_REQUEST_ID : 0)) {
        codec_fail(ps, "a record with the wrong request id %u", id);
    }
    else if (h[1] == PM_FCGI_END_REQUEST && ps->content < sizeof(ps->raw)) {
        codec_fail(ps, "an END_REQUEST of %u bytes", (unsigned int)ps->content);
    }
    else if (!ps->content) {
        codec_end_content(ps);
    }
    else {
        ps->state = codec_kinds[h[1]].state;
    }
}

/* Content of STDOUT or STDERR, as far as it was received. */
static pm_codec_event_t codec_span(pm_codec_parser_t *ps, const char **data,
                                   apr_size_t *len)
{
    apr_size_t before = *len;

    ps->span = *data;
    if (codec_skip(&ps->content, data, len)) {
        codec_end_content(ps);
    }
    ps->span_len = before - *len;
    return ps->type == PM_FCGI_STDOUT ? PM_CODEC_EVENT_STDOUT
                                      : PM_CODEC_EVENT_STDERR;
}

static pm_codec_event_t codec_parse_end(pm_codec_parser_t *ps)
{
    const unsigned char *b = ps->raw;

    ps->app_status = ((apr_uint32_t)b[0] << 24) | ((apr_uint32_t)b[1] << 16)
                     | ((apr_uint32_t)b[2] << 8) | b[3];
    ps->protocol_status = b[4];
    /* what comes behind it would be taken for the next answer */
    ps->reads_on =
        ps->content == sizeof(ps->raw) && !ps->padding && pm_reads_on_is(&b[5]);
    ps->state = CODEC_DONE;
    return PM_CODEC_EVENT_END;
}

pm_codec_event_t pm_codec_parser_next(pm_codec_parser_t *ps, const char **data,
                                      apr_size_t *len)
{
    while (*len) {
        switch (ps->state) {
        case CODEC_HEADER:
            if (codec_collect(ps, data, len, PM_FCGI_HEADER_LEN)) {
                codec_parse_header(ps);
            }
            break;
        case CODEC_SPAN:
            return codec_span(ps, data, len);
        case CODEC_END:
            if (codec_collect(ps, data, len, sizeof(ps->raw))) {
                return codec_parse_end(ps);
            }
            break;
        case CODEC_SKIP:
            if (codec_skip(&ps->content, data, len)) {
                codec_end_content(ps);
            }
            break;
        case CODEC_PADDING:
            if (codec_skip(&ps->padding, data, len)) {
                ps->state = CODEC_HEADER;
            }
            break;
        default:
            *data += *len;
            *len = 0;
            break;
        }
        if (ps->state == CODEC_ERROR) {
            return PM_CODEC_EVENT_ERROR;
        }
    }
    return ps->state == CODEC_ERROR ? PM_CODEC_EVENT_ERROR
                                    : PM_CODEC_EVENT_MORE;
}
