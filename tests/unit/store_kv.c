/* SPDX-License-Identifier: Apache-2.0
 * store: the small key-value file of a plugin. */
#include "tests/unit/store_help.h"

static char path[128];

static th_kv *open_kv(uint64_t bytes)
{
    th_kv *kv = NULL;
    th_diag diag = {0};
    if (th_kv_open(path, bytes, &kv, &diag) != TH_OK) FAIL("open: %s", diag.text);
    return kv;
}

static void put(th_kv *kv, const char *key, const char *value)
{
    th_kv_put one = {th_slice_text(key),
                     value == NULL ? (th_slice){NULL, 0} : th_slice_text(value)};
    th_diag diag = {0};
    if (th_kv_commit(kv, &one, 1, &diag) != TH_OK) FAIL("put: %s", diag.text);
}

static th_err join(void *ctx, th_slice key, th_slice value)
{
    char *text = ctx;
    size_t used = strlen(text);
    (void)snprintf(text + used, 200 - used, "%.*s=%.*s ", TH_SLICE_ARGS(key), TH_SLICE_ARGS(value));
    return TH_OK;
}

TEST(what_was_put_is_there_after_a_new_open)
{
    (void)snprintf(path, sizeof(path), "%s/state.mdb", help_new_dir());
    th_kv *kv = open_kv(1 << 20);
    put(kv, "a1", "one");
    put(kv, "b1", "x");
    put(kv, "a2", "two");
    put(kv, "a1", "uno");
    put(kv, "b1", NULL);
    put(kv, "never", NULL);
    th_kv_close(kv);
    kv = open_kv(1 << 20);
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_slice value;
    CHECK_EQ_I64(th_kv_get(kv, TH_SLICE("a1"), arena, &value), TH_OK);
    CHECK_SLICE(value, "uno");
    CHECK_EQ_I64(th_kv_get(kv, TH_SLICE("b1"), arena, &value), TH_ENOTFOUND);
    char text[200] = "";
    CHECK_EQ_I64(th_kv_each(kv, TH_SLICE("a"), join, text), TH_OK);
    CHECK_EQ_STR(text, "a1=uno a2=two ");
    text[0] = 0;
    CHECK_EQ_I64(th_kv_each(kv, TH_SLICE(""), join, text), TH_OK);
    CHECK_EQ_STR(text, "a1=uno a2=two ");
    th_arena_free(arena);
    th_kv_close(kv);
}

TEST(several_puts_are_all_there_or_none)
{
    (void)snprintf(path, sizeof(path), "%s/state.mdb", help_new_dir());
    th_kv *kv = open_kv(1 << 20);
    th_kv_put puts[2] = {{TH_SLICE("good"), TH_SLICE("1")},
                         {TH_SLICE(""), TH_SLICE("an empty key is refused")}};
    th_diag diag = {0};
    CHECK_EQ_I64(th_kv_commit(kv, puts, 2, &diag), TH_EINVAL);
    th_arena *arena = th_arena_new(1 << 20, NULL);
    th_slice value;
    CHECK_EQ_I64(th_kv_get(kv, TH_SLICE("good"), arena, &value), TH_ENOTFOUND);
    th_arena_free(arena);
    th_kv_close(kv);
}

TEST(the_size_limit_is_an_error_and_not_the_end)
{
    (void)snprintf(path, sizeof(path), "%s/state.mdb", help_new_dir());
    th_kv *kv = open_kv(128 << 10);
    char big[4000];
    memset(big, 'x', sizeof(big));
    th_err err = TH_OK;
    int stored = 0;
    for (; stored < 100 && err == TH_OK; stored++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%03d", stored);
        th_kv_put one = {th_slice_text(key), th_slice_of(big, sizeof(big))};
        th_diag diag = {0};
        err = th_kv_commit(kv, &one, 1, &diag);
    }
    CHECK_EQ_I64(err, TH_ELIMIT);
    CHECK(stored > 5);
    put(kv, "k000", NULL);
    put(kv, "small", "fits");
    th_kv_close(kv);
}

TEST_MAIN(what_was_put_is_there_after_a_new_open, several_puts_are_all_there_or_none,
          the_size_limit_is_an_error_and_not_the_end)
