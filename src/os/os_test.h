/* SPDX-License-Identifier: Apache-2.0
 * For tests only: make system calls fail, and fix the clock. Not for use while other threads are in os/. */
#ifndef TH_OS_OS_TEST_H
#define TH_OS_OS_TEST_H

#include <stdint.h>

/* The next n uses of a call ("open", "read", "pread", "write", "fsync", "fstatat", "rename", "unlink", "mkdir",
 * "statvfs", "flock", "readlink", "getrandom", "pipe2", "fork") go through; all later ones fail with errno err until
 * th_os_test_reset. One call at a time: a second use of this function replaces the first. */
void th_os_test_fail_after(const char *call, int n, int err);
/* How often the named call was used since th_os_test_fail_after, refused ones included. */
int th_os_test_calls(void);
/* Writes take at most size bytes each (0 = as many as asked), so that callers must loop. */
void th_os_test_short_writes(uint64_t size);
/* th_os_now_us returns this. */
void th_os_test_set_now(int64_t us);
/* Back to the real system and the real clock. */
void th_os_test_reset(void);

#endif
