/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/base/pm_nearest.h"

#include <string.h>

#include "apr_lib.h"

static int nearest_least(int a, int b, int c)
{
    int least = a < b ? a : b;

    return least < c ? least : c;
}

/* Levenshtein's, a row of the matrix at a time. */
static int nearest_distance(const char *a, const char *b, int nb)
{
    int row[PM_NEAREST_LENGTH + 1];
    int i, k;

    for (k = 0; k <= nb; k++) {
        row[k] = k;
    }
    for (i = 0; a[i]; i++) {
        int corner = row[0]++;

        for (k = 0; k < nb; k++) {
            int differs = apr_tolower(a[i]) != apr_tolower(b[k]);
            int up = row[k + 1];

            row[k + 1] = nearest_least(up + 1, row[k] + 1, corner + differs);
            corner = up;
        }
    }
    return row[nb];
}

void pm_nearest_offer(pm_nearest_t *best, const char *written, const char *word)
{
    size_t len = strlen(word);
    int distance;

    if (len > PM_NEAREST_LENGTH || strlen(written) > PM_NEAREST_LENGTH) {
        return;
    }
    distance = nearest_distance(written, word, (int)len);
    if (distance * 3 <= (int)len
        && (!best->word || distance < best->distance)) {
        best->word = word;
        best->distance = distance;
    }
}
