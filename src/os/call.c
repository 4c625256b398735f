/* SPDX-License-Identifier: Apache-2.0
 * The table of system calls with its real functions, and the words for their failures. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>

#include "os/os_private.h"

#define OS_REAL(type, name, params, args) \
    static type real_##name params        \
    {                                     \
        return name args;                 \
    }
OS_CALLS(OS_REAL)
#undef OS_REAL

#define OS_ENTRY(type, name, params, args) .name = real_##name,
const os_calls os_real_calls = {OS_CALLS(OS_ENTRY)};
os_calls os_call = {OS_CALLS(OS_ENTRY)};
#undef OS_ENTRY

static th_err code_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT: return TH_ENOSPC;
    case ENOENT:
    case ENOTDIR: return TH_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS: return TH_EPERM;
    case EEXIST: return TH_EEXIST;
    default: return TH_EIO;
    }
}

th_err os_fail(th_diag *diag, int error, const char *what, const char *path)
{
    const char *reason = strerrordesc_np(error);
    if (reason == NULL) reason = "unknown reason";
    if (path == NULL) return th_fail(diag, code_of(error), NULL, "%s: %s", what, reason);
    return th_fail(diag, code_of(error), NULL, "%s %s: %s", what, path, reason);
}
