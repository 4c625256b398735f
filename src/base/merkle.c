/* SPDX-License-Identifier: Apache-2.0
 * The streaming tree of RFC 6962. The leaves so far are whole subtrees whose sizes are the bits of count: stack[i]
 * is the root over 2^i leaves when bit i is set, higher bits standing further left. */
#include "base/assert.h"
#include "base/hash.h"

void th_merkle_init(th_merkle *m)
{
    m->count = 0;
}

static th_sha256 node_hash(const th_sha256 *left, const th_sha256 *right)
{
    uint8_t bytes[1 + 2 * TH_SHA256_SIZE];
    bytes[0] = 1;
    memcpy(bytes + 1, left->bytes, TH_SHA256_SIZE);
    memcpy(bytes + 1 + TH_SHA256_SIZE, right->bytes, TH_SHA256_SIZE);
    return th_sha256_of(th_slice_of(bytes, sizeof bytes));
}

void th_merkle_add(th_merkle *m, th_slice leaf_data)
{
    uint8_t prefix = 0;
    th_sha256 leaf = th_sha256_pair(th_slice_of(&prefix, 1), leaf_data);
    th_merkle_add_hash(m, &leaf);
}

void th_merkle_add_hash(th_merkle *m, const th_sha256 *leaf_hash)
{
    TH_ASSERT(m->count < UINT64_MAX);
    th_sha256 hash = *leaf_hash;
    unsigned level = 0;
    for (; (m->count >> level & 1) != 0; level++) hash = node_hash(&m->stack[level], &hash);
    m->stack[level] = hash;
    m->count++;
}

th_sha256 th_merkle_root(const th_merkle *m)
{
    if (m->count == 0) return th_sha256_of((th_slice){0});
    unsigned level = (unsigned)__builtin_ctzll(m->count);
    th_sha256 root = m->stack[level];
    for (level++; level < 64; level++) {
        if ((m->count >> level & 1) != 0) root = node_hash(&m->stack[level], &root);
    }
    return root;
}
