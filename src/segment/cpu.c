/* SPDX-License-Identifier: Apache-2.0
 * What the CPU can do, asked once. */
#include "segment/cpu.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <cpuid.h>

#define OSXSAVE_AND_AVX (1u << 27 | 1u << 28)
#define AVX2 (1u << 5)
#define WIDE_STATE 6u /* both halves of the registers are kept */

static bool ask(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE_AND_AVX) != OSXSAVE_AND_AVX) return false;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & WIDE_STATE) != WIDE_STATE) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & AVX2) != 0;
}
#else
static bool ask(void)
{
    return false;
}
#endif

bool segment_cpu_has_avx2(void)
{
    static atomic_int answer; /* 0 not asked, 1 no, 2 yes */
    int known = atomic_load_explicit(&answer, memory_order_relaxed);
    if (known == 0) {
        known = ask() ? 2 : 1;
        atomic_store_explicit(&answer, known, memory_order_relaxed);
    }
    return known == 2;
}
