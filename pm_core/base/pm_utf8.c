/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/base/pm_utf8.h"

apr_size_t pm_utf8_read(const char *text, apr_uint32_t *code)
{
    static const apr_uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    apr_size_t n = s[0] < 0x80             ? 1
                   : (s[0] & 0xe0) == 0xc0 ? 2
                   : (s[0] & 0xf0) == 0xe0 ? 3
                   : (s[0] & 0xf8) == 0xf0 ? 4
                                           : 0;
    apr_uint32_t c = n == 1 ? s[0] : s[0] & (0x7fU >> n);
    apr_size_t i;

    for (i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    *code = c;
    /* an overlong form, a surrogate, beyond Unicode */
    return n && c >= least[n] && (c < 0xd800 || c > 0xdfff) && c <= 0x10ffff
               ? n
               : 0;
}

int pm_utf8_is_visible(apr_uint32_t code)
{
    static const struct {
        apr_uint32_t first, last;
    } invisible[] = {
        {0, 0x1f},          {0x7f, 0x9f},       {0xad, 0xad},
        {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},
        {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},
        {0x180e, 0x180e},   {0x200b, 0x200f},   {0x2028, 0x202e},
        {0x2060, 0x206f},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb},
        {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f},
        {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0001, 0xe007f}};
    unsigned int i;

    if (code >= 0x20 && code < 0x7f) {
        return 1; /* nearly all there is */
    }
    for (i = 0; i < sizeof(invisible) / sizeof(invisible[0]); i++) {
        if (code >= invisible[i].first && code <= invisible[i].last) {
            return 0;
        }
    }
    return 1;
}
