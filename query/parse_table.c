/* SPDX-License-Identifier: Apache-2.0
 * CREATE TABLE: Trino's (columns, WITH properties, AS query) and Hive's (SERDE, LOCATION, PARTITIONED BY, ...), in one
 * grammar whose clauses come in any order. Keys and constraints are read and not kept. */
#include "base/buf.h"
#include "query/parser.h"

/* Words that end a type at the level of the column list. */
static bool ends_type(const parser *p)
{
    static const char *const words[] = {"COMMENT", "NOT",        "NULL",  "PRIMARY",
                                        "UNIQUE",  "DEFAULT",    "FIRST", "AFTER",
                                        "CHECK",   "REFERENCES", "WITH",  "AUTO_INCREMENT"};
    if (p->token.kind == LEX_END || parser_is_op(p, ',') || parser_is_op(p, ')')) return true;
    if (parser_is_word(p, "WITH") && parser_peek(p).keyword == KW_TIME) return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (parser_is_word(p, words[i])) return true;
    return false;
}

static bool opens(const parser *p)
{
    return parser_is_op(p, '(') || parser_is_op(p, '<');
}

static bool closes(const parser *p)
{
    return parser_is_op(p, ')') || parser_is_op(p, '>');
}

/* The type's text, its tokens apart where they are apart in the statement, without comments. */
static th_err type_text(parser *p, th_slice *out)
{
    th_buf text;
    th_buf_init(&text, TH_SQL_SIZE_MAX * 2);
    uint32_t depth = 0;
    const uint8_t *end = p->token.text.bytes;
    while (p->token.kind != LEX_END && (depth > 0 || !ends_type(p))) {
        if (p->token.text.bytes != end) th_buf_add_byte(&text, ' ');
        th_buf_add_slice(&text, p->token.text);
        depth += opens(p);
        depth -= closes(p) && depth > 0;
        parser_advance(p);
        end = p->last_end;
    }
    th_err err = text.size == 0 ? parser_mismatch(p, "<type>") : th_buf_error(&text);
    if (err == TH_OK) *out = th_arena_copy(p->arena, th_buf_slice(&text));
    if (err == TH_OK && out->bytes == NULL) err = parser_no_memory(p);
    th_buf_free(&text);
    return err;
}

static void skip_brackets(parser *p)
{
    uint32_t depth = 0;
    do {
        depth += parser_is_op(p, '(');
        depth -= parser_is_op(p, ')') && depth > 0;
        parser_advance(p);
    } while (depth > 0 && p->token.kind != LEX_END);
}

/* What stands behind the type: a comment is kept, keys and checks are not. */
static th_err column_rest(parser *p, ast_column *column)
{
    while (p->token.kind != LEX_END && !parser_is_op(p, ',') && !parser_is_op(p, ')')) {
        if (parser_take_word(p, "COMMENT")) {
            TH_TRY(parser_hive_string(p, &column->comment));
        } else if (parser_is_op(p, '(')) {
            skip_brackets(p);
        } else if (p->token.kind == LEX_WORD && ends_type(p)) {
            parser_advance(p);
        } else if (parser_is_word(p, "KEY") || parser_is_word(p, "COLUMN") ||
                   p->token.kind != LEX_OP) {
            parser_advance(p);
        } else {
            return parser_mismatch(p, "')', ','");
        }
    }
    return TH_OK;
}

th_err parser_column(parser *p, ast_column *out)
{
    TH_TRY(parser_hive_name(p, &out->name));
    parser_take_op(p, ':');
    return type_text(p, &out->type);
}

static bool at_constraint(const parser *p)
{
    lex_token next = parser_peek(p);
    bool bracket = next.kind == LEX_OP && next.op == '(';
    if (parser_is(p, KW_CONSTRAINT)) return true;
    if (parser_is_word(p, "UNIQUE") || parser_is_word(p, "CHECK")) return bracket;
    bool key = next.kind == LEX_WORD && th_slice_equal_nocase(next.text, TH_SLICE("KEY"));
    return (parser_is_word(p, "PRIMARY") || parser_is_word(p, "FOREIGN")) && key;
}

th_err parser_columns(parser *p, ast_columns *out)
{
    pointers list = {0};
    TH_TRY(parser_expect_op(p, '('));
    while (!parser_is_op(p, ')')) {
        if (at_constraint(p)) {
            ast_column none = {0};
            parser_advance(p);
            TH_TRY(column_rest(p, &none));
        } else {
            ast_column *column = parser_new(p, sizeof *column);
            if (column == NULL) return parser_no_memory(p);
            TH_TRY(parser_column(p, column));
            TH_TRY(column_rest(p, column));
            TH_TRY(parser_push(p, &list, column));
        }
        if (!parser_take_op(p, ',')) break;
    }
    TH_TRY(parser_expect_op(p, ')'));
    out->count = list.count;
    return parser_pack(p, &list, sizeof(ast_column), &out->items);
}

/* PARTITIONED BY (a string, b int); Iceberg's names and transforms have no type. */
static th_err partitioned_by(parser *p, ast_ddl *ddl)
{
    lex ahead = p->lexer;
    query_lex_next(&ahead);
    lex_token second = query_lex_next(&ahead);
    TH_TRY(parser_expect(p, KW_BY));
    if (second.kind == LEX_OP && second.op != '.' && second.op != ':' && second.op != '-') {
        if (!parser_is_op(p, '(')) return parser_mismatch(p, "'('");
        skip_brackets(p);
        return TH_OK;
    }
    return parser_columns(p, &ddl->partition_columns);
}

static th_err row_format(parser *p, ast_ddl *ddl)
{
    TH_TRY(parser_expect(p, KW_FORMAT));
    if (parser_take_word(p, "SERDE")) return parser_hive_string(p, &ddl->serde);
    TH_TRY(parser_expect_word(p, "DELIMITED"));
    ddl->serde = TH_SLICE("org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe");
    for (
        ;
        ;) { /* FIELDS, LINES, COLLECTION ITEMS, MAP KEYS TERMINATED BY; ESCAPED BY; NULL DEFINED AS */
        bool fields = parser_is_word(p, "FIELDS");
        bool two = parser_is_word(p, "COLLECTION") || parser_is_word(p, "MAP");
        if (parser_is_word(p, "ESCAPED") || parser_is(p, KW_NULL)) {
            parser_advance(p);
        } else if (fields || two || parser_is_word(p, "LINES")) {
            parser_advance(p);
            if (two) parser_advance(p);
            TH_TRY(parser_expect_word(p, "TERMINATED"));
        } else {
            return TH_OK;
        }
        parser_take_word(p, "DEFINED");
        if (!parser_take(p, KW_BY) && !parser_take(p, KW_AS)) return parser_mismatch(p, "'BY'");
        th_slice text;
        TH_TRY(parser_hive_string(p, &text));
        if (fields) ddl->delimiter = text;
    }
}

static th_err stored_as(parser *p, ast_ddl *ddl)
{
    if (parser_take(p, KW_BY)) return parser_hive_string(p, &ddl->stored_as);
    TH_TRY(parser_expect(p, KW_AS));
    if (parser_take_word(p, "INPUTFORMAT")) {
        TH_TRY(parser_hive_string(p, &ddl->stored_as));
        th_slice output;
        if (!parser_take_word(p, "OUTPUTFORMAT")) return TH_OK;
        return parser_hive_string(p, &output);
    }
    ast_name name;
    TH_TRY(parser_hive_name(p, &name));
    ddl->stored_as = name.text;
    return TH_OK;
}

static th_err clustered_by(parser *p)
{
    TH_TRY(parser_expect(p, KW_BY));
    skip_brackets(p);
    if (parser_take_word(p, "SORTED")) {
        TH_TRY(parser_expect(p, KW_BY));
        skip_brackets(p);
    }
    if (!parser_take(p, KW_INTO)) return TH_OK;
    parser_advance(p);
    return parser_expect_word(p, "BUCKETS");
}

static th_err with_clause(parser *p, ast_ddl *ddl)
{
    if (parser_take_word(p, "SERDEPROPERTIES")) return parser_properties(p, &ddl->serde_properties);
    return parser_properties(p, &ddl->properties);
}

static th_err table_clause(parser *p, ast_ddl *ddl, bool *taken)
{
    *taken = true;
    if (parser_take_word(p, "COMMENT")) return parser_hive_string(p, &ddl->comment);
    if (parser_take_word(p, "PARTITIONED")) return partitioned_by(p, ddl);
    if (parser_take_word(p, "CLUSTERED")) return clustered_by(p);
    if (parser_take(p, KW_ROW)) return row_format(p, ddl);
    if (parser_take_word(p, "STORED")) return stored_as(p, ddl);
    if (parser_take_word(p, "LOCATION")) return parser_hive_string(p, &ddl->location);
    if (parser_take_word(p, "TBLPROPERTIES")) return parser_properties(p, &ddl->properties);
    if (parser_take(p, KW_WITH)) return with_clause(p, ddl);
    *taken = false;
    return TH_OK;
}

static th_err as_query(parser *p, ast_statement *s)
{
    const uint8_t *start = p->token.text.bytes;
    TH_TRY(parser_query(p, &s->query));
    s->source = th_slice_of(start, (size_t)(p->last_end - start));
    if (!parser_take(p, KW_WITH)) return TH_OK;
    s->ddl->with_no_data = parser_take(p, KW_NO);
    return parser_expect_word(p, "DATA");
}

th_err parser_create_table(parser *p, ast_statement *s)
{
    s->kind = AST_CREATE_TABLE;
    s->ddl->if_not_exists = parser_take_if_not_exists(p);
    TH_TRY(parser_hive_path(p, &s->name));
    if (parser_is_op(p, '(')) TH_TRY(parser_columns(p, &s->ddl->columns));
    bool taken = true;
    while (taken) TH_TRY(table_clause(p, s->ddl, &taken));
    if (parser_take(p, KW_AS)) return as_query(p, s);
    if (s->ddl->columns.count == 0) return parser_mismatch(p, "'(', 'AS'");
    return TH_OK;
}
