/* SPDX-License-Identifier: Apache-2.0
 * Listeners: addresses on loopback, and the private socket of the data folder. Runs before the loop's thread does. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/net_private.h"
#include "net/unix_address.h"
#include "os/os.h"

#define BACKLOG 511

static void on_connection(uv_stream_t *stream, int status)
{
    net_listener *listener = stream->data;
    if (status == 0) net_conn_accept(listener);
}

static net_listener *new_listener(net_server *server, bool local)
{
    net_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL) return NULL;
    listener->server = server;
    listener->local = local;
    int status = local ? uv_pipe_init(&server->loop, &listener->pipe, 0)
                       : uv_tcp_init(&server->loop, &listener->tcp);
    if (status != 0) {
        free(listener);
        return NULL;
    }
    listener->handle.data = listener;
    server->listeners[server->listener_count++] = listener;
    return listener;
}

/* "HOST:PORT", "[V6]:PORT"; localhost is 127.0.0.1. */
static bool parse_address(const char *text, struct sockaddr_storage *out)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    if (colon == NULL || !th_slice_to_u64(th_slice_text(colon + 1), &port) || port > 65535)
        return false;
    size_t size = (size_t)(colon - text);
    bool literal = size >= 2 && text[0] == '[' && text[size - 1] == ']';
    if (literal) {
        text++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof(host)) return false;
    memcpy(host, text, size);
    host[size] = '\0';
    if (literal) return uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)out) == 0;
    return uv_ip4_addr(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, (int)port,
                       (struct sockaddr_in *)out) == 0;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static void name_listener(net_listener *listener)
{
    struct sockaddr_storage address;
    int size = sizeof(address);
    char host[64] = "?";
    if (uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&address, &size) != 0) return;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address;
        (void)uv_ip4_name(in, host, sizeof(host));
        (void)snprintf(listener->address, sizeof(listener->address), "%s:%u", host,
                       ntohs(in->sin_port));
    } else {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&address;
        (void)uv_ip6_name(in, host, sizeof(host));
        (void)snprintf(listener->address, sizeof(listener->address), "[%s]:%u", host,
                       ntohs(in->sin6_port));
    }
}

static th_err listen_tcp(net_server *server, const char *text, th_diag *diag)
{
    struct sockaddr_storage address = {0};
    if (!parse_address(text, &address))
        return th_fail(diag, TH_EINVAL, NULL, "'%s' is not an address of the form HOST:PORT", text);
    if (!is_loopback(&address)) {
        th_err err = th_fail(diag, TH_EPERM, "ADDRESS_REFUSED",
                             "cannot listen on %s: only loopback addresses are served", text);
        th_diag_hint(
            diag,
            "there is no login yet; use 127.0.0.1, and a tunnel (ssh -L) from other machines");
        return err;
    }
    net_listener *listener = new_listener(server, false);
    if (listener == NULL) return th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    server->tcp_count++;
    int status = uv_tcp_bind(&listener->tcp, (const struct sockaddr *)&address, 0);
    if (status == 0) status = uv_listen(&listener->stream, BACKLOG, on_connection);
    if (status != 0)
        return th_fail(diag, TH_ENET, NULL, "cannot listen on %s: %s", text, uv_strerror(status));
    name_listener(listener);
    return TH_OK;
}

/* A socket file that a dead owner left is replaced: whoever calls holds the folder's lock. */
static th_err remove_stale(const char *path, th_diag *diag)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        return errno == ENOENT
                   ? TH_OK
                   : th_fail(diag, TH_ENET, NULL, "cannot look at %s: %s", path, strerror(errno));
    }
    if (!S_ISSOCK(info.st_mode))
        return th_fail(diag, TH_ENET, NULL, "%s is in the way: it is not a socket", path);
    return th_os_unlink(path, diag);
}

static int bind_private(const char *path, th_diag *diag)
{
    net_unix_address address;
    if (!net_unix_address_open(path, &address)) {
        (void)th_fail(diag, TH_ENET, NULL, "cannot listen on %s: its folder cannot be opened",
                      path);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode is set before listen(): nobody connects in between. */
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address.name, sizeof(address.name)) != 0 ||
        chmod(path, 0600) != 0) {
        (void)th_fail(diag, TH_ENET, NULL, "cannot listen on %s: %s", path, strerror(errno));
        th_os_close(fd);
        fd = -1;
    }
    net_unix_address_close(&address);
    return fd;
}

static th_err listen_private(net_server *server, const char *path, th_diag *diag)
{
    TH_TRY(remove_stale(path, diag));
    int fd = bind_private(path, diag);
    if (fd < 0) return TH_ENET;
    server->socket_path = strdup(path);
    net_listener *listener = server->socket_path == NULL ? NULL : new_listener(server, true);
    if (listener == NULL) {
        th_os_close(fd);
        return th_fail(diag, TH_ENOMEM, NULL, "out of memory");
    }
    int status = uv_pipe_open(&listener->pipe, fd);
    if (status != 0) th_os_close(fd);
    if (status == 0) status = uv_listen(&listener->stream, BACKLOG, on_connection);
    if (status != 0)
        return th_fail(diag, TH_ENET, NULL, "cannot listen on %s: %s", path, uv_strerror(status));
    return TH_OK;
}

th_err net_listen_all(net_server *server, th_diag *diag)
{
    const char *const *addresses = server->options.listen;
    for (size_t i = 0; addresses != NULL && addresses[i] != NULL; i++) {
        if (i + 1 >= NET_LISTEN_MAX)
            return th_fail(diag, TH_ELIMIT, NULL, "more than %u addresses", NET_LISTEN_MAX - 1);
        TH_TRY(listen_tcp(server, addresses[i], diag));
    }
    return server->options.socket_path == NULL
               ? TH_OK
               : listen_private(server, server->options.socket_path, diag);
}
