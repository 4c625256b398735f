/* SPDX-License-Identifier: Apache-2.0
 * Long paths of socket files, through /proc/self/fd. */
#include "net/unix_address.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "os/os.h"

bool net_unix_address_open(const char *path, net_unix_address *out)
{
    *out = (net_unix_address){.name = {.sun_family = AF_UNIX}, .folder = -1};
    size_t size = strlen(path);
    if (size < sizeof(out->name.sun_path)) {
        memcpy(out->name.sun_path, path, size + 1);
        return true;
    }
    char folder[TH_PATH_SIZE_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash - path) >= sizeof(folder)) return false;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    out->folder = th_os_open(folder, O_PATH | O_DIRECTORY, 0, NULL);
    if (out->folder < 0) return false;
    int written = snprintf(out->name.sun_path, sizeof(out->name.sun_path), "/proc/self/fd/%d%s",
                           out->folder, slash);
    if (written > 0 && (size_t)written < sizeof(out->name.sun_path)) return true;
    net_unix_address_close(out);
    return false;
}

void net_unix_address_close(net_unix_address *address)
{
    th_os_close(address->folder);
    address->folder = -1;
}
