/* SPDX-License-Identifier: Apache-2.0
 * One HTTP/1.1 request at a time out of a stream of bytes, judged strictly: what two parsers could read in two ways is
 * refused. Knows nothing of sockets; the connection (conn.c) and the fuzzer feed it.
 *
 *   net_parser_begin -> feed ... -> NET_PARSE_HEAD (the caller judges the head, sets body_max)
 *                    -> feed ... -> NET_PARSE_DONE (nothing of the next request was consumed)
 *   at any time         NET_PARSE_REFUSED: answer refused_status, close; the parser takes no more. */
#ifndef TH_NET_HTTP_PARSE_H
#define TH_NET_HTTP_PARSE_H

#include "base/budget.h"
#include "base/buf.h"
#include "base/limits.h"
#include "llhttp.h"

#define NET_HEADERS_MAX 100u

typedef struct net_header {
    uint32_t name_at, name_size, value_at, value_size; /* in the request's text */
} net_header;

typedef struct net_request {
    char method[24];
    th_buf text; /* the target, then names (in lower case) and values */
    uint32_t target_size;
    net_header headers[NET_HEADERS_MAX];
    uint32_t header_count;
    bool http10, chunked, has_length, expect_continue, keep_alive;
    uint64_t content_length;
    th_buf body;
    th_budget *budget; /* body bytes are charged here; may be NULL */
} net_request;

void net_request_init(net_request *request, th_budget *budget);
void net_request_free(net_request *request); /* gives the charge back */
th_slice net_request_target(const net_request *request);
th_slice net_request_path(const net_request *request); /* the target without ?query */
/* Value of the first header of that name (lower case); bytes NULL when there is none. */
th_slice net_request_header(const net_request *request, const char *name);
th_slice net_request_header_name(const net_request *request, uint32_t index);
th_slice net_request_header_value(const net_request *request, uint32_t index);
/* Value of key in the target's query part, as written. */
th_slice net_request_query(const net_request *request, const char *key);

typedef enum net_parse_state {
    NET_PARSE_MORE,
    NET_PARSE_HEAD,
    NET_PARSE_DONE,
    NET_PARSE_REFUSED
} net_parse_state;

typedef struct net_parser {
    llhttp_t http;
    net_request *request;
    net_parse_state reached; /* by the pause that ended the last feed */
    bool paused, head_done, in_value;
    size_t head_bytes, extra_bytes; /* extra: chunk extensions and trailers */
    size_t body_max;
    int refused_status;
    const char *refused_text; /* static text */
} net_parser;

void net_parser_init(net_parser *parser);
/* The next request goes here. Call once before the first feed of each request. */
void net_parser_begin(net_parser *parser, net_request *request);
/* *used bytes were consumed; unless the answer is NET_PARSE_MORE the rest is to be fed again. An empty feed is allowed. */
net_parse_state net_parser_feed(net_parser *parser, th_slice bytes, size_t *used);

#endif
