/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_nearest.h
 * @brief Which known word was meant by one that is misspelled.
 */
#ifndef PM_NEAREST_H
#define PM_NEAREST_H

/** Words longer than this are like no other. */
#define PM_NEAREST_LENGTH 64

/** The best of the words that were offered.  All zero: none yet. */
typedef struct pm_nearest {
    const char *word;
    int distance; /**< of it: characters to insert, delete or replace */
} pm_nearest_t;

/** Offer a word: @a best becomes that one when it is closer to @a written than
 *  the words before, and close enough to be meant: a third of its characters
 *  may differ.  Case does not count. */
void pm_nearest_offer(pm_nearest_t *best, const char *written,
                      const char *word);

#endif /* PM_NEAREST_H */
