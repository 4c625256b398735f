/* SPDX-License-Identifier: Apache-2.0
 * One statement on its way from text to result, and the session it runs in. Private to query.c, session.c, prepared.c, ddl.c, alter.c
 * and write.c. */
#ifndef TH_QUERY_STATEMENT_H
#define TH_QUERY_STATEMENT_H

#include "query/bind.h"
#include "query/listing.h"

enum { SESSION_NAME_MAX = 256, SESSION_SETTINGS_MAX = 100, SESSION_VALUE_MAX = 1000 };

typedef struct session_setting {
    char name[SESSION_NAME_MAX + 1];
    char value[SESSION_VALUE_MAX + 1];
} session_setting;

struct th_session {
    char schema[SESSION_NAME_MAX + 1];
    uint16_t zone;
    bool apart;
    th_catalog *catalog; /* its own definitions */
    session_setting *settings;
    uint32_t setting_count;
    th_session_journal journal;
    void *journal_ctx;
};

/* All that one statement holds. */
typedef struct statement {
    const th_query_env *env;
    const th_result_sink *sink;
    th_query_stats *stats;
    th_diag *diag;
    th_arena *arena;
    th_query_control own_control, *control;
    th_snapshot *snapshot;
    th_run_env run;
    binder binder;
} statement;

/* query.c */
TH_MUST_CHECK th_err query_run_parsed(statement *s, const ast_statement *ast);
/* Run a bound plan and hand its result to the sink. */
TH_MUST_CHECK th_err query_run_plan(statement *s, th_plan *plan, const th_result_sink *sink);

/* session.c */
TH_MUST_CHECK th_err query_run_use(statement *s, const ast_statement *ast);
TH_MUST_CHECK th_err query_run_set(statement *s, const ast_statement *ast);
TH_MUST_CHECK th_err query_run_show_session(statement *s, const ast_statement *ast);
/* An event for the session's own catalog. */
TH_MUST_CHECK th_err session_define(th_session *session, th_slice event, th_diag *diag);

/* prepared.c */
TH_MUST_CHECK th_err query_run_prepared(statement *s, const ast_statement *ast);

/* ddl.c */
TH_MUST_CHECK th_err query_run_ddl(statement *s, const ast_statement *ast);
/* Keep a definition, or forget it, where this session's definitions go. */
TH_MUST_CHECK th_err query_record(statement *s, const th_definition *d, bool drop);
/* A definition of this name in the catalog that this session writes to. */
const th_definition *query_recorded(const statement *s, th_slice schema, th_slice name);
/* Columns of CREATE TABLE or ALTER TABLE with their types checked; slots from first_slot on. */
TH_MUST_CHECK th_err query_define_columns(statement *s, const ast_columns *columns, bool partition,
                                          bool hive, uint32_t first_slot,
                                          th_definition_column *out);
TH_MUST_CHECK th_err query_define_pairs(statement *s, const ast_properties *from,
                                        const th_definition_pair **out, uint32_t *count);
/* alter.c */
TH_MUST_CHECK th_err query_run_alter(statement *s, const ast_statement *ast);

/* write.c: INSERT, CREATE TABLE AS, UNLOAD. */
TH_MUST_CHECK th_err query_run_insert(statement *s, const ast_statement *ast);
TH_MUST_CHECK th_err query_run_create_as(statement *s, const ast_statement *ast);
TH_MUST_CHECK th_err query_run_unload(statement *s, const ast_statement *ast);

#endif
