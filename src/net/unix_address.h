/* SPDX-License-Identifier: Apache-2.0
 * The address of a socket file whose path may be longer than sun_path: then it goes by way of its opened folder. */
#ifndef TH_NET_UNIX_ADDRESS_H
#define TH_NET_UNIX_ADDRESS_H

#include <stdbool.h>
#include <sys/un.h>

typedef struct net_unix_address {
    struct sockaddr_un name;
    int folder; /* open as long as name is used; -1: not needed */
} net_unix_address;
/* False: the folder cannot be opened, or the file's own name is too long. */
bool net_unix_address_open(const char *path, net_unix_address *out);
void net_unix_address_close(net_unix_address *address);

#endif
