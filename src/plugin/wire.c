/* SPDX-License-Identifier: Apache-2.0
 * Frames over the socket pair, and the checked decoding of what runners send. */
#include "plugin/wire.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_HEAD 5u

static th_err send_all(int socket, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(socket, bytes, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return TH_EIO;
        bytes += n;
        size -= (size_t)n;
    }
    return TH_OK;
}

th_err wire_send(int socket, wire_kind kind, th_slice payload, int fd)
{
    if (payload.size > WIRE_FRAME_MAX) return TH_ELIMIT;
    uint32_t size = (uint32_t)payload.size;
    uint8_t head[FRAME_HEAD] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
                                (uint8_t)(size >> 24), (uint8_t)kind};
    struct iovec part = {head, sizeof(head)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    ssize_t n;
    do n = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n <= 0) return TH_EIO;
    if (n < (ssize_t)sizeof(head)) TH_TRY(send_all(socket, head + n, sizeof(head) - (size_t)n));
    return send_all(socket, payload.bytes, payload.size);
}

static th_err wait_readable(int socket, int64_t give_up_us)
{
    for (;;) {
        int64_t left_us = give_up_us < 0 ? -1 : give_up_us - th_os_mono_us();
        if (give_up_us >= 0 && left_us <= 0) return TH_ETIME;
        struct pollfd p = {.fd = socket, .events = POLLIN};
        int n = poll(&p, 1, give_up_us < 0 ? -1 : (int)(left_us / 1000 + 1));
        if (n > 0) return TH_OK;
        if (n < 0 && errno != EINTR) return TH_EIO;
    }
}

/* Take a descriptor out of the message; a second one, or one that nobody asked for, is closed. */
static void take_fd(struct msghdr *message, int *fd)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int got;
            memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (fd != NULL && *fd < 0)
                *fd = got;
            else
                close(got);
        }
    }
}

static th_err receive_bytes(int socket, int64_t give_up_us, uint8_t *out, size_t size, int *fd)
{
    while (size > 0) {
        TH_TRY(wait_readable(socket, give_up_us));
        struct iovec part = {out, size};
        union {
            struct cmsghdr align;
            char bytes[CMSG_SPACE(4 * sizeof(int))];
        } control;
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof(control.bytes)};
        ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) return TH_EIO;
        take_fd(&message, fd);
        out += n;
        size -= (size_t)n;
    }
    return TH_OK;
}

th_err wire_receive(int socket, int64_t timeout_us, wire_kind *kind, th_buf *payload, int *fd)
{
    int64_t give_up_us = timeout_us < 0 ? -1 : th_os_mono_us() + timeout_us;
    uint8_t head[FRAME_HEAD];
    if (fd != NULL) *fd = -1;
    TH_TRY(receive_bytes(socket, give_up_us, head, sizeof(head), fd));
    uint32_t size =
        head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;
    if (size > WIRE_FRAME_MAX) return TH_EPARSE;
    th_buf_clear(payload);
    uint8_t *room = th_buf_reserve(payload, size);
    if (room == NULL && size > 0) return TH_ENOMEM;
    TH_TRY(receive_bytes(socket, give_up_us, room, size, fd));
    th_buf_grow(payload, size);
    *kind = (wire_kind)head[4];
    return TH_OK;
}

void wire_put_bytes(th_buf *out, th_slice bytes)
{
    th_buf_add_varint(out, bytes.bytes == NULL ? 0 : bytes.size + 1);
    if (bytes.bytes != NULL) th_buf_add_slice(out, bytes);
}

void wire_put_text(th_buf *out, const char *text)
{
    wire_put_bytes(out, text == NULL ? (th_slice){0} : th_slice_text(text));
}

th_slice wire_take_bytes(th_reader *r, size_t max)
{
    uint64_t size = th_take_varint(r);
    if (size == 0 || r->bad) return (th_slice){0};
    if (size - 1 > max) {
        r->bad = true;
        return (th_slice){0};
    }
    th_slice bytes = th_take_bytes(r, (size_t)(size - 1));
    if (bytes.bytes == NULL && !r->bad)
        bytes.bytes = r->pos; /* an empty value is not an absent one */
    return bytes;
}

th_slice wire_take_text(th_reader *r, size_t max)
{
    th_slice text = wire_take_bytes(r, max);
    if (text.bytes != NULL && !th_utf8_valid(text)) r->bad = true;
    return text;
}

bool wire_severity_known(th_slice s)
{
    return th_slice_is(s, "INFORMATIONAL") || th_slice_is(s, "LOW") || th_slice_is(s, "MEDIUM") ||
           th_slice_is(s, "HIGH") || th_slice_is(s, "CRITICAL");
}

static th_err decode_hits(th_reader *r, uint32_t rows, th_arena *arena, wire_result *out,
                          th_diag *diag)
{
    uint64_t count = th_take_varint(r);
    if (r->bad || count > WIRE_HITS_MAX)
        return th_fail(diag, TH_EPARSE, NULL, "a runner's answer has too many hits");
    out->hits = TH_NEW_ARRAY(arena, wire_hit, (size_t)count + 1);
    if (out->hits == NULL) return TH_ELIMIT;
    for (uint64_t i = 0; i < count; i++) {
        wire_hit *hit = &out->hits[i];
        uint64_t row = th_take_varint(r);
        for (int t = 0; t < HIT_TEXTS; t++)
            hit->text[t] = wire_take_text(r, t == HIT_RULE ? WIRE_RULE_MAX : WIRE_TEXT_MAX);
        if (r->bad)
            return th_fail(diag, TH_EPARSE, NULL,
                           "a hit in a runner's answer is cut off, too long or not UTF-8");
        if (row >= rows)
            return th_fail(diag, TH_EPARSE, NULL, "a hit names row %llu of %u",
                           (unsigned long long)row, rows);
        if (hit->text[HIT_RULE].size == 0)
            return th_fail(diag, TH_EPARSE, NULL, "a hit names no rule");
        if (!wire_severity_known(hit->text[HIT_SEVERITY]))
            return th_fail(diag, TH_EPARSE, NULL, "a hit has no known severity");
        hit->row = (uint32_t)row;
    }
    out->hit_count = (size_t)count;
    return TH_OK;
}

static th_err decode_tags(th_reader *r, uint32_t rows, th_arena *arena, wire_result *out,
                          th_diag *diag)
{
    uint64_t count = th_take_varint(r);
    if (r->bad || count > WIRE_HITS_MAX)
        return th_fail(diag, TH_EPARSE, NULL, "a runner's answer has too many tags");
    out->tags = TH_NEW_ARRAY(arena, wire_tag, (size_t)count + 1);
    if (out->tags == NULL) return TH_ELIMIT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t row = th_take_varint(r);
        out->tags[i].tag = wire_take_text(r, WIRE_KEY_MAX);
        out->tags[i].count = th_take_varint(r);
        out->tags[i].places = wire_take_text(r, WIRE_TEXT_MAX);
        if (r->bad || row >= rows || out->tags[i].tag.size == 0) {
            return th_fail(diag, TH_EPARSE, NULL, "a tag in a runner's answer is not valid");
        }
        out->tags[i].row = (uint32_t)row;
    }
    out->tag_count = (size_t)count;
    return TH_OK;
}

static th_err decode_puts(th_reader *r, th_arena *arena, wire_result *out, th_diag *diag)
{
    uint64_t count = th_take_varint(r);
    if (r->bad || count > WIRE_HITS_MAX)
        return th_fail(diag, TH_EPARSE, NULL, "a runner's answer changes too much state");
    out->puts = TH_NEW_ARRAY(arena, wire_put, (size_t)count + 1);
    if (out->puts == NULL) return TH_ELIMIT;
    for (uint64_t i = 0; i < count; i++) {
        out->puts[i].key = wire_take_bytes(r, WIRE_KEY_MAX);
        out->puts[i].value = wire_take_bytes(r, WIRE_VALUE_MAX);
        out->puts[i].ttl_s = th_take_varint(r);
        if (r->bad || out->puts[i].key.size == 0) {
            return th_fail(diag, TH_EPARSE, NULL,
                           "a state change in a runner's answer is not valid");
        }
    }
    out->put_count = (size_t)count;
    return TH_OK;
}

th_err wire_result_decode(th_slice payload, uint32_t rows, th_arena *arena, wire_result *out,
                          th_diag *diag)
{
    *out = (wire_result){0};
    th_reader r = th_reader_of(payload);
    out->status = (int32_t)th_take_u32(&r);
    TH_TRY(decode_hits(&r, rows, arena, out, diag));
    TH_TRY(decode_tags(&r, rows, arena, out, diag));
    TH_TRY(decode_puts(&r, arena, out, diag));
    if (r.bad || r.pos != r.end)
        return th_fail(diag, TH_EPARSE, NULL, "a runner's answer has bytes left over");
    return TH_OK;
}

static th_err decode_subscription(th_reader *r, th_arena *arena, wire_subscription *out,
                                  th_diag *diag)
{
    out->table = wire_take_text(r, WIRE_KEY_MAX);
    out->predicate = wire_take_text(r, WIRE_VALUE_MAX);
    uint64_t columns = th_take_varint(r);
    if (r->bad || out->table.size == 0 || columns > WIRE_COLUMNS_MAX) {
        return th_fail(diag, TH_EPARSE, NULL, "a subscription is not valid");
    }
    out->columns = TH_NEW_ARRAY(arena, th_slice, (size_t)columns + 1);
    if (out->columns == NULL) return TH_ELIMIT;
    for (uint64_t c = 0; c < columns; c++) {
        out->columns[c] = wire_take_text(r, WIRE_TEXT_MAX);
        if (r->bad || out->columns[c].size == 0)
            return th_fail(diag, TH_EPARSE, NULL, "a subscription's column is not valid");
    }
    out->column_count = (uint32_t)columns;
    return TH_OK;
}

th_err wire_ready_decode(th_slice payload, th_arena *arena, wire_ready *out, th_diag *diag)
{
    *out = (wire_ready){0};
    th_reader r = th_reader_of(payload);
    out->abi_major = th_take_u32(&r);
    out->abi_minor = th_take_u32(&r);
    out->caps = th_take_u32(&r);
    out->name = wire_take_text(&r, WIRE_KEY_MAX);
    out->version = wire_take_text(&r, WIRE_KEY_MAX);
    out->description = wire_take_text(&r, WIRE_TEXT_MAX);
    uint64_t count = th_take_varint(&r);
    if (r.bad || count > WIRE_SUBSCRIPTIONS_MAX)
        return th_fail(diag, TH_EPARSE, NULL, "a runner's greeting is not valid");
    out->subscriptions = TH_NEW_ARRAY(arena, wire_subscription, (size_t)count + 1);
    if (out->subscriptions == NULL) return TH_ELIMIT;
    for (uint64_t i = 0; i < count; i++)
        TH_TRY(decode_subscription(&r, arena, &out->subscriptions[i], diag));
    out->subscription_count = (uint32_t)count;
    if (r.bad || r.pos != r.end)
        return th_fail(diag, TH_EPARSE, NULL, "a runner's greeting has bytes left over");
    return TH_OK;
}
