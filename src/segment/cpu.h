/* SPDX-License-Identifier: Apache-2.0
 * What the CPU can do. */
#ifndef TH_SEGMENT_CPU_H
#define TH_SEGMENT_CPU_H

#include <stdbool.h>

/* AVX2, and an operating system that keeps its registers. Any thread. */
bool segment_cpu_has_avx2(void);

#endif
