/* SPDX-License-Identifier: Apache-2.0
 * The judge's fast lane is only entered well before the end of the text: a short text is judged without it, the same text
 * with enough blanks behind it by it. Both must say the same, and name the same members. */
#include "json/json.h"
#include "tests/unit/test.h"

enum { SHORT_MAX = 60, PADDED = SHORT_MAX + 200 };

static uint64_t state = 88172645463325252u;

static uint32_t below(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % limit);
}

typedef struct text {
    uint8_t bytes[PADDED];
    size_t size;
} text;

static void put(text *t, const char *bytes)
{
    size_t size = strlen(bytes);
    if (t->size + size > SHORT_MAX) return;
    memcpy(t->bytes + t->size, bytes, size);
    t->size += size;
}

static void put_any(text *t, uint32_t depth);

static void put_members(text *t, uint32_t depth)
{
    static const char *const keys[] = {"\"a\"", "\"\"", "\"key \\u0041\"", "\"\xC3\xA9\"",
                                       "\"b\" "};
    put(t, "{");
    for (uint32_t i = 0, n = below(4); i < n; i++) {
        if (i > 0) put(t, ",");
        put(t, keys[below(5)]);
        put(t, below(5) == 0 ? " :\n" : ":");
        put_any(t, depth + 1);
    }
    put(t, "}");
}

static void put_any(text *t, uint32_t depth)
{
    static const char *const scalars[] = {"0",
                                          "-0",
                                          "12",
                                          "-7.5",
                                          "1e9",
                                          "true",
                                          "false",
                                          "null",
                                          "\"\"",
                                          "\"x\\\"\"",
                                          "\"\\\\\"",
                                          "\"\\u12aF\"",
                                          "\"\xF0\x9F\x98\x80\"",
                                          "\"0123456789abcdefg\"",
                                          " 1 ",
                                          "\t\"t\"",
                                          "01",
                                          "1.",
                                          "\"\\x\"",
                                          "\"\xFF\"",
                                          "\"\x01\"",
                                          "tru",
                                          "\"\\u12G4\"",
                                          "-"};
    if (below(8) == 0) put(t, below(2) == 0 ? " " : "\r\n\t");
    uint32_t kind = depth > 6 ? 9 : below(10);
    if (kind < 3) {
        put_members(t, depth);
    } else if (kind < 5) {
        put(t, "[");
        for (uint32_t i = 0, n = below(4); i < n; i++) {
            if (i > 0) put(t, ",");
            put_any(t, depth + 1);
        }
        put(t, "]");
    } else {
        put(t, scalars[below(below(4) == 0 ? 24 : 16)]);
    }
}

static void damage(text *t)
{
    static const char bytes[] = "{}[]\",:\\ 0a-u\x00\x1F\x80\xC3\xED";
    for (uint32_t i = 0, n = below(3); i < n && t->size > 0; i++)
        t->bytes[below((uint32_t)t->size)] = (uint8_t)bytes[below(sizeof bytes - 1)];
    if (t->size > 0 && below(6) == 0) t->size -= below((uint32_t)t->size);
}

/* Members as iteration finds them. */
static void check_members(th_slice value, const th_json_members *members)
{
    th_json_iter it = th_json_iter_of(value);
    th_slice key, member;
    uint32_t count = 0;
    while (it.object && th_json_next(&it, &key, &member)) {
        CHECK(count < members->count);
        CHECK(members->at[count].key.bytes == key.bytes && members->at[count].key.size == key.size);
        CHECK(members->at[count].value.bytes == member.bytes &&
              members->at[count].value.size == member.size);
        count++;
    }
    CHECK(members->all && count == members->count);
}

static bool judge(th_slice all, uint32_t depth_max, th_diag *diag, size_t *size)
{
    static th_json_members members;
    th_slice value;
    *size = 0;
    th_err err = th_json_value_members(all, depth_max, &value, &members, diag);
    if (err != TH_OK) return false;
    check_members(value, &members);
    *size = value.size;
    return true;
}

TEST(both_lanes_say_the_same)
{
    int good = 0;
    for (int i = 0; i < 300000; i++) {
        static text t;
        t.size = 0;
        uint32_t depth_max = below(10) == 0 ? 2 : 128;
        put_any(&t, 0);
        if (i % 3 == 0) damage(&t);
        memset(t.bytes + t.size, ' ', PADDED - t.size);
        th_diag slow = {0}, hasty = {0};
        size_t slow_size, hasty_size;
        bool by_slow = judge(th_slice_of(t.bytes, t.size), depth_max, &slow, &slow_size);
        bool by_hasty = judge(th_slice_of(t.bytes, PADDED), depth_max, &hasty, &hasty_size);
        if (by_slow != by_hasty || slow_size != hasty_size)
            FAIL("%.*s: %s / %s", (int)t.size, (const char *)t.bytes, slow.text, hasty.text);
        good += by_slow;
    }
    CHECK(good > 50000 && good < 290000);
}

TEST(places_of_errors_are_the_same_far_from_the_end)
{
    char all[400];
    for (int pad = 0; pad < 120; pad++) {
        int size = snprintf(all, sizeof all, "{\"k\": [1, {\"b\": tru, \"c\": 1}]}%*s", pad, "");
        th_diag diag = {0};
        th_slice value;
        CHECK(th_json_value(th_slice_of(all, (size_t)size), 8, &value, &diag) == TH_EPARSE);
        CHECK_EQ_STR(diag.text, "JSON at byte 16: no value starts like this");
    }
}

TEST(more_members_than_fit_are_said_to_be_more)
{
    static char all[TH_JSON_MEMBERS_MAX * 16 + 200];
    static th_json_members members;
    for (uint32_t count = TH_JSON_MEMBERS_MAX - 1; count <= TH_JSON_MEMBERS_MAX + 1; count++) {
        size_t at = 0;
        for (uint32_t i = 0; i < count; i++)
            at += (size_t)snprintf(all + at, 16, "%c\"%u\":{\"x\":1}", i == 0 ? '{' : ',', i);
        all[at++] = '}';
        th_slice value;
        CHECK(th_json_value_members(th_slice_of(all, at), 8, &value, &members, NULL) == TH_OK);
        CHECK(members.all == (count <= TH_JSON_MEMBERS_MAX));
        CHECK_EQ_U64(members.count, count < TH_JSON_MEMBERS_MAX ? count : TH_JSON_MEMBERS_MAX);
        CHECK_SLICE(members.at[1].value, "{\"x\":1}");
    }
    CHECK(th_json_value_members(TH_SLICE("[1]"), 8, &(th_slice){0}, &members, NULL) == TH_OK);
    CHECK(members.count == 0 && members.all);
}

TEST_MAIN(both_lanes_say_the_same, places_of_errors_are_the_same_far_from_the_end,
          more_members_than_fit_are_said_to_be_more)
