/* SPDX-License-Identifier: Apache-2.0
 * The failing twin of the table of system calls (os/os_test.h). Nothing of the program itself refers to this file. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "os/os_private.h"
#include "os/os_test.h"

static const char *fake_call;
static int fake_after;
static int fake_errno;
static atomic_int fake_count;
static uint64_t fake_write_max;

static bool refuses(const char *call)
{
    if (fake_call == NULL || strcmp(call, fake_call) != 0) return false;
    if (atomic_fetch_add(&fake_count, 1) < fake_after) return false;
    errno = fake_errno;
    return true;
}

#define OS_FAKE(type, name, params, args)                           \
    static type fake_##name params                                  \
    {                                                               \
        return refuses(#name) ? (type)-1 : os_real_calls.name args; \
    }
OS_CALLS(OS_FAKE)
#undef OS_FAKE

static ssize_t short_write(int fd, const void *bytes, size_t size)
{
    return fake_write(fd, bytes,
                      fake_write_max > 0 && size > fake_write_max ? fake_write_max : size);
}

static void install(void)
{
#define OS_INSTALL(type, name, params, args) os_call.name = fake_##name;
    OS_CALLS(OS_INSTALL)
#undef OS_INSTALL
    os_call.write = short_write;
}

static bool is_call(const char *call)
{
#define OS_IS(type, name, params, args) \
    if (strcmp(call, #name) == 0) return true;
    OS_CALLS(OS_IS)
#undef OS_IS
    return false;
}

void th_os_test_fail_after(const char *call, int n, int err)
{
    TH_ASSERT(is_call(call));
    fake_call = call;
    fake_after = n;
    fake_errno = err;
    atomic_store(&fake_count, 0);
    install();
}

int th_os_test_calls(void)
{
    return atomic_load(&fake_count);
}

void th_os_test_short_writes(uint64_t size)
{
    fake_write_max = size;
    install();
}

void th_os_test_set_now(int64_t us)
{
    os_fixed_now_us = us;
}

void th_os_test_reset(void)
{
    fake_call = NULL;
    fake_write_max = 0;
    os_call = os_real_calls;
    os_fixed_now_us = INT64_MIN;
}
