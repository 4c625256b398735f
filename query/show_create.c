/* SPDX-License-Identifier: Apache-2.0
 * SHOW CREATE: the statement that would define a relation or a schema again. */
#include "query/listing.h"

static void quoted(th_buf *out, th_slice text)
{
    th_buf_add_byte(out, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '\'') th_buf_add_byte(out, '\'');
        th_buf_add_byte(out, text.bytes[i]);
    }
    th_buf_add_byte(out, '\'');
}

static void pairs(th_buf *out, const char *head, const th_definition_pair *list, uint32_t count)
{
    if (count == 0) return;
    th_buf_printf(out, "%s (\n", head);
    for (uint32_t i = 0; i < count; i++) {
        th_buf_add_text(out, "  ");
        quoted(out, list[i].key);
        th_buf_add_byte(out, '=');
        quoted(out, list[i].value);
        th_buf_add_text(out, i + 1 < count ? ",\n" : ")\n");
    }
}

static th_err columns(binder *b, th_buf *out, const list_column *list, uint32_t count,
                      bool partition)
{
    bool first = true;
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].partition != partition) continue;
        th_slice type;
        TH_TRY(query_type_text(b, list[i].type, true, &type));
        th_buf_printf(out, "%s  `%.*s` %.*s", first ? "" : ",\n", TH_SLICE_ARGS(list[i].name),
                      TH_SLICE_ARGS(type));
        if (list[i].comment.size > 0) {
            th_buf_add_text(out, " COMMENT ");
            quoted(out, list[i].comment);
        }
        first = false;
    }
    th_buf_add_text(out, ")\n");
    return TH_OK;
}

static void storage(th_buf *out, const th_definition *d)
{
    if (d->comment.size > 0) {
        th_buf_add_text(out, "COMMENT ");
        quoted(out, d->comment);
        th_buf_add_byte(out, '\n');
    }
    if (d->serde.size > 0) {
        th_buf_add_text(out, "ROW FORMAT SERDE\n  ");
        quoted(out, d->serde);
        th_buf_add_byte(out, '\n');
        pairs(out, "WITH SERDEPROPERTIES", d->serde_properties, d->serde_property_count);
    }
    if (d->stored_as.size > 0) {
        bool class_name = memchr(d->stored_as.bytes, '.', d->stored_as.size) != NULL;
        th_buf_add_text(out, class_name ? "STORED AS INPUTFORMAT\n  " : "STORED AS ");
        if (class_name)
            quoted(out, d->stored_as);
        else
            th_buf_add_slice(out, d->stored_as);
        th_buf_add_byte(out, '\n');
    }
    if (d->location.size > 0) {
        th_buf_add_text(out, "LOCATION\n  ");
        quoted(out, d->location);
        th_buf_add_byte(out, '\n');
    }
    pairs(out, "TBLPROPERTIES", d->properties, d->property_count);
}

static th_err create_table(binder *b, th_buf *out, const list_relation *r)
{
    const list_column *list;
    uint32_t count, partitions = 0;
    TH_TRY(query_list_columns(b, r, &list, &count));
    for (uint32_t i = 0; i < count; i++) partitions += list[i].partition;
    bool own = r->definition != NULL && r->definition->kind == TH_DEFINE_TABLE;
    th_buf_printf(out, "CREATE %sTABLE `%.*s.%.*s`(\n", own ? "" : "EXTERNAL ",
                  TH_SLICE_ARGS(r->schema), TH_SLICE_ARGS(r->name));
    TH_TRY(columns(b, out, list, count, false));
    if (partitions > 0) {
        th_buf_add_text(out, "PARTITIONED BY (\n");
        TH_TRY(columns(b, out, list, count, true));
    }
    if (r->definition != NULL) storage(out, r->definition);
    return TH_OK;
}

static th_err create_text(binder *b, const ast_statement *s, th_buf *out)
{
    list_relation r;
    if (th_slice_is(s->word, "SCHEMA")) {
        th_slice name = s->name.parts[s->name.count - 1].text;
        const th_definition *d = th_catalog_schema(b->own, name);
        if (d == NULL) d = th_catalog_schema(b->shared, name);
        th_buf_printf(out, "CREATE DATABASE `%.*s`\n", TH_SLICE_ARGS(name));
        if (d != NULL) storage(out, d);
        return TH_OK;
    }
    TH_TRY(query_find_relation(b, &s->name, &r));
    bool view = r.definition != NULL && r.definition->kind == TH_DEFINE_VIEW;
    if (view != th_slice_is(s->word, "VIEW")) {
        return th_fail_at(b->diag, TH_ESQL, view ? "NOT_SUPPORTED" : "TABLE_NOT_FOUND",
                          s->name.parts[0].line, s->name.parts[0].column, "'%.*s.%.*s' is a %s",
                          TH_SLICE_ARGS(r.schema), TH_SLICE_ARGS(r.name), view ? "view" : "table");
    }
    if (!view) return create_table(b, out, &r);
    th_buf_printf(out, "CREATE VIEW %.*s.%.*s AS\n", TH_SLICE_ARGS(r.schema),
                  TH_SLICE_ARGS(r.name));
    th_buf_add_slice(out, r.definition->text);
    return TH_OK;
}

th_err query_show_create(binder *b, const ast_statement *s, th_plan **out)
{
    th_buf text;
    th_buf_init(&text, 4u << 20);
    th_err err = create_text(b, s, &text);
    if (err == TH_OK) err = th_buf_error(&text);
    th_slice copy = err == TH_OK ? th_arena_copy(b->arena, th_buf_slice(&text)) : (th_slice){0};
    th_buf_free(&text);
    TH_TRY(err);
    if (copy.bytes == NULL) return query_no_memory(b);
    return query_list_lines(b, copy,
                            th_slice_is(s->word, "VIEW") ? "Create View" : "createtab_stmt", out);
}
