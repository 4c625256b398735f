/* SPDX-License-Identifier: Apache-2.0
 * Budgets, arenas, buffers, readers and maps: memory is bounded, and its end is an error of the one who asked. */
#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "tests/unit/test.h"

TEST(budget_counts_in_all_parents)
{
    th_budget root, child;
    th_budget_init(&root, "root", 100, NULL);
    th_budget_init(&child, "child", 80, &root);
    CHECK(th_budget_charge(&child, 60));
    CHECK_EQ_I64(th_budget_used(&root), 60);
    th_budget_release(&child, 50);
    CHECK_EQ_I64(th_budget_used(&child), 10);
    CHECK_EQ_I64(th_budget_used(&root), 10);
    CHECK_EQ_I64(child.peak_bytes, 60);
}

TEST(budget_refuses_as_a_whole)
{
    th_budget root, child;
    th_budget_init(&root, "root", 100, NULL);
    th_budget_init(&child, "child", 1000, &root);
    CHECK(th_budget_charge(&child, 100));
    CHECK(!th_budget_charge(&child, 1)); /* the child has room, the root has none */
    CHECK_EQ_I64(th_budget_used(&child), 100);
    CHECK(!th_budget_charge(&child, SIZE_MAX));
    CHECK(th_budget_charge(NULL, SIZE_MAX));
}

static void *charge_and_release(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        if (th_budget_charge(arg, 3)) th_budget_release(arg, 3);
    }
    return NULL;
}

TEST(budget_is_exact_under_threads)
{
    th_budget root, child;
    th_budget_init(&root, "root", 5, NULL);
    th_budget_init(&child, "child", 100, &root);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, charge_and_release, &child) == 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_EQ_I64(th_budget_used(&child), 0);
    CHECK_EQ_I64(th_budget_used(&root), 0);
    CHECK_EQ_I64(root.peak_bytes, 3);
}

TEST(arena_gives_aligned_memory_with_readable_bytes_behind)
{
    th_arena *arena = th_arena_new(64 << 20, NULL);
    volatile uint8_t sum = 0;
    for (size_t size = 0; size < 200000; size = size * 3 + 1) {
        uint8_t *p = th_arena_alloc(arena, size);
        CHECK(p != NULL);
        CHECK_EQ_I64((uintptr_t)p % 16, 0);
        memset(p, 7, size);
        for (size_t i = 0; i < 64; i++) sum = (uint8_t)(sum + (p[size + i] & 0));
    }
    th_arena_free(arena);
}

TEST(arena_stops_at_its_limit)
{
    th_arena *arena = th_arena_new(1 << 20, NULL);
    size_t taken = 0;
    while (th_arena_alloc(arena, 1000) != NULL) taken += 1000;
    CHECK(taken > (1 << 20) * 9 / 10);
    CHECK(th_arena_used(arena) <= 1 << 20);
    CHECK(th_arena_alloc(arena, SIZE_MAX) == NULL);
    CHECK(th_arena_zalloc(arena, SIZE_MAX / 2, 3) == NULL);
    th_arena_free(arena);
    th_arena_free(NULL);
}

TEST(arena_charges_its_budget_and_gives_back)
{
    th_budget budget;
    th_budget_init(&budget, "query", 300 << 10, NULL);
    th_arena *arena = th_arena_new(SIZE_MAX, &budget);
    CHECK(th_arena_alloc(arena, 10) != NULL);
    CHECK_EQ_I64(th_budget_used(&budget), (int64_t)th_arena_used(arena));
    CHECK(th_arena_alloc(arena, 400 << 10) == NULL);
    CHECK(th_arena_alloc(arena, 100 << 10) != NULL); /* less still fits */
    th_arena_reset(arena);
    CHECK_EQ_I64(th_budget_used(&budget), (int64_t)th_arena_used(arena));
    CHECK(th_budget_used(&budget) < 164 << 10);
    th_arena_free(arena);
    CHECK_EQ_I64(th_budget_used(&budget), 0);
}

TEST(arena_reset_keeps_a_chunk_for_the_next_round)
{
    th_arena *arena = th_arena_new(SIZE_MAX, NULL);
    for (int i = 0; i < 5000; i++) CHECK(th_arena_alloc(arena, 1000) != NULL);
    th_arena_reset(arena);
    size_t kept = th_arena_used(arena);
    CHECK(kept > 0 && kept <= 1 << 20);
    for (int i = 0; i < 500; i++) CHECK(th_arena_alloc(arena, 1000) != NULL);
    CHECK_EQ_I64(th_arena_used(arena), (int64_t)kept);
    th_arena_free(arena);
}

TEST(arena_that_keeps_more_needs_nothing_new_for_a_round_of_megabytes)
{
    th_budget budget;
    th_budget_init(&budget, "rounds", SIZE_MAX, NULL);
    th_arena *arena = th_arena_new(SIZE_MAX, &budget);
    th_arena_keep(arena, 8 << 20);
    for (int round = 0; round < 3; round++) {
        th_arena_reset(arena);
        for (int i = 0; i < 5000; i++) {
            uint8_t *p = th_arena_alloc(arena, 1000);
            CHECK(p != NULL);
            memset(p, i, 1000);
        }
    }
    size_t kept = th_arena_used(arena);
    th_arena_reset(arena);
    CHECK(th_arena_used(arena) <= kept && th_arena_used(arena) >= 4 << 20);
    CHECK_EQ_I64(th_budget_used(&budget), (int64_t)th_arena_used(arena));
    kept = th_arena_used(arena);
    for (int i = 0; i < 4000; i++) CHECK(th_arena_alloc(arena, 1000) != NULL);
    CHECK_EQ_I64(th_arena_used(arena), (int64_t)kept);
    th_arena_free(arena);
    CHECK_EQ_I64(th_budget_used(&budget), 0);
}

TEST(arena_gives_up_what_it_keeps_rather_than_fail)
{
    th_arena *arena = th_arena_new(8 << 20, NULL);
    th_arena_keep(arena, 8 << 20);
    for (int i = 0; i < 6000; i++) CHECK(th_arena_alloc(arena, 1000) != NULL);
    th_arena_reset(arena);
    CHECK(th_arena_alloc(arena, 6 << 20) != NULL);
    th_arena_free(arena);
}

TEST(arena_copies_and_prints_terminated_text)
{
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_slice copy = th_arena_copy(arena, TH_SLICE("a\0b"));
    CHECK_SLICE(copy, "a\0b");
    CHECK_EQ_I64(copy.bytes[3], 0);
    CHECK(th_arena_copy(arena, (th_slice){0}).bytes != NULL);
    CHECK_EQ_STR(th_arena_printf(arena, "%d/%s", 7, "x"), "7/x");
    int *zeros = TH_NEW_ARRAY(arena, int, 100);
    for (int i = 0; i < 100; i++) CHECK_EQ_I64(zeros[i], 0);
    th_arena_free(arena);
}

TEST(buf_appends_and_ends_with_a_nul)
{
    th_buf buf;
    th_buf_init(&buf, 1 << 20);
    CHECK_EQ_STR(th_buf_text(&buf), "");
    th_buf_add_text(&buf, "abc");
    th_buf_printf(&buf, "-%d", 42);
    th_buf_add_byte(&buf, '!');
    CHECK_EQ_STR(th_buf_text(&buf), "abc-42!");
    memcpy(th_buf_reserve(&buf, 1000), "xy", 2);
    th_buf_grow(&buf, 2);
    CHECK_EQ_STR(th_buf_text(&buf), "abc-42!xy");
    for (int i = 0; i < 10000; i++) th_buf_add_byte(&buf, 'z');
    CHECK_EQ_I64(buf.size, 10009);
    CHECK_EQ_I64(buf.bytes[buf.size], 0);
    th_buf_free(&buf);
}

TEST(buf_turns_bad_at_its_limit_and_stays_bad)
{
    th_buf buf;
    th_buf_init(&buf, 10);
    th_buf_add_text(&buf, "0123456789");
    CHECK(th_buf_error(&buf) == TH_OK);
    th_buf_add_byte(&buf, 'x');
    CHECK(th_buf_error(&buf) == TH_ELIMIT);
    th_buf_add_text(&buf, "");
    th_buf_printf(&buf, "y");
    CHECK(th_buf_reserve(&buf, 1) == NULL);
    CHECK_EQ_I64(buf.size, 10);
    CHECK_EQ_STR(th_buf_text(&buf), "");
    th_buf_clear(&buf);
    CHECK(th_buf_error(&buf) == TH_OK);
    th_buf_add_text(&buf, "new");
    CHECK_EQ_STR(th_buf_text(&buf), "new");
    CHECK(buf.capacity <= 11);
    th_buf_free(&buf);
}

TEST(reader_reads_what_buf_wrote)
{
    static const uint64_t values[] = {
        0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
    th_buf buf;
    th_buf_init(&buf, 1000);
    th_buf_add_u16(&buf, 0x1234);
    th_buf_add_u32(&buf, 0x12345678);
    th_buf_add_u64(&buf, UINT64_C(0x123456789abcdef0));
    CHECK_EQ_I64(buf.bytes[0], 0x34); /* little-endian */
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) th_buf_add_varint(&buf, values[i]);
    th_buf_add_text(&buf, "tail");
    th_reader r = th_reader_of(th_buf_slice(&buf));
    CHECK_EQ_I64(th_take_u16(&r), 0x1234);
    CHECK_EQ_I64(th_take_u32(&r), 0x12345678);
    CHECK_EQ_U64(th_take_u64(&r), UINT64_C(0x123456789abcdef0));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        CHECK_EQ_U64(th_take_varint(&r), values[i]);
    CHECK_SLICE(th_take_bytes(&r, 4), "tail");
    CHECK(!r.bad && r.pos == r.end);
    th_buf_free(&buf);
}

TEST(reader_stays_bad_after_the_first_failure)
{
    th_reader r = th_reader_of(TH_SLICE("abc"));
    CHECK_EQ_I64(th_take_u32(&r), 0);
    CHECK(r.bad);
    CHECK_EQ_I64(th_take_u8(&r), 0);
    r = th_reader_of(TH_SLICE("abc"));
    CHECK_EQ_I64(th_take_bytes(&r, SIZE_MAX).size, 0);
    CHECK(r.bad);
    r = th_reader_of((th_slice){0});
    CHECK_EQ_I64(th_take_u8(&r), 0);
    CHECK(r.bad);
    r = th_reader_of(TH_SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")); /* 65 bits */
    CHECK_EQ_I64(th_take_varint(&r), 0);
    CHECK(r.bad);
    r = th_reader_of(TH_SLICE("\x80"));
    CHECK_EQ_I64(th_take_varint(&r), 0);
    CHECK(r.bad);
}

TEST(map_finds_what_was_put)
{
    enum { COUNT = 20000 };
    th_arena *arena = th_arena_new(64 << 20, NULL);
    th_map *map = th_map_new(arena);
    CHECK(th_map_get(map, TH_SLICE("none")) == NULL);
    for (uint64_t i = 0; i < COUNT; i++) {
        char key[32];
        int size = snprintf(key, sizeof key, "key %" PRIu64, i);
        bool added = false;
        uint64_t *value = th_map_put(map, th_slice_of(key, (size_t)size), i, &added);
        CHECK(value != NULL && *value == i && added);
        memset(key, 0, sizeof key); /* the map has its own copy */
    }
    CHECK_EQ_I64(th_map_count(map), COUNT);
    bool added = true;
    *th_map_put(map, TH_SLICE("key 7"), 0, &added) += 100;
    CHECK(!added);
    CHECK_EQ_U64(*th_map_get(map, TH_SLICE("key 7")), 107);
    CHECK(th_map_get(map, TH_SLICE("key 20000")) == NULL);
    CHECK_SLICE(th_map_key_at(map, 12345), "key 12345");
    CHECK_EQ_U64(th_map_value_at(map, 12345), 12345);
    CHECK(*th_map_put(map, (th_slice){0}, 5, NULL) == 5); /* the empty key is a key */
    CHECK_EQ_U64(*th_map_get(map, TH_SLICE("")), 5);
    th_arena_free(arena);
}

TEST(map_says_when_memory_is_out)
{
    th_arena *arena = th_arena_new(64 << 10, NULL);
    th_map *map = th_map_new(arena);
    size_t put = 0;
    for (; put < 100000; put++) {
        char key[32];
        int size = snprintf(key, sizeof key, "%zu", put);
        if (th_map_put(map, th_slice_of(key, (size_t)size), put, NULL) == NULL) break;
    }
    CHECK(put > 100 && put < 100000);
    CHECK_EQ_I64(th_map_count(map), (int64_t)put);
    CHECK_EQ_U64(*th_map_get(map, TH_SLICE("100")), 100);
    th_arena_free(arena);
}

TEST_MAIN(budget_counts_in_all_parents, budget_refuses_as_a_whole, budget_is_exact_under_threads,
          arena_gives_aligned_memory_with_readable_bytes_behind, arena_stops_at_its_limit,
          arena_charges_its_budget_and_gives_back, arena_reset_keeps_a_chunk_for_the_next_round,
          arena_that_keeps_more_needs_nothing_new_for_a_round_of_megabytes,
          arena_gives_up_what_it_keeps_rather_than_fail, arena_copies_and_prints_terminated_text,
          buf_appends_and_ends_with_a_nul, buf_turns_bad_at_its_limit_and_stays_bad,
          reader_reads_what_buf_wrote, reader_stays_bad_after_the_first_failure,
          map_finds_what_was_put, map_says_when_memory_is_out)
