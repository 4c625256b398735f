/* SPDX-License-Identifier: Apache-2.0
 * The request parser: what it takes, what it refuses (everything that two parsers could read in two ways), its limits,
 * and that the pieces in which bytes arrive make no difference. */
#include "net/http_parse.h"

#include "tests/unit/test.h"

typedef struct outcome {
    int requests, status;
    size_t left;
    char bodies[256], paths[256];
} outcome;

static void note(outcome *out, const net_request *request)
{
    th_slice path = net_request_path(request), body = th_buf_slice(&request->body);
    size_t used = strlen(out->bodies), path_used = strlen(out->paths);
    snprintf(out->bodies + used, sizeof(out->bodies) - used, "%.*s|", TH_SLICE_ARGS(body));
    snprintf(out->paths + path_used, sizeof(out->paths) - path_used, "%.*s|", TH_SLICE_ARGS(path));
    out->requests++;
}

/* All requests in bytes, fed in pieces of the given size. */
static outcome parse(th_slice bytes, size_t piece, size_t body_max)
{
    outcome out = {0};
    net_parser parser;
    net_request request;
    net_parser_init(&parser);
    net_request_init(&request, NULL);
    net_parser_begin(&parser, &request);
    for (bool going = true; going;) {
        size_t used = 0;
        th_slice part = th_slice_of(bytes.bytes, bytes.size < piece ? bytes.size : piece);
        net_parse_state state = net_parser_feed(&parser, part, &used);
        bytes = th_slice_of(bytes.bytes + used, bytes.size - used);
        if (state == NET_PARSE_HEAD) parser.body_max = body_max;
        if (state == NET_PARSE_MORE && bytes.size == 0) going = false;
        if (state == NET_PARSE_REFUSED) {
            out.status = parser.refused_status;
            going = false;
        }
        if (state == NET_PARSE_DONE) {
            note(&out, &request);
            going = request.keep_alive && bytes.size > 0;
            net_request_free(&request);
            net_request_init(&request, NULL);
            net_parser_begin(&parser, &request);
        }
    }
    out.left = bytes.size;
    net_request_free(&request);
    return out;
}

static outcome parse_text(const char *text)
{
    return parse(th_slice_text(text), SIZE_MAX, TH_HTTP_BODY_MAX);
}

TEST(request_is_read_with_its_headers)
{
    net_parser parser;
    net_request r;
    size_t used = 0;
    net_parser_init(&parser);
    net_request_init(&r, NULL);
    net_parser_begin(&parser, &r);
    const char *text = "POST /v1/sql?a=1&format=csv HTTP/1.1\r\nHOST: here\r\nX-Empty:\r\nX-Two: a "
                       "b \t\r\nContent-Length: 2\r\n\r\nok";
    CHECK(net_parser_feed(&parser, th_slice_text(text), &used) == NET_PARSE_HEAD);
    CHECK_EQ_STR(r.method, "POST");
    CHECK_SLICE(net_request_target(&r), "/v1/sql?a=1&format=csv");
    CHECK_SLICE(net_request_path(&r), "/v1/sql");
    CHECK_SLICE(net_request_query(&r, "format"), "csv");
    CHECK_EQ_U64(net_request_query(&r, "form").size, 0);
    CHECK_SLICE(net_request_header(&r, "host"), "here");
    CHECK_SLICE(net_request_header(&r, "x-two"), "a b");
    CHECK(net_request_header(&r, "x-empty").bytes != NULL);
    CHECK(net_request_header(&r, "x-none").bytes == NULL);
    CHECK_EQ_U64(r.content_length, 2);
    CHECK(net_parser_feed(&parser, th_slice_text(text + used), &used) == NET_PARSE_DONE);
    CHECK_SLICE(th_buf_slice(&r.body), "ok");
    net_request_free(&r);
}

TEST(pieces_make_no_difference)
{
    const char *text = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                       "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
                       "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n4\r\nwiki\r\n2;e=f\r\nxy\r\n0\r\nT: v\r\n\r\n"
                       "GET /d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for (size_t piece = 1; piece < 40; piece++) {
        outcome out = parse(th_slice_text(text), piece, TH_HTTP_BODY_MAX);
        CHECK_EQ_STR(out.paths, "/a|/b|/c|/d|");
        CHECK_EQ_STR(out.bodies, "abc||wikixy||");
        CHECK_EQ_I64(out.status, 0);
    }
}

TEST(ambiguous_requests_are_refused)
{
    static const struct {
        const char *what, *text;
        int status;
    } cases[] = {
        {"both framings",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         400},
        {"both, other order",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
         "3\r\n\r\n0\r\n\r\n",
         400},
        {"length twice, equal",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
        {"length twice, unequal",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 0\r\n\r\nabc", 400},
        {"length list", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", 400},
        {"signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400},
        {"negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", 400},
        {"hex length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", 400},
        {"empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
        {"huge length",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
        {"unknown coding",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
        {"two codings",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        {"coding twice",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0\r\n\r\n",
         400},
        {"coding after chunked",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
         400},
        {"coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
        {"bare LF in header", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
        {"bare CR in header", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},
        {"folded header", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400},
        {"space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"space in name", "GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", 400},
        {"header without colon", "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400},
        {"bare LF in chunk",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
         400},
        {"signed chunk",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
         400},
        {"chunk too long",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
         400},
        {"huge chunk",
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
         400},
        {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
        {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"absolute target", "GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"HTTP/2 words", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        {"unknown method", "FROB / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"unknown expectation",
         "POST / HTTP/1.1\r\nHost: a\r\nExpect: more\r\nContent-Length: 1\r\n\r\nx", 417},
        {"TLS", "\x16\x03\x01\x02\x01\x01", 400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t piece = 1; piece < 3; piece++) {
            outcome out =
                parse(th_slice_text(cases[i].text), piece == 1 ? 1 : SIZE_MAX, TH_HTTP_BODY_MAX);
            if (out.status != cases[i].status || out.requests != 0) {
                FAIL("%s: status %d, %d requests", cases[i].what, out.status, out.requests);
            }
        }
    }
}

TEST(zero_byte_in_a_header_is_refused)
{
    outcome out = parse(TH_SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"), SIZE_MAX, 0);
    CHECK_EQ_I64(out.status, 400);
}

TEST(upgrade_is_passed_over)
{
    outcome out = parse_text("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
                             "h2c\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_EQ_STR(out.paths, "/a|/b|");
}

static outcome with_filler(const char *before, size_t filler, const char *after, size_t body_max)
{
    th_buf text;
    th_buf_init(&text, 1u << 20);
    th_buf_add_text(&text, before);
    for (size_t i = 0; i < filler; i++) th_buf_add_byte(&text, 'a');
    th_buf_add_text(&text, after);
    outcome out = parse(th_buf_slice(&text), 1000, body_max);
    th_buf_free(&text);
    return out;
}

TEST(head_of_the_largest_size_is_taken_and_one_byte_more_is_not)
{
    const char *before = "GET / HTTP/1.1\r\nHost: a\r\nX: ", *after = "\r\n\r\n";
    size_t room = TH_HTTP_HEADER_MAX - strlen(before) - strlen(after);
    CHECK_EQ_I64(with_filler(before, room, after, 0).requests, 1);
    outcome out = with_filler(before, room + 1, after, 0);
    CHECK_EQ_I64(out.requests, 0);
    CHECK_EQ_I64(out.status, 431);
}

TEST(blank_lines_and_target_count_as_head)
{
    CHECK_EQ_I64(with_filler("GET /", TH_HTTP_HEADER_MAX, " HTTP/1.1\r\nHost: a\r\n\r\n", 0).status,
                 431);
    th_buf text;
    th_buf_init(&text, 1u << 20);
    for (size_t i = 0; i < TH_HTTP_HEADER_MAX; i++) th_buf_add_text(&text, "\r\n");
    CHECK_EQ_I64(parse(th_buf_slice(&text), 1000, 0).status, 431);
    th_buf_free(&text);
}

TEST(too_many_headers_are_refused)
{
    for (uint32_t count = NET_HEADERS_MAX; count <= NET_HEADERS_MAX + 1; count++) {
        th_buf text;
        th_buf_init(&text, 1u << 20);
        th_buf_add_text(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (uint32_t i = 1; i < count; i++) th_buf_add_text(&text, "X: y\r\n");
        th_buf_add_text(&text, "\r\n");
        CHECK_EQ_I64(parse(th_buf_slice(&text), SIZE_MAX, 0).status,
                     count > NET_HEADERS_MAX ? 431 : 0);
        th_buf_free(&text);
    }
}

TEST(body_of_the_largest_size_is_taken_and_one_byte_more_is_not)
{
    const char *text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    CHECK_EQ_I64(parse(th_slice_text(text), SIZE_MAX, 6).requests, 1);
    CHECK_EQ_I64(parse(th_slice_text(text), SIZE_MAX, 5).status, 413);
    CHECK_EQ_I64(
        parse(th_slice_text("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef"), 1, 5)
            .status,
        413);
}

TEST(endless_trailers_and_extensions_are_refused)
{
    const char *head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    char before[256];
    snprintf(before, sizeof(before), "%s0\r\nT: ", head);
    CHECK_EQ_I64(with_filler(before, TH_HTTP_HEADER_MAX, "\r\n\r\n", 10).status, 431);
    snprintf(before, sizeof(before), "%s1;", head);
    CHECK_EQ_I64(with_filler(before, TH_HTTP_HEADER_MAX, "\r\nx\r\n0\r\n\r\n", 10).status, 431);
}

TEST(bodies_are_charged_and_given_back)
{
    th_budget budget;
    th_budget_init(&budget, "bodies", 8, NULL);
    for (int size = 8; size <= 9; size++) {
        char text[128];
        size_t used = 0, at = 0;
        net_parser parser;
        net_request r;
        net_parser_init(&parser);
        net_request_init(&r, &budget);
        net_parser_begin(&parser, &r);
        snprintf(text, sizeof(text),
                 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n123456789", size);
        CHECK(net_parser_feed(&parser, th_slice_text(text), &used) == NET_PARSE_HEAD);
        at = used;
        net_parse_state state = net_parser_feed(&parser, th_slice_text(text + at), &used);
        CHECK(state == (size == 8 ? NET_PARSE_DONE : NET_PARSE_REFUSED));
        CHECK_EQ_I64(parser.refused_status, size == 8 ? 0 : 429);
        net_request_free(&r);
        CHECK_EQ_U64(th_budget_used(&budget), 0);
    }
}

TEST(old_http_without_host_is_taken_and_ends_the_connection)
{
    outcome out = parse_text("GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n");
    CHECK_EQ_STR(out.paths, "/a|");
}

TEST_MAIN(request_is_read_with_its_headers, pieces_make_no_difference,
          ambiguous_requests_are_refused, zero_byte_in_a_header_is_refused, upgrade_is_passed_over,
          head_of_the_largest_size_is_taken_and_one_byte_more_is_not,
          blank_lines_and_target_count_as_head, too_many_headers_are_refused,
          body_of_the_largest_size_is_taken_and_one_byte_more_is_not,
          endless_trailers_and_extensions_are_refused, bodies_are_charged_and_given_back,
          old_http_without_host_is_taken_and_ends_the_connection)
