/* SPDX-License-Identifier: Apache-2.0
 * What the name of a delivered object says. */
#include "base/time.h"
#include "model/model.h"
#include "tests/unit/test.h"

static th_object_key parsed;

static bool parse(const char *name)
{
    return th_model_parse_key(th_slice_text(name), &parsed);
}

TEST(a_trail_in_a_bucket)
{
    CHECK(parse("s3://logs/pre/fix/AWSLogs/123456789012/CloudTrail/eu-west-1/2024/01/31/"
                "123456789012_CloudTrail_eu-west-1_20240131T0005Z_AbCdEfGhIjKlMnOp.json.gz"));
    CHECK_SLICE(parsed.bucket, "logs");
    CHECK_SLICE(parsed.prefix, "pre/fix");
    CHECK_SLICE(parsed.organisation, "");
    CHECK_SLICE(parsed.account, "123456789012");
    CHECK_SLICE(parsed.folder, "CloudTrail");
    CHECK_SLICE(parsed.region, "eu-west-1");
    CHECK_EQ_I64(parsed.day, th_day_from_civil(2024, 1, 31));
    CHECK_SLICE(parsed.file,
                "123456789012_CloudTrail_eu-west-1_20240131T0005Z_AbCdEfGhIjKlMnOp.json.gz");
}

TEST(an_organisation_trail_as_a_path)
{
    CHECK(parse("/mnt/x/AWSLogs/o-abcd/811596193553/CloudTrail-Digest/us-gov-west-1/2020/09/30/"
                "file.json.gz"));
    CHECK_SLICE(parsed.bucket, "");
    CHECK_SLICE(parsed.prefix, "/mnt/x");
    CHECK_SLICE(parsed.organisation, "o-abcd");
    CHECK_SLICE(parsed.account, "811596193553");
    CHECK_SLICE(parsed.folder, "CloudTrail-Digest");
    CHECK_SLICE(parsed.region, "us-gov-west-1");
    CHECK_EQ_I64(parsed.day, th_day_from_civil(2020, 9, 30));
}

TEST(config_days_have_no_zeroes)
{
    CHECK(parse("AWSLogs/123456789012/Config/us-east-1/2016/9/7/ConfigHistory/"
                "123456789012_Config_us-east-1_ConfigHistory_AWS::EC2::Volume_20160927T195818Z_"
                "20160927T200000Z_1.json.gz"));
    CHECK_SLICE(parsed.prefix, "");
    CHECK_SLICE(parsed.folder, "Config");
    CHECK_EQ_I64(parsed.day, th_day_from_civil(2016, 9, 7));
}

TEST(flow_logs_plain_and_hive)
{
    CHECK(parse("s3://b/AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/01/31/05/"
                "123456789012_vpcflowlogs_us-east-1_fl-1_20240131T0500Z_h.log.gz"));
    CHECK_SLICE(parsed.folder, "vpcflowlogs");
    CHECK_EQ_I64(parsed.day, th_day_from_civil(2024, 1, 31));
    CHECK(parse("s3://b/p/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/"
                "aws-region=us-east-1/year=2024/"
                "month=01/day=31/hour=05/f.log.gz"));
    CHECK_SLICE(parsed.account, "123456789012");
    CHECK_SLICE(parsed.folder, "vpcflowlogs");
    CHECK_SLICE(parsed.region, "us-east-1");
    CHECK_SLICE(parsed.prefix, "p");
    CHECK_EQ_I64(parsed.day, th_day_from_civil(2024, 1, 31));
}

TEST(what_a_name_does_not_say_stays_empty)
{
    CHECK(!parse("us-west-1/2021/08/02/"
                 "342082656213_CloudTrail_us-west-1_20210802T0540Z_6gPa6ow52ww5xuUN.json.gz"));
    CHECK_SLICE(parsed.account, "342082656213");
    CHECK_SLICE(parsed.folder, "CloudTrail");
    CHECK_SLICE(parsed.region, "us-west-1");
    CHECK_EQ_I64(parsed.day, TH_DAY_UNDATED);
    CHECK(!parse(""));
    CHECK(!parse("s3://"));
    CHECK(!parse("s3://b"));
    CHECK_SLICE(parsed.bucket, "b");
    CHECK(!parse("AWSLogs/nobody/CloudTrail/us-east-1/x"));
    CHECK(!parse("AWSLogs"));
    CHECK(parse("AWSLogs/123456789012/Config/ConfigWritabilityCheckFile"));
    CHECK_SLICE(parsed.file, "ConfigWritabilityCheckFile");
    CHECK_SLICE(parsed.region, "");
    CHECK(parse("AWSLogs/123456789012/CloudTrail/us-east-1/2024/13/01/f"));
    CHECK_EQ_I64(parsed.day, TH_DAY_UNDATED);
    CHECK(parse("AWSLogs/123456789012/CloudTrail/us-east-1/2024/02/30/f"));
    CHECK_EQ_I64(parsed.day, TH_DAY_UNDATED);
    CHECK(parse("AWSLogs/123456789012/CloudTrail/us-east-1/1024/01/01/f"));
    CHECK_EQ_I64(parsed.day, TH_DAY_UNDATED);
    CHECK(parse("AWSLogs/123456789012/CloudTrail-Lake/Query/2024/02/03/id/result_sign.json"));
    CHECK_EQ_I64(parsed.day, th_day_from_civil(2024, 2, 3));
}

TEST_MAIN(a_trail_in_a_bucket, an_organisation_trail_as_a_path, config_days_have_no_zeroes,
          flow_logs_plain_and_hive, what_a_name_does_not_say_stays_empty)
