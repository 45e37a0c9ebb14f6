/* SPDX-License-Identifier: Apache-2.0 */
/** @file must.h
 *  @brief What a fuzz target demands, whatever the input. */
#ifndef MUST_H
#define MUST_H

#include <stdio.h>
#include <stdlib.h>

#define MUST(exp)                                                              \
    do {                                                                       \
        if (!(exp)) {                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #exp);          \
            abort();                                                           \
        }                                                                      \
    } while (0)

#endif /* MUST_H */
