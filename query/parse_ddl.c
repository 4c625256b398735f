/* SPDX-License-Identifier: Apache-2.0
 * CREATE, DROP, ALTER and MSCK, as Trino and as Hive write them. */
#include "query/parser.h"

static th_err create_view(parser *p, ast_statement *s)
{
    s->kind = AST_CREATE_VIEW;
    s->ddl->if_not_exists = parser_take_if_not_exists(p);
    TH_TRY(parser_hive_path(p, &s->name));
    if (parser_is_op(p, '(')) TH_TRY(parser_name_list(p, &s->ddl->name_count, &s->ddl->names));
    if (parser_take_word(p, "COMMENT")) TH_TRY(parser_string(p, &s->ddl->comment));
    if (parser_take_word(p, "SECURITY")) parser_advance(p);
    TH_TRY(parser_expect(p, KW_AS));
    const uint8_t *start = p->token.text.bytes;
    TH_TRY(parser_query(p, &s->query));
    s->source = th_slice_of(start, (size_t)(p->last_end - start));
    return TH_OK;
}

static th_err create_schema(parser *p, ast_statement *s)
{
    s->kind = AST_CREATE_SCHEMA;
    s->ddl->if_not_exists = parser_take_if_not_exists(p);
    TH_TRY(parser_hive_path(p, &s->name));
    for (;;) {
        if (parser_take_word(p, "COMMENT")) {
            TH_TRY(parser_hive_string(p, &s->ddl->comment));
        } else if (parser_take_word(p, "LOCATION")) {
            TH_TRY(parser_hive_string(p, &s->ddl->location));
        } else if (parser_take(p, KW_WITH)) {
            parser_take_word(p, "DBPROPERTIES");
            TH_TRY(parser_properties(p, &s->ddl->properties));
        } else {
            return TH_OK;
        }
    }
}

/* CREATE [UNIQUE] INDEX name ON table (...): read, and nothing is made. */
static th_err create_index(parser *p, ast_statement *s)
{
    s->kind = AST_INDEX;
    parser_take_if_not_exists(p);
    ast_path index;
    TH_TRY(parser_hive_path(p, &index));
    TH_TRY(parser_expect(p, KW_ON));
    TH_TRY(parser_hive_path(p, &s->name));
    if (!parser_is_op(p, '(')) return parser_mismatch(p, "'('");
    parser_skip_statement(p);
    return TH_OK;
}

static th_err create(parser *p, ast_statement *s, bool *known)
{
    parser before = *p;
    parser_advance(p);
    if (parser_is(p, KW_OR)) {
        parser_advance(p);
        TH_TRY(parser_expect_word(p, "REPLACE"));
        s->ddl->or_replace = true;
    }
    s->ddl->external = parser_take_word(p, "EXTERNAL");
    parser_take_word(p, "TEMPORARY");
    if (parser_take(p, KW_TABLE)) return parser_create_table(p, s);
    if (s->ddl->external) return parser_mismatch(p, "'TABLE'");
    if (parser_take_word(p, "VIEW")) return create_view(p, s);
    if (parser_take_word(p, "DATABASE") || parser_take_word(p, "SCHEMA"))
        return create_schema(p, s);
    parser_take_word(p, "UNIQUE");
    if (parser_take_word(p, "INDEX")) return create_index(p, s);
    *known = false;
    *p = before;
    return TH_OK;
}

static th_err drop(parser *p, ast_statement *s, bool *known)
{
    static const char *const things[][2] = {
        {"TABLE", "TABLE"}, {"VIEW", "VIEW"}, {"SCHEMA", "SCHEMA"}, {"DATABASE", "SCHEMA"}};
    parser before = *p;
    parser_advance(p);
    s->kind = AST_DROP;
    if (parser_take_word(p, "INDEX")) {
        s->kind = AST_INDEX;
        parser_skip_statement(p);
        return TH_OK;
    }
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) {
        if (!parser_take_word(p, things[i][0])) continue;
        s->word = th_slice_text(things[i][1]);
        s->ddl->if_exists = parser_take_if_exists(p);
        TH_TRY(parser_hive_path(p, &s->name));
        s->extended = parser_take_word(p, "CASCADE");
        if (!s->extended) parser_take_word(p, "RESTRICT");
        return TH_OK;
    }
    *known = false;
    *p = before;
    return TH_OK;
}

/* PARTITION (a = 'x') [LOCATION '...']; where documentation elides the values ([...]), none. */
static th_err partition(parser *p, ast_partition *out)
{
    TH_TRY(parser_expect(p, KW_PARTITION));
    if (parser_take_op(p, '[')) {
        while (p->token.kind != LEX_END && !parser_is_op(p, ']')) parser_advance(p);
        return parser_expect_op(p, ']');
    }
    TH_TRY(parser_properties(p, &out->values));
    return parser_take_word(p, "LOCATION") ? parser_hive_string(p, &out->location) : TH_OK;
}

static th_err partitions(parser *p, ast_ddl *ddl)
{
    pointers list = {0};
    while (parser_is(p, KW_PARTITION)) {
        ast_partition *one = parser_new(p, sizeof *one);
        if (one == NULL) return parser_no_memory(p);
        TH_TRY(partition(p, one));
        TH_TRY(parser_push(p, &list, one));
        parser_take_op(p, ',');
    }
    ddl->partition_count = list.count;
    return parser_pack(p, &list, sizeof(ast_partition), &ddl->partitions);
}

static th_err one_column(parser *p, ast_ddl *ddl)
{
    ast_column *column = parser_new(p, sizeof *column);
    if (column == NULL) return parser_no_memory(p);
    TH_TRY(parser_column(p, column));
    if (parser_take_word(p, "COMMENT")) TH_TRY(parser_hive_string(p, &column->comment));
    ddl->columns = (ast_columns){1, column};
    return TH_OK;
}

static th_err names(parser *p, ast_ddl *ddl, uint32_t count)
{
    ast_name *list = parser_new(p, 2 * sizeof *list);
    if (list == NULL) return parser_no_memory(p);
    TH_TRY(parser_hive_name(p, &list[0]));
    if (count == 2) TH_TRY(parser_expect(p, KW_TO));
    if (count == 2) TH_TRY(parser_hive_name(p, &list[1]));
    ddl->names = list;
    ddl->name_count = count;
    return TH_OK;
}

static th_err alter_add(parser *p, ast_ddl *ddl)
{
    ddl->if_not_exists = parser_take_if_not_exists(p);
    if (parser_is(p, KW_PARTITION)) {
        ddl->action = AST_ALTER_ADD_PARTITIONS;
        return partitions(p, ddl);
    }
    ddl->action = AST_ALTER_ADD_COLUMNS;
    if (parser_take(p, KW_COLUMNS)) return parser_columns(p, &ddl->columns);
    if (!parser_take_word(p, "COLUMN"))
        return parser_mismatch(p, "'COLUMN', 'COLUMNS', 'PARTITION'");
    ddl->if_not_exists |= parser_take_if_not_exists(p);
    return one_column(p, ddl);
}

static th_err alter_drop(parser *p, ast_ddl *ddl)
{
    ddl->if_exists = parser_take_if_exists(p);
    if (parser_is(p, KW_PARTITION)) {
        ddl->action = AST_ALTER_DROP_PARTITIONS;
        return partitions(p, ddl);
    }
    ddl->action = AST_ALTER_DROP_COLUMN;
    TH_TRY(parser_expect_word(p, "COLUMN"));
    ddl->if_exists |= parser_take_if_exists(p);
    return names(p, ddl, 1);
}

/* CHANGE [COLUMN] old new type [COMMENT ''] [FIRST | AFTER column] */
static th_err alter_change(parser *p, ast_ddl *ddl)
{
    ddl->action = AST_ALTER_CHANGE_COLUMN;
    parser_take_word(p, "COLUMN");
    TH_TRY(names(p, ddl, 1));
    TH_TRY(one_column(p, ddl));
    if (parser_take(p, KW_FIRST)) return TH_OK;
    ast_name after;
    return parser_take_word(p, "AFTER") ? parser_hive_name(p, &after) : TH_OK;
}

static th_err alter_rename(parser *p, ast_ddl *ddl)
{
    if (parser_take_word(p, "COLUMN")) {
        ddl->action = AST_ALTER_RENAME_COLUMN;
        return names(p, ddl, 2);
    }
    TH_TRY(parser_expect(p, KW_TO));
    if (!parser_is(p, KW_PARTITION)) {
        ddl->action = AST_ALTER_RENAME;
        return parser_hive_path(p, &ddl->new_name);
    }
    ddl->action = AST_ALTER_RENAME_PARTITION;
    ast_partition *both = parser_new(p, 2 * sizeof *both);
    if (both == NULL) return parser_no_memory(p);
    if (ddl->partition_count > 0) both[0] = ddl->partitions[0];
    TH_TRY(partition(p, &both[1]));
    ddl->partitions = both;
    ddl->partition_count = 2;
    return TH_OK;
}

static th_err alter_set(parser *p, ast_ddl *ddl)
{
    if (parser_take_word(p, "LOCATION")) {
        ddl->action = AST_ALTER_SET_LOCATION;
        return parser_hive_string(p, &ddl->location);
    }
    ddl->action = AST_ALTER_SET_PROPERTIES;
    if (!parser_take_word(p, "TBLPROPERTIES") && !parser_take_word(p, "SERDEPROPERTIES"))
        return parser_mismatch(p, "'LOCATION', 'TBLPROPERTIES'");
    return parser_properties(p, &ddl->properties);
}

static th_err alter_table(parser *p, ast_statement *s)
{
    ast_ddl *ddl = s->ddl;
    s->kind = AST_ALTER_TABLE;
    ddl->if_exists = parser_take_if_exists(p);
    TH_TRY(parser_hive_path(p, &s->name));
    if (parser_is(p, KW_PARTITION)) TH_TRY(partitions(p, ddl));
    if (parser_take_word(p, "ADD")) return alter_add(p, ddl);
    if (parser_take(p, KW_DROP)) return alter_drop(p, ddl);
    if (parser_take_word(p, "CHANGE")) return alter_change(p, ddl);
    if (parser_take_word(p, "RENAME")) return alter_rename(p, ddl);
    if (parser_take(p, KW_SET)) return alter_set(p, ddl);
    if (parser_take_word(p, "REPLACE")) {
        ddl->action = AST_ALTER_REPLACE_COLUMNS;
        TH_TRY(parser_expect(p, KW_COLUMNS));
        return parser_columns(p, &ddl->columns);
    }
    if (!parser_take_word(p, "UNSET"))
        return parser_mismatch(p, "'ADD', 'CHANGE', 'DROP', 'RENAME', 'REPLACE', 'SET', 'UNSET'");
    ddl->action = AST_ALTER_UNSET_PROPERTIES;
    TH_TRY(parser_expect_word(p, "TBLPROPERTIES"));
    parser_take_if_exists(p);
    return parser_properties(p, &ddl->properties);
}

static th_err alter(parser *p, ast_statement *s, bool *known)
{
    parser before = *p;
    parser_advance(p);
    if (parser_take(p, KW_TABLE)) return alter_table(p, s);
    if (parser_take_word(p, "DATABASE") || parser_take_word(p, "SCHEMA")) {
        s->kind = AST_ALTER_SCHEMA;
        TH_TRY(parser_hive_path(p, &s->name));
        TH_TRY(parser_expect(p, KW_SET));
        TH_TRY(parser_expect_word(p, "DBPROPERTIES"));
        return parser_properties(p, &s->ddl->properties);
    }
    *known = false;
    *p = before;
    return TH_OK;
}

th_err parser_ddl(parser *p, ast_statement *s, bool *known)
{
    lex_keyword keyword = p->token.keyword;
    *known =
        keyword == KW_CREATE || keyword == KW_DROP || keyword == KW_ALTER || keyword == KW_MSCK;
    if (!*known) return TH_OK;
    s->ddl = parser_new(p, sizeof *s->ddl);
    if (s->ddl == NULL) return parser_no_memory(p);
    if (keyword == KW_CREATE) return create(p, s, known);
    if (keyword == KW_DROP) return drop(p, s, known);
    if (keyword == KW_ALTER) return alter(p, s, known);
    parser_advance(p);
    s->kind = AST_REPAIR;
    TH_TRY(parser_expect_word(p, "REPAIR"));
    TH_TRY(parser_expect(p, KW_TABLE));
    return parser_hive_path(p, &s->name);
}
