/* SPDX-License-Identifier: Apache-2.0
 * The request parser: llhttp with its lenient flags off, our limits, and the checks that llhttp leaves to its users. */
#include "net/http_parse.h"

#include <stdio.h>

#include "base/assert.h"

void net_request_init(net_request *request, th_budget *budget)
{
    *request = (net_request){.budget = budget};
    th_buf_init(&request->text, TH_HTTP_HEADER_MAX);
    th_buf_init(&request->body, TH_HTTP_BODY_MAX);
}

void net_request_free(net_request *request)
{
    th_budget_release(request->budget, request->body.size);
    th_buf_free(&request->text);
    th_buf_free(&request->body);
}

static th_slice text_at(const net_request *request, uint32_t at, uint32_t size)
{
    TH_ASSERT((size_t)at + size <= request->text.size);
    return th_slice_of(request->text.bytes == NULL ? (const uint8_t *)"" : request->text.bytes + at,
                       size);
}

th_slice net_request_target(const net_request *request)
{
    return text_at(request, 0, request->target_size);
}

th_slice net_request_path(const net_request *request)
{
    th_slice target = net_request_target(request);
    size_t mark = th_slice_find(target, TH_SLICE("?"));
    return mark == SIZE_MAX ? target : th_slice_of(target.bytes, mark);
}

th_slice net_request_query(const net_request *request, const char *key)
{
    th_slice target = net_request_target(request);
    size_t at = net_request_path(request).size;
    size_t key_size = strlen(key);
    while (at < target.size) {
        size_t begin = ++at; /* past ? or & */
        while (at < target.size && target.bytes[at] != '&') at++;
        th_slice pair = th_slice_of(target.bytes + begin, at - begin);
        if (pair.size > key_size && pair.bytes[key_size] == '=' &&
            memcmp(pair.bytes, key, key_size) == 0) {
            return th_slice_of(pair.bytes + key_size + 1, pair.size - key_size - 1);
        }
    }
    return (th_slice){0};
}

th_slice net_request_header_name(const net_request *request, uint32_t index)
{
    TH_ASSERT(index < request->header_count);
    return text_at(request, request->headers[index].name_at, request->headers[index].name_size);
}

th_slice net_request_header_value(const net_request *request, uint32_t index)
{
    TH_ASSERT(index < request->header_count);
    return text_at(request, request->headers[index].value_at, request->headers[index].value_size);
}

static uint32_t count_headers(const net_request *request, const char *name, th_slice *first)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < request->header_count; i++) {
        if (!th_slice_is(net_request_header_name(request, i), name)) continue;
        if (count++ == 0) *first = net_request_header_value(request, i);
    }
    return count;
}

th_slice net_request_header(const net_request *request, const char *name)
{
    th_slice value = {0};
    (void)count_headers(request, name, &value);
    return value;
}

/* ---- llhttp's callbacks ------------------------------------------------------------------------------------------- */

static int refuse(net_parser *p, int status, const char *text)
{
    p->refused_status = status;
    p->refused_text = text;
    return HPE_USER;
}

static int add_text(net_parser *p, const char *bytes, size_t size, uint32_t *total)
{
    th_buf_add(&p->request->text, bytes, size);
    if (th_buf_error(&p->request->text) != TH_OK)
        return refuse(p, 431, "the head of the request is too large");
    *total += (uint32_t)size;
    return 0;
}

static int count_extra(net_parser *p, size_t size)
{
    p->extra_bytes += size + 1; /* an empty one costs too */
    return p->extra_bytes > TH_HTTP_HEADER_MAX
               ? refuse(p, 431, "trailers or chunk extensions are too large")
               : 0;
}

static int on_url(llhttp_t *http, const char *bytes, size_t size)
{
    net_parser *p = http->data;
    return add_text(p, bytes, size, &p->request->target_size);
}

static int on_field(llhttp_t *http, const char *bytes, size_t size)
{
    net_parser *p = http->data;
    net_request *r = p->request;
    if (p->head_done)
        return count_extra(p,
                           size); /* trailers are read over: nothing of ours is carried in them */
    if (r->header_count == 0 || p->in_value) {
        if (r->header_count == NET_HEADERS_MAX) return refuse(p, 431, "too many headers");
        r->headers[r->header_count++] = (net_header){.name_at = (uint32_t)r->text.size};
        p->in_value = false;
    }
    size_t at = r->text.size;
    if (add_text(p, bytes, size, &r->headers[r->header_count - 1].name_size) != 0) return HPE_USER;
    for (; at < r->text.size; at++) {
        if (r->text.bytes[at] >= 'A' && r->text.bytes[at] <= 'Z') r->text.bytes[at] |= 0x20;
    }
    return 0;
}

static int on_value(llhttp_t *http, const char *bytes, size_t size)
{
    net_parser *p = http->data;
    net_request *r = p->request;
    if (p->head_done) return count_extra(p, size);
    TH_ASSERT(r->header_count > 0);
    net_header *header = &r->headers[r->header_count - 1];
    if (!p->in_value) header->value_at = (uint32_t)r->text.size;
    p->in_value = true;
    return add_text(p, bytes, size, &header->value_size);
}

/* An empty value may come without on_value. */
static int on_value_end(llhttp_t *http)
{
    net_parser *p = http->data;
    if (p->head_done) return 0;
    net_request *r = p->request;
    if (!p->in_value) r->headers[r->header_count - 1].value_at = (uint32_t)r->text.size;
    p->in_value = true;
    net_header *header = &r->headers[r->header_count - 1];
    while (header->value_size > 0) {
        uint8_t last = r->text.bytes[header->value_at + header->value_size - 1];
        if (last != ' ' && last != '\t') break;
        header->value_size--;
    }
    return 0;
}

static int on_extension(llhttp_t *http, const char *bytes, size_t size)
{
    (void)bytes;
    return count_extra(http->data, size);
}

static int on_body(llhttp_t *http, const char *bytes, size_t size)
{
    net_parser *p = http->data;
    th_buf *body = &p->request->body;
    if (size > p->body_max || body->size > p->body_max - size)
        return refuse(p, 413, "the body is too large");
    if (!th_budget_charge(p->request->budget, size))
        return refuse(p, 429, "too many bodies are held in memory");
    size_t before = body->size;
    th_buf_add(body, bytes, size);
    if (body->size == before + size) return 0;
    th_budget_release(p->request->budget, size);
    return refuse(p, 503, "out of memory");
}

static int check_framing(net_parser *p)
{
    net_request *r = p->request;
    th_slice coding = {0}, length = {0};
    uint32_t codings = count_headers(r, "transfer-encoding", &coding);
    uint32_t lengths = count_headers(r, "content-length", &length);
    if (codings > 0 && lengths > 0)
        return refuse(p, 400, "Content-Length and Transfer-Encoding together");
    if (codings > 0) {
        if (r->http10) return refuse(p, 400, "Transfer-Encoding in HTTP/1.0");
        if (codings > 1 || !th_slice_equal_nocase(coding, TH_SLICE("chunked"))) {
            return refuse(p, 501, "the only transfer coding is chunked");
        }
        r->chunked = true;
    }
    if (lengths > 1) return refuse(p, 400, "two Content-Length headers");
    if (lengths == 1) {
        r->has_length = true;
        for (size_t i = 0; i < length.size; i++) {
            if (length.bytes[i] < '0' || length.bytes[i] > '9')
                return refuse(p, 400, "bad Content-Length");
        }
        if (length.size == 0 || length.size > 19) return refuse(p, 400, "bad Content-Length");
        r->content_length = p->http.content_length;
    }
    return 0;
}

static int on_head(llhttp_t *http)
{
    net_parser *p = http->data;
    net_request *r = p->request;
    p->head_done = true;
    if (http->http_major != 1 || http->http_minor > 1)
        return refuse(p, 505, "only HTTP/1.0 and HTTP/1.1");
    r->http10 = http->http_minor == 0;
    (void)snprintf(r->method, sizeof(r->method), "%s",
                   llhttp_method_name((llhttp_method_t)http->method));
    if (http->method == HTTP_CONNECT) return refuse(p, 501, "no tunnels");
    http->upgrade = 0; /* we never upgrade: the request is an ordinary one */
    if (check_framing(p) != 0) return HPE_USER;
    th_slice target = net_request_target(r), value = {0};
    if (target.size == 0 || (target.bytes[0] != '/' && !th_slice_is(target, "*"))) {
        return refuse(p, 400, "the target is not a path");
    }
    uint32_t hosts = count_headers(r, "host", &value);
    if (hosts > 1 || (hosts == 0 && !r->http10))
        return refuse(p, 400, "exactly one Host header is needed");
    if (count_headers(r, "expect", &value) > 0) {
        if (!th_slice_equal_nocase(value, TH_SLICE("100-continue")))
            return refuse(p, 417, "unknown expectation");
        r->expect_continue = !r->http10;
    }
    p->reached = NET_PARSE_HEAD;
    return HPE_PAUSED;
}

static int on_complete(llhttp_t *http)
{
    net_parser *p = http->data;
    p->request->keep_alive = llhttp_should_keep_alive(http) != 0;
    p->reached = NET_PARSE_DONE;
    return HPE_PAUSED;
}

/* ---- the parser ---------------------------------------------------------------------------------------------------- */

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_end,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_value = on_extension,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void net_parser_init(net_parser *parser)
{
    *parser = (net_parser){0};
    llhttp_init(&parser->http, HTTP_REQUEST, &settings);
    parser->http.data = parser;
}

void net_parser_begin(net_parser *parser, net_request *request)
{
    parser->request = request;
    parser->head_done = parser->in_value = false;
    parser->head_bytes = parser->extra_bytes = 0;
    parser->body_max = TH_HTTP_BODY_MAX;
}

static net_parse_state refused(net_parser *p)
{
    if (p->refused_status == 0) {
        p->refused_status = 400;
        p->refused_text = llhttp_get_error_reason(&p->http);
    }
    return NET_PARSE_REFUSED;
}

net_parse_state net_parser_feed(net_parser *parser, th_slice bytes, size_t *used)
{
    *used = 0;
    if (parser->refused_status != 0) return NET_PARSE_REFUSED;
    TH_ASSERT(parser->request != NULL);
    if (parser->paused) llhttp_resume(&parser->http);
    parser->paused = false;
    bool in_head = !parser->head_done;
    const char *data = bytes.size == 0 ? "" : (const char *)bytes.bytes;
    llhttp_errno_t error = llhttp_execute(&parser->http, data, bytes.size);
    if (error != HPE_OK && error != HPE_PAUSED) return refused(parser);
    *used = error == HPE_OK ? bytes.size : (size_t)(llhttp_get_error_pos(&parser->http) - data);
    TH_ASSERT(*used <= bytes.size);
    if (in_head)
        parser->head_bytes += *used; /* counts blanks and empty lines too, which no callback sees */
    if (parser->head_bytes > TH_HTTP_HEADER_MAX) {
        (void)refuse(parser, 431, "the head of the request is too large");
        return NET_PARSE_REFUSED;
    }
    parser->paused = error == HPE_PAUSED;
    return parser->paused ? parser->reached : NET_PARSE_MORE;
}
