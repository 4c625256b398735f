/* SPDX-License-Identifier: Apache-2.0
 * Statements: queries, SHOW, DESCRIBE, EXPLAIN, prepared statements, settings, INSERT and UNLOAD. Those that the grammar
 * knows by their first words only come out as AST_UNSUPPORTED with these words. */
#include "query/parser.h"

void parser_skip_statement(parser *p)
{
    while (p->token.kind != LEX_END && !parser_is_op(p, ';')) parser_advance(p);
}

static th_err like_clause(parser *p, ast_statement *s)
{
    if (p->token.kind == LEX_STRING) { /* SHOW TABLES 'pattern', as Athena takes it */
        s->has_like = true;
        return parser_string(p, &s->like);
    }
    if (!parser_take(p, KW_LIKE)) return TH_OK;
    s->has_like = true;
    TH_TRY(parser_string(p, &s->like));
    s->has_escape = parser_take(p, KW_ESCAPE);
    if (!s->has_escape) return TH_OK;
    uint32_t line = p->token.line, column = p->token.column;
    TH_TRY(parser_string(p, &s->escape));
    return s->escape.size == 1 ? TH_OK
                               : th_fail_at(p->diag, TH_ESQL, "INVALID_ARGUMENTS", line, column,
                                            "Escape string must be a single character");
}

static bool at_from(const parser *p)
{
    return parser_is(p, KW_FROM) || parser_is(p, KW_IN);
}

static th_err from_clause(parser *p, ast_statement *s)
{
    if (!at_from(p)) return TH_OK;
    parser_advance(p);
    return parser_hive_path(p, &s->name);
}

/* SHOW COLUMNS FROM table [FROM schema] */
static th_err columns_from(parser *p, ast_statement *s)
{
    if (!at_from(p)) return parser_mismatch(p, "'FROM', 'IN'");
    TH_TRY(from_clause(p, s));
    if (!at_from(p)) return TH_OK;
    ast_path table = s->name, schema;
    parser_advance(p);
    TH_TRY(parser_hive_path(p, &schema));
    ast_name *both = parser_new(p, 2 * sizeof *both);
    if (both == NULL) return parser_no_memory(p);
    both[0] = schema.parts[schema.count - 1];
    both[1] = table.parts[table.count - 1];
    s->name = (ast_path){2, both};
    return TH_OK;
}

static th_err show_create(parser *p, ast_statement *s)
{
    static const char *const things[][2] = {
        {"TABLE", "TABLE"}, {"VIEW", "VIEW"}, {"SCHEMA", "SCHEMA"}, {"DATABASE", "SCHEMA"}};
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) {
        if (!parser_take_word(p, things[i][0])) continue;
        s->word = th_slice_text(things[i][1]);
        return parser_hive_path(p, &s->name);
    }
    return parser_mismatch(p, "'DATABASE', 'SCHEMA', 'TABLE', 'VIEW'");
}

static th_err show_properties(parser *p, ast_statement *s)
{
    s->kind = AST_SHOW_PROPERTIES;
    TH_TRY(parser_hive_path(p, &s->name));
    if (!parser_take_op(p, '(')) return TH_OK;
    s->has_like = true;
    TH_TRY(parser_hive_string(p, &s->like));
    return parser_expect_op(p, ')');
}

static th_err show_stats(parser *p, ast_statement *s)
{
    s->kind = AST_SHOW_STATS;
    TH_TRY(parser_expect(p, KW_FOR));
    if (!parser_take_op(p, '(')) return parser_hive_path(p, &s->name);
    TH_TRY(parser_query(p, &s->query));
    return parser_expect_op(p, ')');
}

static th_err show_partitions(parser *p, ast_statement *s)
{
    s->kind = AST_SHOW_PARTITIONS;
    if (at_from(p)) parser_advance(p);
    return parser_hive_path(p, &s->name);
}

/* SHOW and a word that is no keyword; *known false: none of ours. */
static th_err show_word(parser *p, ast_statement *s, bool *known)
{
    *known = true;
    if (parser_take(p, KW_CREATE)) {
        s->kind = AST_SHOW_CREATE;
        return show_create(p, s);
    }
    if (parser_take_word(p, "VIEWS")) {
        s->kind = AST_SHOW_TABLES;
        s->views_only = true;
        TH_TRY(from_clause(p, s));
        return like_clause(p, s);
    }
    if (parser_take_word(p, "PARTITIONS")) return show_partitions(p, s);
    if (parser_take_word(p, "TBLPROPERTIES")) return show_properties(p, s);
    if (parser_take_word(p, "STATS")) return show_stats(p, s);
    if (parser_take_word(p, "SESSION")) {
        s->kind = AST_SHOW_SESSION;
        return like_clause(p, s);
    }
    *known = false;
    return TH_OK;
}

static th_err show(parser *p, ast_statement *s)
{
    const uint8_t *start = p->token.text.bytes;
    parser_advance(p);
    lex_keyword what = p->token.keyword;
    bool known;
    switch (what) {
    case KW_TABLES: s->kind = AST_SHOW_TABLES; break;
    case KW_COLUMNS: s->kind = AST_SHOW_COLUMNS; break;
    case KW_SCHEMAS:
    case KW_DATABASES: s->kind = AST_SHOW_SCHEMAS; break;
    case KW_FUNCTIONS: s->kind = AST_SHOW_FUNCTIONS; break;
    case KW_CATALOGS: s->kind = AST_SHOW_CATALOGS; break;
    default:
        TH_TRY(show_word(p, s, &known));
        if (known) return TH_OK;
        if (p->token.kind != LEX_WORD) {
            return parser_mismatch(
                p, "'CATALOGS', 'COLUMNS', 'CREATE', 'DATABASES', 'FUNCTIONS', 'PARTITIONS', "
                   "'SCHEMAS', 'SESSION', 'STATS', 'TABLES', 'TBLPROPERTIES', 'VIEWS'");
        }
        s->kind = AST_UNSUPPORTED;
        parser_advance(p);
        s->text = th_slice_of(start, (size_t)(p->last_end - start));
        parser_skip_statement(p);
        return TH_OK;
    }
    parser_advance(p);
    if (what == KW_COLUMNS)
        TH_TRY(columns_from(p, s));
    else if (what != KW_CATALOGS)
        TH_TRY(from_clause(p, s));
    return like_clause(p, s);
}

static th_err describe(parser *p, ast_statement *s)
{
    parser_advance(p);
    lex_token next = parser_peek(p);
    bool more = next.kind == LEX_WORD || next.kind == LEX_QUOTED || next.kind == LEX_BACKQUOTED;
    bool input = parser_is_word(p, "INPUT"), output = parser_is_word(p, "OUTPUT");
    if (more && (input || output)) {
        parser_advance(p);
        s->kind = input ? AST_DESCRIBE_INPUT : AST_DESCRIBE_OUTPUT;
        return parser_path(p, &s->name);
    }
    s->extended = more && (parser_is(p, KW_EXTENDED) || parser_is(p, KW_FORMATTED));
    if (s->extended) parser_advance(p);
    s->kind = AST_DESCRIBE;
    TH_TRY(parser_hive_path(p, &s->name));
    if (parser_is(p, KW_PARTITION)) parser_skip_statement(p);
    return TH_OK;
}

/* (FORMAT x, TYPE y): every type gives the same plan. */
static th_err explain_options(parser *p, ast_statement *s)
{
    parser_advance(p);
    do {
        bool format = parser_is(p, KW_FORMAT);
        if (!format && !parser_is(p, KW_TYPE)) return parser_mismatch(p, "'FORMAT', 'TYPE'");
        parser_advance(p);
        if (p->token.kind != LEX_WORD)
            return parser_mismatch(p, format ? "'JSON', 'TEXT'" : "'DISTRIBUTED', 'LOGICAL'");
        if (format) {
            s->json = parser_is_word(p, "json");
            if (!s->json && !parser_is_word(p, "text")) {
                return th_fail_at(p->diag, TH_EUNSUPPORTED, "NOT_SUPPORTED", p->token.line,
                                  p->token.column, "EXPLAIN prints the plan as TEXT or JSON only");
            }
        }
        parser_advance(p);
    } while (parser_take_op(p, ','));
    return parser_expect_op(p, ')');
}

static th_err explain(parser *p, ast_statement *s)
{
    parser_advance(p);
    s->kind = AST_EXPLAIN;
    s->analyze = parser_take(p, KW_ANALYZE);
    if (s->analyze) parser_take_word(p, "VERBOSE");
    lex_token next = parser_peek(p);
    if (parser_is_op(p, '(') && (next.keyword == KW_FORMAT || next.keyword == KW_TYPE))
        TH_TRY(explain_options(p, s));
    TH_TRY(parser_enter(p));
    TH_TRY(parser_statement(p, &s->inner));
    parser_leave(p);
    return TH_OK;
}

/* PREPARE name FROM statement: what is prepared must parse; its text is what is kept. */
static th_err prepare(parser *p, ast_statement *s)
{
    s->kind = AST_PREPARE;
    parser_advance(p);
    TH_TRY(parser_path(p, &s->name));
    TH_TRY(parser_expect(p, KW_FROM));
    const uint8_t *start = p->token.text.bytes;
    TH_TRY(parser_enter(p));
    TH_TRY(parser_statement(p, &s->inner));
    parser_leave(p);
    s->source = th_slice_of(start, (size_t)(p->last_end - start));
    p->param_count = 0; /* they are for EXECUTE to give */
    if (parser_is(p, KW_EXECUTE))
        parser_skip_statement(p); /* as Athena's guide prints the two together */
    return TH_OK;
}

static th_err execute(parser *p, ast_statement *s)
{
    s->kind = AST_EXECUTE;
    parser_advance(p);
    s->ddl = parser_new(p, sizeof *s->ddl);
    if (s->ddl == NULL) return parser_no_memory(p);
    if (parser_is_word(p, "IMMEDIATE") && parser_peek(p).kind == LEX_STRING) {
        parser_advance(p);
        TH_TRY(parser_string(p, &s->source));
    } else {
        TH_TRY(parser_path(p, &s->name));
    }
    return parser_take(p, KW_USING) ? parser_expr_list(p, &s->ddl->arguments) : TH_OK;
}

static th_err deallocate(parser *p, ast_statement *s)
{
    s->kind = AST_DEALLOCATE;
    parser_advance(p);
    TH_TRY(parser_expect(p, KW_PREPARE));
    return parser_path(p, &s->name);
}

/* SET SESSION a.b = value, RESET SESSION a.b, SET TIME ZONE value */
static th_err set(parser *p, ast_statement *s)
{
    bool reset = parser_is(p, KW_RESET);
    s->kind = reset ? AST_RESET : AST_SET;
    parser_advance(p);
    s->ddl = parser_new(p, sizeof *s->ddl);
    if (s->ddl == NULL) return parser_no_memory(p);
    if (!reset && parser_is(p, KW_TIME) && parser_peek(p).keyword == KW_ZONE) {
        parser_advance(p);
        parser_advance(p);
        s->word = TH_SLICE("TIME ZONE");
        if (parser_take_word(p, "LOCAL")) return TH_OK;
        return parser_expr(p, &s->ddl->value);
    }
    TH_TRY(parser_expect_word(p, "SESSION"));
    TH_TRY(parser_path(p, &s->name));
    if (reset) return TH_OK;
    TH_TRY(parser_expect_op(p, '='));
    return parser_expr(p, &s->ddl->value);
}

static th_err insert(parser *p, ast_statement *s)
{
    s->kind = AST_INSERT;
    parser_advance(p);
    s->ddl = parser_new(p, sizeof *s->ddl);
    if (s->ddl == NULL) return parser_no_memory(p);
    TH_TRY(parser_expect(p, KW_INTO));
    TH_TRY(parser_hive_path(p, &s->name));
    lex_token next = parser_peek(p);
    bool query = next.keyword == KW_SELECT || next.keyword == KW_WITH ||
                 next.keyword == KW_VALUES || next.keyword == KW_TABLE ||
                 (next.kind == LEX_OP && next.op == '(');
    if (parser_is_op(p, '(') && !query)
        TH_TRY(parser_name_list(p, &s->ddl->name_count, &s->ddl->names));
    return parser_query(p, &s->query);
}

static th_err unload(parser *p, ast_statement *s)
{
    s->kind = AST_UNLOAD;
    parser_advance(p);
    s->ddl = parser_new(p, sizeof *s->ddl);
    if (s->ddl == NULL) return parser_no_memory(p);
    TH_TRY(parser_expect_op(p, '('));
    TH_TRY(parser_query(p, &s->query));
    TH_TRY(parser_expect_op(p, ')'));
    TH_TRY(parser_expect(p, KW_TO));
    TH_TRY(parser_string(p, &s->ddl->location));
    return parser_take(p, KW_WITH) ? parser_properties(p, &s->ddl->properties) : TH_OK;
}

/* The words at the start of a statement that is not one of ours: "MERGE INTO", "GRANT SELECT". */
static bool known_elsewhere(const parser *p)
{
    switch (p->token.keyword) {
    case KW_ALTER:
    case KW_ANALYZE:
    case KW_CALL:
    case KW_COMMENT:
    case KW_COMMIT:
    case KW_CREATE:
    case KW_DELETE:
    case KW_DENY:
    case KW_DROP:
    case KW_GRANT:
    case KW_MERGE:
    case KW_REFRESH:
    case KW_REVOKE:
    case KW_ROLLBACK:
    case KW_START:
    case KW_TRUNCATE:
    case KW_UPDATE: return true;
    default: return parser_is_word(p, "OPTIMIZE") || parser_is_word(p, "VACUUM");
    }
}

static th_err other(parser *p, ast_statement *s)
{
    s->kind = AST_UNSUPPORTED;
    const uint8_t *start = p->token.text.bytes;
    parser_advance(p);
    if (p->token.kind == LEX_WORD) parser_advance(p);
    s->text = th_slice_of(start, (size_t)(p->last_end - start));
    parser_skip_statement(p);
    return TH_OK;
}

#define STATEMENTS                                                                           \
    "'(', 'ALTER', 'CREATE', 'DELETE', 'DESCRIBE', 'DROP', 'EXECUTE', 'EXPLAIN', 'INSERT', " \
    "'PREPARE', 'SELECT', "                                                                  \
    "'SHOW', 'TABLE', 'UNLOAD', 'VALUES', 'WITH'"

th_err parser_statement(parser *p, ast_statement **out)
{
    ast_statement *s = parser_new(p, sizeof *s);
    if (s == NULL) return parser_no_memory(p);
    *out = s;
    s->line = p->token.line;
    s->column = p->token.column;
    if (parser_at_query(p) || parser_is_op(p, '(')) return parser_query(p, &s->query);
    bool known;
    TH_TRY(parser_ddl(p, s, &known));
    if (known) return TH_OK;
    switch (p->token.keyword) {
    case KW_EXPLAIN: return explain(p, s);
    case KW_PREPARE: return prepare(p, s);
    case KW_EXECUTE: return execute(p, s);
    case KW_DEALLOCATE: return deallocate(p, s);
    case KW_DESC:
    case KW_DESCRIBE: return describe(p, s);
    case KW_SHOW: return show(p, s);
    case KW_SET:
    case KW_RESET: return set(p, s);
    case KW_INSERT: return insert(p, s);
    case KW_UNLOAD: return unload(p, s);
    case KW_USE:
        parser_advance(p);
        s->kind = AST_USE;
        return parser_hive_path(p, &s->name);
    default: break;
    }
    if (known_elsewhere(p)) return other(p, s);
    return parser_mismatch(p, STATEMENTS);
}
