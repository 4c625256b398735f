/* SPDX-License-Identifier: Apache-2.0
 * Templates: what each sign means, what is refused, and that no template writes beyond the bound that it states. */
#include "generate/generate_private.h"
#include "tests/unit/test.h"

typedef struct bench {
    gen_world world;
    gen_account account;
    gen_random random;
    gen_scene scene;
} bench;

static void bench_open(bench *b)
{
    th_generate_options options = {.seed = 5,
                                   .accounts = 4,
                                   .days = 1,
                                   .start_day = TH_GENERATE_START_DAY,
                                   .bytes = 1,
                                   .level = 1};
    CHECK_EQ_I64(gen_world_init(&b->world, &options, NULL), TH_OK);
    gen_account_make(&b->world, 2, &b->account);
    gen_random_seed(&b->random, 11);
    memset(&b->scene, 0, sizeof(b->scene));
    b->scene.random = &b->random;
    b->scene.world = &b->world;
    b->scene.account = b->scene.peer = &b->account;
    b->scene.now_s = 1741000272; /* 2025-03-03T11:11:12Z */
    b->scene.now_ms = 7;
}

static const char *run(bench *b, const char *text)
{
    static char out[8192];
    gen_template template;
    CHECK_EQ_I64(gen_template_compile(text, b->world.arena, &template, NULL), TH_OK);
    CHECK(template.bound < sizeof(out));
    uint8_t *end = gen_template_run(&template, &b->scene, (uint8_t *)out);
    CHECK((size_t)(end - (uint8_t *)out) <= template.bound);
    *end = '\0';
    return out;
}

static th_err compile(bench *b, const char *text)
{
    gen_template template;
    th_diag diag = {0};
    th_err err = gen_template_compile(text, b->world.arena, &template, &diag);
    CHECK(err == TH_OK || diag.text[0] != '\0');
    return err;
}

TEST(quotes_and_text)
{
    bench b;
    bench_open(&b);
    CHECK_EQ_STR(run(&b, "{'a':'`x`',b}"), "{\"a\":\"\\\"x\\\"\",b}");
    CHECK_EQ_STR(run(&b, ""), "");
    gen_world_free(&b.world);
}

TEST(choices_and_repeats)
{
    bench b;
    bench_open(&b);
    CHECK_EQ_STR(run(&b, "<?100>yes<|>no<.>!"), "yes!");
    CHECK_EQ_STR(run(&b, "<?0>yes<|>no<.>!"), "no!");
    CHECK_EQ_STR(run(&b, "<?0>yes<.>!"), "!");
    CHECK_EQ_STR(run(&b, "[<*3>x<.>]"), "[x,x,x]");
    CHECK_EQ_STR(run(&b, "[<*2><?100>y<.><.>]"), "[y,y]");
    CHECK_EQ_STR(run(&b, "<one:a>"), "a");
    CHECK_EQ_STR(run(&b, "<one:'q'>"), "\"q\"");
    gen_world_free(&b.world);
}

TEST(times)
{
    bench b;
    bench_open(&b);
    CHECK_EQ_STR(run(&b, "<now>"), "2025-03-03T11:11:12Z");
    CHECK_EQ_STR(run(&b, "<now.ms>"), "2025-03-03T11:11:12.007Z");
    CHECK_EQ_STR(run(&b, "<now.text>"), "Mar 3, 2025 11:11:12 AM");
    CHECK_EQ_STR(run(&b, "<in.text:3600>"), "Mar 3, 2025 12:11:12 PM");
    CHECK_EQ_STR(run(&b, "<now.minute> <now.stamp>"), "20250303T1111Z 20250303T111112Z");
    CHECK_EQ_STR(run(&b, "<day> <day:/> <day.short>"), "2025-03-03 2025/03/03 2025/3/3");
    CHECK_EQ_STR(run(&b, "<now.unix> <now.unixms>"), "1741000272 1741000272007");
    gen_world_free(&b.world);
}

TEST(tokens_have_their_alphabet_and_length)
{
    static const struct {
        const char *text, *letters;
        size_t size;
    } rows[] = {
        {"<hex:17>", "0123456789abcdef", 17},
        {"<digits:12>", "0123456789", 12},
        {"<b32:9>", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 9},
        {"<upper:16>", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 16},
        {"<b64:75>", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 75},
        {"<uuid>", "0123456789abcdef-", 36},
        {"<acct>", "0123456789", 12},
    };
    bench b;
    bench_open(&b);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *text = run(&b, rows[i].text);
        CHECK_EQ_I64(strlen(text), rows[i].size);
        CHECK_EQ_I64(strspn(text, rows[i].letters), rows[i].size);
    }
    gen_world_free(&b.world);
}

/* The same resource keeps its name through a scene and comes back in others; a new one is named again afterwards. */
TEST(entities_repeat_and_tokens_do_not)
{
    bench b;
    char first[64], second[64];
    bench_open(&b);
    snprintf(first, sizeof(first), "%s", run(&b, "<instance>"));
    CHECK_EQ_STR(run(&b, "<instance>"), first);
    CHECK_EQ_I64(strlen(first), 19);
    snprintf(second, sizeof(second), "%s", run(&b, "<new:instance>"));
    CHECK(strcmp(first, second) != 0);
    CHECK_EQ_STR(run(&b, "<instance>"), second);
    snprintf(second, sizeof(second), "%s", run(&b, "<private_ip>"));
    CHECK_EQ_STR(run(&b, "<private_ip>"), second);
    int seen = 0;
    for (int i = 0; i < 2000; i++) {
        gen_scene_forget(&b.scene);
        seen += strcmp(run(&b, "<instance>"), first) == 0;
    }
    CHECK(seen > 10 && seen < 500);
    snprintf(first, sizeof(first), "%s", run(&b, "<uuid>"));
    CHECK(strcmp(run(&b, "<uuid>"), first) != 0);
    gen_world_free(&b.world);
}

TEST(what_is_not_understood_is_refused)
{
    bench b;
    bench_open(&b);
    CHECK_EQ_I64(compile(&b, "<nosuch>"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "<new:nosuch>"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "<@nosuch>"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "<now"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "<?50>open"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "a<.>"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "a<|>b"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "<*1-2><*1-2>x<.><.>"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "<*1-65>x<.>"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "<hex:2049>"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "<hex>"), TH_ESYNTAX);
    CHECK_EQ_I64(compile(&b, "<hex:2048>"), TH_OK);
    CHECK_EQ_I64(compile(&b, "<*1-64>x<.>"), TH_OK);
    gen_world_free(&b.world);
}

TEST(sizes_and_sources_as_people_write_them)
{
    uint64_t bytes = 0;
    uint32_t share[TH_GENERATE_SOURCE_COUNT];
    CHECK(th_generate_parse_size("1M", &bytes, NULL) == TH_OK && bytes == 1000000);
    CHECK(th_generate_parse_size("3GiB", &bytes, NULL) == TH_OK && bytes == UINT64_C(3) << 30);
    CHECK(th_generate_parse_size("512", &bytes, NULL) == TH_OK && bytes == 512);
    CHECK(th_generate_parse_size("20kB", &bytes, NULL) == TH_OK && bytes == 20000);
    CHECK_EQ_I64(th_generate_parse_size("", &bytes, NULL), TH_EINVAL);
    CHECK_EQ_I64(th_generate_parse_size("0", &bytes, NULL), TH_EINVAL);
    CHECK_EQ_I64(th_generate_parse_size("-1M", &bytes, NULL), TH_EINVAL);
    CHECK_EQ_I64(th_generate_parse_size("1X", &bytes, NULL), TH_EINVAL);
    CHECK_EQ_I64(th_generate_parse_size("99999999T", &bytes, NULL), TH_EINVAL);
    CHECK_EQ_I64(th_generate_parse_sources("cloudtrail,vpc_flow=3", share, NULL), TH_OK);
    CHECK(share[TH_GENERATE_CLOUDTRAIL] > 0 && share[TH_GENERATE_VPC_FLOW] == 3 &&
          share[TH_GENERATE_DNS] == 0);
    CHECK_EQ_I64(th_generate_parse_sources("cloudtrail,", share, NULL), TH_EINVAL);
    CHECK_EQ_I64(th_generate_parse_sources("cloudtrial", share, NULL), TH_EINVAL);
    CHECK_EQ_I64(th_generate_parse_sources("dns=0", share, NULL), TH_EINVAL);
}

TEST_MAIN(quotes_and_text, choices_and_repeats, times, tokens_have_their_alphabet_and_length,
          entities_repeat_and_tokens_do_not, what_is_not_understood_is_refused,
          sizes_and_sources_as_people_write_them)
