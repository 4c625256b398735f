/* SPDX-License-Identifier: Apache-2.0
 * store_sizes DATA: what the segments of a data folder that nobody owns take, one JSON object: by table the segments, rows,
 * bytes of records, stored bytes, rows kept whole, and the stored bytes by path of a column. The rest of the folder's size
 * is page rounding, catalog and trees of pages. */
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "json/json.h"
#include "segment/image.h"
#include "store/store.h"

enum { PATH_MAX_BYTES = 1024, VERSION_WITH_COLUMNS = 2 };

typedef struct table_sum {
    uint64_t segments, rows, raw, stored, whole, whole_bytes, skeleton_bytes, residual_bytes;
    th_map *columns; /* path -> stored bytes */
} table_sum;

_Noreturn static void stop(const char *what, const char *why)
{
    fprintf(stderr, "store_sizes: %s: %s\n", what, why);
    exit(1);
}

/* Keys from the root (number 0), joined by dots. */
static void node_path(const segment_skeleton *skeleton, uint32_t number, th_buf *out)
{
    if (number == 0) return;
    const segment_node *n = &skeleton->nodes[number - 1];
    node_path(skeleton, n->parent, out);
    if (out->size > 0 && n->key.size > 0) th_buf_add_byte(out, '.');
    th_buf_add_slice(out, n->key);
}

static void add_image(table_sum *t, const th_segment *segment)
{
    segment_header header;
    memcpy(&header, segment->image.bytes, sizeof(header));
    if (header.version != VERSION_WITH_COLUMNS) return;
    segment_image *image = segment_image_of(segment);
    const segment_skeleton *skeleton = NULL;
    if (segment_need_skeleton(image, &skeleton) != TH_OK) stop("a segment", "damaged");
    t->whole += image->whole_count;
    t->whole_bytes += image->whole_stored;
    t->skeleton_bytes += image->skeleton_stored;
    t->residual_bytes += image->residual_stored;
    th_buf path;
    th_buf_init(&path, PATH_MAX_BYTES);
    for (uint32_t i = 0; i < image->column_count; i++) {
        th_buf_clear(&path);
        node_path(skeleton, image->columns[i].node, &path);
        uint64_t *bytes = th_map_put(t->columns, th_buf_slice(&path), 0, NULL);
        if (bytes == NULL) stop("columns", "out of memory");
        *bytes += image->columns[i].stored;
    }
    th_buf_free(&path);
}

static void add_table(table_sum *t, th_version *version, uint32_t table)
{
    th_segment_ref *refs;
    size_t count;
    th_diag diag = {0};
    th_arena *arena = th_arena_new((size_t)1 << 30, NULL);
    if (arena == NULL) stop("segments", "out of memory");
    if (th_version_segments(version, table, INT32_MIN, INT32_MAX, arena, &refs, &count, &diag) !=
        TH_OK)
        stop("segments", diag.text);
    for (size_t i = 0; i < count; i++) {
        const th_loaded *loaded;
        if (th_version_load(version, &refs[i], &loaded, &diag) != TH_OK)
            stop("a segment", diag.text);
        t->segments++;
        t->rows += refs[i].rows_stored;
        t->raw += refs[i].raw_bytes;
        t->stored += refs[i].stored_bytes;
        add_image(t, loaded->segment);
        th_version_unload(loaded);
    }
    th_arena_free(arena);
}

static void put_number(th_json_writer *w, const char *name, uint64_t value)
{
    th_json_put_key(w, name);
    th_json_put_u64(w, value);
}

static void put_table(th_json_writer *w, const char *name, const table_sum *t)
{
    th_json_put_key(w, name);
    th_json_begin_object(w);
    put_number(w, "segments", t->segments);
    put_number(w, "rows", t->rows);
    put_number(w, "raw_bytes", t->raw);
    put_number(w, "stored_bytes", t->stored);
    put_number(w, "whole_rows", t->whole);
    put_number(w, "whole_bytes", t->whole_bytes);
    put_number(w, "skeleton_bytes", t->skeleton_bytes);
    put_number(w, "residual_bytes", t->residual_bytes);
    th_json_put_key(w, "columns");
    th_json_begin_object(w);
    for (size_t i = 0; i < th_map_count(t->columns); i++) {
        th_json_put_key_slice(w, th_map_key_at(t->columns, i));
        th_json_put_u64(w, th_map_value_at(t->columns, i));
    }
    th_json_end_object(w);
    th_json_end_object(w);
}

static void put_tables(th_json_writer *w, th_version *version)
{
    size_t count;
    const th_stored_table *tables = th_model_tables(&count);
    for (size_t i = 0; i < count; i++) {
        th_arena *arena = th_arena_new((size_t)1 << 30, NULL);
        table_sum t = {.columns = arena == NULL ? NULL : th_map_new(arena)};
        if (t.columns == NULL) stop("columns", "out of memory");
        add_table(&t, version, tables[i].id);
        if (t.segments > 0) put_table(w, tables[i].name, &t);
        th_arena_free(arena);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) stop("usage", "store_sizes DATA");
    th_store_options options = {.no_background = true};
    th_store *store;
    int owner = 0;
    th_diag diag = {0};
    if (th_store_open(argv[1], &options, &store, &owner, &diag) != TH_OK) stop(argv[1], diag.text);
    th_version *version = th_store_version(store);
    th_buf text;
    th_json_writer w;
    th_buf_init(&text, (size_t)1 << 30);
    th_json_writer_init(&w, &text);
    th_json_begin_object(&w);
    put_tables(&w, version);
    th_json_end_object(&w);
    printf("%s\n", th_buf_text(&text));
    th_buf_free(&text);
    th_version_release(version);
    th_store_close(store);
    return 0;
}
