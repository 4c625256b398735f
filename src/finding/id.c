/* SPDX-License-Identifier: Apache-2.0
 * Identity and state of a finding: pure functions of its evidence.
 *
 * Id = SHA-256 over (generator, rule, account, actor, resource, anchor), each with its length; the anchor of a
 * single-event rule is the UTC day of the event. Undated events share the anchor "undated". */
#include "finding/finding_private.h"

#include "base/time.h"

#define ID_MAX 65536u

static void add_part(th_buf *buf, th_slice part)
{
    th_buf_add_varint(buf, part.size);
    th_buf_add_slice(buf, part);
}

size_t finding_anchor(const th_finding_hit *hit, char out[16])
{
    return th_day_format(hit->has_time ? th_day_from_us(hit->time_us) : TH_DAY_UNDATED, out);
}

void th_finding_id(const th_finding_hit *hit, char key[33], th_buf *id)
{
    char anchor[16];
    size_t anchor_size = finding_anchor(hit, anchor);
    th_buf parts;
    th_buf_init(&parts, ID_MAX);
    add_part(&parts, hit->plugin);
    add_part(&parts, hit->rule);
    add_part(&parts, hit->account);
    add_part(&parts, hit->actor);
    add_part(&parts, hit->resource_id);
    add_part(&parts, th_slice_of(anchor, anchor_size));
    th_sha256 digest = th_sha256_of(th_buf_slice(&parts));
    th_buf_free(&parts);
    th_hex_encode(digest.bytes, 16, key);
    key[32] = '\0';
    if (id == NULL) return;
    th_buf_printf(id, "trailhold/%.*s/%.*s/%s", TH_SLICE_ARGS(hit->plugin),
                  TH_SLICE_ARGS(hit->rule), key);
}

/* The piece of evidence that a body names: the earliest, ties by SHA-256. */
static bool earlier(int64_t a_us, const th_sha256 *a, int64_t b_us, const th_sha256 *b)
{
    if (a_us != b_us) return a_us < b_us;
    return memcmp(a->bytes, b->bytes, TH_SHA256_SIZE) < 0;
}

bool th_finding_fold(th_finding_state *state, const th_finding_hit *hit, bool counted)
{
    int64_t us = hit->has_time ? hit->time_us : 0;
    bool first =
        state->count == 0 || earlier(us, &hit->record_sha, state->first_us, &state->first_sha);
    if (state->count == 0 || us > state->last_us) state->last_us = us;
    if (first) {
        state->first_us = us;
        state->first_sha = hit->record_sha;
    }
    if (!counted) state->count++;
    return first;
}
