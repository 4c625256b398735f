/* SPDX-License-Identifier: Apache-2.0
 * Status lines, dates, percent encoding, error objects, Host and Origin. */
#include "net/words.h"

#include "base/time.h"
#include "json/json.h"

static const struct {
    int status;
    const char *text;
} statuses[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *net_status_text(int status)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].status == status) return statuses[i].text;
    }
    return "Unknown";
}

int net_status_of(th_err err)
{
    switch (err) {
    case TH_OK: return 200;
    case TH_ENOTFOUND: return 404;
    case TH_EPERM: return 403;
    case TH_EEXIST:
    case TH_EAMBIGUOUS: return 409;
    case TH_EPARTIAL: return 410;
    case TH_ENOSPC: return 507;
    case TH_ENOMEM:
    case TH_EBUSY:
    case TH_EAGAIN:
    case TH_ESTOPPING: return 503;
    case TH_ETIME: return 504;
    case TH_ECORRUPT:
    case TH_EVERSION:
    case TH_EIO:
    case TH_ENET: return 500;
    default: return 400;
    }
}

void net_add_date(th_buf *out, int64_t us)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    th_civil c;
    th_civil_from_us(us, &c);
    int32_t weekday = th_day_from_us(us) % 7;
    th_buf_printf(out, "%s, %02u %s %04d %02u:%02u:%02u GMT",
                  days[weekday < 0 ? weekday + 7 : weekday], c.day, months[c.month - 1], c.year,
                  c.hour, c.minute, c.second);
}

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void net_url_encode(th_buf *out, th_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (is_plain(text.bytes[i])) {
            th_buf_add_byte(out, text.bytes[i]);
        } else {
            th_buf_printf(out, "%%%02X", text.bytes[i]);
        }
    }
}

bool net_url_decode(th_buf *out, th_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.bytes[i];
        if (byte == '%') {
            if (text.size - i < 3 || !th_hex_decode(th_slice_of(text.bytes + i + 1, 2), &byte, 1))
                return false;
            i += 2;
        }
        th_buf_add_byte(out, byte);
    }
    return true;
}

void net_error_json(th_buf *out, th_err err, const th_diag *diag)
{
    bool told = diag != NULL && diag->code != TH_OK;
    th_json_writer w;
    th_json_writer_init(&w, out);
    th_json_begin_object(&w);
    th_json_put_key(&w, "error");
    th_json_begin_object(&w);
    th_json_put_key(&w, "code");
    th_json_put_text(&w, told ? th_diag_name(diag) : th_err_name(err));
    th_json_put_key(&w, "message");
    th_json_put_text(&w, told && diag->text[0] != '\0' ? diag->text : th_err_text(err));
    th_json_put_key(&w, "line");
    if (told && diag->line > 0) {
        th_json_put_u64(&w, diag->line);
    } else {
        th_json_put_null(&w);
    }
    th_json_put_key(&w, "column");
    if (told && diag->line > 0) {
        th_json_put_u64(&w, diag->column);
    } else {
        th_json_put_null(&w);
    }
    th_json_put_key(&w, "hint");
    th_json_put_text(&w, told ? diag->hint : "");
    th_json_end_object(&w);
    th_json_end_object(&w);
}

/* HOST[:PORT] without its port; false when the port is not one. */
static bool cut_port(th_slice host, th_slice *name)
{
    size_t colon = host.size;
    bool literal = host.size > 0 && host.bytes[0] == '[';
    for (size_t i = host.size; i > 0; i--) {
        uint8_t c = host.bytes[i - 1];
        if (literal && c == ']') break;
        if (c == ':') {
            colon = i - 1;
            break;
        }
    }
    *name = th_slice_of(host.bytes, colon);
    if (colon == host.size) return true;
    uint64_t port = 0;
    return th_slice_to_u64(th_slice_of(host.bytes + colon + 1, host.size - colon - 1), &port) &&
           port <= 65535;
}

bool net_host_is_ours(th_slice host)
{
    th_slice name;
    if (!cut_port(host, &name)) return false;
    return th_slice_equal_nocase(name, TH_SLICE("localhost")) || th_slice_is(name, "127.0.0.1") ||
           th_slice_is(name, "[::1]");
}

bool net_origin_is_ours(th_slice origin, th_slice host)
{
    th_slice scheme = TH_SLICE("http://");
    if (!th_slice_starts(origin, scheme)) return false;
    return th_slice_equal_nocase(th_slice_of(origin.bytes + scheme.size, origin.size - scheme.size),
                                 host);
}
