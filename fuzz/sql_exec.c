/* SPDX-License-Identifier: Apache-2.0
 * Statements of any bytes, run to the end over tables in memory: every batch is well formed, every value has a text and
 * a JSON form, every failure has a name, no segment stays open, memory stays within the limit.
 * TH_FUZZ_CANARY claims that no statement ever divides by zero. */
/* fuzz-module: query */
#include <stdlib.h>

#include "base/assert.h"
#include "query/result.h"
#include "tests/unit/memory_provider.h"

enum { TEXT_MAX = 4 << 10, MEMORY_MAX = 64 << 20, ROWS_MAX = 20000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct seen {
    uint32_t columns;
    th_buf text;
} seen;

static th_err take_columns(void *ctx, const th_result_column *columns, uint32_t count)
{
    seen *s = ctx;
    s->columns = count;
    for (uint32_t i = 0; i < count; i++) th_type_print(&s->text, columns[i].type);
    return TH_OK;
}

static th_err take_batch(void *ctx, const th_batch *batch)
{
    seen *s = ctx;
    TH_ASSERT(batch->column_count == s->columns);
    for (uint32_t c = 0; c < batch->column_count; c++) {
        const th_vector *v = &batch->columns[c];
        TH_ASSERT(v->count == batch->rows);
        for (uint32_t i = 0; i < batch->rows; i++) {
            th_buf_clear(&s->text);
            th_value_text(&s->text, v, i);
            th_value_json(&s->text, v, i);
        }
    }
    return TH_OK;
}

static memory_provider *make_tables(void)
{
    static const char *const tables[][2] = {
        {"t", "SELECT * FROM (VALUES (1,'a',1.5e0,true),(2,'b',2.5e0,false),(3,'a',NULL,NULL),"
              "(4,NULL,4e0,true),(5,'{\"k\":[1,null]}',-0.0e0,true)) AS x(n,s,d,b)"},
        {"e",
         "SELECT * FROM (VALUES (timestamp '2024-01-31 12:00:00', date '2024-01-31', "
         "ARRAY[1,NULL,3], map(ARRAY['k'],ARRAY[1]), CAST(ROW('x',ROW(1)) AS row(f varchar, g "
         "row(h "
         "bigint))), DECIMAL '1.50', ipaddress '10.0.0.1'), (NULL, NULL, NULL, NULL, NULL, NULL, "
         "NULL)) AS x(ts, dt, a, m, r, dc, ip)"},
        {"l", "SELECT x AS n, x % 7 AS g FROM UNNEST(sequence(1, 500)) AS q(x)"},
    };
    memory_provider *p = memory_provider_new(2);
    th_diag diag = {0};
    TH_ASSERT(p != NULL);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        TH_ASSERT(memory_provider_add(p, tables[i][0], tables[i][1], i != 1, &diag) == TH_OK);
    return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static memory_provider *provider;
    if (provider == NULL) provider = make_tables();
    if (size > TEXT_MAX) return 0;
    seen s = {0};
    th_diag diag = {0};
    th_buf_init(&s.text, 16u << 20);
    th_query_env env = {.provider = memory_provider_of(provider),
                        .limits = {MEMORY_MAX, INT64_C(2000000), ROWS_MAX}};
    th_result_sink sink = {take_columns, take_batch, &s};
    th_query_stats stats = {0};
    th_err e = th_query_run(&env, th_slice_of(data, size), &sink, &stats, &diag);
    TH_ASSERT((e == TH_OK) == (diag.code == TH_OK));
    TH_ASSERT(e == TH_OK || diag.text[0] != 0);
    TH_ASSERT(stats.peak_bytes <= MEMORY_MAX);
    TH_ASSERT(memory_provider_open_segments(provider) == 0);
#ifdef TH_FUZZ_CANARY
    TH_ASSERT(strcmp(diag.name, "DIVISION_BY_ZERO") != 0);
#endif
    th_buf_free(&s.text);
    return 0;
}
