/* SPDX-License-Identifier: Apache-2.0
 * Cutting records: literals and values in turn are the record, equal literals are one shape, and nothing that is not
 * valid is ever cut, whichever way the bytes are compared. */
#include <glob.h>

#include "base/buf.h"
#include "json/json.h"
#include "segment/shape.h"
#include "tests/unit/hostile.h"
#include "tests/unit/test.h"

static segment_value values[SEGMENT_SLOTS_MAX];
static uint32_t count, shape;

static bool cut(segment_shaper *s, th_slice record)
{
    return segment_shaper_cut(s, record, TH_SLICE(""), values, &count, &shape);
}

/* Literals and values in turn, compared with the record; columns are those of the shape. */
static void check_exact(segment_shaper *s, th_slice record)
{
    segment_shape of;
    segment_shaper_shape(s, shape, &of);
    CHECK_EQ_U64(of.slots, count);
    size_t at = 0;
    for (uint32_t i = 0; i <= count; i++) {
        th_slice literal = segment_shaper_literal(s, of.literals[i]);
        CHECK(at + literal.size <= record.size);
        CHECK(th_slice_equal(literal, th_slice_of(record.bytes + at, literal.size)));
        at += literal.size;
        if (i == count) break;
        CHECK_EQ_U64(values[i].offset, at);
        CHECK_EQ_U64(values[i].column, of.columns[i]);
        at += values[i].size;
        CHECK(at <= record.size);
    }
    CHECK_EQ_U64(at, record.size);
}

/* Twice, so that the fast path has its turn; in memory of its own, so that a sanitizer sees every byte read too many. */
static bool cut_copy(segment_shaper *s, th_slice record)
{
    uint8_t *copy = malloc(record.size + 1);
    CHECK(copy != NULL);
    if (record.size > 0) memcpy(copy, record.bytes, record.size);
    th_slice own = {copy, record.size};
    bool first = cut(s, own);
    uint32_t first_shape = shape;
    if (first) check_exact(s, own);
    bool second = cut(s, own);
    CHECK_EQ_I64(first, second);
    if (second) {
        check_exact(s, own);
        CHECK_EQ_U64(first_shape, shape);
    }
    free(copy);
    return first;
}

static bool cut_text(segment_shaper *s, const char *text)
{
    return cut_copy(s, th_slice_text(text));
}

TEST(values_and_columns)
{
    segment_shaper *s = segment_shaper_new(TH_RECORD_JSON, NULL);
    CHECK(cut_text(s, "{\"a\":\"x\",\"b\":{\"c\": 12 ,\"d\":[\"p\",\"q\",true]},\"e\":{}}"));
    CHECK_EQ_U64(count, 5);
    CHECK(values[2].column == values[3].column); /* elements share a column */
    CHECK(values[4].column != values[3].column); /* scalars have one of their own */
    segment_shape of;
    segment_shaper_shape(s, shape, &of);
    CHECK(of.repeats);
    uint32_t node, parent, field;
    segment_leaf_kind kind;
    segment_node_kind node_kind;
    th_slice key;
    segment_shaper_column(s, values[1].column, &node, &kind);
    CHECK_EQ_I64(kind, SEGMENT_LEAF_SCALAR);
    segment_shaper_node(s, node, &parent, &node_kind, &key, &field);
    CHECK_SLICE(key, "c");
    CHECK_EQ_I64(node_kind, SEGMENT_NODE_MEMBER);
    segment_shaper_node(s, parent, &parent, &node_kind, &key, &field);
    CHECK_SLICE(key, "b");
    CHECK_EQ_U64(parent, 0);
    uint32_t first = shape;
    CHECK(
        cut_text(s, "{\"a\":\"\\u00e9\",\"b\":{\"c\": -0.5e+3 ,\"d\":[\"\",\"\",null]},\"e\":{}}"));
    CHECK_EQ_U64(shape, first);
    CHECK(cut_text(s, "{\"a\":1,\"b\":{\"c\": 12 ,\"d\":[\"p\",\"q\",true]},\"e\":{}}"));
    CHECK(shape != first);
    CHECK(cut_text(s, "12"));
    CHECK_EQ_U64(count, 1);
    CHECK(cut_text(s, " [ ] "));
    CHECK_EQ_U64(count, 0);
    segment_shaper_free(s);
}

TEST(kept_whole)
{
    segment_shaper *s = segment_shaper_new(TH_RECORD_JSON, NULL);
    CHECK(cut_text(s, "{\"a\":\"x\",\"b\":1}"));
    CHECK(cut_text(s, "{\"b\":1,\"a\":\"x\"}"));
    CHECK(cut_text(s, "{\"a\":\"x\",\"b\":2,\"c\":\"y\"}"));
    static const char *const refused[] = {"",
                                          "{",
                                          "{\"a\":\"x\",\"b\":1",
                                          "{\"a\":\"x\",\"b\":1}x",
                                          "{\"a\":\"x\",\"b\":01}",
                                          "{\"a\":\"x\",\"b\":1 2}",
                                          "{\"a\":\"x\",\"b\":-}",
                                          "{\"a\":\"x\",\"b\":1.}",
                                          "{\"a\":\"x\",\"b\":truex}",
                                          "{\"a\":\"\\x\",\"b\":1}",
                                          "{\"a\":\"\\u12g4\",\"b\":1}",
                                          "{\"a\":\"\t\",\"b\":1}",
                                          "{\"a\":\"\xff\",\"b\":1}",
                                          "{\"a\":\"\xed\xa0\x80\",\"b\":1}",
                                          "{\"a\":\"x\",\"b\":1,\"a\":\"x\"}",
                                          "{\"b\":1,\"b\":1,\"b\":1}",
                                          "{\"a\":\"x\",\"\\u0061\":\"x\"}",
                                          "{\"q\":{},\"q\":{}}"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (cut_text(s, refused[i])) FAIL("cut: %s", refused[i]);
    CHECK(cut_text(s, "{\"q\":{\"a\":1},\"r\":{\"a\":1},\"s\":[{\"a\":1},{\"a\":1}]}"));
    segment_shaper_free(s);
}

/* What single steps may each lead to adds up to a key that stands twice. */
TEST(learnt_steps_do_not_add_up_to_a_double_key)
{
    segment_shaper *s = segment_shaper_new(TH_RECORD_JSON, NULL);
    CHECK(cut_text(s, "{\"a\":\"1\",\"b\":\"2\"}"));
    CHECK(cut_text(s, "{\"b\":\"1\",\"a\":\"2\"}"));
    CHECK(cut_text(s, "{\"c\":\"1\",\"b\":\"2\",\"a\":\"3\"}"));
    CHECK(cut_text(s, "{\"c\":\"1\",\"a\":\"2\",\"b\":\"3\"}"));
    CHECK(!cut_text(s, "{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}"));
    CHECK(!cut_text(s, "{\"a\":\"4\",\"b\":\"5\",\"a\":\"6\"}"));
    segment_shaper_free(s);
}

static th_slice repeat(th_buf *buf, const char *open, const char *part, size_t n, const char *close)
{
    th_buf_clear(buf);
    th_buf_add_text(buf, open);
    for (size_t i = 0; i < n; i++) th_buf_add_text(buf, part);
    th_buf_add_text(buf, close);
    return th_buf_slice(buf);
}

TEST(limits)
{
    segment_shaper *s = segment_shaper_new(TH_RECORD_JSON, NULL);
    th_buf buf, more;
    th_buf_init(&buf, 1 << 20);
    th_buf_init(&more, 1 << 20);
    th_slice deep = repeat(&buf, "", "[", SEGMENT_DEPTH_MAX, "1");
    th_slice closed = repeat(&more, (const char *)deep.bytes, "]", SEGMENT_DEPTH_MAX, "");
    CHECK(cut_copy(s, closed));
    deep = repeat(&buf, "", "[", SEGMENT_DEPTH_MAX + 1, "1");
    CHECK(!cut_copy(s, repeat(&more, (const char *)deep.bytes, "]", SEGMENT_DEPTH_MAX + 1, "")));
    CHECK(cut_copy(s, repeat(&buf, "[0", ",1", SEGMENT_SLOTS_MAX - 1, "]")));
    CHECK(!cut_copy(s, repeat(&buf, "[0", ",1", SEGMENT_SLOTS_MAX, "]")));
    CHECK(cut_copy(s, repeat(&buf, "", " ", SEGMENT_LITERAL_MAX - 1, "[1]")));
    CHECK(!cut_copy(s, repeat(&buf, "", " ", SEGMENT_LITERAL_MAX, "[1]")));
    th_buf_free(&buf);
    th_buf_free(&more);
    segment_shaper_free(s);
}

/* A shape a record: the shaper fills up, says so, and whatever it still cuts is exact. */
TEST(a_shape_a_record)
{
    segment_shaper *s = segment_shaper_new(TH_RECORD_JSON, NULL);
    uint32_t whole = 0;
    for (int i = 0; i < 40000; i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"k%d\":\"v\",\"n\":%d}", i, i);
        if (cut(s, th_slice_text(text)))
            check_exact(s, th_slice_text(text));
        else
            whole++;
    }
    CHECK(segment_shaper_is_full(s));
    CHECK(whole > 0);
    CHECK(segment_shaper_shapes(s) <= 16384);
    segment_shaper_free(s);
}

TEST(lines)
{
    segment_shaper *s = segment_shaper_new(TH_RECORD_LINE, NULL);
    const th_slice plain = TH_SLICE("version srcaddr bytes"),
                   quoted = TH_SLICE("time \"request\" [when] status");
    th_slice line = TH_SLICE("2 10.0.0.1 - extra\n");
    CHECK(segment_shaper_cut(s, line, plain, values, &count, &shape));
    check_exact(s, line);
    CHECK_EQ_U64(count, 4);
    uint32_t first = shape;
    line = TH_SLICE("2 fd00::1 77 more\n");
    CHECK(segment_shaper_cut(s, line, plain, values, &count, &shape));
    check_exact(s, line);
    CHECK_EQ_U64(shape, first);
    line = TH_SLICE("now \"GET / \"x\" HTTP\" [a b] 200 beyond it");
    CHECK(segment_shaper_cut(s, line, quoted, values, &count, &shape));
    check_exact(s, line);
    CHECK_EQ_U64(count, 6);
    CHECK_SLICE(th_slice_of(line.bytes + values[2].offset, values[2].size), "a b");
    line = TH_SLICE("  \n");
    CHECK(segment_shaper_cut(s, line, plain, values, &count, &shape));
    check_exact(s, line);
    segment_shaper_free(s);
}

/* ---- a hostile generator ---- */

/* What is cut must be valid; what is valid and has no double key must be cut. */
static void run_hostile(int level, int rounds)
{
    segment_shaper_use_level(level);
    segment_shaper *s = segment_shaper_new(TH_RECORD_JSON, NULL);
    th_buf buf;
    th_buf_init(&buf, 1 << 20);
    uint32_t cuts = 0;
    for (int i = 0; i < rounds; i++) {
        if (segment_shaper_is_full(s)) {
            segment_shaper_free(s);
            s = segment_shaper_new(TH_RECORD_JSON, NULL);
        }
        hostile_record(&buf);
        th_slice record = th_buf_slice(&buf), value;
        bool valid = th_json_document(record, SEGMENT_DEPTH_MAX, &value, NULL) == TH_OK;
        bool cuttable = cut_copy(s, record);
        cuts += cuttable;
        if (cuttable && !valid) FAIL("cut: %.*s", TH_SLICE_ARGS(record));
    }
    CHECK(cuts > (uint32_t)rounds / 4);
    th_buf_free(&buf);
    segment_shaper_free(s);
    segment_shaper_use_level(2);
}

TEST(hostile_records)
{
    for (int level = 0; level <= 2; level++) run_hostile(level, 20000);
}

/* Known shapes with one byte changed anywhere: the fast path must notice what the judge would. */
TEST(broken_values_of_known_shapes)
{
    const char *text =
        "{\"a\":\"some text that is longer than one vector of bytes, \\u00e9 \xc3\xa9\","
        "\"b\":[1,-2.5e+7,true,null,false],\"c\":\"\"}";
    for (int level = 0; level <= 2; level++) {
        segment_shaper_use_level(level);
        segment_shaper *s = segment_shaper_new(TH_RECORD_JSON, NULL);
        CHECK(cut_text(s, text));
        size_t size = strlen(text);
        for (size_t at = 0; at < size; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char broken[256];
                memcpy(broken, text, size);
                broken[at] = (char)byte;
                th_slice record = th_slice_of(broken, size), value;
                bool valid = th_json_document(record, SEGMENT_DEPTH_MAX, &value, NULL) == TH_OK;
                bool done = cut(s, record);
                if (done) check_exact(s, record);
                if (done && !valid) FAIL("cut: %.*s", TH_SLICE_ARGS(record));
            }
        }
        segment_shaper_free(s);
    }
    segment_shaper_use_level(2);
}

/* ---- files ---- */

static bool read_file(const char *path, th_buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    uint8_t chunk[65536];
    th_buf_clear(out);
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), file)) > 0;) th_buf_add(out, chunk, n);
    fclose(file);
    return th_buf_error(out) == TH_OK;
}

static size_t each_file(const char *pattern, void (*run)(th_slice text, const char *path))
{
    char path[4096];
    const char *shared = getenv("SHARED");
    snprintf(path, sizeof(path), "%s/%s", shared != NULL ? shared : "../shared", pattern);
    glob_t found;
    if (glob(path, 0, NULL, &found) != 0) {
        printf("# %s is not here\n", path);
        return 0;
    }
    th_buf text;
    th_buf_init(&text, 256 << 20);
    size_t n = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        if (!read_file(found.gl_pathv[i], &text)) continue;
        run(th_buf_slice(&text), found.gl_pathv[i]);
        n++;
    }
    th_buf_free(&text);
    globfree(&found);
    return n;
}

static segment_shaper *files_shaper;
static uint64_t records_cut, records_whole;

static void take(th_slice record)
{
    th_slice value;
    bool valid = th_json_document(record, SEGMENT_DEPTH_MAX, &value, NULL) == TH_OK;
    bool done = cut(files_shaper, record);
    if (done) check_exact(files_shaper, record);
    CHECK(valid || !done);
    *(done ? &records_cut : &records_whole) += 1;
}

/* Elements of arrays at the top or one member deep, else lines, else the file. */
static void take_records(th_slice text, const char *path)
{
    (void)path;
    th_slice document;
    take(text);
    if (th_json_document(text, 128, &document, NULL) != TH_OK) {
        const uint8_t *p = text.bytes, *end = p + text.size;
        while (p < end) {
            const uint8_t *line = memchr(p, '\n', (size_t)(end - p));
            size_t size = line == NULL ? (size_t)(end - p) : (size_t)(line - p);
            take(th_slice_of(p, size));
            p += size + 1;
        }
        return;
    }
    th_json_iter it = th_json_iter_of(document), inner;
    th_slice key, value, element;
    while (th_json_next(&it, &key, &value)) {
        take(value);
        if (!it.object) continue;
        for (inner = th_json_iter_of(value); th_json_next(&inner, &key, &element);) take(element);
    }
}

TEST(real_files)
{
    files_shaper = segment_shaper_new(TH_RECORD_JSON, NULL);
    each_file("data/*/*.json*", take_records);
    each_file("data/*/*/*.json*", take_records);
    printf("# %llu cut, %llu whole\n", (unsigned long long)records_cut,
           (unsigned long long)records_whole);
    if (records_cut > 0) CHECK(records_whole < records_cut / 20);
    segment_shaper_free(files_shaper);
}

/* As it is, and as a member of a record. Names: y_ must be accepted by a reader, n_ refused, i_ either. */
static void take_suite_file(th_slice text, const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    th_buf record;
    th_buf_init(&record, 1 << 20);
    for (int wrapped = 0; wrapped < 2; wrapped++) {
        th_buf_clear(&record);
        if (wrapped) th_buf_add_text(&record, "{\"eventName\":\"x\",\"more\":");
        th_buf_add_slice(&record, text);
        if (wrapped) th_buf_add_text(&record, "}");
        bool done = cut_copy(files_shaper, th_buf_slice(&record));
        if (done && name[0] == 'n' && !wrapped) FAIL("cut: %s", name);
        bool may_be_whole = strstr(name, "duplicated") != NULL;
        if (!done && name[0] == 'y' && !may_be_whole) FAIL("whole: %s", name);
    }
    th_buf_free(&record);
}

TEST(json_test_suite)
{
    files_shaper = segment_shaper_new(TH_RECORD_JSON, NULL);
    size_t n = each_file("data/json-testsuite/*.json", take_suite_file) +
               each_file("data/json-testsuite/*/*.json", take_suite_file);
    printf("# %zu files\n", n);
    segment_shaper_free(files_shaper);
}

TEST_MAIN(values_and_columns, kept_whole, learnt_steps_do_not_add_up_to_a_double_key, limits,
          a_shape_a_record, lines, hostile_records, broken_values_of_known_shapes, real_files,
          json_test_suite)
