/* SPDX-License-Identifier: Apache-2.0
 * Binding and planning, seen through EXPLAIN: what is read, what is pushed where; and the errors of names and types. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "query/query.h"
#include "query/value.h"
#include "tests/unit/test.h"

/* A provider with tables and no rows. */
static th_table_column events_columns[] = {
    {{0}, &th_type_varchar, false, false}, {{0}, &th_type_timestamp, false, false},
    {{0}, &th_type_bigint, false, false},  {{0}, NULL, false, false},
    {{0}, &th_type_varchar, false, false}, {{0}, NULL, false, false},
    {{0}, &th_type_varchar, true, false},  {{0}, &th_type_boolean, false, false},
};
static th_table_column users_columns[] = {
    {{0}, &th_type_varchar, false, false},
    {{0}, &th_type_integer, false, false},
};
static th_table tables[2];
static const th_table *const table_list[2] = {&tables[0], &tables[1]};

static th_err snapshot_open(th_provider *p, const th_principal *who, const th_as_known_at *as,
                            th_snapshot **out, th_diag *diag)
{
    (void)who;
    (void)as;
    (void)diag;
    *out = (th_snapshot *)p;
    return TH_OK;
}

static void snapshot_close(th_snapshot *s)
{
    (void)s;
}

static th_err find(th_snapshot *s, th_slice schema, th_slice name, const th_table **out,
                   th_diag *diag)
{
    (void)s;
    (void)diag;
    for (int i = 0; i < 2; i++) {
        *out = &tables[i];
        if (th_slice_equal_nocase(schema, TH_SLICE("default")) &&
            th_slice_equal_nocase(name, tables[i].name))
            return TH_OK;
    }
    return TH_ENOTFOUND;
}

static th_err list(th_snapshot *s, th_arena *arena, const th_table *const **out, uint32_t *count,
                   th_diag *diag)
{
    (void)s;
    (void)arena;
    (void)diag;
    *out = table_list;
    *count = 2;
    return TH_OK;
}

static bool can_json(th_snapshot *s, const th_table *t, const th_scan_column *c)
{
    (void)s;
    (void)t;
    return c->json_scalar;
}

static const th_provider_ops ops = {.snapshot_open = snapshot_open,
                                    .snapshot_close = snapshot_close,
                                    .table_find = find,
                                    .table_list = list,
                                    .can_json_path = can_json};
static th_provider provider = {&ops};

static void make_tables(th_arena *arena)
{
    static const char *const events[] = {"eventname",         "eventtime", "bytes", "useridentity",
                                         "requestparameters", "resources", "$path", "ok"};
    static const char *const users[] = {"arn", "age"};
    const th_type *identity, *resources;
    CHECK(th_type_parse(TH_SLICE("row(arn varchar, type varchar, sessioncontext row(mfa varchar))"),
                        arena, &identity, NULL) == TH_OK);
    CHECK(th_type_parse(TH_SLICE("array(row(arn varchar, kind varchar))"), arena, &resources,
                        NULL) == TH_OK);
    events_columns[3].type = identity;
    events_columns[5].type = resources;
    for (int i = 0; i < 8; i++) events_columns[i].name = th_slice_text(events[i]);
    for (int i = 0; i < 2; i++) users_columns[i].name = th_slice_text(users[i]);
    tables[0] = (th_table){TH_SLICE("default"), TH_SLICE("events"), events_columns, 8,
                           TH_UNIT_RECORD,      TH_RULES_ATHENA,    false,          NULL};
    tables[1] = (th_table){TH_SLICE("default"), TH_SLICE("users"), users_columns, 2,
                           TH_UNIT_RECORD,      TH_RULES_ATHENA,   false,         NULL};
}

static th_err collect(void *ctx, const th_batch *batch)
{
    th_buf *out = ctx;
    for (uint32_t r = 0; r < batch->rows; r++) {
        for (uint32_t c = 0; c < batch->column_count; c++) {
            th_value v;
            th_value_get(&batch->columns[c], r, &v);
            if (c > 0) th_buf_add_byte(out, '|');
            if (v.null)
                th_buf_add_text(out, "NULL");
            else if (batch->columns[c].type->kind == TH_VARCHAR)
                th_buf_add_slice(out, v.s);
            else
                th_buf_printf(out, "%lld", (long long)v.i);
        }
        th_buf_add_byte(out, '\n');
    }
    return TH_OK;
}

static th_err run(const char *sql, th_buf *out, th_diag *diag)
{
    th_arena *arena = th_arena_new(1u << 20, NULL);
    make_tables(arena);
    th_query_env env = {.provider = &provider, .principal = {.name = "tester"}};
    th_result_sink sink = {.batch = collect, .ctx = out};
    th_err err = th_query_run(&env, th_slice_text(sql), &sink, NULL, diag);
    th_arena_free(arena);
    return err;
}

static void gives(const char *sql, const char *wanted)
{
    static char got[8192];
    th_buf out;
    th_diag diag = {0};
    th_buf_init(&out, 1u << 20);
    th_err err = run(sql, &out, &diag);
    if (err != TH_OK)
        snprintf(got, sizeof got, "%u:%u %s: %s", diag.line, diag.column, th_diag_name(&diag),
                 diag.text);
    else
        snprintf(got, sizeof got, "%s", th_buf_text(&out));
    th_buf_free(&out);
    CHECK_EQ_STR(got, wanted);
}

static void explains(const char *sql, const char *wanted)
{
    char text[2000];
    snprintf(text, sizeof text, "EXPLAIN %s", sql);
    gives(text, wanted);
}

static void fails(const char *sql, const char *wanted, const char *hint)
{
    static char got[1024];
    th_buf out;
    th_diag diag = {0};
    th_buf_init(&out, 1u << 20);
    CHECK(run(sql, &out, &diag) != TH_OK);
    th_buf_free(&out);
    snprintf(got, sizeof got, "%u:%u %s: %s", diag.line, diag.column, th_diag_name(&diag),
             diag.text);
    CHECK_EQ_STR(got, wanted);
    if (hint != NULL) CHECK_EQ_STR(diag.hint, hint);
}

TEST(a_scan_reads_only_what_is_named)
{
    explains("SELECT eventName FROM events", "- Scan default.events [eventname]\n");
    explains("SELECT count(*) FROM events", "- Aggregate [count(*)]\n  - Scan default.events []\n");
    explains("SELECT useridentity.sessioncontext.mfa AS m FROM events",
             "- Scan default.events [useridentity.sessioncontext.mfa]\n");
    explains(
        "SELECT useridentity.arn, useridentity FROM events",
        "- Project [useridentity.arn, useridentity]\n  - Scan default.events [useridentity]\n");
    explains("SELECT x.a FROM (SELECT useridentity AS u, eventname AS a FROM events) x WHERE "
             "x.u.type = 'Root'",
             "- Project [eventname]\n  - Filter (useridentity.type = 'Root')\n"
             "    - Scan default.events [eventname, useridentity.type] where useridentity.type = "
             "'Root'\n");
}

TEST(paths_into_json_text_are_columns)
{
    explains("SELECT json_extract_scalar(requestparameters, '$.bucketName') AS b FROM events",
             "- Scan default.events [requestparameters -> $.bucketName]\n");
    explains("SELECT count(*) FROM events WHERE requestparameters.bucketName = 'x'",
             "- Aggregate [count(*)]\n  - Filter (requestparameters -> $.bucketName = 'x')\n    - "
             "Scan default.events "
             "[requestparameters -> $.bucketName] where requestparameters -> $.bucketName = 'x'\n");
}

TEST(conditions_reach_the_scan)
{
    explains("SELECT bytes FROM events WHERE eventtime >= '2021-06-01' AND eventname LIKE 'Get%' "
             "AND bytes IN (1, 2)",
             "- Project [bytes]\n  - Filter ((eventtime >= '2021-06-01 00:00:00.000') AND "
             "(eventname LIKE 'Get%') AND "
             "in(bytes, 1, 2))\n    - Scan default.events [bytes, eventtime, eventname] where "
             "eventtime >= "
             "'2021-06-01 00:00:00.000' and eventname STARTS WITH 'Get' and bytes IN 1, 2\n");
    explains("SELECT n FROM (SELECT eventname, count(*) AS n FROM events GROUP BY 1) WHERE "
             "eventname = 'a' AND n > 1",
             "- Project [#1]\n  - Filter (#1 > 1)\n    - Aggregate by [eventname] [count(*)]\n     "
             " - Filter (eventname = "
             "'a')\n        - Scan default.events [eventname] where eventname = 'a'\n");
    explains("SELECT 1 AS x FROM events WHERE 1 = 2", "- Project [1]\n  - Values (0 rows)\n");
}

TEST(joins)
{
    explains(
        "SELECT eventname, age FROM events e, users u WHERE e.useridentity.arn = u.arn AND age > 5",
        "- Project [eventname, age]\n  - InnerJoin on useridentity.arn = arn\n"
        "    - Scan default.events [useridentity.arn, eventname]\n"
        "    - Filter (age > 5)\n      - Scan default.users [arn, age] where age > 5\n");
    explains(
        "SELECT e.eventname FROM events e LEFT JOIN users u ON e.useridentity.arn = u.arn AND "
        "u.age = 1 "
        "WHERE u.arn IS NULL",
        "- Project [eventname]\n  - Filter is_null(arn)\n    - LeftJoin on useridentity.arn = arn\n"
        "      - Scan default.events [useridentity.arn, eventname]\n"
        "      - Filter (age = 1)\n        - Scan default.users [arn, age] where age = 1\n");
    explains("SELECT r.arn FROM events CROSS JOIN UNNEST(resources) AS t(r) WHERE bytes = 1",
             "- Project [#2.arn]\n  - Unnest [resources]\n    - Filter (bytes = 1)\n"
             "      - Scan default.events [resources, bytes] where bytes = 1\n");
}

TEST(sorts_with_a_limit_are_top_n)
{
    explains("SELECT eventname AS n FROM events ORDER BY bytes DESC LIMIT 5",
             "- Project [eventname]\n  - TopN 5 by bytes DESC\n    - Scan default.events "
             "[eventname, bytes]\n");
}

TEST(windows_stand_above_a_sort)
{
    explains(
        "SELECT eventname, rank() OVER (PARTITION BY eventname ORDER BY bytes DESC) FROM events",
        "- Project [eventname, #2]\n  - Window by [eventname] [rank()]\n    - Sort by "
        "eventname, bytes DESC\n      - Scan default.events [eventname, bytes]\n");
}

TEST(names_that_mean_nothing)
{
    fails("SELECT evntname FROM events",
          "1:8 COLUMN_NOT_FOUND: Column 'evntname' cannot be resolved",
          "did you mean 'eventname'?");
    fails("SELECT *\nFROM evnts", "2:6 TABLE_NOT_FOUND: Table 'hive.default.evnts' does not exist",
          "did you mean 'events'?");
    fails("SELECT eventname AS n FROM events WHERE n = 'x'",
          "1:41 COLUMN_NOT_FOUND: Column 'n' cannot be resolved",
          "'n' is an alias of the SELECT list; the WHERE clause does not see it: repeat the "
          "expression");
    fails("SELECT eventname FROM events WHERE eventname = \"Get\"",
          "1:48 COLUMN_NOT_FOUND: Column '\"Get\"' cannot be resolved",
          "double quotes are for names; text goes in single quotes");
    fails("SELECT arn FROM users a, users b", "1:8 AMBIGUOUS_NAME: Column 'arn' is ambiguous",
          NULL);
    fails("SELECT useridentity.arm FROM events",
          "1:8 COLUMN_NOT_FOUND: Column 'useridentity.arm' cannot be resolved",
          "did you mean 'arn'?");
    fails("SELECT x.y FROM events e", "1:8 COLUMN_NOT_FOUND: Column 'x' cannot be resolved", NULL);
    fails("SELECT lowr(eventname) FROM events",
          "1:8 FUNCTION_NOT_FOUND: Function 'lowr' not registered", "did you mean 'lower'?");
}

TEST(types_that_do_not_meet)
{
    fails("SELECT * FROM events WHERE eventname = 1",
          "1:38 TYPE_MISMATCH: Cannot apply operator: varchar = integer", NULL);
    fails("SELECT * FROM events WHERE eventname",
          "1:28 TYPE_MISMATCH: WHERE clause must evaluate to a boolean: actual type varchar", NULL);
    fails("SELECT * FROM events WHERE eventtime > 'yesterday'",
          "1:40 INVALID_CAST_ARGUMENT: Value cannot be cast to timestamp(3): yesterday", NULL);
    fails("SELECT CASE WHEN ok THEN 1 ELSE 'x' END FROM events",
          "1:33 TYPE_MISMATCH: All CASE results must be the same type or coercible to a common "
          "type. Cannot find common "
          "type between integer and varchar(1)",
          NULL);
    fails("SELECT CAST(a AS nothing) FROM (VALUES 1) t(a)",
          "1:8 TYPE_NOT_FOUND: Unknown type: nothing", NULL);
}

TEST(grouping)
{
    fails("SELECT eventname, bytes FROM events GROUP BY eventname",
          "1:19 EXPRESSION_NOT_AGGREGATE: 'bytes' must be an aggregate expression or appear in "
          "GROUP BY clause",
          NULL);
    fails("SELECT eventname FROM events WHERE count(*) > 1",
          "1:36 EXPRESSION_NOT_SCALAR: WHERE clause cannot contain aggregations, window functions "
          "or grouping "
          "operations: [count(*)]",
          "conditions on aggregates stand in HAVING");
    fails("SELECT sum(count(*)) FROM events",
          "1:12 NESTED_AGGREGATION: Cannot nest aggregations: count(*) is inside another one",
          NULL);
    fails("SELECT eventname FROM events GROUP BY 2",
          "1:39 INVALID_COLUMN_REFERENCE: GROUP BY position 2 is not in select list", NULL);
    explains("SELECT lower(eventname) AS l, count(*) + 1 AS n FROM events GROUP BY "
             "lower(eventname) HAVING count(*) > 2 "
             "ORDER BY n",
             "- Sort by n\n  - Project [#0, (#1 + 1)]\n    - Filter (#1 > 2)\n      - Aggregate by "
             "[lower(eventname)] "
             "[count(*)]\n        - Scan default.events [eventname]\n");
}

TEST(what_is_not_there_yet_says_so)
{
    fails("MERGE INTO x USING y", "1:1 NOT_SUPPORTED: MERGE INTO is not supported", NULL);
}

TEST(the_engine_describes_itself)
{
    gives("SHOW TABLES", "events\nusers\n");
    gives("SHOW TABLES LIKE 'u%'", "users\n");
    gives("DESCRIBE users", "arn|string|\nage|int|\n");
    gives("SELECT table_name FROM information_schema.tables WHERE table_schema = 'default' ORDER "
          "BY 1 DESC",
          "users\nevents\n");
}

typedef struct deep {
    const char *open, *middle, *close;
    int levels;
    th_diag diag;
    th_err err;
} deep;

static void *run_deep(void *ctx)
{
    deep *d = ctx;
    th_buf sql, out;
    th_buf_init(&sql, 1u << 20);
    th_buf_init(&out, 1u << 24);
    th_buf_add_text(&sql, "SELECT ");
    for (int i = 0; i < d->levels; i++) th_buf_add_text(&sql, d->open);
    th_buf_add_text(&sql, d->middle);
    for (int i = 0; i < d->levels; i++) th_buf_add_text(&sql, d->close);
    th_buf_add_text(&sql, " FROM users");
    th_query_env env = {.provider = &provider, .principal = {.name = "tester"}};
    th_result_sink sink = {.batch = collect, .ctx = &out};
    char *explain = NULL;
    if (asprintf(&explain, "EXPLAIN %s", th_buf_text(&sql)) > 0) {
        d->err = th_query_run(&env, th_slice_text(explain), &sink, NULL, &d->diag);
    }
    free(explain);
    th_buf_free(&sql);
    th_buf_free(&out);
    return NULL;
}

TEST(deep_statements_end_well_on_a_small_stack)
{
    static deep cases[] = {
        {.open = "(", .middle = "1", .close = ")", .levels = 990},
        {.open = "1 + ", .middle = "1", .close = "", .levels = 990},
        {.open = "age + ", .middle = "1", .close = "", .levels = 990},
        {.open = "abs(", .middle = "age", .close = ")", .levels = 990},
        {.open = "NOT ", .middle = "age = 1", .close = "", .levels = 990},
        {.open = "CASE WHEN age = 1 THEN ", .middle = "1", .close = " ELSE 2 END", .levels = 900},
        {.open = "(SELECT ", .middle = "1", .close = ")", .levels = 300},
        {.open = "transform(ARRAY[1], x -> ", .middle = "1", .close = ")", .levels = 300},
        {.open = "* FROM (SELECT ", .middle = "age FROM users", .close = ")", .levels = 300},
    };
    th_arena *arena = th_arena_new(1u << 20, NULL);
    make_tables(arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pthread_attr_t attr;
        pthread_t thread;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, 512 << 10);
        CHECK(pthread_create(&thread, &attr, run_deep, &cases[i]) == 0);
        pthread_join(thread, NULL);
        pthread_attr_destroy(&attr);
        const deep *d = &cases[i];
        if (d->err != TH_OK)
            printf("# form %d: %s %s\n", (int)i, th_diag_name(&d->diag), d->diag.text);
        CHECK(d->err == TH_OK || d->err == TH_ELIMIT || d->err == TH_ESYNTAX);
    }
    th_arena_free(arena);
}

TEST(statements_are_split_at_semicolons)
{
    th_slice rest = TH_SLICE("-- first;\nSELECT ';' ;; SELECT \"a;\" /* ; */\nFROM t"), one;
    uint32_t line = 1;
    bool complete;
    one = th_sql_split(rest, &rest, &line, &complete);
    CHECK_SLICE(one, "SELECT ';'");
    CHECK_EQ_I64(line, 2);
    CHECK(complete);
    one = th_sql_split(rest, &rest, &line, &complete);
    CHECK_SLICE(one, "SELECT \"a;\" /* ; */\nFROM t");
    CHECK(!complete);
    one = th_sql_split(rest, &rest, &line, &complete);
    CHECK_EQ_I64((int64_t)one.size, 0);
    rest = TH_SLICE("SELECT 'open ; SELECT 2;");
    one = th_sql_split(rest, &rest, &line, &complete);
    CHECK_SLICE(one, "SELECT 'open ; SELECT 2;");
    CHECK(!complete);
}

TEST(errors_are_printed_with_a_caret)
{
    th_buf out;
    th_buf_init(&out, 1u << 16);
    th_diag diag = {.code = TH_ESQL,
                    .name = "COLUMN_NOT_FOUND",
                    .text = "Column 'x' cannot be resolved",
                    .hint = "did you mean 'y'?",
                    .line = 2,
                    .column = 9};
    th_query_print_error(&out, &diag, TH_SLICE("SELECT 1,\n\t'\xc3\xa9\xc3\xa9', x\nFROM t"));
    CHECK_EQ_STR(th_buf_text(&out),
                 "error: line 2:9: COLUMN_NOT_FOUND: Column 'x' cannot be resolved\n"
                 "\t'\xc3\xa9\xc3\xa9', x\n\t       ^\nhint: did you mean 'y'?\n");
    th_buf_free(&out);
}

TEST_MAIN(a_scan_reads_only_what_is_named, paths_into_json_text_are_columns,
          conditions_reach_the_scan, joins, sorts_with_a_limit_are_top_n,
          windows_stand_above_a_sort, names_that_mean_nothing, types_that_do_not_meet, grouping,
          what_is_not_there_yet_says_so, the_engine_describes_itself,
          deep_statements_end_well_on_a_small_stack, statements_are_split_at_semicolons,
          errors_are_printed_with_a_caret)
