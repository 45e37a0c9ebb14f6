/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_codec.h"

#include <stdarg.h>
#include <string.h>

#include "apr_strings.h"

void hpm_codec_header(unsigned char *out, int type, apr_size_t len)
{
    out[0] = HPM_VERSION;
    out[1] = (unsigned char)type;
    out[2] = HPM_REQUEST_ID >> 8;
    out[3] = HPM_REQUEST_ID & 0xff;
    out[4] = (unsigned char)(len >> 8);
    out[5] = (unsigned char)(len & 0xff);
    out[6] = 0;
    out[7] = 0;
}

void hpm_codec_begin(unsigned char *out, int role)
{
    hpm_codec_header(out, HPM_BEGIN_REQUEST, HPM_BEGIN_LEN - HPM_HEADER_LEN);
    memset(out + HPM_HEADER_LEN, 0, HPM_BEGIN_LEN - HPM_HEADER_LEN);
    out[HPM_HEADER_LEN] = (unsigned char)(role >> 8);
    out[HPM_HEADER_LEN + 1] = (unsigned char)(role & 0xff);
}

apr_size_t hpm_codec_length(unsigned char *out, apr_size_t len)
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
    AT_HEADER, /* collecting a header */
    AT_SPAN,   /* content that is handed on: STDOUT, STDERR */
    AT_END,    /* collecting END_REQUEST's body */
    AT_SKIP,   /* content nobody wants */
    AT_PADDING,
    AT_DONE, /* END_REQUEST was seen */
    AT_ERROR
};

/* What a record's content is to us, by its type.  The types that are not in
 * here are those of the other direction, and those that do not exist. */
static const struct {
    unsigned char state;
    unsigned char ours; /* 1: carries our request's id, 0: none */
} kinds[] = {
    [HPM_END_REQUEST] = {AT_END, 1},   [HPM_STDOUT] = {AT_SPAN, 1},
    [HPM_STDERR] = {AT_SPAN, 1},       [HPM_GET_VALUES_RESULT] = {AT_SKIP, 0},
    [HPM_UNKNOWN_TYPE] = {AT_SKIP, 0},
};

void hpm_codec_parser_init(hpm_codec_parser_t *ps)
{
    memset(ps, 0, sizeof(*ps));
    ps->state = AT_HEADER;
}

int hpm_codec_parser_at_record(const hpm_codec_parser_t *ps)
{
    return ps->state == AT_HEADER && !ps->have;
}

__attribute__((format(printf, 2, 3))) static void fail(hpm_codec_parser_t *ps,
                                                       const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(ps->reason, sizeof(ps->reason), fmt, ap);
    va_end(ap);
    ps->state = AT_ERROR;
}

/* The content is over. */
static void leave_content(hpm_codec_parser_t *ps)
{
    ps->state = ps->padding ? AT_PADDING : AT_HEADER;
}

/* @return 1 when raw[] holds @a want bytes */
static int collect(hpm_codec_parser_t *ps, const char **data, apr_size_t *len,
                   apr_size_t want)
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

/* Bytes that are not looked at.  @return 1 when the last of them is gone */
static int skip(apr_size_t *todo, const char **data, apr_size_t *len)
{
    apr_size_t n = *todo < *len ? *todo : *len;

    *todo -= n;
    *data += n;
    *len -= n;
    return *todo == 0;
}

/* raw[] holds a header: what is to be done with what follows. */
static void take_header(hpm_codec_parser_t *ps)
{
    const unsigned char *h = ps->raw;
    unsigned int id = ((unsigned int)h[2] << 8) | h[3];

    ps->have = 0;
    ps->type = h[1];
    ps->content = ((apr_size_t)h[4] << 8) | h[5];
    ps->padding = h[6];

    if (h[0] != HPM_VERSION) {
        fail(ps, "a record of FastCGI version %u", h[0]);
    }
    else if (h[1] >= sizeof(kinds) / sizeof(kinds[0])
             || kinds[h[1]].state == AT_HEADER) {
        fail(ps, "a record of the unexpected type %u", h[1]);
    }
    else if (id != (kinds[h[1]].ours ? HPM_REQUEST_ID : 0)) {
        fail(ps, "a record with the wrong request id %u", id);
    }
    else if (h[1] == HPM_END_REQUEST && ps->content < sizeof(ps->raw)) {
        fail(ps, "an END_REQUEST of %u bytes", (unsigned int)ps->content);
    }
    else if (!ps->content) {
        leave_content(ps);
    }
    else {
        ps->state = kinds[h[1]].state;
    }
}

/* Content of STDOUT or STDERR, as far as it is here. */
static hpm_event_t take_span(hpm_codec_parser_t *ps, const char **data,
                             apr_size_t *len)
{
    apr_size_t before = *len;

    ps->span = *data;
    if (skip(&ps->content, data, len)) {
        leave_content(ps);
    }
    ps->span_len = before - *len;
    return ps->type == HPM_STDOUT ? HPM_CODEC_EVENT_STDOUT
                                  : HPM_CODEC_EVENT_STDERR;
}

static hpm_event_t take_end(hpm_codec_parser_t *ps)
{
    const unsigned char *b = ps->raw;

    ps->app_status = ((apr_uint32_t)b[0] << 24) | ((apr_uint32_t)b[1] << 16)
                     | ((apr_uint32_t)b[2] << 8) | b[3];
    ps->protocol_status = b[4];
    ps->state = AT_DONE;
    return HPM_CODEC_EVENT_END;
}

hpm_event_t hpm_codec_parser_next(hpm_codec_parser_t *ps, const char **data,
                                  apr_size_t *len)
{
    while (*len) {
        switch (ps->state) {
        case AT_HEADER:
            if (collect(ps, data, len, HPM_HEADER_LEN)) {
                take_header(ps);
            }
            break;
        case AT_SPAN:
            return take_span(ps, data, len);
        case AT_END:
            if (collect(ps, data, len, sizeof(ps->raw))) {
                return take_end(ps);
            }
            break;
        case AT_SKIP:
            if (skip(&ps->content, data, len)) {
                leave_content(ps);
            }
            break;
        case AT_PADDING:
            if (skip(&ps->padding, data, len)) {
                ps->state = AT_HEADER;
            }
            break;
        default:
            *data += *len;
            *len = 0;
            break;
        }
        if (ps->state == AT_ERROR) {
            return HPM_CODEC_EVENT_ERROR;
        }
    }
    return ps->state == AT_ERROR ? HPM_CODEC_EVENT_ERROR : HPM_CODEC_EVENT_MORE;
}
