/* SPDX-License-Identifier: Apache-2.0
 * The tables of tables, columns and schemas hold together. */
#include "model/model.h"
#include "tests/unit/test.h"

TEST(tables_are_found_by_id_and_name)
{
    size_t count;
    const th_stored_table *tables = th_model_tables(&count);
    CHECK_EQ_U64(count, 23);
    for (size_t i = 0; i < count; i++) {
        CHECK(th_model_table((uint32_t)tables[i].id) == &tables[i]);
        CHECK(th_model_table_by_name(tables[i].name) == &tables[i]);
        CHECK(i == 0 || tables[i].id > tables[i - 1].id);
        CHECK(tables[i].format != TH_RECORD_BINARY || tables[i].column_count == 0);
        for (uint32_t k = 0; k < tables[i].column_count; k++)
            for (uint32_t m = 0; m < k; m++)
                CHECK(!th_slice_equal_nocase(th_slice_text(tables[i].columns[k].path),
                                             th_slice_text(tables[i].columns[m].path)));
    }
    CHECK(th_model_table(13) == NULL);
    CHECK(th_model_table_by_name("nothing") == NULL);
}

/* The first stored columns of a table never change: they are on disk. */
TEST(order_of_stored_columns_is_kept)
{
    const th_stored_table *t = th_model_table(TH_TABLE_cloudtrail);
    CHECK_EQ_STR(t->columns[0].path, "eventVersion");
    CHECK_EQ_STR(t->columns[18].path, "apiVersion");
    CHECK_EQ_STR(t->columns[33].path, "requestParameters.bucketName");
    CHECK_EQ_STR(th_model_table(TH_TABLE_vpc_flow)->columns[10].path, "start");
    CHECK_EQ_STR(th_model_table(TH_TABLE_dns)->columns[4].path, "query_timestamp");
    CHECK_EQ_STR(th_model_table(TH_TABLE_eks_audit)->columns[11].path, "responseStatus.code");
    CHECK_EQ_STR(th_model_table(TH_TABLE_s3_access)->columns[8].path, "httpstatus");
    CHECK_EQ_STR(th_model_table(TH_TABLE_alb)->columns[5].path, "elb_status_code");
    CHECK_EQ_STR(th_model_table(TH_TABLE_waf)->columns[7].path, "httpRequest.clientIp");
    CHECK_EQ_STR(th_model_table(TH_TABLE_cloudwatch_logs)->columns[1].path, "timestamp");
}

static bool balanced(const char *type)
{
    int depth = 0;
    for (; *type != '\0'; type++) {
        depth += (*type == '(') - (*type == ')');
        if (depth < 0) return false;
    }
    return depth == 0;
}

TEST(schemas_have_lower_case_names_and_whole_types)
{
    size_t count;
    const th_schema *schemas = th_model_schemas(&count);
    CHECK_EQ_U64(count, 26);
    for (size_t i = 0; i < count; i++) {
        CHECK(th_model_table((uint32_t)schemas[i].table) != NULL);
        for (uint32_t k = 0; k < schemas[i].column_count; k++) {
            const th_schema_column *c = &schemas[i].columns[k];
            for (const char *p = c->name; *p != '\0'; p++) CHECK(!(*p >= 'A' && *p <= 'Z'));
            CHECK(balanced(c->type));
            CHECK(!c->json_text || strcmp(c->type, "varchar") == 0);
            CHECK((c->path[0] == '\0') == (c->computed != NULL));
            for (uint32_t m = 0; m < k; m++)
                CHECK(strcmp(schemas[i].columns[m].name, c->name) != 0);
        }
    }
}

static const th_schema *schema_called(const char *name)
{
    size_t count;
    const th_schema *schemas = th_model_schemas(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(schemas[i].name, name) == 0) return &schemas[i];
    return NULL;
}

TEST(cloudtrail_tables_differ_by_the_rows_they_show)
{
    CHECK_EQ_I64(schema_called("cloudtrail")->rows, TH_ROWS_SHOWN);
    CHECK_EQ_I64(schema_called("cloudtrail_logs")->rows, TH_ROWS_SHOWN);
    CHECK_EQ_I64(schema_called("cloudtrail_copies")->rows, TH_ROWS_COPIES);
    CHECK_EQ_I64(schema_called("cloudtrail_deliveries")->rows, TH_ROWS_DELIVERIES);
    CHECK(schema_called("cloudtrail")->columns == schema_called("cloudtrail_deliveries")->columns);
    CHECK_EQ_I64(schema_called("findings")->rows, TH_ROWS_CURRENT);
    CHECK_EQ_I64(schema_called("findings")->table, TH_TABLE_findings_events);
    CHECK_EQ_I64(schema_called("findings_events")->rows, TH_ROWS_ALL);
}

/* Filters on this column leave out days: it has to be the one that rows are put into days by. */
TEST(the_time_path_is_that_of_the_day)
{
    CHECK_EQ_STR(th_model_time_path(th_model_table(TH_TABLE_guardduty)), "updatedAt");
    CHECK_EQ_STR(th_model_time_path(th_model_table(TH_TABLE_findings_events)), "UpdatedAt");
    CHECK_EQ_STR(th_model_time_path(th_model_table(TH_TABLE_eks_audit)),
                 "requestReceivedTimestamp");
    CHECK_EQ_STR(th_model_time_path(th_model_table(TH_TABLE_alb)), "time");
    CHECK(th_model_time_path(th_model_table(TH_TABLE_blobs)) == NULL);
}

TEST(a_row_field_with_another_key_says_so)
{
    CHECK_EQ_STR(th_schema_field_key(schema_called("config_items"), "relationships", "name"),
                 "relationshipName|name");
    CHECK(th_schema_field_key(schema_called("config_items"), "relationships", "resourcetype") ==
          NULL);
    CHECK(th_schema_field_key(schema_called("cloudtrail"), "relationships", "name") == NULL);
}

TEST_MAIN(tables_are_found_by_id_and_name, order_of_stored_columns_is_kept,
          schemas_have_lower_case_names_and_whole_types,
          cloudtrail_tables_differ_by_the_rows_they_show, the_time_path_is_that_of_the_day,
          a_row_field_with_another_key_says_so)
