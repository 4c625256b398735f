/* SPDX-License-Identifier: Apache-2.0
 * JSON over borrowed text: strict validation (RFC 8259, UTF-8 checked), raw slices that keep the spelling, decoding on
 * demand, and a writer. Nothing here recurses; depth is limited by the caller.
 *
 * "Raw" text is a value exactly as written, without white space around it. Duplicate keys: the first wins in look-ups,
 * all are visited by iteration. */
#ifndef TH_JSON_JSON_H
#define TH_JSON_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

typedef enum th_json_kind {
    TH_JSON_NONE, /* absent */
    TH_JSON_NULL,
    TH_JSON_FALSE,
    TH_JSON_TRUE,
    TH_JSON_NUMBER,
    TH_JSON_STRING,
    TH_JSON_ARRAY,
    TH_JSON_OBJECT
} th_json_kind;

/* Validate the one value that starts text after white space. On success *value is its raw slice (its end is where the
 * value ends; what follows is not looked at). Errors: TH_EPARSE (diag: offset as text, line and column), TH_ELIMIT
 * (deeper than depth_max). diag may be NULL. Strings may hold any escapes that RFC 8259 allows, lone surrogate
 * escapes included (they are valid JSON grammar). */
TH_MUST_CHECK th_err th_json_value(th_slice text, uint32_t depth_max, th_slice *value,
                                   th_diag *diag);
/* The same, and only white space may follow the value. */
TH_MUST_CHECK th_err th_json_document(th_slice text, uint32_t depth_max, th_slice *value,
                                      th_diag *diag);

/* The members at the top of an object, found while it is judged: raw keys (without quotes) and raw values, in order, equal
 * keys included. all: there were no more than fit. escaped: some key has an escape, or text that is not ASCII. Of anything
 * else there are none. */
#define TH_JSON_MEMBERS_MAX 96u
typedef struct th_json_members {
    uint32_t count;
    bool all, escaped;
    struct {
        th_slice key, value;
    } at[TH_JSON_MEMBERS_MAX];
} th_json_members;
/* As th_json_value; *members is filled only on success. */
TH_MUST_CHECK th_err th_json_value_members(th_slice text, uint32_t depth_max, th_slice *value,
                                           th_json_members *members, th_diag *diag);

/* An incremental finder of value boundaries for text that arrives in pieces: feed bytes, learn where the current value
 * ends. It judges structure only (strings, brackets, depth); th_json_value is the judge of validity. */
typedef struct th_json_scan {
    uint32_t depth;
    uint8_t in_string, in_escape, started, done, scalar;
} th_json_scan;
void th_json_scan_init(th_json_scan *scan);
/* Bytes of the value in text[0..size): returns how many bytes were consumed; scan->done says that the value ended
 * there. A scalar that runs to the end of text is not done (more digits may follow). */
size_t th_json_scan_feed(th_json_scan *scan, th_slice text);

/* All below takes VALID raw text (judged before by th_json_value); wrong input gives wrong answers, not crashes. */
th_json_kind th_json_kind_of(th_slice raw);

/* Visit the members of an object or the elements of an array. */
typedef struct th_json_iter {
    const uint8_t *pos;
    const uint8_t *end;
    bool object;
} th_json_iter;
/* raw must be an object or array; anything else iterates over nothing. */
th_json_iter th_json_iter_of(th_slice raw);
/* False at the end. *key: raw bytes between the quotes, escapes as written (empty for arrays). *value: raw. */
bool th_json_next(th_json_iter *it, th_slice *key, th_slice *value);

/* The member called key (decoded form compared; nocase folds ASCII case) or TH_JSON_NONE's empty slice. */
th_slice th_json_member(th_slice raw, th_slice key);
th_slice th_json_member_nocase(th_slice raw, th_slice key);
/* Element index (from 0), or empty. */
th_slice th_json_element(th_slice raw, size_t index);
/* Follow "a.b.c" member by member (a literal key with dots is not tried); empty when absent. */
th_slice th_json_path(th_slice raw, const char *dotted);

/* Decoded text of a raw string (with its quotes); when it has no escape the result borrows from raw, else it lives in
 * the arena. A lone surrogate becomes U+FFFD. NULL bytes: no memory. */
th_slice th_json_string(th_slice raw, th_arena *arena);
/* Does the decoded key equal text? raw_key is without its quotes, as th_json_next gives it. */
bool th_json_key_equals(th_slice raw_key, th_slice text);
bool th_json_key_equals_nocase(th_slice raw_key, th_slice text);
/* Decoded text of a raw key as th_json_next gives it. */
th_slice th_json_key(th_slice raw_key, th_arena *arena);

/* Writer: values straight into a buffer; commas and colons are kept by the writer. Errors stay in the buffer. */
typedef struct th_json_writer {
    th_buf *buf;
    uint32_t depth;
    uint64_t comma_bits; /* for depth < 64 */
    bool after_key;
} th_json_writer;
void th_json_writer_init(th_json_writer *w, th_buf *buf);
void th_json_begin_object(th_json_writer *w);
void th_json_end_object(th_json_writer *w);
void th_json_begin_array(th_json_writer *w);
void th_json_end_array(th_json_writer *w);
void th_json_put_key(th_json_writer *w, const char *key);
void th_json_put_key_slice(th_json_writer *w, th_slice key);
void th_json_put_string(th_json_writer *w,
                        th_slice utf8); /* bytes that are not UTF-8 become U+FFFD */
void th_json_put_text(th_json_writer *w, const char *text);
void th_json_put_i64(th_json_writer *w, int64_t v);
void th_json_put_u64(th_json_writer *w, uint64_t v);
void th_json_put_double(
    th_json_writer *w,
    double v); /* shortest that reads back equal; NaN and infinities as strings */
void th_json_put_bool(th_json_writer *w, bool v);
void th_json_put_null(th_json_writer *w);
void th_json_put_raw(th_json_writer *w, th_slice raw_json);
/* Append utf8 as a JSON string, quotes included. */
void th_json_quote(th_buf *buf, th_slice utf8);
/* Append raw JSON without the white space outside strings. */
void th_json_compact(th_buf *buf, th_slice raw);

#endif
