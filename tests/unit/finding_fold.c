/* SPDX-License-Identifier: Apache-2.0
 * A finding is a function of the set of its evidence: ids, counts, first and last seen and bodies do not depend on the
 * order in which evidence comes, in which pieces, how often, or in which of its spellings first. */
#include "base/time.h"
#include "finding/finding.h"
#include "json/json.h"
#include "model/model.h"
#include "tests/unit/test.h"

#define DAY_US (INT64_C(86400) * 1000000)
#define NOON (INT64_C(20000) * DAY_US + DAY_US / 2)

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % n;
}

static th_finding_hit hit_at(int64_t us, const char *event, const char *spelling)
{
    th_finding_hit hit = {.plugin = TH_SLICE("some-rule"),
                          .plugin_version = TH_SLICE("1.0.0"),
                          .rule = TH_SLICE("used"),
                          .title = th_slice_text(spelling),
                          .severity = TH_SLICE("HIGH"),
                          .account = TH_SLICE("210987654321"),
                          .actor = TH_SLICE("arn:aws:iam::210987654321:root"),
                          .region = TH_SLICE("eu-central-1"),
                          .table = TH_TABLE_cloudtrail,
                          .has_time = true,
                          .time_us = us};
    hit.record_sha = th_sha256_of(th_slice_text(spelling));
    hit.identity = th_sha256_of(th_slice_text(event));
    return hit;
}

static void check_ids(const th_finding_hit *a, const th_finding_hit *b, bool same)
{
    char ka[33], kb[33];
    th_buf ia, ib;
    th_buf_init(&ia, 4096);
    th_buf_init(&ib, 4096);
    th_finding_id(a, ka, &ia);
    th_finding_id(b, kb, &ib);
    bool equal = strcmp(ka, kb) == 0;
    CHECK(equal == th_slice_equal(th_buf_slice(&ia), th_buf_slice(&ib)));
    th_buf_free(&ia);
    th_buf_free(&ib);
    CHECK(equal == same);
}

TEST(an_id_is_of_rule_account_actor_resource_and_day)
{
    th_finding_hit a = hit_at(NOON, "e1", "one"), b = hit_at(NOON + DAY_US / 4, "e2", "two");
    b.region = TH_SLICE("us-east-1");
    b.severity = TH_SLICE("LOW");
    b.plugin_version = TH_SLICE("2.0.0");
    check_ids(&a, &b, true); /* none of these is part of it */
    b = a;
    b.time_us += DAY_US;
    check_ids(&a, &b, false);
    b = a;
    b.rule = TH_SLICE("other");
    check_ids(&a, &b, false);
    b = a;
    b.account = TH_SLICE("210987654322");
    check_ids(&a, &b, false);
    b = a;
    b.actor = TH_SLICE("somebody");
    check_ids(&a, &b, false);
    b = a;
    b.resource_id = TH_SLICE("a trail");
    check_ids(&a, &b, false);
    b = a;
    b.has_time = false;
    check_ids(&a, &b, false);
}

TEST(parts_of_an_id_do_not_run_into_each_other)
{
    th_finding_hit a = hit_at(NOON, "e", "x"), b = a;
    a.actor = TH_SLICE("ab");
    a.resource_id = TH_SLICE("c");
    b.actor = TH_SLICE("a");
    b.resource_id = TH_SLICE("bc");
    check_ids(&a, &b, false);
}

typedef struct folded {
    th_finding_state state;
    th_finding_hit first;
} folded;

static bool known_before(const th_finding_hit *hits, size_t upto, const th_sha256 *identity)
{
    for (size_t i = 0; i < upto; i++) {
        if (th_sha256_equal(&hits[i].identity, identity)) return true;
    }
    return false;
}

static folded fold_all(const th_finding_hit *hits, size_t count)
{
    folded f = {0};
    for (size_t i = 0; i < count; i++) {
        if (th_finding_fold(&f.state, &hits[i], known_before(hits, i, &hits[i].identity)))
            f.first = hits[i];
    }
    return f;
}

static void check_same_body(const folded *a, const folded *b)
{
    th_buf one, two;
    th_buf_init(&one, 1u << 20);
    th_buf_init(&two, 1u << 20);
    CHECK(th_finding_body(&a->first, &a->state, &one) == TH_OK);
    CHECK(th_finding_body(&b->first, &b->state, &two) == TH_OK);
    CHECK_EQ_BYTES(one.bytes, one.size, two.bytes, two.size);
    th_buf_free(&one);
    th_buf_free(&two);
}

#define HITS_MAX 24u

/* Events with up to three spellings each; several at the same moment. */
static size_t make_hits(th_finding_hit hits[HITS_MAX], char names[HITS_MAX][2][24])
{
    size_t count = 1 + random_below(HITS_MAX);
    for (size_t i = 0; i < count; i++) {
        uint32_t event = random_below(8);
        snprintf(names[i][0], sizeof(names[i][0]), "event %u", event);
        snprintf(names[i][1], sizeof(names[i][1]), "event %u as %u", event, random_below(3));
        hits[i] = hit_at(NOON + (int64_t)(event / 3) * 1000000, names[i][0], names[i][1]);
    }
    return count;
}

TEST(order_does_not_matter)
{
    for (int round = 0; round < 2000; round++) {
        th_finding_hit hits[HITS_MAX];
        static char names[HITS_MAX][2][24];
        size_t count = make_hits(hits, names);
        folded plain = fold_all(hits, count);
        for (size_t i = count - 1; i > 0; i--) {
            size_t k = random_below((uint32_t)i + 1);
            th_finding_hit swapped = hits[i];
            hits[i] = hits[k];
            hits[k] = swapped;
        }
        folded shuffled = fold_all(hits, count);
        CHECK_EQ_BYTES(&plain.state, sizeof(plain.state), &shuffled.state, sizeof(shuffled.state));
        check_same_body(&plain, &shuffled);
    }
}

TEST(the_same_evidence_again_changes_nothing)
{
    for (int round = 0; round < 500; round++) {
        th_finding_hit hits[HITS_MAX];
        static char names[HITS_MAX][2][24];
        size_t count = make_hits(hits, names);
        folded once = fold_all(hits, count), again = once;
        for (size_t i = 0; i < count; i++) CHECK(!th_finding_fold(&again.state, &hits[i], true));
        CHECK_EQ_BYTES(&once.state, sizeof(once.state), &again.state, sizeof(again.state));
    }
}

TEST(two_spellings_of_one_event_are_one_piece_of_evidence)
{
    th_finding_hit hits[] = {hit_at(NOON, "e", "{}"), hit_at(NOON, "e", "{ }"),
                             hit_at(NOON + 1, "f", "[]")};
    folded f = fold_all(hits, 3);
    CHECK_EQ_U64(f.state.count, 2);
    CHECK_EQ_I64(f.state.first_us, NOON);
    CHECK_EQ_I64(f.state.last_us, NOON + 1);
}

static th_slice body_of(const th_finding_hit *hit, th_buf *out)
{
    th_finding_state state = {0};
    (void)th_finding_fold(&state, hit, false);
    th_buf_clear(out);
    CHECK(th_finding_body(hit, &state, out) == TH_OK);
    return th_buf_slice(out);
}

TEST(a_body_is_valid_asff_whatever_the_texts_are)
{
    static char huge[4097];
    memset(huge, 'x', sizeof(huge) - 1);
    th_buf body;
    th_buf_init(&body, 1u << 20);
    const char *texts[] = {"", "\"quoted\" \\ \n \x01", "\xf0\x9f\x94\x91 key", huge};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        th_finding_hit hit = hit_at(NOON, "e", texts[i]);
        th_slice text = th_slice_text(texts[i]);
        hit.description = hit.type = hit.account = hit.actor = hit.resource_type = hit.resource_id =
            hit.region = text;
        hit.author = hit.reference = text;
        th_slice value, json = body_of(&hit, &body);
        th_diag diag = {0};
        if (th_json_document(json, 16, &value, &diag) != TH_OK) FAIL("%s", diag.text);
        if (th_finding_validate(json, &diag) != TH_OK) FAIL("%s", diag.text);
    }
    th_buf_free(&body);
}

TEST(a_long_title_is_cut_at_a_character)
{
    char title[600];
    for (size_t i = 0; i < 298; i++) memcpy(title + 1 + 2 * i, "\xc3\xa9", 2);
    title[0] = 'x';
    title[597] = '\0';
    th_buf body;
    th_buf_init(&body, 1u << 20);
    th_finding_hit hit = hit_at(NOON, "e", title);
    th_slice json = body_of(&hit, &body), value = th_json_path(json, "Title");
    CHECK(th_utf8_valid(value));
    CHECK_EQ_U64(value.size, 2 + 255); /* quotes, and one byte less than the bound */
    th_buf_free(&body);
}

TEST(an_imported_finding_must_have_what_asff_asks_for)
{
    th_buf body;
    th_buf_init(&body, 1u << 20);
    th_finding_hit hit = hit_at(NOON, "e", "title");
    th_slice json = body_of(&hit, &body);
    th_diag diag = {0};
    CHECK(th_finding_validate(json, &diag) == TH_OK);
    char *copy = strndup((const char *)json.bytes, json.size);
    memcpy(strstr(copy, "\"UpdatedAt\""), "\"updatedAt\"", 11);
    CHECK(th_finding_validate(th_slice_text(copy), &diag) == TH_EINVAL);
    CHECK(strstr(diag.text, "UpdatedAt") != NULL);
    free(copy);
    th_diag_clear(&diag);
    CHECK(th_finding_validate(TH_SLICE("[]"), &diag) == TH_EINVAL);
    th_buf_free(&body);
}

TEST_MAIN(an_id_is_of_rule_account_actor_resource_and_day,
          parts_of_an_id_do_not_run_into_each_other, order_does_not_matter,
          the_same_evidence_again_changes_nothing,
          two_spellings_of_one_event_are_one_piece_of_evidence,
          a_body_is_valid_asff_whatever_the_texts_are, a_long_title_is_cut_at_a_character,
          an_imported_finding_must_have_what_asff_asks_for)
