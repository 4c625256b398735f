/* SPDX-License-Identifier: Apache-2.0
 * Parts of a directory that all versions write alike: counts, texts, the layouts of lines. */
#include <stdlib.h>

#include "segment/reader.h"

uint32_t segment_take_count(th_reader *reader, uint64_t max)
{
    uint64_t count = th_take_varint(reader);
    if (count > max || count > (uint64_t)(reader->end - reader->pos)) reader->bad = true;
    return reader->bad ? 0 : (uint32_t)count;
}

th_slice segment_take_text(th_reader *reader, size_t max)
{
    uint64_t size = th_take_varint(reader);
    if (size > max) reader->bad = true;
    return reader->bad ? (th_slice){NULL, 0} : th_take_bytes(reader, (size_t)size);
}

static th_err take_runs(th_segment *s, th_reader *reader)
{
    s->run_count = segment_take_count(reader, s->rows);
    s->runs = calloc((size_t)s->run_count + 1, sizeof(segment_run));
    if (s->runs == NULL) return TH_ENOMEM;
    uint32_t row = 0;
    for (uint32_t i = 0; i < s->run_count && !reader->bad; i++) {
        uint64_t layout = th_take_varint(reader), rows = th_take_varint(reader);
        if (layout >= s->layout_count || rows == 0 || rows > s->rows - row) return TH_ECORRUPT;
        s->runs[i] = (segment_run){row, (uint32_t)layout};
        row += (uint32_t)rows;
    }
    return reader->bad || row != s->rows ? TH_ECORRUPT : TH_OK;
}

th_err segment_take_layouts(th_segment *s, th_reader *reader)
{
    s->layout_count = segment_take_count(reader, s->rows);
    if (s->layout_count == 0) return reader->bad ? TH_ECORRUPT : TH_OK;
    s->layouts = calloc(s->layout_count, sizeof(th_slice));
    if (s->layouts == NULL) return TH_ENOMEM;
    for (uint32_t i = 0; i < s->layout_count; i++)
        s->layouts[i] = segment_take_text(reader, SIZE_MAX);
    return take_runs(s, reader);
}

uint32_t segment_run_of(const th_segment *s, uint32_t row)
{
    uint32_t low = 0, high = s->run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s->runs[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

uint32_t segment_stored_column(const th_segment *s, const char *path)
{
    bool strict = path[0] == '=';
    th_slice name = th_slice_text(path + strict);
    for (uint32_t i = 0; i < s->table->column_count; i++) {
        th_slice stored = th_slice_text(s->table->columns[i].path);
        bool same = s->table->format == TH_RECORD_LINE ? th_model_layout_index(stored, name) == 0
                    : strict                           ? th_slice_equal(stored, name)
                                                       : th_slice_equal_nocase(stored, name);
        if (same) return i;
    }
    return UINT32_MAX;
}
