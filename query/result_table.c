/* SPDX-License-Identifier: Apache-2.0
 * Results for people: aligned columns, or one value a line. Up to RESULT_HELD_ROWS rows are held back to find the widths;
 * later rows keep them. Widths are those of a terminal: wide characters count two, combining ones none. */
#include <stdlib.h>
#include <wchar.h>

#include "query/result_private.h"

#define WIDTH_MIN 6u
#define NULL_TEXT "NULL"

/* The character at p (checked for its end); invalid bytes are characters of their own. */
static uint32_t character(const uint8_t *p, const uint8_t *end, size_t *size)
{
    uint32_t c = *p;
    size_t n = c < 0x80 ? 1 : (c >> 5) == 6 ? 2 : (c >> 4) == 14 ? 3 : (c >> 3) == 30 ? 4 : 1;
    *size = 1;
    if (n == 1 || (size_t)(end - p) < n) return c;
    c &= 0xffu >> (n + 1);
    for (size_t i = 1; i < n; i++) c = c << 6 | (p[i] & 0x3fu);
    *size = n;
    return c;
}

static uint32_t cell_width(uint32_t c)
{
    if (c < 0x300) return 1;
    int width = wcwidth((wchar_t)c);
    return width < 0 ? 1 : (uint32_t)width;
}

static uint32_t text_width(th_slice text)
{
    uint32_t width = 0;
    size_t size;
    for (size_t i = 0; i < text.size; i += size)
        width += cell_width(character(text.bytes + i, text.bytes + text.size, &size));
    return width;
}

/* At most width cells of text, padded; what would break the line is shown as a blank. */
static void put_cell(th_buf *out, th_slice text, uint32_t width, bool right, bool pad)
{
    uint32_t whole = text_width(text), used = 0;
    bool cut = whole > width;
    for (uint32_t i = whole; right && i < width; i++) th_buf_add_byte(out, ' ');
    size_t size;
    for (size_t i = 0; i < text.size; i += size) {
        uint32_t c = character(text.bytes + i, text.bytes + text.size, &size), w = cell_width(c);
        if (cut && used + w + 1 > width) break;
        if (c < 0x20 || c == 0x7f)
            th_buf_add_byte(out, ' ');
        else
            th_buf_add(out, text.bytes + i, size);
        used += w;
    }
    if (cut) {
        th_buf_add_text(out, "…");
        used++;
    }
    for (uint32_t i = used; !right && pad && i < width; i++) th_buf_add_byte(out, ' ');
}

static void put_rule(th_result_writer *w)
{
    for (uint32_t c = 0; c < w->column_count; c++) {
        if (c > 0) th_buf_add_text(&w->out, "-+-");
        for (uint32_t i = 0; i < w->widths[c]; i++) th_buf_add_byte(&w->out, '-');
    }
    th_buf_add_byte(&w->out, '\n');
}

static void put_header(th_result_writer *w)
{
    if (!w->options.header) return;
    for (uint32_t c = 0; c < w->column_count; c++) {
        if (c > 0) th_buf_add_text(&w->out, " | ");
        if (w->options.colour) th_buf_add_text(&w->out, "\033[1m");
        put_cell(&w->out, th_slice_of(w->names[c].text, w->names[c].size), w->widths[c],
                 w->names[c].numeric, c + 1 < w->column_count);
        if (w->options.colour) th_buf_add_text(&w->out, "\033[0m");
    }
    th_buf_add_byte(&w->out, '\n');
    put_rule(w);
}

/* Take width from the widest columns until the line fits the terminal. */
static void fit_widths(th_result_writer *w)
{
    uint64_t total = 0;
    for (uint32_t c = 0; c < w->column_count; c++) total += w->widths[c] + (c > 0 ? 3u : 0u);
    while (w->options.width > 0 && total > w->options.width) {
        uint32_t widest = 0;
        for (uint32_t c = 1; c < w->column_count; c++) {
            if (w->widths[c] > w->widths[widest]) widest = c;
        }
        if (w->widths[widest] <= WIDTH_MIN) return;
        w->widths[widest]--;
        total--;
    }
}

/* Cells of one row out of the held bytes: u32 size (UINT32_MAX = NULL), bytes. */
static th_slice take_cell(th_reader *r, bool *is_null)
{
    uint32_t size = th_take_u32(r);
    *is_null = size == UINT32_MAX;
    return *is_null ? TH_SLICE(NULL_TEXT) : th_take_bytes(r, size);
}

static void print_table_row(th_result_writer *w, th_reader *r)
{
    for (uint32_t c = 0; c < w->column_count; c++) {
        bool is_null;
        th_slice cell = take_cell(r, &is_null);
        if (c > 0) th_buf_add_text(&w->out, " | ");
        if (is_null && w->options.colour) th_buf_add_text(&w->out, "\033[2m");
        put_cell(&w->out, cell, w->widths[c], w->names[c].numeric, c + 1 < w->column_count);
        if (is_null && w->options.colour) th_buf_add_text(&w->out, "\033[0m");
    }
    th_buf_add_byte(&w->out, '\n');
}

static void print_vertical_row(th_result_writer *w, th_reader *r, uint64_t number)
{
    uint32_t width = 0;
    for (uint32_t c = 0; c < w->column_count; c++) {
        uint32_t one = text_width(th_slice_of(w->names[c].text, w->names[c].size));
        if (one > width) width = one;
    }
    th_buf_printf(&w->out, "-[ row %llu ]-\n", (unsigned long long)number);
    for (uint32_t c = 0; c < w->column_count; c++) {
        bool is_null;
        th_slice cell = take_cell(r, &is_null);
        put_cell(&w->out, th_slice_of(w->names[c].text, w->names[c].size), width, false, true);
        th_buf_add_text(&w->out, " | ");
        th_buf_add_slice(&w->out, cell);
        th_buf_add_byte(&w->out, '\n');
    }
}

static th_err find_widths(th_result_writer *w)
{
    w->widths = calloc((size_t)w->column_count + 1, sizeof(*w->widths));
    if (w->widths == NULL) return TH_ENOMEM;
    for (uint32_t c = 0; c < w->column_count; c++) {
        w->widths[c] =
            w->options.header ? text_width(th_slice_of(w->names[c].text, w->names[c].size)) : 1;
    }
    th_reader r = th_reader_of(th_buf_slice(&w->held));
    for (uint64_t row = 0; row < w->held_rows; row++) {
        for (uint32_t c = 0; c < w->column_count; c++) {
            bool is_null;
            uint32_t width = text_width(take_cell(&r, &is_null));
            if (width > w->widths[c]) w->widths[c] = width;
        }
    }
    fit_widths(w);
    return TH_OK;
}

static th_err flush_held(th_result_writer *w)
{
    bool table = w->options.format == TH_FORMAT_TABLE;
    if (table && w->widths == NULL) {
        TH_TRY(find_widths(w));
        put_header(w);
    }
    uint64_t first = w->rows - w->held_rows;
    th_reader r = th_reader_of(th_buf_slice(&w->held));
    for (uint64_t row = 0; row < w->held_rows; row++) {
        if (table)
            print_table_row(w, &r);
        else
            print_vertical_row(w, &r, first + row + 1);
        TH_TRY(result_pass_on(w, false));
    }
    th_buf_clear(&w->held);
    w->held_rows = 0;
    w->flushed = true;
    return TH_OK;
}

th_err result_table_row(th_result_writer *w, const th_batch *batch, uint32_t row)
{
    bool hold = w->options.format == TH_FORMAT_TABLE && !w->flushed;
    if (w->held_rows >= (hold ? RESULT_HELD_ROWS : 1) || w->held.size > RESULT_HELD_BYTES)
        TH_TRY(flush_held(w));
    for (uint32_t c = 0; c < w->column_count; c++) {
        const th_vector *v = &batch->columns[c];
        th_buf_clear(&w->cell);
        bool is_null = th_vector_is_null(v, row);
        if (!is_null) th_value_text(&w->cell, v, row);
        th_buf_add_u32(&w->held, is_null ? UINT32_MAX : (uint32_t)w->cell.size);
        th_buf_add_slice(&w->held, th_buf_slice(&w->cell));
    }
    w->held_rows++;
    return th_buf_error(&w->held);
}

th_err result_table_end(th_result_writer *w)
{
    TH_TRY(flush_held(w));
    if (w->options.format == TH_FORMAT_TABLE && w->column_count > 0 && w->options.header) {
        th_buf_printf(&w->out, "(%llu row%s)\n", (unsigned long long)w->rows,
                      w->rows == 1 ? "" : "s");
    }
    return th_buf_error(&w->out);
}
