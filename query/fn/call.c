/* SPDX-License-Identifier: Apache-2.0
 * Helpers of scalar functions (query/fn/call.h). */
#include "query/fn/call.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include "base/time.h"

static th_err fail_text(th_fn_call *call, const char *name, const char *fmt, va_list args)
{
    char text[400];
    (void)vsnprintf(text, sizeof text, fmt, args);
    return th_fail_at(call->diag, TH_ESQL, name, call->line, call->column, "%s", text);
}

th_err fn_fail(th_fn_call *call, const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    th_err e = fail_text(call, name, fmt, args);
    va_end(args);
    return e;
}

th_err fn_bad(th_fn_call *call, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    th_err e = fail_text(call, "INVALID_FUNCTION_ARGUMENT", fmt, args);
    va_end(args);
    return e;
}

th_err fn_memory(th_fn_call *call)
{
    return th_fail_memory(call->diag);
}

th_buf *fn_scratch(th_fn_call *call)
{
    th_buf_clear(call->scratch);
    return call->scratch;
}

th_err fn_copy(th_fn_call *call, th_slice s, th_value *out)
{
    static const uint8_t nothing[1];
    if (s.size == 0) {
        out->s = th_slice_of(nothing, 0);
        return TH_OK;
    }
    out->s = th_arena_copy(call->arena, s);
    return out->s.bytes == NULL ? fn_memory(call) : TH_OK;
}

th_err fn_take_scratch(th_fn_call *call, th_value *out)
{
    if (th_buf_error(call->scratch) != TH_OK) return fn_memory(call);
    return fn_copy(call, th_buf_slice(call->scratch), out);
}

th_err th_control_check(th_query_control *control, th_diag *diag)
{
    if (control == NULL) return TH_OK;
    if (atomic_load_explicit(&control->cancel, memory_order_relaxed) != 0)
        return th_fail(diag, TH_ECANCELED, NULL, "Query was canceled");
    if (control->deadline_mono_us != 0) {
        struct timespec t;
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        int64_t now = (int64_t)t.tv_sec * TH_US_PER_SECOND + t.tv_nsec / 1000;
        if (now > control->deadline_mono_us)
            return th_fail(diag, TH_ETIME, NULL, "Query exceeded its time limit");
    }
    return TH_OK;
}

th_err fn_check(th_fn_call *call)
{
    return th_control_check(call->control, call->diag);
}

bool fn_ip_parse(th_slice s, uint8_t out[16])
{
    char text[64];
    struct in_addr v4;
    if (s.size == 0 || s.size >= sizeof text || memchr(s.bytes, 0, s.size) != NULL) return false;
    memcpy(text, s.bytes, s.size);
    text[s.size] = 0;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        memset(out, 0, 10);
        memset(out + 10, 0xff, 2);
        memcpy(out + 12, &v4, 4);
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

void fn_ip_print(th_buf *out, const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint32_t group[8];
    int best = -1, best_size = 1;
    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        th_buf_printf(out, "%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
        return;
    }
    for (int i = 0; i < 8; i++) group[i] = (uint32_t)ip[2 * i] << 8 | ip[2 * i + 1];
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && group[i + n] == 0) n++;
        if (n > best_size) {
            best = i;
            best_size = n;
        }
    }
    for (int i = 0; i < 8;) {
        if (i == best) {
            th_buf_add_text(out, "::");
            i += best_size;
            continue;
        }
        if (i > 0 && i != best + best_size) th_buf_add_byte(out, ':');
        th_buf_printf(out, "%x", group[i++]);
    }
}

size_t fn_utf8_length(th_slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.size; i++) n += (s.bytes[i] & 0xC0) != 0x80;
    return n;
}

size_t fn_utf8_prefix(th_slice s, size_t n)
{
    size_t i = 0;
    while (i < s.size) {
        if ((s.bytes[i] & 0xC0) != 0x80 && n-- == 0) break;
        i++;
    }
    return i;
}

uint32_t fn_utf8_next(th_slice s, size_t *at)
{
    uint8_t c = s.bytes[*at];
    uint32_t size = c < 0x80                ? 1
                    : c >= 0xF0 && c < 0xF8 ? 4
                    : c >= 0xE0 && c < 0xF0 ? 3
                    : c >= 0xC2 && c < 0xE0 ? 2
                                            : 0;
    if (size == 1) {
        (*at)++;
        return c;
    }
    if (size == 0 || s.size - *at < size) {
        (*at)++;
        return 0xFFFD;
    }
    uint32_t code = size == 2 ? c & 0x1Fu : size == 3 ? c & 0x0Fu : c & 0x07u;
    for (uint32_t i = 1; i < size; i++) {
        if ((s.bytes[*at + i] & 0xC0) != 0x80) {
            (*at)++;
            return 0xFFFD;
        }
        code = code << 6 | (s.bytes[*at + i] & 0x3Fu);
    }
    *at += size;
    return code;
}

void fn_utf8_put(th_buf *out, uint32_t code)
{
    uint8_t bytes[4];
    th_buf_add(out, bytes, th_utf8_put(code, bytes));
}
