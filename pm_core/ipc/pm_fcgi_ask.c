/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_fcgi_ask.h"

#include <string.h>

#include "apr_strings.h"
#include "pm_core/base/pm_codec.h"

/* A record's header. */
typedef struct ask_record {
    int type;
    int id;
    apr_size_t content;
    apr_size_t whole; /* with header and padding */
} ask_record_t;

static ask_record_t ask_read_header(const unsigned char *in)
{
    ask_record_t r = {in[1], in[2] << 8 | in[3], (apr_size_t)in[4] << 8 | in[5],
                      0};

    r.whole = PM_FCGI_HEADER_LEN + r.content + in[6];
    return r;
}

/* BEGIN_REQUEST, then its variables. */
static int ask_is_good(const unsigned char *in, const ask_record_t *r, int id)
{
    return in[0] == PM_FCGI_VERSION && r->id && (!id || r->id == id)
           && r->type == (id ? PM_FCGI_PARAMS : PM_FCGI_BEGIN_REQUEST);
}

/* @param params NULL: only look, whether they have come; else where they go,
 *               which can be @a in itself
 *  @param n     bytes of them */
static pm_fcgi_ask_t ask_walk(const unsigned char *in, apr_size_t len, int *id,
                              unsigned char *params, apr_size_t *n)
{
    *id = 0;
    *n = 0;
    while (len >= PM_FCGI_HEADER_LEN) {
        ask_record_t r = ask_read_header(in);

        if (!ask_is_good(in, &r, *id)) {
            return PM_FCGI_ASK_BAD;
        }
        if (*id && !r.content) {
            return PM_FCGI_ASK_WHOLE;
        }
        if (r.whole > len) {
            break;
        }
        if (*id && params) {
            memmove(params + *n, in + PM_FCGI_HEADER_LEN, r.content);
            *n += r.content;
        }
        *id = r.id;
        in += r.whole;
        len -= r.whole;
    }
    return PM_FCGI_ASK_MORE;
}

/* Takes a length (3.4) from the front.  @return 0: there is none */
static int ask_take_length(const unsigned char **at, apr_size_t *left,
                           apr_size_t *len)
{
    const unsigned char *in = *at;
    apr_size_t used = *left && in[0] < 0x80 ? 1 : 4;

    if (*left < used) {
        return 0;
    }
    *len = used == 1
               ? in[0]
               : (apr_size_t)(in[0] & 0x7f) << 24 | (apr_size_t)in[1] << 16
                     | (apr_size_t)in[2] << 8 | in[3];
    *at += used;
    *left -= used;
    return 1;
}

/* @return the value of a variable; "" if it has none */
static const char *ask_find(const unsigned char *at, apr_size_t left,
                            const char *wanted, apr_pool_t *p)
{
    apr_size_t name, value;

    while (ask_take_length(&at, &left, &name)
           && ask_take_length(&at, &left, &value) && name <= left
           && value <= left - name) {
        if (name == strlen(wanted) && !memcmp(at, wanted, name)) {
            return apr_pstrmemdup(p, (const char *)at + name, value);
        }
        at += name + value;
        left -= name + value;
    }
    return "";
}

pm_fcgi_ask_t pm_fcgi_ask_parse(unsigned char *in, apr_size_t len, int *id,
                                const char **path, apr_pool_t *p)
{
    apr_size_t n;
    pm_fcgi_ask_t is = ask_walk(in, len, id, NULL, &n);

    if (is == PM_FCGI_ASK_WHOLE) {
        ask_walk(in, len, id, in, &n);
        *path = apr_pstrcat(p, ask_find(in, n, "SCRIPT_NAME", p),
                            ask_find(in, n, "PATH_INFO", p), NULL);
    }
    return is;
}

/* --- answers -------------------------------------------------------------- */

static unsigned char *ask_write_header(unsigned char *out, int type,
                                       apr_size_t len, int id)
{
    pm_codec_header(out, type, len);
    out[2] = (unsigned char)(id >> 8);
    out[3] = (unsigned char)id;
    return out + PM_FCGI_HEADER_LEN;
}

const char *pm_fcgi_ask_stdout(const char *text, apr_size_t *len, int id,
                               apr_pool_t *p)
{
    apr_size_t left = *len;
    apr_size_t records = (left + PM_FCGI_MAX_LENGTH - 1) / PM_FCGI_MAX_LENGTH;
    unsigned char *out = apr_palloc(p, left + records * PM_FCGI_HEADER_LEN + 1);
    unsigned char *to = out;

    while (left) {
        apr_size_t n = left < PM_FCGI_MAX_LENGTH ? left : PM_FCGI_MAX_LENGTH;

        to = ask_write_header(to, PM_FCGI_STDOUT, n, id);
        memcpy(to, text, n);
        to += n;
        text += n;
        left -= n;
    }
    *len = (apr_size_t)(to - out);
    return (const char *)out;
}

const char *pm_fcgi_ask_end(apr_size_t *len, int id, apr_pool_t *p)
{
    /* status 0, FCGI_REQUEST_COMPLETE (5.5) */
    unsigned char *out = apr_pcalloc(p, 3 * PM_FCGI_HEADER_LEN);

    ask_write_header(ask_write_header(out, PM_FCGI_STDOUT, 0, id),
                     PM_FCGI_END_REQUEST, 8, id);
    *len = 3 * PM_FCGI_HEADER_LEN;
    return (const char *)out;
}
