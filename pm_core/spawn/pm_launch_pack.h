/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_launch_pack.h
 * @brief A launch specification as bytes, for the spawner (pm_spawner.h).
 */
#ifndef PM_LAUNCH_PACK_H
#define PM_LAUNCH_PACK_H

#include "pm_core/spawn/pm_launch_spec.h"

/**
 * Write a specification, with all its texts.
 * @param to aligned as apr_palloc() does
 * @return bytes used; 0: it takes more than @a size
 */
apr_size_t pm_launch_pack(const pm_launch_spec_t *spec, void *to,
                          apr_size_t size);

/** Turn what pm_launch_pack() of the same program has written into a
 *  specification, in place.  Takes no lock.
 *  @param from aligned likewise */
const pm_launch_spec_t *pm_launch_unpack(void *from);

#endif /* PM_LAUNCH_PACK_H */
