/* SPDX-License-Identifier: Apache-2.0
 * Real records of each JSON source, when the larger data is there: every byte comes back, every stored column equals
 * what a plain look-up in the record finds, and each record has the time and identity that its source promises. */
#include <glob.h>

#include "base/buf.h"
#include "base/time.h"
#include "json/json.h"
#include "segment/segment.h"
#include "tests/unit/test.h"

#define RECORDS_MAX 4096u

typedef struct real_set {
    th_buf files[512];
    size_t file_count;
    th_slice records[RECORDS_MAX];
    uint32_t count;
} real_set;

static real_set set;

static bool read_file(const char *path, th_buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    th_buf_init(out, 64 << 20);
    uint8_t chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof(chunk), file)) > 0;) th_buf_add(out, chunk, n);
    fclose(file);
    return th_buf_error(out) == TH_OK;
}

/* Elements of the array under member, else of the file itself; a file that is no array is one record. */
static void take_records(th_slice text, const char *member)
{
    th_slice document;
    CHECK_EQ_I64(th_json_document(text, 128, &document, NULL), TH_OK);
    th_slice list = th_json_member(document, th_slice_text(member));
    if (list.size == 0) list = document;
    if (th_json_kind_of(list) == TH_JSON_OBJECT) document = list;
    if (th_json_kind_of(list) != TH_JSON_ARRAY) {
        if (set.count < RECORDS_MAX) set.records[set.count++] = document;
        return;
    }
    th_json_iter it = th_json_iter_of(list);
    th_slice key, value;
    while (set.count < RECORDS_MAX && th_json_next(&it, &key, &value))
        set.records[set.count++] = value;
}

/* False, and a note, when the data is not here. */
static bool load(const char *pattern, const char *member)
{
    char path[4096];
    const char *shared = getenv("SHARED");
    snprintf(path, sizeof(path), "%s/data/%s", shared != NULL ? shared : "../shared", pattern);
    set.count = 0;
    set.file_count = 0;
    glob_t found;
    if (glob(path, 0, NULL, &found) != 0) {
        printf("# %s is not here\n", path);
        return false;
    }
    for (size_t i = 0; i < found.gl_pathc && set.file_count < 512; i++) {
        CHECK(read_file(found.gl_pathv[i], &set.files[set.file_count]));
        take_records(th_buf_slice(&set.files[set.file_count++]), member);
    }
    globfree(&found);
    CHECK(set.count > 0);
    return true;
}

static void unload(void)
{
    for (size_t i = 0; i < set.file_count; i++) th_buf_free(&set.files[i]);
}

/* A look-up that shares nothing with the segment's: one alternative, step by step, exact spelling before any other. */
static th_slice look_up(th_slice record, th_slice path)
{
    for (;;) {
        size_t dot = th_slice_find(path, TH_SLICE("."));
        th_slice key = {path.bytes, dot == SIZE_MAX ? path.size : dot};
        th_slice value = th_json_member(record, key);
        record = value.size > 0 ? value : th_json_member_nocase(record, key);
        if (dot == SIZE_MAX || record.size == 0) return record;
        path = (th_slice){path.bytes + dot + 1, path.size - dot - 1};
    }
}

static th_slice look_up_any(th_slice record, const char *path)
{
    th_slice rest = th_slice_text(path), null = {NULL, 0};
    for (;;) {
        size_t bar = th_slice_find(rest, TH_SLICE("|"));
        th_slice value = look_up(record, (th_slice){rest.bytes, bar == SIZE_MAX ? rest.size : bar});
        if (value.size > 0 && th_json_kind_of(value) != TH_JSON_NULL) return value;
        if (value.size > 0) null = value;
        if (bar == SIZE_MAX) return null;
        rest = (th_slice){rest.bytes + bar + 1, rest.size - bar - 1};
    }
}

static void check_column(const th_segment *s, const char *path, th_arena *arena)
{
    th_segment_column c;
    uint64_t bytes = 0;
    th_arena_reset(arena);
    CHECK_EQ_I64(th_segment_read_column(s, path, 0, set.count, arena, &c, &bytes), TH_OK);
    for (uint32_t i = 0; i < set.count; i++) {
        uint32_t at = c.codes == NULL ? i : c.codes[i];
        th_slice raw = look_up_any(set.records[i], path);
        if (raw.size == 0) {
            CHECK_EQ_I64(c.kinds[at], TH_CELL_ABSENT);
        } else if (th_json_kind_of(raw) == TH_JSON_NULL) {
            CHECK_EQ_I64(c.kinds[at], TH_CELL_NULL);
        } else {
            bool string = raw.bytes[0] == '"';
            th_slice wanted = string ? th_json_string(raw, arena) : raw;
            CHECK_EQ_I64(c.kinds[at], string ? TH_CELL_STRING : TH_CELL_JSON);
            CHECK_EQ_BYTES(c.values[at].bytes, c.values[at].size, wanted.bytes, wanted.size);
        }
    }
}

static void check_set(th_table_id id, const char *more_path)
{
    const th_stored_table *table = th_model_table((uint32_t)id);
    th_segment_builder *b = th_segment_builder_new(table, NULL);
    th_arena *arena = th_arena_new(256 << 20, NULL);
    th_buf image;
    th_buf_init(&image, 256 << 20);
    for (uint32_t i = 0; i < set.count; i++) {
        int64_t us = 0;
        bool has_time = th_model_time(table, set.records[i], TH_SLICE(""), &us);
        CHECK_EQ_I64(th_segment_builder_add(b, set.records[i], TH_SLICE(""), has_time, us), TH_OK);
    }
    CHECK_EQ_I64(th_segment_builder_finish(b, &image), TH_OK);
    th_segment_builder_free(b);
    th_segment *s;
    CHECK_EQ_I64(th_segment_open(th_buf_slice(&image), &s, NULL), TH_OK);
    CHECK(th_segment_raw_bytes(s) > image.size);
    th_slice *out = TH_NEW_ARRAY(arena, th_slice, set.count);
    CHECK_EQ_I64(th_segment_records(s, 0, set.count, arena, out), TH_OK);
    for (uint32_t i = 0; i < set.count; i++) CHECK(th_slice_equal(out[i], set.records[i]));
    for (uint32_t i = 0; i < table->column_count; i++)
        check_column(s, table->columns[i].path, arena);
    check_column(s, more_path, arena);
    th_segment_close(s);
    th_buf_free(&image);
    th_arena_free(arena);
}

/* Records that have a time, and those that have an identity of their source. */
static void count_known(th_table_id id, uint32_t *timed, uint32_t *identified)
{
    const th_stored_table *table = th_model_table((uint32_t)id);
    *timed = *identified = 0;
    for (uint32_t i = 0; i < set.count; i++) {
        int64_t us;
        th_buf identity;
        th_buf_init(&identity, 1 << 16);
        bool has = th_model_time(table, set.records[i], TH_SLICE(""), &us);
        *timed += has && th_model_day(has, us) != TH_DAY_UNDATED;
        *identified += th_model_identity(table, set.records[i], TH_SLICE(""), NULL, 0, &identity);
        th_buf_free(&identity);
    }
}

TEST(real_trail)
{
    if (!load("cloudtrail-invictus-stratus/*.json", "Records")) return;
    uint32_t timed, identified;
    count_known(TH_TABLE_cloudtrail, &timed, &identified);
    CHECK_EQ_U64(set.count, 807);
    CHECK_EQ_U64(timed, set.count);
    CHECK_EQ_U64(identified, set.count);
    check_set(TH_TABLE_cloudtrail, "requestParameters");
    unload();
}

TEST(real_configuration_items)
{
    if (!load("config-items-rdk/*.json", "configurationItem")) return;
    uint32_t timed, identified;
    count_known(TH_TABLE_config_items, &timed, &identified);
    CHECK_EQ_U64(set.count, 53);
    CHECK_EQ_U64(timed, set.count);
    CHECK_EQ_U64(identified, set.count);
    check_set(TH_TABLE_config_items, "configuration");
    unload();
}

TEST(real_findings)
{
    if (!load("findings-defectdojo/asff/prowler-output.asff.json", "Findings")) return;
    uint32_t timed, identified;
    count_known(TH_TABLE_findings_events, &timed, &identified);
    CHECK_EQ_U64(set.count, 731);
    CHECK_EQ_U64(timed, set.count);
    CHECK_EQ_U64(identified, set.count);
    check_set(TH_TABLE_findings_events, "Resources");
    unload();
}

TEST_MAIN(real_trail, real_configuration_items, real_findings)
