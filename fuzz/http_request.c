/* SPDX-License-Identifier: Apache-2.0
 * fuzz-module: net
 * Arbitrary bytes as the stream of one connection. The first byte says in which pieces they arrive; the same bytes fed at
 * once must give the same requests. What is accepted keeps the promises that the rest of net/ builds on. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "net/http_parse.h"
#include "net/words.h"

#define BODY_MAX 4096u

typedef struct outcome {
    uint64_t requests, digest;
    bool refused;
} outcome;

static void check_text(th_slice text)
{
    for (size_t i = 0; i < text.size; i++)
        TH_ASSERT(text.bytes[i] != '\r' && text.bytes[i] != '\n' && text.bytes[i] != '\0');
}

static void check_header(const net_request *r, uint32_t i)
{
    th_slice name = net_request_header_name(r, i), value = net_request_header_value(r, i);
    TH_ASSERT(name.size > 0);
    check_text(name);
    check_text(value);
    for (size_t k = 0; k < name.size; k++)
        TH_ASSERT(name.bytes[k] > ' ' && name.bytes[k] != ':' &&
                  !(name.bytes[k] >= 'A' && name.bytes[k] <= 'Z'));
    th_buf decoded, encoded, again;
    th_buf_init(&decoded, TH_HTTP_HEADER_MAX);
    th_buf_init(&encoded, 3u * TH_HTTP_HEADER_MAX);
    th_buf_init(&again, TH_HTTP_HEADER_MAX);
    (void)net_url_decode(&decoded, value);
    net_url_encode(&encoded, value);
    TH_ASSERT(net_url_decode(&again, th_buf_slice(&encoded)) &&
              th_slice_equal(th_buf_slice(&again), value));
    th_buf_free(&decoded);
    th_buf_free(&encoded);
    th_buf_free(&again);
}

static void check_request(const net_request *r)
{
    TH_ASSERT(r->header_count <= NET_HEADERS_MAX && r->text.size <= TH_HTTP_HEADER_MAX);
    TH_ASSERT(!(r->chunked && r->has_length));
    TH_ASSERT(!r->chunked || !r->http10);
    TH_ASSERT(r->body.size <= BODY_MAX);
    if (r->has_length) TH_ASSERT(r->body.size == r->content_length);
    if (!r->has_length && !r->chunked) TH_ASSERT(r->body.size == 0);
    th_slice target = net_request_target(r);
    TH_ASSERT(target.size > 0 && net_request_path(r).size <= target.size);
    check_text(target);
    (void)net_request_query(r, "format");
    for (uint32_t i = 0; i < r->header_count; i++) check_header(r, i);
    th_slice host = net_request_header(r, "host");
    TH_ASSERT(host.bytes != NULL || r->http10);
    (void)net_host_is_ours(host);
    (void)net_origin_is_ours(net_request_header(r, "origin"), host);
#ifdef TH_FUZZ_CANARY
    char small[24];
    volatile size_t size = host.size;
    if (size > 0) memcpy(small, host.bytes, size);
    __asm__ volatile("" : : "r"(small) : "memory");
#endif
}

static uint64_t digest_of(const net_request *r, uint64_t seed)
{
    uint64_t digest = th_xxh3_seed(th_buf_slice(&r->text), seed);
    digest = th_xxh3_seed(th_buf_slice(&r->body), digest);
    return th_xxh3_seed(th_slice_text(r->method), digest);
}

static outcome run(th_slice bytes, size_t piece)
{
    outcome out = {0};
    th_budget budget;
    net_parser parser;
    net_request request;
    th_budget_init(&budget, "bodies", 1u << 20, NULL);
    net_parser_init(&parser);
    net_request_init(&request, &budget);
    net_parser_begin(&parser, &request);
    size_t turns = 4 * bytes.size + 16;
    for (bool going = true; going;) {
        TH_ASSERT(turns-- > 0); /* every feed gets on */
        size_t used = 0;
        th_slice part = th_slice_of(bytes.bytes, bytes.size < piece ? bytes.size : piece);
        net_parse_state state = net_parser_feed(&parser, part, &used);
        TH_ASSERT(used <= part.size);
        bytes = th_slice_of(bytes.bytes + used, bytes.size - used);
        if (state == NET_PARSE_HEAD) parser.body_max = BODY_MAX;
        if (state == NET_PARSE_MORE) {
            TH_ASSERT(used == part.size);
            going = bytes.size > 0;
        } else if (state == NET_PARSE_REFUSED) {
            TH_ASSERT(parser.refused_status >= 400 && parser.refused_status < 600 &&
                      parser.refused_text != NULL);
            out.refused = true;
            going = false;
        } else if (state == NET_PARSE_DONE) {
            check_request(&request);
            out.requests++;
            out.digest = digest_of(&request, out.digest);
            going = request.keep_alive && bytes.size > 0;
            net_request_free(&request);
            net_request_init(&request, &budget);
            net_parser_begin(&parser, &request);
        }
    }
    net_request_free(&request);
    TH_ASSERT(th_budget_used(&budget) == 0);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    th_slice bytes = th_slice_of(data + 1, size - 1);
    outcome pieces = run(bytes, (size_t)data[0] + 1), whole = run(bytes, SIZE_MAX);
    TH_ASSERT(pieces.requests == whole.requests && pieces.digest == whole.digest &&
              pieces.refused == whole.refused);
    return 0;
}
