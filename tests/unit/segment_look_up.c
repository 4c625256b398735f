/* SPDX-License-Identifier: Apache-2.0
 * Any path of any record: columns of both tiers against the plain finder of paths.c on the record itself, and zones and
 * filters against every text found. TH_LOOK_UP_RECORDS and TH_LOOK_UP_SEED make it as long as one likes. */
#include "base/limits.h"
#include "segment/paths.h"
#include "tests/unit/bent.h"
#include "tests/unit/hostile.h"
#include "tests/unit/test.h"

enum { RECORDS_IF_UNSET = 3000, SEGMENT_ROWS = 2500, PATHS = 40 };

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

typedef struct rows {
    const th_stored_table *table;
    th_arena *arena; /* the rows */
    uint32_t count;
    th_slice record[SEGMENT_ROWS], layout[SEGMENT_ROWS];
} rows;

static uint32_t below(bent *h, uint32_t n)
{
    return (uint32_t)(bent_next(h) >> 33) % n;
}

/* ---- records whose keys are all alike ---- */

static void put_key(bent *h, th_buf *out)
{
    static const char *const keys[] = {"a",  "A",    "b",         "B",        "a.b", "k\\u0065y",
                                       "",   "key",  "KEY",       "\\u0061",  "c",   "a|b",
                                       "=a", "\\\"", "eventName", "EventName"};
    th_buf_printf(out, "\"%s\":", keys[below(h, below(h, 3) == 0 ? 16 : 4)]);
}

static void put_value(bent *h, th_buf *out, uint32_t depth)
{
    static const char *const leaves[] = {"null", "1",   "true",        "\"x\"", "\"\"",  "{}", "[]",
                                         "0.5",  "{ }", "\"\\u0078\"", "\"1\"", "\"a\"", "-1"};
    uint32_t what = below(h, 10);
    if (depth > 3 || what < 5) {
        th_buf_add_text(out, leaves[below(h, 13)]);
        return;
    }
    uint32_t count = below(h, 4);
    if (what < 9) {
        th_buf_add_byte(out, '{');
        for (uint32_t i = 0; i < count; i++) {
            if (i > 0) th_buf_add_byte(out, ',');
            put_key(h, out);
            put_value(h, out, depth + 1);
        }
        th_buf_add_byte(out, '}');
        return;
    }
    th_buf_add_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) th_buf_add_byte(out, ',');
        put_value(h, out, depth + 1);
    }
    th_buf_add_byte(out, ']');
}

static void alike_record(bent *h, th_buf *out)
{
    th_buf_clear(out);
    th_buf_add_byte(out, '{');
    for (uint32_t i = 0, count = below(h, 5); i < count; i++) {
        if (i > 0) th_buf_add_text(out, below(h, 9) == 0 ? " , " : ",");
        put_key(h, out);
        put_value(h, out, 0);
    }
    th_buf_add_byte(out, '}');
}

/* ---- lines ---- */

static const char *const layouts[] = {"version account-id interface-id srcaddr",
                                      "srcaddr dstaddr",
                                      "a b c a",
                                      "",
                                      "version",
                                      "srcaddr A a b|c srcaddr"};

static void line_record(bent *h, th_buf *out)
{
    static const char *const words[] = {"-",     "10.0.0.1", "443",    "\"a b\"", "[x y]", "\"-\"",
                                        "\"q",   "x\"y",     "[",      "]",       "\"\"",  "2",
                                        "OK\\n", "\xff",     "ACCEPT", "10.0.0.2"};
    th_buf_clear(out);
    uint32_t count = below(h, 20) == 0 ? 300 : 1 + below(h, 7);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) th_buf_add_text(out, below(h, 30) == 0 ? "  " : below(h, 40) == 0 ? "\t" : " ");
        th_buf_add_text(out, words[below(h, below(h, 2) == 0 ? 3 : 16)]);
    }
    if (below(h, 50) == 0) th_buf_add_byte(out, ' ');
}

/* ---- paths ---- */

static void put_steps(bent *h, th_buf *out)
{
    static const char *const steps[] = {
        "a",          "A",  "b",  "key",  "",  "requestParameters", "c",  "tags",
        "K\xc3\xa9y", "m0", "\"", "size", "B", "eventName",         "m1", "bucketName"};
    /* Alternatives do not differ in case alone (paths.h). */
    static const char *const lower[] = {"a", "b", "key", "m1", "eventName", ""};
    uint32_t alternatives = 1 + (below(h, 3) == 0 ? below(h, 3) : 0);
    for (uint32_t i = 0; i < alternatives; i++) {
        if (i > 0) th_buf_add_byte(out, '|');
        uint32_t depth = 1 + below(h, 3);
        for (uint32_t k = 0; k < depth; k++) {
            if (k > 0) th_buf_add_byte(out, '.');
            th_buf_add_text(out, alternatives > 1 ? lower[below(h, 6)]
                                                  : steps[below(h, below(h, 2) == 0 ? 3 : 16)]);
        }
    }
}

static void put_path(bent *h, const th_stored_table *table, th_buf *out)
{
    static const char *const names[] = {
        "version", "srcaddr", "a",         "A",       "b",
        "c",       "b|a",     "x|srcaddr", "SRCADDR", "dstaddr|account-id",
        "",        "b|c"};
    th_buf_clear(out);
    if (below(h, 4) == 0) th_buf_add_byte(out, '=');
    if (below(h, 4) == 0)
        th_buf_add_text(out, table->columns[below(h, table->column_count)].path);
    else if (table->format == TH_RECORD_LINE)
        th_buf_add_text(out, names[below(h, 12)]);
    else
        put_steps(h, out);
    th_buf_add_byte(out, '\0');
}

/* ---- comparing ---- */

/* The spelling of a stored column counts as in its table, unless it is asked for exactly. */
static const char *name_of(const th_stored_table *table, const char *path)
{
    for (uint32_t i = 0; path[0] != '=' && i < table->column_count; i++)
        if (strcmp(table->columns[i].path, path) == 0) return table->columns[i].path;
    return path + (path[0] == '=');
}

static void plain_cell(const rows *r, uint32_t row, segment_paths *paths, const char *name,
                       th_arena *arena, uint8_t *kind, th_slice *text)
{
    if (r->table->format == TH_RECORD_LINE) {
        th_slice field = {NULL, 0}, rest = th_slice_text(name);
        for (bool there = false; !there && rest.bytes != NULL;) {
            size_t bar = th_slice_find(rest, TH_SLICE("|"));
            th_slice one = {rest.bytes, bar == SIZE_MAX ? rest.size : bar};
            there = th_model_layout_index(r->layout[row], one) != UINT32_MAX;
            if (there) field = th_model_line_field(r->record[row], r->layout[row], one);
            rest = bar == SIZE_MAX ? (th_slice){NULL, 0}
                                   : (th_slice){rest.bytes + bar + 1, rest.size - bar - 1};
        }
        segment_cell_of_field(field, kind, text);
        return;
    }
    bool folded = false;
    segment_paths_run(paths, r->record[row]);
    CHECK(segment_cell_of_json(segment_paths_value(paths, 0, &folded), arena, kind, text));
}

static void compare(const th_segment *s, const rows *r, const char *path, uint32_t begin,
                    uint32_t count, th_arena *arena)
{
    const char *name = name_of(r->table, path);
    segment_paths *paths = segment_paths_new(&name, 1, path[0] == '=');
    th_segment_column c;
    th_slice min, max;
    uint64_t bytes = 0;
    th_arena_reset(arena);
    CHECK_EQ_I64(th_segment_read_column(s, path, begin, count, arena, &c, &bytes), TH_OK);
    bool zone = th_segment_zone(s, path, &min, &max);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t kind;
        th_slice text;
        plain_cell(r, begin + i, paths, name, arena, &kind, &text);
        uint32_t at = c.codes == NULL ? i : c.codes[i];
        CHECK(at < c.value_count);
        bool same = c.kinds[at] == kind && th_slice_equal(c.values[at], text);
        if (!same) {
            fprintf(
                stderr, "path %s row %u of %u: %.*s\nlayout %.*s\nkind %u not %u, %.*s not %.*s\n",
                path, begin + i, r->count, (int)r->record[begin + i].size,
                (const char *)r->record[begin + i].bytes, (int)r->layout[begin + i].size,
                (const char *)r->layout[begin + i].bytes, c.kinds[at], kind, (int)c.values[at].size,
                (const char *)c.values[at].bytes, (int)text.size, (const char *)text.bytes);
        }
        CHECK(same);
        if (!segment_kind_has_text(kind)) continue;
        CHECK(!zone || (th_slice_compare(min, text) <= 0 && th_slice_compare(text, max) <= 0));
        if (i % 16 == 0) CHECK(th_segment_may_equal(s, path, text));
    }
    segment_paths_free(paths);
}

static void check_rows(bent *h, const rows *r, th_segment_tier tier, th_segment_shaper *shaper)
{
    th_segment_builder *b = th_segment_builder_new_sharing(r->table, NULL, shaper);
    th_segment_builder_set_tier(b, tier);
    for (uint32_t i = 0; i < r->count; i++)
        CHECK_EQ_I64(th_segment_builder_add(b, r->record[i], r->layout[i], false, 0), TH_OK);
    th_buf image, path;
    th_buf_init(&image, 256 << 20);
    th_buf_init(&path, 4096);
    CHECK_EQ_I64(th_segment_builder_finish(b, &image), TH_OK);
    th_segment_builder_free(b);
    th_segment *s;
    CHECK_EQ_I64(th_segment_open(th_buf_slice(&image), &s, NULL), TH_OK);
    CHECK_EQ_I64(th_segment_verify(s, NULL), TH_OK);
    th_arena *arena = th_arena_new((size_t)1 << 30, NULL);
    for (uint32_t i = 0; i < PATHS; i++) {
        put_path(h, r->table, &path);
        uint32_t begin = below(h, 2) == 0 ? 0 : below(h, r->count);
        uint32_t left = r->count - begin, count = below(h, 2) == 0 ? left : 1 + below(h, left);
        compare(s, r, (const char *)path.bytes, begin, count, arena);
    }
    th_arena_free(arena);
    th_segment_close(s);
    th_buf_free(&image);
    th_buf_free(&path);
}

typedef enum sort { SORT_BENT, SORT_HOSTILE, SORT_ALIKE, SORT_LINES } sort;

static void make_rows(bent *h, sort what, rows *r)
{
    th_buf record;
    th_buf_init(&record, 64 << 20);
    r->table = th_model_table(what == SORT_LINES ? (uint32_t)TH_TABLE_vpc_flow
                                                 : (uint32_t)TH_TABLE_cloudtrail);
    th_arena_reset(r->arena);
    r->count = 1 + below(h, below(h, 3) == 0 ? 30 : SEGMENT_ROWS);
    uint32_t layout = below(h, 6);
    for (uint32_t i = 0; i < r->count; i++) {
        switch (what) {
        case SORT_BENT: bent_record(h, &record); break;
        case SORT_HOSTILE: hostile_record(&record); break;
        case SORT_ALIKE: alike_record(h, &record); break;
        case SORT_LINES: line_record(h, &record); break;
        }
        if (below(h, 40) == 0) layout = below(h, 6);
        r->record[i] = th_arena_copy(r->arena, th_buf_slice(&record));
        r->layout[i] = what == SORT_LINES ? th_slice_text(layouts[layout]) : TH_SLICE("");
        CHECK(r->record[i].bytes != NULL);
    }
    th_buf_free(&record);
}

static void look_up(sort what)
{
    uint64_t records = setting("TH_LOOK_UP_RECORDS", RECORDS_IF_UNSET);
    static rows r;
    r.arena = th_arena_new((size_t)1 << 30, NULL);
    th_segment_shaper *shaper = th_segment_shaper_new(NULL);
    bent h;
    bent_init(&h, setting("TH_LOOK_UP_SEED", 1) * 16 + what);
    for (uint64_t done = 0; done < records; done += r.count) {
        make_rows(&h, what, &r);
        check_rows(&h, &r, TH_TIER_FAST, below(&h, 2) == 0 ? shaper : NULL);
        check_rows(&h, &r, TH_TIER_COMPACT, NULL);
    }
    th_segment_shaper_free(shaper);
    th_arena_free(r.arena);
}

TEST(paths_of_bent_records)
{
    look_up(SORT_BENT);
}

TEST(paths_of_hostile_records)
{
    look_up(SORT_HOSTILE);
}

TEST(paths_of_records_whose_keys_are_all_alike)
{
    look_up(SORT_ALIKE);
}

TEST(fields_of_lines)
{
    look_up(SORT_LINES);
}

TEST_MAIN(paths_of_bent_records, paths_of_hostile_records,
          paths_of_records_whose_keys_are_all_alike, fields_of_lines)
