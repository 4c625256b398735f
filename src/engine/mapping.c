/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_private.h"
th_err engine_mapped_table(const th_definition *d, th_arena *arena, const th_table **out,
                           th_diag *diag)
{
    (void)d;
    (void)arena;
    (void)diag;
    *out = NULL;
    return TH_OK;
}
