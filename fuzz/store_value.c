/* SPDX-License-Identifier: Apache-2.0
 * fuzz-module: store
 *
 * Values as they may lie on a damaged or forged disk. The first byte says what the rest is: a segment's value as it is,
 * one whose lengths and checksums are made right first (so that what lies behind them is reached), or a directory, the
 * counts of a journal, a catalog's entry, its counts, a log leaf. What is accepted must come back the same when it is
 * written again. */
#include <stdlib.h>

#include "base/assert.h"
#include "store/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t fixed_key[STORE_JOURNAL_KEY] = {0, 0, 0, 0, 0, 0, 0, 7, 0, 1};

/* Runs that were accepted are in order, and survive a round trip. */
static void check_runs(const store_header *header, const th_run *runs, th_slice fingerprints)
{
    TH_ASSERT(fingerprints.size == 0 || fingerprints.size == (size_t)header->rows * 4);
    for (uint32_t i = 1; i < header->runs; i++) {
        TH_ASSERT(runs[i].first_row > runs[i - 1].first_row && runs[i].first_row < header->rows);
        TH_ASSERT(runs[i].lsn >= runs[i - 1].lsn);
    }
    th_buf out;
    th_buf_init(&out, 64 << 20);
    store_runs_encode(runs, header->runs, &out);
    th_buf_add_slice(&out, fingerprints);
    th_run *again = malloc(header->runs * sizeof(*again));
    TH_ASSERT(again != NULL && th_buf_error(&out) == TH_OK);
    th_slice prints;
    th_err err = store_head_decode(header, th_buf_slice(&out), again, &prints, NULL);
#ifdef TH_FUZZ_CANARY
    if (header->runs > 2 && runs[1].first_row == 3) again[1].object_seq++;
#endif
    TH_ASSERT(err == TH_OK);
    for (uint32_t i = 0; i < header->runs; i++) {
        TH_ASSERT(again[i].first_row == runs[i].first_row && again[i].lsn == runs[i].lsn);
        TH_ASSERT(again[i].arrival_us == runs[i].arrival_us &&
                  again[i].object_day == runs[i].object_day);
        TH_ASSERT(again[i].object_seq == runs[i].object_seq);
    }
    free(again);
    th_buf_free(&out);
}

static void open_segment(th_slice bytes)
{
    store_header header;
    th_slice head, rest, key = th_slice_of(fixed_key, sizeof(fixed_key)), fingerprints;
    th_diag diag = {0};
    if (store_value_open(bytes, key, STORE_VALUE_SEGMENT, &header, &head, &rest, &diag) != TH_OK) {
        TH_ASSERT(diag.text[0] != 0);
        return;
    }
    TH_ASSERT(head.size + rest.size == header.payload_bytes);
    if (header.runs == 0 || header.runs > TH_SEGMENT_ROWS_MAX) return;
    th_run *runs = malloc(header.runs * sizeof(*runs));
    TH_ASSERT(runs != NULL);
    if (store_head_decode(&header, head, runs, &fingerprints, &diag) == TH_OK)
        check_runs(&header, runs, fingerprints);
    free(runs);
}

static void open_repaired(th_slice bytes)
{
    if (bytes.size < STORE_HEADER) return;
    store_header header;
    memcpy(&header, bytes.bytes, STORE_HEADER);
    header.type = STORE_VALUE_SEGMENT;
    header.key_id = 0;
    size_t payload = bytes.size - STORE_HEADER, head_size = header.head_bytes % (payload + 1);
    th_slice head = th_slice_of(bytes.bytes + STORE_HEADER, head_size);
    th_slice rest = th_slice_of(head.bytes + head_size, payload - head_size);
    store_value_seal(&header, th_slice_of(fixed_key, sizeof(fixed_key)), head, rest);
    size_t size = store_value_size(payload);
    uint8_t *value = malloc(size);
    TH_ASSERT(value != NULL);
    store_value_write(value, size, &header, head, rest);
    store_header seen;
    th_slice h, r;
    TH_ASSERT(store_value_open(th_slice_of(value, size), th_slice_of(fixed_key, sizeof(fixed_key)),
                               STORE_VALUE_SEGMENT, &seen, &h, &r, NULL) == TH_OK);
    TH_ASSERT(store_header_check(&seen, STORE_VALUE_SEGMENT, size, NULL) == TH_OK);
    open_segment(th_slice_of(value, size));
    free(value);
}

static void expect_same(th_buf *out, th_slice bytes)
{
    TH_ASSERT(th_buf_error(out) == TH_OK && th_slice_equal(th_buf_slice(out), bytes));
}

static void open_directory(th_slice bytes, th_buf *out)
{
    store_dir_entry *entries;
    uint32_t count;
    th_diag diag = {0};
    if (store_dir_decode(bytes, &entries, &count, &diag) != TH_OK) return;
    store_dir_encode(entries, count, out);
    expect_same(out, bytes);
    free(entries);
}

static void open_leaf(th_slice bytes, th_buf *out)
{
    store_leaf leaf;
    th_diag diag = {0};
    if (store_leaf_decode(bytes, &leaf, &diag) != TH_OK) return;
    store_leaf_group *groups = calloc((size_t)leaf.count + 1, sizeof(*groups));
    TH_ASSERT(groups != NULL);
    for (uint32_t i = 0; i < leaf.count; i++) store_leaf_group_at(&leaf, i, &groups[i]);
    store_leaf_encode(leaf.lsn, leaf.arrival_us, groups, leaf.count, out);
    expect_same(out, bytes);
    free(groups);
}

static void open_small(uint8_t what, th_slice bytes, th_buf *out)
{
    th_diag diag = {0};
    store_meta meta;
    store_file_info info;
    store_counts counts;
    if (what == 3 && store_meta_decode(bytes, &meta, &diag) == TH_OK)
        store_meta_encode(&meta, out);
    else if (what == 4 && store_file_decode(9, bytes, &info, &diag) == TH_OK)
        store_file_encode(&info, out);
    else if (what == 5 && store_counts_decode(bytes, &counts, &diag) == TH_OK)
        store_counts_encode(&counts, out);
    else
        return;
    expect_same(out, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1 << 20) return 0;
    th_slice bytes = th_slice_of(data + 1, size - 1);
    th_buf out;
    th_buf_init(&out, 4 << 20);
    switch (data[0] % 7) {
    case 0: open_segment(bytes); break;
    case 1: open_repaired(bytes); break;
    case 2: open_directory(bytes, &out); break;
    case 6: open_leaf(bytes, &out); break;
    default: open_small(data[0] % 7, bytes, &out); break;
    }
    th_buf_free(&out);
    return 0;
}
