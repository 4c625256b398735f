/* SPDX-License-Identifier: Apache-2.0
 * Reading images of version 2: any row, rows in order, and any path, from records that are cut as well as from those that
 * are kept whole, in both tiers. */
#include "base/buf.h"
#include "json/json.h"
#include "segment/format.h"
#include "segment/segment.h"
#include "tests/unit/test.h"

#define ROWS 20000u /* more than a page of 16,384 */

typedef struct fixture {
    th_buf image;
    th_segment *segment;
    th_arena *arena;
} fixture;

/* Row i: mostly one shape; some lack members, some spell them otherwise, some are no JSON that can be cut. */
static th_slice make_row(uint32_t i, char *out, size_t size)
{
    uint32_t r = i * UINT32_C(2654435761) ^ i >> 5;
    int n;
    if (i % 97 == 5)
        n = snprintf(out, size, "{\"eventName\":\"Twice%u\",\"eventName\":\"x\",\"n\":{\"a\":%u}}",
                     i % 3, i);
    else if (i % 31 == 7)
        n = snprintf(out, size, "{ \"EventName\":\"Odd\", \"n\" : [ %u , {} ], \"alt\":null }", i);
    else if (i % 11 == 3)
        n = snprintf(out, size,
                     "{\"eventName\":\"Op\\u0031\",\"n\":{},\"alt\":null,\"id\":\"%08x\"}", r);
    else
        n = snprintf(
            out, size,
            "{\"eventName\":\"Op%u\",\"userName\":\"u%u\",\"id\":\"%08x\",\"n\":{\"a\":%u,\"b\":"
            "[\"%u\",true]},\"again\":{\"userName\":\"u%u\"},\"other\":\"o%u\"}",
            i % 20, i % 300, r, i, r % 1000, i % 50 == 0 ? i : i % 300, i % 4);
    return th_slice_of(out, (size_t)n);
}

static void open_rows(fixture *f, uint32_t rows, th_segment_tier tier, th_budget *budget)
{
    th_segment_builder *b = th_segment_builder_new(th_model_table(TH_TABLE_cloudtrail), NULL);
    th_segment_builder_set_tier(b, tier);
    char text[512];
    for (uint32_t i = 0; i < rows; i++)
        CHECK_EQ_I64(th_segment_builder_add(b, make_row(i, text, sizeof(text)), TH_SLICE(""),
                                            i % 7 != 0, (int64_t)i * 1000000),
                     TH_OK);
    th_buf_init(&f->image, 64 << 20);
    CHECK_EQ_I64(th_segment_builder_finish(b, &f->image), TH_OK);
    th_segment_builder_free(b);
    CHECK_EQ_I64(th_segment_open_within(th_buf_slice(&f->image), budget, &f->segment, NULL), TH_OK);
    CHECK_EQ_I64(th_segment_tier_of(f->segment), tier);
    f->arena = th_arena_new(512 << 20, NULL);
}

static void close_rows(fixture *f)
{
    th_segment_close(f->segment);
    th_arena_free(f->arena);
    th_buf_free(&f->image);
}

static void check_record(th_slice got, uint32_t row)
{
    char text[512];
    th_slice wanted = make_row(row, text, sizeof(text));
    CHECK_EQ_BYTES(got.bytes, got.size, wanted.bytes, wanted.size);
}

TEST(a_cursor_gives_what_random_access_gives)
{
    for (int tier = TH_TIER_FAST; tier <= TH_TIER_COMPACT; tier++) {
        fixture f;
        open_rows(&f, ROWS, (th_segment_tier)tier, NULL);
        static const uint32_t begins[] = {0, 1, 4095, 16383, ROWS - 1, ROWS};
        for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
            th_segment_cursor *cursor;
            CHECK_EQ_I64(th_segment_cursor_open(f.segment, begins[i], NULL, &cursor), TH_OK);
            uint32_t row = begins[i], count;
            do {
                const th_slice *records;
                CHECK_EQ_I64(th_segment_cursor_next(cursor, 3001, &records, &count), TH_OK);
                CHECK(count <= 3001);
                for (uint32_t k = 0; k < count; k++) check_record(records[k], row++);
            } while (count > 0);
            CHECK_EQ_U64(row, ROWS);
            th_segment_cursor_close(cursor);
        }
        for (uint32_t i = 0; i < 300; i++) {
            uint32_t row = i * 7919u % ROWS;
            th_slice record;
            th_arena_reset(f.arena);
            CHECK_EQ_I64(th_segment_records(f.segment, row, 1, f.arena, &record), TH_OK);
            check_record(record, row);
            int64_t us;
            CHECK_EQ_I64(th_segment_read_times(f.segment, row, 1, f.arena, &us), TH_OK);
            CHECK_EQ_I64(us, row % 7 != 0 ? (int64_t)row * 1000000 : INT64_MIN);
        }
        CHECK_EQ_I64(th_segment_verify(f.segment, NULL), TH_OK);
        close_rows(&f);
    }
}

/* One step: the exact spelling, else any case. */
static th_slice step(th_slice raw, const char *key)
{
    th_slice value = th_json_member(raw, th_slice_text(key));
    return value.size > 0 ? value : th_json_member_nocase(raw, th_slice_text(key));
}

static th_slice look_up(th_slice record, const char *path)
{
    if (strcmp(path, "n.a") == 0) return step(step(record, "n"), "a");
    if (strcmp(path, "again.userName") == 0) return step(step(record, "again"), "userName");
    if (strcmp(path, "alt|other") != 0) return step(record, path);
    th_slice alt = step(record, "alt"), other = step(record, "other");
    return other.size > 0 ? other : alt; /* alt is null wherever it is */
}

static void check_cell(const th_segment_column *c, uint32_t at, uint32_t row, const char *path,
                       th_arena *arena)
{
    char text[512];
    th_slice raw = look_up(make_row(row, text, sizeof(text)), path);
    uint32_t i = c->codes == NULL ? at : c->codes[at];
    CHECK(i < c->value_count);
    if (raw.size == 0) {
        CHECK_EQ_I64(c->kinds[i], TH_CELL_ABSENT);
    } else if (th_json_kind_of(raw) == TH_JSON_NULL) {
        CHECK_EQ_I64(c->kinds[i], TH_CELL_NULL);
    } else {
        bool string = raw.bytes[0] == '"';
        th_slice wanted = string ? th_json_string(raw, arena) : raw;
        CHECK_EQ_I64(c->kinds[i], string ? TH_CELL_STRING : TH_CELL_JSON);
        CHECK_EQ_BYTES(c->values[i].bytes, c->values[i].size, wanted.bytes, wanted.size);
    }
}

TEST(every_path_is_what_a_look_up_in_the_record_finds)
{
    static const char *const paths[] = {"eventName", "userName", "id",        "n",
                                        "n.a",       "other",    "alt|other", "again.userName",
                                        "nothing",   "again"};
    for (int tier = TH_TIER_FAST; tier <= TH_TIER_COMPACT; tier++) {
        fixture f;
        open_rows(&f, ROWS, (th_segment_tier)tier, NULL);
        for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
            static const uint32_t ranges[][2] = {{0, ROWS}, {5, 1}, {4000, 9000}, {16380, 3000}};
            for (size_t k = 0; k < 4; k++) {
                th_segment_column c;
                uint64_t bytes = 0;
                uint32_t begin = ranges[k][0], count = ranges[k][1];
                th_arena_reset(f.arena);
                CHECK_EQ_I64(
                    th_segment_read_column(f.segment, paths[p], begin, count, f.arena, &c, &bytes),
                    TH_OK);
                for (uint32_t i = 0; i < count; i++)
                    check_cell(&c, i, begin + i, paths[p], f.arena);
            }
        }
        close_rows(&f);
    }
}

TEST(a_dictionary_has_each_value_once_and_stays_where_it_is)
{
    fixture f;
    open_rows(&f, ROWS, TH_TIER_FAST, NULL);
    th_segment_column first, again;
    uint64_t bytes = 0;
    CHECK_EQ_I64(th_segment_read_column(f.segment, "eventName", 0, 10, f.arena, &first, &bytes),
                 TH_OK);
    CHECK(first.codes != NULL);
    CHECK_EQ_U64(first.value_count,
                 20 + 1 + 3); /* Op0 to Op19 (Op1 also escaped), Odd, Twice0 to 2 */
    char name[32];
    for (uint32_t i = 0; i < 400; i++) { /* more paths than are kept */
        snprintf(name, sizeof(name), "path%u|id", i);
        CHECK_EQ_I64(th_segment_read_column(f.segment, name, 0, 10, f.arena, &again, &bytes),
                     TH_OK);
        check_cell(&again, 4, 4, "id", f.arena);
    }
    CHECK_EQ_I64(th_segment_read_column(f.segment, "eventName", 9, 10, f.arena, &again, &bytes),
                 TH_OK);
    CHECK(first.values == again.values && first.kinds == again.kinds);
    close_rows(&f);
}

TEST(what_is_open_and_kept_is_charged_and_given_back)
{
    th_budget budget;
    th_budget_init(&budget, "test", 64 << 20, NULL);
    fixture f;
    open_rows(&f, 3000, TH_TIER_FAST, &budget);
    th_segment_column c;
    uint64_t bytes = 0;
    size_t opened = th_budget_used(&budget), held = th_segment_held(f.segment);
    CHECK(opened > 0 && held >= opened);
    CHECK_EQ_I64(th_segment_read_column(f.segment, "eventName", 0, 10, f.arena, &c, &bytes), TH_OK);
    CHECK(th_budget_used(&budget) > opened && th_segment_held(f.segment) > held);
    close_rows(&f);
    CHECK_EQ_U64(th_budget_used(&budget), 0);
}

TEST(what_does_not_fit_its_budget_is_not_opened)
{
    th_budget budget;
    th_budget_init(&budget, "test", 100, NULL);
    fixture f;
    open_rows(&f, 30, TH_TIER_FAST, NULL);
    th_segment *again;
    th_diag diag = {0};
    th_err err = th_segment_open_within(th_buf_slice(&f.image), &budget, &again, &diag);
    CHECK(err == TH_ELIMIT || err == TH_ENOMEM);
    CHECK_EQ_STR(diag.text, "no memory to open a segment");
    CHECK_EQ_U64(th_budget_used(&budget), 0);
    close_rows(&f);
}

TEST(values_of_a_path_may_be_anything_json_has)
{
    static const char *const rows[] = {"{\"a\":1}",
                                       "{\"a\":\"1\"}",
                                       "{\"a\":null}",
                                       "{\"a\":{}}",
                                       "{\"a\":[]}",
                                       "{\"a\":[1,{\"b\":2}]}",
                                       "{\"a\":true}",
                                       "{\"a\":\"\"}",
                                       "{\"A\":\"up\"}",
                                       "{\"A\":1,\"a\":\"ex\"}",
                                       "{\"a\":{\"b\":\"in\"}}",
                                       "[{\"a\":1}]",
                                       "{\"x\\u0079\":9}",
                                       "{\"a\":\"q\\\"}\"}",
                                       "{\"k{\\\"\":{\"a\":0},\"a\":5}"};
    static const char *const wanted[] = {
        "1", "1", "",     "{}", "[]", "[1,{\"b\":2}]", "true", "", "up", "ex", "{\"b\":\"in\"}",
        "",  "",  "q\"}", "5"};
    static const uint8_t kinds[] = {TH_CELL_JSON,   TH_CELL_STRING, TH_CELL_NULL, TH_CELL_JSON,
                                    TH_CELL_JSON,   TH_CELL_JSON,   TH_CELL_JSON, TH_CELL_STRING,
                                    TH_CELL_STRING, TH_CELL_STRING, TH_CELL_JSON, TH_CELL_ABSENT,
                                    TH_CELL_ABSENT, TH_CELL_STRING, TH_CELL_JSON};
    enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
    for (int repeat = 1; repeat <= 20; repeat += 19) {
        th_segment_builder *b = th_segment_builder_new(th_model_table(TH_TABLE_cloudtrail), NULL);
        for (int k = 0; k < repeat; k++)
            for (size_t i = 0; i < COUNT; i++)
                CHECK_EQ_I64(
                    th_segment_builder_add(b, th_slice_text(rows[i]), TH_SLICE(""), false, 0),
                    TH_OK);
        fixture f = {.arena = th_arena_new(64 << 20, NULL)};
        th_buf_init(&f.image, 1 << 20);
        CHECK_EQ_I64(th_segment_builder_finish(b, &f.image), TH_OK);
        th_segment_builder_free(b);
        CHECK_EQ_I64(th_segment_open(th_buf_slice(&f.image), &f.segment, NULL), TH_OK);
        th_segment_column c, y;
        uint64_t bytes = 0;
        uint32_t count = (uint32_t)(COUNT * (unsigned)repeat);
        CHECK_EQ_I64(th_segment_read_column(f.segment, "a", 0, count, f.arena, &c, &bytes), TH_OK);
        CHECK_EQ_I64(th_segment_read_column(f.segment, "xy", 0, count, f.arena, &y, &bytes), TH_OK);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t at = c.codes == NULL ? i : c.codes[i], row = i % COUNT;
            CHECK_EQ_I64(c.kinds[at], kinds[row]);
            CHECK_EQ_BYTES(c.values[at].bytes, c.values[at].size, wanted[row], strlen(wanted[row]));
        }
        CHECK_SLICE(y.values[y.codes == NULL ? 12 : y.codes[12]], "9");
        close_rows(&f);
    }
}

/* A short image may say that its rows are very long: what the header allows is the bound. */
TEST(records_longer_than_the_header_says_are_damage)
{
    fixture f;
    open_rows(&f, 3000, TH_TIER_FAST, NULL);
    th_segment_close(f.segment);
    segment_header header;
    memcpy(&header, f.image.bytes, sizeof(header));
    header.raw_bytes = 1000;
    header.header_hash = th_xxh3(th_slice_of(&header, offsetof(segment_header, header_hash)));
    memcpy(f.image.bytes, &header, sizeof(header));
    CHECK_EQ_I64(th_segment_open(th_buf_slice(&f.image), &f.segment, NULL), TH_OK);
    th_slice records[200];
    CHECK_EQ_I64(th_segment_records(f.segment, 0, 1, f.arena, records), TH_OK);
    CHECK_EQ_I64(th_segment_records(f.segment, 0, 200, f.arena, records), TH_ECORRUPT);
    close_rows(&f);
}

TEST_MAIN(a_cursor_gives_what_random_access_gives, every_path_is_what_a_look_up_in_the_record_finds,
          a_dictionary_has_each_value_once_and_stays_where_it_is,
          what_is_open_and_kept_is_charged_and_given_back,
          what_does_not_fit_its_budget_is_not_opened, values_of_a_path_may_be_anything_json_has,
          records_longer_than_the_header_says_are_damage)
