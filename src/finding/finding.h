/* SPDX-License-Identifier: Apache-2.0
 * Findings in ASFF: made as pure functions of evidence, imported, and shown in their current state.
 *
 * `findings_events` holds each import and update; the current state of a finding is its last event by UpdatedAt, then by
 * log position.
 * Id = hash(generator, rule, account, actor, resource, anchor); times come from evidence; equal id and body is a no-op. */
#ifndef TH_FINDING_FINDING_H
#define TH_FINDING_FINDING_H

#include "store/store.h"

/* One matched record, as the host knows it. Texts may be empty. */
typedef struct th_finding_hit {
    th_slice plugin, plugin_version;
    th_slice rule, title, description, severity, type, account, actor, resource_type, resource_id,
        region, author, reference;
    uint32_t table;
    th_sha256 record_sha; /* of the record's bytes */
    th_sha256
        identity; /* SHA-256 of the record's identity: two variants are one piece of evidence */
    bool has_time;
    int64_t time_us;
} th_finding_hit;

/* The state of one finding: what its body is computed from. */
typedef struct th_finding_state {
    uint64_t count; /* distinct pieces of evidence */
    int64_t first_us, last_us;
    th_sha256
        first_sha; /* smallest (time, SHA-256) of the evidence, all variants: named in the body */
} th_finding_state;

/* 32 hex digits and the ARN-like Id of the finding that the hit belongs to. */
void th_finding_id(const th_finding_hit *hit, char key[33], th_buf *id);
/* Fold a hit in; counted: this identity is in the count already (another variant of it, or the same record again). Order
 * does not matter. True when the hit is now the first piece of evidence: the body's texts are its own. */
bool th_finding_fold(th_finding_state *state, const th_finding_hit *hit, bool counted);
/* The ASFF JSON of a finding in that state. */
TH_MUST_CHECK th_err th_finding_body(const th_finding_hit *hit, const th_finding_state *state,
                                     th_buf *out);
/* ASFF rules that an imported finding must keep; diag says which field. */
TH_MUST_CHECK th_err th_finding_validate(th_slice asff, th_diag *diag);
/* The rows of findings_events that are current: the last by (UpdatedAt, log position) of each (ProductArn, Id); sorted by
 * (day, seq), in the arena. */
TH_MUST_CHECK th_err th_finding_current(th_version *version, th_arena *arena, th_record_id **out,
                                        size_t *count, th_diag *diag);
/* Current findings by day and sequence: fn gets the ASFF JSON (and each event too when history). */
typedef th_err (*th_finding_fn)(void *ctx, th_slice asff, uint64_t lsn, int64_t arrival_us);
TH_MUST_CHECK th_err th_finding_each(th_version *version, bool history, th_finding_fn fn, void *ctx,
                                     th_diag *diag);

#endif
