/* SPDX-License-Identifier: Apache-2.0
 * What the files of finding/ share. */
#ifndef TH_FINDING_FINDING_PRIVATE_H
#define TH_FINDING_FINDING_PRIVATE_H

#include "finding/finding.h"

/* "2026-11-21" or "undated"; returns its size. */
size_t finding_anchor(const th_finding_hit *hit, char out[16]);

#endif
