/* SPDX-License-Identifier: Apache-2.0
 * Text with several statements: where one ends, and where in it an error is. */
#include "query/lex.h"
#include "query/query.h"

enum { LINE_SHOWN_MAX = 160 };

/* An open string, name or comment swallows the rest of the text. */
static bool swallows(const lex *l, const lex_token *t)
{
    if (t->kind == LEX_BAD) {
        uint8_t last = t->text.bytes[t->text.size - 1];
        return last == '\'' || last == '"' || last == '`';
    }
    return t->kind == LEX_OP && t->op == '/' && l->pos < l->end && *l->pos == '*';
}

th_slice th_sql_split(th_slice text, th_slice *rest, uint32_t *line, bool *complete)
{
    lex l = query_lex_of(text);
    l.line = *line;
    lex_token t = query_lex_next(&l);
    while (t.kind == LEX_OP && t.op == ';') t = query_lex_next(&l);
    const uint8_t *start = t.text.bytes, *stop = start;
    *line = t.line;
    while (t.kind != LEX_END && !(t.kind == LEX_OP && t.op == ';')) {
        if (swallows(&l, &t)) {
            stop = l.end;
            l.pos = l.end;
            break;
        }
        stop = t.text.bytes + t.text.size;
        t = query_lex_next(&l);
    }
    *complete = t.kind == LEX_OP && t.op == ';' && stop != l.end;
    *rest = th_slice_of(l.pos, (size_t)(l.end - l.pos));
    return th_slice_of(start, (size_t)(stop - start));
}

static th_slice line_of(th_slice sql, uint32_t number)
{
    const uint8_t *p = sql.bytes, *end = p + sql.size;
    for (uint32_t i = 1; i < number && p < end; i++) {
        const uint8_t *newline = memchr(p, '\n', (size_t)(end - p));
        p = newline == NULL ? end : newline + 1;
    }
    const uint8_t *stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    if (stop == NULL) stop = end;
    if (stop > p && stop[-1] == '\r') stop--;
    return th_slice_of(p, (size_t)(stop - p));
}

/* Byte offset of a character, from 0; the end of the line when it has fewer. */
static size_t offset_of(th_slice line, uint32_t characters)
{
    size_t at = 0;
    for (uint32_t n = 0; at < line.size && n < characters; n++) {
        at++;
        while (at < line.size && (line.bytes[at] & 0xC0) == 0x80) at++;
    }
    return at;
}

static void print_place(th_buf *out, th_slice line, uint32_t column)
{
    uint32_t skipped = column > LINE_SHOWN_MAX / 2 ? column - LINE_SHOWN_MAX / 2 : 0;
    size_t from = offset_of(line, skipped), to = offset_of(line, skipped + LINE_SHOWN_MAX);
    th_buf_add_text(out, skipped > 0 ? "..." : "");
    th_buf_add(out, line.bytes + from, to - from);
    th_buf_add_text(out, to < line.size ? "...\n" : "\n");
    th_buf_add_text(out, skipped > 0 ? "   " : "");
    size_t caret = offset_of(line, column - 1);
    for (size_t i = from; i < caret; i++) {
        if ((line.bytes[i] & 0xC0) != 0x80)
            th_buf_add_byte(out, line.bytes[i] == '\t' ? '\t' : ' ');
    }
    th_buf_add_text(out, "^\n");
}

void th_query_print_error(th_buf *out, const th_diag *diag, th_slice sql)
{
    th_buf_add_text(out, "error: ");
    if (diag->line > 0) th_buf_printf(out, "line %u:%u: ", diag->line, diag->column);
    th_buf_printf(out, "%s: %s\n", th_diag_name(diag),
                  diag->text[0] != '\0' ? diag->text : th_err_text(diag->code));
    if (diag->line > 0 && diag->column > 0 && sql.size > 0) {
        th_slice line = line_of(sql, diag->line);
        if (line.size > 0) print_place(out, line, diag->column);
    }
    if (diag->hint[0] != '\0') th_buf_printf(out, "hint: %s\n", diag->hint);
}
