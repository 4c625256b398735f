/* SPDX-License-Identifier: Apache-2.0
 * Time and randomness. */
#include <errno.h>
#include <time.h>

#include "base/time.h"
#include "os/os_private.h"

_Atomic int64_t os_fixed_now_us = INT64_MIN;

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * TH_US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t th_os_now_us(void)
{
    int64_t fixed = os_fixed_now_us;
    return fixed != INT64_MIN ? fixed : clock_us(CLOCK_REALTIME);
}

int64_t th_os_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

th_err th_os_random(void *out, size_t size)
{
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = os_call.getrandom(at, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return TH_EIO;
        at += got;
        size -= (size_t)got;
    }
    return TH_OK;
}
