/* SPDX-License-Identifier: Apache-2.0
 * Recipes: what is written comes back step by step, runs stay short; which variant is shown; JSON values compared. */
#include "tests/unit/test.h"

#include "ingest/ingest_private.h"

static uint32_t seed = 7;
static uint32_t pick(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* What the parts mean, as text: raw records are <TABLE/DAY/SEQ>, escaped ones {..}, blobs [DAY/SEQ]. */
static void expand(const ingest_recipe *recipe, th_buf *out)
{
    ingest_content_head head = {
        .size = 1, .source = TH_SLICE("s"), .form = TH_SLICE("f"), .records = 3, .refused = 2};
    th_buf row;
    th_buf_init(&row, 1 << 20);
    ingest_content_head_write(&row, &head);
    th_buf_add_slice(&row, th_buf_slice(&recipe->steps));
    ingest_recipe_reader reader;
    ingest_content_head got;
    CHECK_EQ_I64(ingest_content_head_read(th_buf_slice(&row), &got, &reader, NULL), TH_OK);
    CHECK_EQ_U64(got.refused, 2);
    CHECK_SLICE(got.form, "f");
    ingest_step s;
    while (ingest_recipe_next(&reader, &s)) {
        if (s.kind == INGEST_STEP_LITERAL) th_buf_add_slice(out, s.bytes);
        for (uint64_t i = 0; i < s.count; i++) {
            if (s.kind == INGEST_STEP_RUN && (i > 0 || s.lead)) th_buf_add_slice(out, s.bytes);
            if (s.kind == INGEST_STEP_BLOB)
                th_buf_printf(out, "[%d/%d]", s.day, (int)(s.first + i));
            else if (s.mode == INGEST_MODE_RAW)
                th_buf_printf(out, "<%u/%d/%d>", s.table, s.day, (int)(s.first + i));
            else if (s.mode == INGEST_MODE_ESCAPED)
                th_buf_printf(out, "{%u/%d/%d/%u}", s.table, s.day, (int)(s.first + i), s.escape);
        }
    }
    CHECK(!reader.in.bad);
    th_buf_free(&row);
}

TEST(a_log_file_is_three_steps)
{
    ingest_recipe r;
    ingest_recipe_init(&r);
    ingest_recipe_literal(&r, TH_SLICE("{\"Records\":["));
    for (uint64_t i = 0; i < 1000; i++) {
        if (i > 0) ingest_recipe_literal(&r, TH_SLICE(","));
        ingest_recipe_record(&r, INGEST_MODE_RAW, 0, 1, 19000, 5000 + i);
    }
    ingest_recipe_literal(&r, TH_SLICE("]}"));
    CHECK_EQ_I64(ingest_recipe_finish(&r), TH_OK);
    CHECK(r.steps.size < 40);
    ingest_recipe_free(&r);
}

TEST(random_recipes_come_back)
{
    for (int round = 0; round < 300; round++) {
        ingest_recipe r;
        th_buf wanted, got;
        ingest_recipe_init(&r);
        th_buf_init(&wanted, 1 << 20);
        th_buf_init(&got, 1 << 20);
        uint64_t seq = pick(1000);
        int32_t day = 19000;
        for (uint32_t i = 0, n = pick(200); i < n; i++) {
            static const char *const literals[] = {",", ",", ",", ",\n", "", "]},{\"Records\":["};
            th_slice literal = th_slice_text(literals[pick(6)]);
            ingest_recipe_literal(&r, literal);
            th_buf_add_slice(&wanted, literal);
            seq = pick(4) == 0 ? pick(100000) : seq + 1;
            if (pick(10) == 0) day = pick(5) == 0 ? INT32_MIN : 19000 + (int32_t)pick(3);
            switch (pick(8)) {
            case 0:
                ingest_recipe_record(&r, INGEST_MODE_ESCAPED, 3, 1, day, seq);
                th_buf_printf(&wanted, "{1/%d/%d/3}", day, (int)seq);
                break;
            case 1:
                ingest_recipe_blob(&r, day, seq, 10);
                th_buf_printf(&wanted, "[%d/%d]", day, (int)seq);
                break;
            case 2: ingest_recipe_record(&r, INGEST_MODE_GHOST, 0, 1, day, seq); break;
            default:
                ingest_recipe_record(&r, INGEST_MODE_RAW, 0, 1, day, seq);
                th_buf_printf(&wanted, "<1/%d/%d>", day, (int)seq);
            }
        }
        CHECK_EQ_I64(ingest_recipe_finish(&r), TH_OK);
        expand(&r, &got);
        CHECK_EQ_BYTES(got.bytes, got.size, wanted.bytes, wanted.size);
        ingest_recipe_free(&r);
        th_buf_free(&wanted);
        th_buf_free(&got);
    }
}

TEST(damaged_recipes_end_with_an_error_or_an_end)
{
    ingest_recipe r;
    ingest_recipe_init(&r);
    for (uint64_t i = 0; i < 20; i++) {
        ingest_recipe_literal(&r, TH_SLICE(", "));
        ingest_recipe_record(&r, INGEST_MODE_RAW, 0, (uint16_t)(1 + i % 2), 19000, i * 7);
    }
    CHECK_EQ_I64(ingest_recipe_finish(&r), TH_OK);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[600];
        CHECK(r.steps.size <= sizeof(bytes));
        memcpy(bytes, r.steps.bytes, r.steps.size);
        bytes[pick((uint32_t)r.steps.size)] = (uint8_t)pick(256);
        ingest_recipe_reader reader = {
            .in = th_reader_of(th_slice_of(bytes, pick((uint32_t)r.steps.size + 1)))};
        ingest_step step;
        int steps = 0;
        while (ingest_recipe_next(&reader, &step)) CHECK(++steps <= 600);
    }
    ingest_recipe_free(&r);
}

TEST(the_shown_variant_does_not_depend_on_order)
{
    ingest_variant v[4] = {{.sha = {{9}}, .delivered_form = false},
                           {.sha = {{5}}, .delivered_form = true},
                           {.sha = {{7}}, .delivered_form = true},
                           {.sha = {{1}}, .delivered_form = false}};
    for (int round = 0; round < 100; round++) {
        for (size_t i = 3; i > 0; i--) {
            size_t k = pick((uint32_t)i + 1);
            ingest_variant t = v[i];
            v[i] = v[k];
            v[k] = t;
        }
        const ingest_variant *shown = &v[ingest_variant_shown(v, 4)];
        CHECK(shown->delivered_form && shown->sha.bytes[0] == 5);
    }
}

TEST(values_are_compared_not_spellings)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"{\"a\":1,\"b\":[true,null]}", " { \"b\" : [ true , null ] , \"a\" : 1.0 } ", true},
        {"{\"a\":\"\\u00e9/\"}", "{\"\\u0061\":\"\xc3\xa9\\/\"}", true},
        {"[1e2,-0,0.10]", "[100,0.0,1E-1]", true},
        {"12345678901234567890", "12345678901234567891", false},
        {"[1,2]", "[2,1]", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":null}", false},
        {"{\"a\":\"1\"}", "{\"a\":1}", false},
        {"{\"a\":-1}", "{\"a\":1}", false},
        {"1e400", "1e401", false},
    };
    th_arena *arena = th_arena_new(1 << 20, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        CHECK_EQ_I64(ingest_json_same(th_slice_text(cases[i].a), th_slice_text(cases[i].b), arena),
                     cases[i].same);
    th_arena_free(arena);
}

TEST_MAIN(a_log_file_is_three_steps, random_recipes_come_back,
          damaged_recipes_end_with_an_error_or_an_end, the_shown_variant_does_not_depend_on_order,
          values_are_compared_not_spellings)
