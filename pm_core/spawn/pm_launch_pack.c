/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/spawn/pm_launch_pack.h"

#include <string.h>

/* How it begins; the texts follow the vectors.  Pointers, here and in the
 * vectors, are offsets from the beginning, 0 for NULL. */
typedef struct packed {
    apr_size_t argc, envc;
    pm_launch_spec_t spec;
    pm_launch_file_t file;
    char *vectors[]; /* arguments, NULL, environment, room for the manager's
                      * own variables, NULL */
} packed_t;

/* --- write ---------------------------------------------------------------- */

typedef struct packer {
    char *to;
    apr_size_t size, used; /* used > size: there was no room */
} packer_t;

/* @return its offset */
static char *pack_text(packer_t *pack, const char *text)
{
    apr_size_t at = pack->used;
    apr_size_t size = text ? strlen(text) + 1 : 0;

    if (size && at <= pack->size && size <= pack->size - at) {
        memcpy(pack->to + at, text, size);
    }
    pack->used += size;
    return (char *)(text ? (apr_uintptr_t)at : 0);
}

static void pack_vector(packer_t *pack, char **to, char *const *texts,
                        apr_size_t n)
{
    apr_size_t i;

    for (i = 0; i < n; i++) {
        to[i] = pack_text(pack, texts[i]);
    }
}

static void pack_all(packer_t *pack, packed_t *packed,
                     const pm_launch_spec_t *spec)
{
    pm_launch_spec_t *copy = &packed->spec;

    *copy = *spec;
    copy->program = pack_text(pack, spec->program);
    copy->guard = pack_text(pack, spec->guard);
    copy->directory = pack_text(pack, spec->directory);
    copy->chroot = pack_text(pack, spec->chroot);
    copy->cgroup = pack_text(pack, spec->cgroup);
    if (spec->file) {
        packed->file = *spec->file;
        packed->file.path = pack_text(pack, spec->file->path);
    }
    pack_vector(pack, packed->vectors, spec->argv, packed->argc);
    pack_vector(pack, packed->vectors + packed->argc + 1, spec->envp,
                packed->envc);
}

apr_size_t pm_launch_pack(const pm_launch_spec_t *spec, void *to,
                          apr_size_t size)
{
    packed_t *packed = to;
    packer_t pack = {to, size, 0};
    apr_size_t argc = 0, envc = (apr_size_t)(spec->env_own - spec->envp);

    while (spec->argv[argc]) {
        argc++;
    }
    pack.used = sizeof(*packed)
                + (argc + envc + PM_LAUNCH_ENV_OWN + 2) * sizeof(char *);
    if (pack.used > size) {
        return 0;
    }
    memset(packed, 0, pack.used);
    packed->argc = argc;
    packed->envc = envc;
    pack_all(&pack, packed, spec);
    return pack.used > size ? 0 : pack.used;
}

/* --- read ----------------------------------------------------------------- */

static char *unpack_text(packed_t *packed, const char *offset)
{
    return offset ? (char *)packed + (apr_uintptr_t)offset : NULL;
}

const pm_launch_spec_t *pm_launch_unpack(void *from)
{
    packed_t *packed = from;
    pm_launch_spec_t *spec = &packed->spec;
    apr_size_t i, n = packed->argc + 1 + packed->envc;

    spec->program = unpack_text(packed, spec->program);
    spec->guard = unpack_text(packed, spec->guard);
    spec->directory = unpack_text(packed, spec->directory);
    spec->chroot = unpack_text(packed, spec->chroot);
    spec->cgroup = unpack_text(packed, spec->cgroup);
    packed->file.path = unpack_text(packed, packed->file.path);
    spec->file = spec->file ? &packed->file : NULL;
    for (i = 0; i < n; i++) {
        packed->vectors[i] = unpack_text(packed, packed->vectors[i]);
    }
    spec->argv = packed->vectors;
    spec->envp = packed->vectors + packed->argc + 1;
    spec->env_own = spec->envp + packed->envc;
    return spec;
}
