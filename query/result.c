/* SPDX-License-Identifier: Apache-2.0
 * A result as text: csv, tsv, json, ndjson here; table and vertical in result_table.c. */
#include "query/result.h"

#include <stdlib.h>

#include "json/json.h"
#include "query/result_private.h"

static const char *const format_names[] = {
    [TH_FORMAT_TABLE] = "table", [TH_FORMAT_VERTICAL] = "vertical", [TH_FORMAT_CSV] = "csv",
    [TH_FORMAT_TSV] = "tsv",     [TH_FORMAT_JSON] = "json",         [TH_FORMAT_NDJSON] = "ndjson",
};

bool th_format_parse(const char *name, th_format *out)
{
    for (size_t i = 0; i < sizeof(format_names) / sizeof(format_names[0]); i++) {
        if (strcmp(format_names[i], name) != 0) continue;
        *out = (th_format)i;
        return true;
    }
    return false;
}

th_result_writer *th_result_writer_new(const th_writer_options *options)
{
    th_result_writer *w = calloc(1, sizeof(*w));
    if (w == NULL) return NULL;
    w->options = *options;
    th_buf_init(&w->out, RESULT_CELL_MAX * 2);
    th_buf_init(&w->cell, RESULT_CELL_MAX);
    th_buf_init(&w->held, RESULT_HELD_BYTES + RESULT_CELL_MAX);
    return w;
}

void th_result_writer_free(th_result_writer *writer)
{
    if (writer == NULL) return;
    for (uint32_t i = 0; i < writer->column_count; i++) free(writer->names[i].text);
    free(writer->names);
    free(writer->widths);
    th_buf_free(&writer->out);
    th_buf_free(&writer->cell);
    th_buf_free(&writer->held);
    free(writer);
}

th_err result_pass_on(th_result_writer *w, bool all)
{
    TH_TRY(th_buf_error(&w->out));
    if (w->out.size == 0 || (!all && w->out.size < RESULT_PIECE)) return TH_OK;
    th_err err = w->options.write(w->options.ctx, th_buf_slice(&w->out));
    th_buf_clear(&w->out);
    return err;
}

static bool csv_needs_quotes(th_slice text)
{
    if (text.size == 0) return true;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        if (c == '"' || c == ',' || c == '\n' || c == '\r') return true;
    }
    return false;
}

static void csv_put(th_buf *out, th_slice text)
{
    if (!csv_needs_quotes(text)) {
        th_buf_add_slice(out, text);
        return;
    }
    th_buf_add_byte(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '"') th_buf_add_byte(out, '"');
        th_buf_add_byte(out, text.bytes[i]);
    }
    th_buf_add_byte(out, '"');
}

/* Tab, line ends and backslash as \t \n \r \\. */
static void tsv_put(th_buf *out, th_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        const char *escape = c == '\t'   ? "\\t"
                             : c == '\n' ? "\\n"
                             : c == '\r' ? "\\r"
                             : c == '\\' ? "\\\\"
                                         : NULL;
        if (escape != NULL)
            th_buf_add_text(out, escape);
        else
            th_buf_add_byte(out, c);
    }
}

static void delimited_row(th_result_writer *w, const th_batch *batch, uint32_t row)
{
    bool csv = w->options.format == TH_FORMAT_CSV;
    for (uint32_t c = 0; c < w->column_count; c++) {
        if (c > 0) th_buf_add_byte(&w->out, csv ? ',' : '\t');
        const th_vector *v = &batch->columns[c];
        if (th_vector_is_null(v, row)) continue;
        th_buf_clear(&w->cell);
        if (w->names[c].nested)
            th_value_json(&w->cell, v, row);
        else
            th_value_text(&w->cell, v, row);
        if (csv)
            csv_put(&w->out, th_buf_slice(&w->cell));
        else
            tsv_put(&w->out, th_buf_slice(&w->cell));
    }
    th_buf_add_byte(&w->out, '\n');
}

static void json_row(th_result_writer *w, const th_batch *batch, uint32_t row)
{
    bool array = w->options.format == TH_FORMAT_JSON;
    if (array) th_buf_add_text(&w->out, w->rows > 0 ? ",\n" : "");
    th_buf_add_byte(&w->out, '{');
    for (uint32_t c = 0; c < w->column_count; c++) {
        if (c > 0) th_buf_add_byte(&w->out, ',');
        th_json_quote(&w->out, th_slice_of(w->names[c].text, w->names[c].size));
        th_buf_add_byte(&w->out, ':');
        th_value_json(&w->out, &batch->columns[c], row);
    }
    th_buf_add_text(&w->out, array ? "}" : "}\n");
}

static void header_row(th_result_writer *w)
{
    bool csv = w->options.format == TH_FORMAT_CSV;
    for (uint32_t c = 0; c < w->column_count; c++) {
        if (c > 0) th_buf_add_byte(&w->out, csv ? ',' : '\t');
        th_slice name = th_slice_of(w->names[c].text, w->names[c].size);
        if (csv)
            csv_put(&w->out, name);
        else
            tsv_put(&w->out, name);
    }
    th_buf_add_byte(&w->out, '\n');
}

static th_err writer_columns(void *ctx, const th_result_column *columns, uint32_t count)
{
    th_result_writer *w = ctx;
    w->names = calloc((size_t)count + 1, sizeof(*w->names));
    if (w->names == NULL) return TH_ENOMEM;
    w->column_count = count;
    for (uint32_t i = 0; i < count; i++) {
        th_type_kind kind = columns[i].type->kind;
        w->names[i].size = columns[i].name.size;
        w->names[i].text = malloc(columns[i].name.size + 1);
        if (w->names[i].text == NULL) return TH_ENOMEM;
        if (columns[i].name.size > 0)
            memcpy(w->names[i].text, columns[i].name.bytes, columns[i].name.size);
        w->names[i].text[columns[i].name.size] = '\0';
        w->names[i].numeric = th_type_is_numeric(columns[i].type);
        w->names[i].nested = kind == TH_ARRAY || kind == TH_MAP || kind == TH_ROW;
    }
    bool delimited = w->options.format == TH_FORMAT_CSV || w->options.format == TH_FORMAT_TSV;
    if (delimited && w->options.header) header_row(w);
    if (w->options.format == TH_FORMAT_JSON) th_buf_add_byte(&w->out, '[');
    return th_buf_error(&w->out);
}

static th_err writer_batch(void *ctx, const th_batch *batch)
{
    th_result_writer *w = ctx;
    for (uint32_t row = 0; row < batch->rows; row++) {
        switch (w->options.format) {
        case TH_FORMAT_CSV:
        case TH_FORMAT_TSV: delimited_row(w, batch, row); break;
        case TH_FORMAT_JSON:
        case TH_FORMAT_NDJSON: json_row(w, batch, row); break;
        case TH_FORMAT_TABLE:
        case TH_FORMAT_VERTICAL: TH_TRY(result_table_row(w, batch, row)); break;
        }
        w->rows++;
        TH_TRY(th_buf_error(&w->cell));
        TH_TRY(result_pass_on(w, false));
    }
    return TH_OK;
}

th_result_sink th_result_writer_sink(th_result_writer *writer)
{
    return (th_result_sink){writer_columns, writer_batch, writer};
}

th_err th_result_writer_finish(th_result_writer *writer)
{
    if (writer->options.format == TH_FORMAT_JSON)
        th_buf_add_text(&writer->out, writer->column_count > 0 ? "]\n" : "[]\n");
    if (writer->options.format == TH_FORMAT_TABLE || writer->options.format == TH_FORMAT_VERTICAL) {
        TH_TRY(result_table_end(writer));
    }
    return result_pass_on(writer, true);
}
