/* SPDX-License-Identifier: Apache-2.0
 * Assertions for our own mistakes. They stay on in release builds: an archive that is to be believed in court
 * must rather stop than go on with a broken invariant. Input from outside is checked with errors, never asserted. */
#ifndef TH_BASE_ASSERT_H
#define TH_BASE_ASSERT_H

#define TH_ASSERT(cond) ((cond) ? (void)0 : th_assert_failed(#cond, __FILE__, __LINE__, __func__))
#ifdef TH_SLOW_CHECKS
#define TH_ASSERT_SLOW(cond) TH_ASSERT(cond)
#else
#define TH_ASSERT_SLOW(cond) ((void)0)
#endif

/* Print the place on standard error and abort. */
_Noreturn void th_assert_failed(const char *cond, const char *file, int line, const char *func);

#endif
