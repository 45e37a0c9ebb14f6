/* SPDX-License-Identifier: Apache-2.0 */
/* The same linked statically (Makefile.apxs): nothing can be preloaded into
 * it. */
#include "ways.c" /* NOLINT(bugprone-suspicious-include) */
