/* SPDX-License-Identifier: Apache-2.0
 * The parser: what it accepts, the shape of trees, errors in Trino's words with their place, and its limits. */
#include <pthread.h>
#include <stdio.h>

#include "base/buf.h"
#include "query/lex.h"
#include "query/parse.h"
#include "tests/unit/test.h"

static void print_expr(th_buf *out, const ast_expr *e);

static void print_children(th_buf *out, const char *name, const ast_expr *e)
{
    th_buf_printf(out, "(%s", name);
    for (uint32_t i = 0; i < e->child_count; i++) {
        th_buf_add_byte(out, ' ');
        print_expr(out, e->children[i]);
    }
    th_buf_add_byte(out, ')');
}

static void print_expr(th_buf *out, const ast_expr *e)
{
    char name[200];
    switch (e->kind) {
    case AST_NAME:
    case AST_INTEGER:
    case AST_DECIMAL:
    case AST_DOUBLE: th_buf_add_slice(out, e->text); return;
    case AST_STRING: th_buf_printf(out, "'%.*s'", TH_SLICE_ARGS(e->text)); return;
    case AST_TYPED:
        th_buf_printf(out, "%.*s'%.*s'", TH_SLICE_ARGS(e->type_text), TH_SLICE_ARGS(e->text));
        return;
    case AST_FIELD: snprintf(name, sizeof name, ".%.*s", TH_SLICE_ARGS(e->text)); break;
    case AST_CALL: snprintf(name, sizeof name, "%.*s", TH_SLICE_ARGS(e->text)); break;
    case AST_ARITHMETIC:
    case AST_COMPARE: snprintf(name, sizeof name, e->op < 128 ? "%c" : "op%u", (int)e->op); break;
    case AST_CAST: snprintf(name, sizeof name, "cast:%.*s", TH_SLICE_ARGS(e->type_text)); break;
    default: {
        static const char *const names[AST_KIND_COUNT] = {[AST_NEGATE] = "-",
                                                          [AST_AND] = "and",
                                                          [AST_OR] = "or",
                                                          [AST_NOT] = "not",
                                                          [AST_BETWEEN] = "between",
                                                          [AST_IN] = "in",
                                                          [AST_LIKE] = "like",
                                                          [AST_IS_NULL] = "isnull",
                                                          [AST_CASE] = "case",
                                                          [AST_ROW] = "row",
                                                          [AST_ARRAY] = "array",
                                                          [AST_SUBSCRIPT] = "[]",
                                                          [AST_LAMBDA] = "lambda",
                                                          [AST_SUBQUERY] = "query",
                                                          [AST_EXISTS] = "exists",
                                                          [AST_IN_QUERY] = "inquery",
                                                          [AST_AT_TIME_ZONE] = "at",
                                                          [AST_EXTRACT] = "extract",
                                                          [AST_PARAM] = "?",
                                                          [AST_INTERVAL] = "interval",
                                                          [AST_DISTINCT] = "differs",
                                                          [AST_QUANTIFIED] = "quantified"};
        snprintf(name, sizeof name, "%s%s", e->negated ? "!" : "",
                 names[e->kind] == NULL ? "other" : names[e->kind]);
    }
    }
    print_children(out, name, e);
}

static void shape(const char *sql, const char *wanted)
{
    th_arena *arena = th_arena_new(16u << 20, NULL);
    th_buf out;
    th_buf_init(&out, 1u << 20);
    ast_expr *e = NULL;
    th_diag diag = {0};
    th_err err = query_parse_lone_expr(th_slice_text(sql), arena, &e, &diag);
    if (err == TH_OK)
        print_expr(&out, e);
    else
        th_buf_printf(&out, "%u:%u %s", diag.line, diag.column, diag.text);
    char got[600];
    snprintf(got, sizeof got, "%s", th_buf_text(&out));
    th_buf_free(&out);
    th_arena_free(arena);
    CHECK_EQ_STR(got, wanted);
}

static th_diag parse(const char *sql)
{
    th_arena *arena = th_arena_new(64u << 20, NULL);
    ast_statement *s;
    th_diag diag = {0};
    th_err err = query_parse(th_slice_text(sql), arena, &s, &diag);
    th_arena_free(arena);
    CHECK(err == diag.code);
    return diag;
}

static void accepts(const char *sql)
{
    th_diag diag = parse(sql);
    if (diag.code != TH_OK) printf("# %s\n", sql);
    CHECK_EQ_STR(diag.text, "");
}

static void refuses(const char *sql, uint32_t line, uint32_t column, const char *text)
{
    th_diag diag = parse(sql);
    CHECK_EQ_STR(diag.text, text);
    CHECK_EQ_I64(diag.line, line);
    CHECK_EQ_I64(diag.column, column);
}

TEST(operators_bind_as_trino_says)
{
    shape("a + b * c", "(+ a (* b c))");
    shape("a - b - c", "(- (- a b) c)");
    shape("(a + b) * c", "(* (+ a b) c)");
    shape("a = 1 OR b = 2 AND NOT c = 3", "(or (= a 1) (and (= b 2) (not (= c 3))))");
    shape("a AND b AND c", "(and a b c)");
    shape("- a * b", "(* (- a) b)");
    shape("a || b || c", "(op259 (op259 a b) c)");
    shape("a BETWEEN 1 AND 2 + 1 AND b", "(and (between a 1 (+ 2 1)) b)");
    shape("a NOT IN (1, 2)", "(!in a 1 2)");
    shape("a LIKE 'x%' ESCAPE '\\'", "(like a 'x%' '\\')");
    shape("a IS NOT NULL", "(!isnull a)");
    shape("a IS DISTINCT FROM b", "(differs a b)");
    shape("a.b.c[1].d", "(.d ([] (.c (.b a)) 1))");
    shape("x AT TIME ZONE 'UTC' > y", "(> (at x 'UTC') y)");
    shape("a = ALL (SELECT 1)", "(quantified a)");
}

TEST(operands)
{
    shape("DATE '2024-01-31'", "DATE'2024-01-31'");
    shape("date", "date");
    shape("date(ts)", "(date ts)");
    shape("INTERVAL '7' DAY", "(interval)");
    shape("interval", "interval");
    shape("CASE a WHEN 1 THEN 2 ELSE 3 END", "(case a 1 2 3)");
    shape("x -> x + 1", "(lambda (+ x 1))");
    shape("(a, b) -> a", "(lambda a)");
    shape("(a, b)", "(row a b)");
    shape("ARRAY[1, 2][1]", "([] (array 1 2) 1)");
    shape("CAST(a AS row(x array(timestamp(3) with time zone), y varchar(2)))",
          "(cast:row ( x array ( timestamp ( 3 ) with time zone ) , y varchar ( 2 ) ) a)");
    shape("TRIM(LEADING 'x' FROM a)", "(ltrim a 'x')");
    shape("POSITION('a' IN b)", "(strpos b 'a')");
    shape("((SELECT 1) + 2)", "(+ (query) 2)");
    shape("((SELECT 1) UNION (SELECT 2))", "(query)");
    shape("'it''s'", "'it's'");
    shape("U&'\\0041\\+000042'", "'AB'");
    shape("1_000 + 1.5e0 + .5", "(+ (+ 1000 1.5e0) .5)");
    shape("\"Count\"(x)", "(Count x)");
    shape("current_date - 1", "(- (current_date) 1)");
    shape("if(a, b, c).d", "(.d (if a b c))");
}

TEST(queries)
{
    accepts("SELECT 1;");
    accepts("SELECT DISTINCT a, t.*, count(*) FILTER (WHERE x) AS n FROM t WHERE a > 1 GROUP BY 1, "
            "(b, c) HAVING n > 1 "
            "ORDER BY a DESC NULLS FIRST, (b) OFFSET 2 ROWS LIMIT 10");
    accepts("WITH a (x) AS (SELECT 1), b AS (VALUES (1, 2), (3, 4)) TABLE a");
    accepts("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT * "
            "FROM t");
    accepts("SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c USING (x) CROSS JOIN d, e");
    accepts("SELECT * FROM a JOIN b JOIN c ON b.x = c.x ON a.x = b.x");
    accepts("SELECT * FROM t CROSS JOIN UNNEST(a, b) WITH ORDINALITY AS u (x, y, n)");
    accepts("SELECT * FROM (SELECT 1) UNION ALL (SELECT 2 ORDER BY 1 LIMIT 1) INTERSECT SELECT 3 "
            "EXCEPT SELECT 4");
    accepts("SELECT * FROM ((SELECT 1) UNION (SELECT 2)) AS t");
    accepts("SELECT sum(x) OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND UNBOUNDED "
            "FOLLOWING), rank() OVER w "
            "FROM t WINDOW w AS (ORDER BY c)");
    accepts("SELECT a FROM t GROUP BY GROUPING SETS ((a, b), ()), ROLLUP (a), CUBE (a, b)");
    accepts("SELECT eventTime FROM 5e2676f8-9fce-4ab5-a1c5-1d6f2e3b4c5d WHERE eventTime > "
            "'2024-01-01'");
    accepts("SELECT * FROM a5e26768-9fce-4ab5-a1c5-1d6f2e3b4c5d LIMIT ALL");
    accepts("SELECT date, timestamp, day, \"end\", type FROM t /* c */ -- d\n;");
    accepts("SELECT x FROM a.b.c FOR TIMESTAMP AS OF TIMESTAMP '2024-01-01 00:00:00' t FETCH FIRST "
            "3 ROWS ONLY");
    accepts("SHOW TABLES IN default LIKE 'cloud%'");
    accepts("EXPLAIN ANALYZE SELECT 1");
    accepts("DESCRIBE FORMATTED cloudtrail");
}

TEST(errors_name_the_place_and_what_was_expected)
{
    refuses("SELECT FROM t", 1, 8, "mismatched input 'FROM'. Expecting: <expression>");
    refuses("SELECT a\nFROM t\nWHERE a = = 1", 3, 11,
            "mismatched input '='. Expecting: <expression>");
    refuses("SELECT a FROM t WHERE (a", 1, 25,
            "mismatched input '<EOF>'. Expecting: ')', ',', <operator>");
    refuses("SELECT '\xc3\xa9\xc3\xa9' x y", 1, 15, "mismatched input 'y'. Expecting: <EOF>");
    refuses("SELECT 'abc", 1, 8, "mismatched input '''. Expecting: <expression>");
    refuses("SELECT a FROM t LIMIT 1 OFFSET 2", 1, 25,
            "mismatched input 'OFFSET'. Expecting: <EOF>");
    refuses("SELECT `a` FROM t", 1, 8,
            "backquoted identifiers are not supported; use double quotes to quote identifiers");
    refuses("SELECT 1abc", 1, 8,
            "identifiers must not start with a digit; surround the identifier with double quotes");
    refuses("SELECT 1; SELECT 2", 1, 11, "mismatched input 'SELECT'. Expecting: <EOF>");
    refuses("SELECT X'0'", 1, 8,
            "Binary literal must contain an even number of hexadecimal digits");
    th_diag diag = parse("SELECT order FROM t");
    CHECK_EQ_STR(diag.hint, "ORDER is a reserved word; as a name it goes in double quotes");
}

static void *deep_on_a_small_stack(void *what)
{
    static const char *const open[] = {"(",      "abs(",     "CASE WHEN ",
                                       "- ",     "NOT ",     "a[",
                                       "ARRAY[", "(SELECT ", "EXISTS (SELECT 1 WHERE ",
                                       "x -> ",  "1 + "};
    const char *piece = open[(uintptr_t)what];
    th_buf sql;
    th_buf_init(&sql, 8u << 20);
    th_buf_add_text(&sql, "SELECT ");
    for (int i = 0; i < 40000; i++) th_buf_add_text(&sql, piece);
    th_buf_add_text(&sql, "1");
    th_arena *arena = th_arena_new(256u << 20, NULL);
    ast_statement *s;
    th_diag diag = {0};
    th_err err = query_parse(th_buf_slice(&sql), arena, &s, &diag);
    th_arena_free(arena);
    th_buf_free(&sql);
    return (void *)(uintptr_t)(err == TH_ELIMIT && diag.line == 1);
}

TEST(what_nests_too_deeply_is_refused_on_a_small_stack)
{
    for (uintptr_t i = 0; i < 11; i++) {
        pthread_attr_t attr;
        pthread_t thread;
        void *fine = NULL;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, 512 << 10);
        CHECK(pthread_create(&thread, &attr, deep_on_a_small_stack, (void *)i) == 0);
        pthread_join(thread, &fine);
        pthread_attr_destroy(&attr);
        if (fine == NULL) printf("# form %d\n", (int)i);
        CHECK(fine != NULL);
    }
}

TEST(long_lists_do_not_nest)
{
    th_buf sql;
    th_buf_init(&sql, 8u << 20);
    th_buf_add_text(&sql, "SELECT a IN (0");
    for (int i = 0; i < 50000; i++) th_buf_printf(&sql, ",%d", i);
    th_buf_add_text(&sql, ") AND a = 1");
    for (int i = 0; i < 20000; i++) th_buf_add_text(&sql, " AND a = 2");
    th_diag diag = parse(th_buf_text(&sql));
    th_buf_free(&sql);
    CHECK_EQ_STR(diag.text, "");
}

TEST_MAIN(operators_bind_as_trino_says, operands, queries,
          errors_name_the_place_and_what_was_expected,
          what_nests_too_deeply_is_refused_on_a_small_stack, long_lists_do_not_nest)
